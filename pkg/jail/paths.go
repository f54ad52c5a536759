// SPDX-License-Identifier: Apache-2.0

// Package jail is a jail's life: it puts policy, programs, cgroup and runtime together, and cleans
// up what a life that ended badly left behind.
package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

const (
	stateRoot = "/run/jail-ai"        // ID/state.json, ID/events.jsonl, ID/lock
	bpffs     = "/sys/fs/bpf"         // where bpffs is mounted on every machine that mounts it
	pinRoot   = "/sys/fs/bpf/jail-ai" // ID/PROGRAM, ID/map_NAME
)

// validID is what may name a jail: a cgroup, a directory, and a directory in bpffs, which allows no
// dots (kernel/bpf/inode.c bpf_lookup, 6.12).
var validID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

func stateDir(id string) string { return filepath.Join(stateRoot, id) }
func pinDir(id string) string   { return filepath.Join(pinRoot, id) }

// ensureRoots makes what all jails share: the state directory, bpffs, and the pin directory, which
// only root may look into, since who can open a pinned link can take it off.
func ensureRoots() error {
	if err := os.MkdirAll(stateRoot, 0o711); err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(bpffs, &fs); err != nil {
		return hint.Wrap(fmt.Errorf("look for bpffs at %s: %w", bpffs, err), "the kernel needs CONFIG_BPF_SYSCALL, and sysfs has to be mounted on /sys")
	}
	if fs.Type != unix.BPF_FS_MAGIC {
		err := unix.Mount("bpf", bpffs, "bpf", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "mode=0700")
		if err != nil {
			return hint.Wrap(fmt.Errorf("mount bpffs at %s: %w", bpffs, err), "run `mount -t bpf bpf /sys/fs/bpf` on the host, where this may do so")
		}
	}
	if err := os.Mkdir(pinRoot, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make pin directory: %w", err)
	}
	return nil
}
