#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what building, running and testing jail-ai needs. Idempotent, asks nothing.
# Debian 12 (bookworm) takes libbpf and kernel headers from its backports suite, reached through
# the machine's own apt source of the main suite, so no mirror is named here.
set -euo pipefail

readonly LIBBPF_MIN=1.4 HEADERS_MIN=6.10

# Build and run time; then what `make test`, `make lint` and the demo use.
readonly BUILD_PACKAGES=(clang llvm bpftool libelf-dev zlib1g-dev pkg-config bubblewrap gcc libc6-dev make git ca-certificates)
readonly TEST_PACKAGES=(iproute2 util-linux curl python3 procps clang-format shellcheck)
readonly VERSIONED_PACKAGES=(libbpf-dev libbpf1 linux-libc-dev)

say() { printf 'bootstrap: %s\n' "$*"; }

fail() {
	printf 'bootstrap: %s\n' "$1" >&2
	cat >&2 <<-LIST
		jail-ai needs:
		  clang, llvm, bpftool          to compile the eBPF programs
		  libbpf with headers >= $LIBBPF_MIN   (libbpf-dev, libbpf-devel)
		  kernel UAPI headers >= $HEADERS_MIN  (linux-libc-dev, kernel-headers)
		  libelf and zlib with headers, pkg-config, gcc, make
		  bubblewrap (bwrap)            to isolate the file system
		  Go, as new as go.mod says, or any Go >= 1.21 that may fetch it
		  for the tests: iproute2, util-linux, curl, python3, clang-format, shellcheck
		Install them by hand, then run make build.
	LIST
	exit 1
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		fail "this needs root: run it as root, or install sudo"
	fi
}

