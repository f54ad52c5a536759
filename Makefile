# SPDX-License-Identifier: Apache-2.0
# jail-ai: `make help` lists the targets. V=1 shows whole commands.
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:

# Go may be outside of a plain PATH (sudo resets it), and so is bpftool for anybody but root.
export PATH := $(PATH):/usr/local/go/bin:/usr/lib/go/bin:/usr/sbin:/sbin
export CGO_ENABLED := 1

GO ?= go
CLANG ?= clang
LLVM_OBJCOPY ?= llvm-objcopy
BPFTOOL ?= bpftool
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
Q := $(if $(V),,@)
# The test binaries alone run as root, so that what go builds and caches stays the user's.
TEST_AS_ROOT := $(if $(filter 0,$(shell id -u)),,-exec 'sudo -- env JAIL_AI_REQUIRE_BPF=1 "PATH=$(PATH)"')

BPF_SOURCES := $(wildcard bpf/*.h) bpf/jail.bpf.c
BPF_CFLAGS := -O2 -g -target bpf -mcpu=v3 -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter

.PHONY: help
help: ## this list
	$(Q)awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: deps
deps: ## install what building, running and testing need (Debian; root or sudo)
	$(Q)scripts/bootstrap.sh

.PHONY: build
build: bin/jail-ai ## compile the eBPF programs and bin/jail-ai

.PHONY: run
run: deps ## the main job, shown: an agent's script in a jail, against real services
	$(Q)$(MAKE) --no-print-directory build
	$(Q)scripts/demo.sh

# The whole vmlinux.h of the kernel at hand; only UAPI types of it are used, which are the same
# everywhere. A machine without BTF takes the distribution's copy.
build/vmlinux.h:
	$(Q)mkdir -p build
	$(Q)if [ -r /sys/kernel/btf/vmlinux ]; then \
		echo "  GEN     $@ (from the running kernel)"; \
		$(BPFTOOL) btf dump file /sys/kernel/btf/vmlinux format c > $@; \
	else \
		header=$$(find /usr/include /usr/src -name vmlinux.h 2>/dev/null | head -n 1); \
		[ -n "$$header" ] || { echo "no kernel BTF and no vmlinux.h: install linux-bpf-dev" >&2; exit 1; }; \
		echo "  GEN     $@ (from $$header)"; cp "$$header" $@; \
	fi

build/jail.bpf.o: $(BPF_SOURCES) build/vmlinux.h
	@echo "  BPF     $@"
	$(Q)$(CLANG) $(BPF_CFLAGS) -Ibuild -Ibpf -c bpf/jail.bpf.c -o $@

# Without DWARF, and without line info, which would be most of a jail's kernel memory
# (PERFORMANCE.md): its length in the header of .BTF.ext (struct btf_ext_header in libbpf's btf.h)
# becomes 0. What stays tells the kernel which functions are global.
bpf/object/jail.bpf.o: build/jail.bpf.o
	$(Q)$(LLVM_OBJCOPY) --dump-section=.BTF.ext=build/btf.ext $<
	$(Q)printf '\0\0\0\0' | dd of=build/btf.ext bs=1 seek=20 conv=notrunc status=none
	$(Q)$(LLVM_OBJCOPY) --strip-debug --remove-section=.rel.BTF.ext --update-section=.BTF.ext=build/btf.ext $< $@

.PHONY: FORCE
bin/jail-ai: bpf/object/jail.bpf.o FORCE
	@echo "  GO      $@"
	$(Q)$(GO) build -buildvcs=false -trimpath -tags urfave_cli_no_docs -ldflags '-X main.version=$(VERSION)' -o $@ ./cmd/jail-ai

.PHONY: test
test: deps ## everything, with real eBPF (root); what CI runs
	$(Q)$(MAKE) --no-print-directory build check-test

.PHONY: check-test
check-test: bpf/object/jail.bpf.o
	$(Q)$(GO) vet ./...
	$(Q)JAIL_AI_REQUIRE_BPF=1 $(GO) test -count=1 -race -timeout 15m $(TEST_AS_ROOT) ./...

.PHONY: bench
bench: build ## what a jail costs, as ratios
	$(Q)scripts/bench.sh

.PHONY: fmt
fmt: ## format Go, C and shell sources
	$(Q)$(GO) run mvdan.cc/gofumpt@v0.9.2 -w cmd pkg libbpf bpf test
	$(Q)clang-format -i bpf/*.h bpf/*.c

.PHONY: lint
lint: bpf/object/jail.bpf.o ## formatting, vet, staticcheck, shellcheck
	$(Q)out=$$($(GO) run mvdan.cc/gofumpt@v0.9.2 -l cmd pkg libbpf bpf test); [ -z "$$out" ] || { echo "not gofumpt: $$out" >&2; exit 1; }
	$(Q)clang-format --dry-run -Werror bpf/*.h bpf/*.c
	$(Q)$(GO) vet ./...
	$(Q)$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.6.1 ./...
	$(Q)shellcheck scripts/*.sh .ci/run

.PHONY: clean
clean: ## remove what was built
	$(Q)rm -rf bin build bpf/object/jail.bpf.o