apt_get() { as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@"; }

installed() { dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null | grep -qx installed; }
installed_version() { dpkg-query -W -f '${Version}' "$1" 2>/dev/null || true; }
candidate_version() { apt-cache policy "$1" | sed -n 's/^ *Candidate: *//p'; }
# 1:1.4.6-1~bpo12+1 -> 1.4.6-1~bpo12+1: the floors are upstream versions, which have no epoch.
at_least() { [ -n "$1" ] && [ "$1" != "(none)" ] && dpkg --compare-versions "${1#*:}" ge "$2"; }
floor_of() { if [ "$1" = linux-libc-dev ]; then echo "$HEADERS_MIN"; else echo "$LIBBPF_MIN"; fi; }

# backports_sources SUITE prints the apt sources of the main suite SUITE, its suite changed to SUITE-backports.
backports_sources() {
	local suite=$1 file
	for file in /etc/apt/sources.list.d/*.sources; do
		[ -e "$file" ] || continue
		awk -v suite="$suite" 'BEGIN { RS = ""; FS = "\n" }
			{
				found = 0; out = ""
				for (i = 1; i <= NF; i++) {
					if ($i ~ /^#/) continue
					if ($i ~ /^Suites:/) {
						n = split(substr($i, 8), s, " ")
						for (j = 1; j <= n; j++) if (s[j] == suite) found = 1
						$i = "Suites: " suite "-backports"
					}
					out = out $i "\n"
				}
				if (found) printf "%s\n", out
			}' "$file"
	done
	# One-line sources, rewritten as deb822 so that one file holds both kinds.
	for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ -e "$file" ] || continue
		sed -nE "s#^deb +(\[[^]]*\] +)?([^ ]+) +$suite +.*#Types: deb\nURIs: \2\nSuites: $suite-backports\nComponents: main\n#p" "$file"
	done
}

add_backports() {
	local suite=$1 target=/etc/apt/sources.list.d/jail-ai-backports.sources sources
	# shellcheck disable=SC2016 # apt-get expands the format
	if apt-get indextargets --format '$(RELEASE)' 'Created-By: Packages' | grep -qx "$suite-backports"; then
		return
	fi
	sources=$(backports_sources "$suite")
	[ -n "$sources" ] || fail "no apt source for $suite was found to derive $suite-backports from"
	say "adding $suite-backports from this machine's own apt source ($target)"
	printf '%s\n' "$sources" | as_root tee "$target" >/dev/null
	apt_get update
}

install_packages() {
	local codename=$1 package wanted=() old=() all=() suite=()
	for package in "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"; do
		installed "$package" || wanted+=("$package")
	done
	for package in "${VERSIONED_PACKAGES[@]}"; do
		at_least "$(installed_version "$package")" "$(floor_of "$package")" || old+=("$package")
	done
	if [ ${#wanted[@]} -gt 0 ] || [ ${#old[@]} -gt 0 ]; then
		all=("${wanted[@]}" "${old[@]}")
		say "missing or too old: ${all[*]}"
		apt_get update
	fi
	if [ ${#wanted[@]} -gt 0 ]; then
		say "installing ${wanted[*]}"
		apt_get install -y --no-install-recommends "${wanted[@]}"
	fi
	[ ${#old[@]} -gt 0 ] || return 0
	for package in "${old[@]}"; do
		if ! at_least "$(candidate_version "$package")" "$(floor_of "$package")"; then
			[ "$codename" = bookworm ] || fail "$package of this release is $(candidate_version "$package"); $(floor_of "$package") or newer is needed"
			add_backports "$codename"
			suite=(-t "$codename-backports")
		fi
	done
	say "installing ${old[*]}${suite[1]:+ from ${suite[1]}}"
	apt_get install -y --no-install-recommends "${suite[@]}" "${old[@]}"
	for package in "${old[@]}"; do
		at_least "$(installed_version "$package")" "$(floor_of "$package")" ||
			fail "$package is $(installed_version "$package") after installing; $(floor_of "$package") or newer is needed"
	done
}

# A Go of 1.21 or newer fetches the toolchain that go.mod names by itself.
go_is_usable() {
	local version
	version=$(GOTOOLCHAIN=local go env GOVERSION 2>/dev/null) || return 1
	at_least "${version#go}" 1.21
}

install_go() {
	local codename=$1
	if ! command -v go >/dev/null && [ -x /usr/local/go/bin/go ]; then
		PATH=$PATH:/usr/local/go/bin
	fi
	if go_is_usable; then
		fetch_toolchain
		return
	fi
	say "missing or too old: go"
	if at_least "$(candidate_version golang-go)" 1.21; then
		say "installing golang-go"
		apt_get install -y --no-install-recommends golang-go
	elif [ "$codename" = bookworm ]; then
		add_backports "$codename"
		say "installing golang-go from $codename-backports"
		apt_get install -y --no-install-recommends -t "$codename-backports" golang-go
	fi
	hash -r
	go_is_usable || fail "no Go >= 1.21 is to be had from this distribution"
	fetch_toolchain
}

# fetch_toolchain makes go.mod's toolchain switch happen now, where it can be told from other errors.
fetch_toolchain() {
	go list -m >/dev/null ||
		fail "$(GOTOOLCHAIN=local go env GOVERSION) is older than go.mod asks for and could not fetch a newer Go (GOTOOLCHAIN, GOPROXY)"
}

main() {
	local id="" codename=""
	if [ -r /etc/os-release ]; then
		# shellcheck disable=SC1091
		id=$(. /etc/os-release && echo "${ID:-}")
		# shellcheck disable=SC1091
		codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
	fi
	case $id in
	debian | ubuntu) ;;
	*) fail "unknown distribution '${id:-unnamed}': only Debian 12 and newer is known here" ;;
	esac
	cd "$(dirname "${BASH_SOURCE[0]}")/.." # go looks for go.mod
	install_packages "$codename"
	install_go "$codename"
	say "ready: $(clang --version | head -n 1), libbpf $(pkg-config --modversion libbpf), $(go env GOVERSION), $(bwrap --version)"
}

main "$@"
