// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// Slice is the directory below the cgroup v2 mount that holds all jails' groups.
const Slice = "jail-ai.slice"

// maxIDLength leaves room below NAME_MAX.
const maxIDLength = 128

var validID = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*$`)

// Group is a jail's group. It is not for concurrent use.
type Group struct {
	path string
	file *os.File
	root string // the cgroup v2 mount
}

// Create makes the group of a jail, and the slice above it if need be, and opens it. It never
// takes over a group: an id in use gives ErrExists. Close the group after use; Remove removes it.
func Create(id string) (*Group, error) {
	root, err := Mount()
	if err != nil {
		return nil, err
	}
	return create(root, id)
}

func create(root, id string) (*Group, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	slice := filepath.Join(root, Slice)
	path := filepath.Join(slice, id)
	// The slice goes with the last jail in it, which may be between the two calls.
	for range 100 {
		if err := os.Mkdir(slice, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, createError(id, err)
		}
		err := os.Mkdir(path, 0o755)
		switch {
		case err == nil:
			return open(root, id)
		case errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV):
			continue
		case !errors.Is(err, fs.ErrExist):
			return nil, createError(id, err)
		}
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return nil, fmt.Errorf("create cgroup %q: %w: the kernel has a file of this name", id, ErrBadID)
		}
		return nil, fmt.Errorf("create cgroup %q: %w", id, ErrExists)
	}
	return nil, fmt.Errorf("create cgroup %q: %s is removed again and again", id, slice)
}

func createError(id string, err error) error {
	err = fmt.Errorf("create cgroup %q: %w", id, err)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return hint.Wrap(err, "making cgroups takes root")
	case errors.Is(err, unix.EROFS):
		return hint.Wrap(err, "the cgroup v2 mount is read-only; inside a container, start it with a writable one")
	}
	return err
}

// Open opens the group of a jail that exists; one that doesn't gives ErrNotExist.
func Open(id string) (*Group, error) {
	root, err := Mount()
	if err != nil {
		return nil, err
	}
	return open(root, id)
}

func open(root, id string) (*Group, error) {
	if err := checkID(id); err != nil {
		return nil, err
	}
	return openPath(root, filepath.Join(root, Slice, id))
}

// OpenPath opens a group that need not be a jail's, by its directory, which has to be in a cgroup v2
// hierarchy (ErrNoCgroup2) and below its root.
func OpenPath(path string) (*Group, error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(path, &stat); err != nil {
		return nil, openError(path, err)
	}
	if stat.Type != unix.CGROUP2_SUPER_MAGIC {
		return nil, fmt.Errorf("open cgroup %s: %w there", path, ErrNoCgroup2)
	}
	root, err := Mount()
	if err != nil {
		return nil, err
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open cgroup %s: %w", path, err)
	}
	if path == root || !strings.HasPrefix(path, root+"/") {
		return nil, fmt.Errorf("open cgroup %s: %w: it is not below %s", path, ErrBadID, root)
	}
	return openPath(root, path)
}

func openPath(root, path string) (*Group, error) {
	file, err := os.OpenFile(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, openError(path, err)
	}
	return &Group{path: path, file: file, root: root}, nil
}

func openError(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		err = ErrNotExist
	}
	return fmt.Errorf("open cgroup %s: %w", path, err)
}

// List returns the ids of all jails' groups, sorted.
func List() ([]string, error) {
	root, err := Mount()
	if err != nil {
		return nil, err
	}
	return list(root)
}

func list(root string) ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(root, Slice))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("list cgroups: %w", err)
	}
	var ids []string
	for _, entry := range entries {
		if entry.IsDir() {
			ids = append(ids, entry.Name())
		}
	}
	return ids, nil
}

func checkID(id string) error {
	if len(id) > maxIDLength || !validID.MatchString(id) || strings.HasPrefix(id, "cgroup.") {
		return fmt.Errorf("%w: %q (letters, digits, '_', '-' and '.', at most %d)", ErrBadID, id, maxIDLength)
	}
	return nil
}

// Path is the directory of the group.
func (g *Group) Path() string { return g.path }

// File is the directory, opened O_PATH: for attaching BPF programs and for clone3. It belongs to
// the group and is open until Close.
func (g *Group) File() *os.File { return g.file }

// Close closes the group's file; the group itself and its processes stay.
func (g *Group) Close() error { return g.file.Close() }

// ID is the kernel's id of the group, as bpf_get_current_cgroup_id() and link info give it.
func (g *Group) ID() (uint64, error) {
	handle, _, err := unix.NameToHandleAt(int(g.file.Fd()), "", unix.AT_EMPTY_PATH)
	if err != nil {
		return 0, fmt.Errorf("read the id of cgroup %s: %w", g.path, err)
	}
	if handle.Size() != 8 {
		return 0, fmt.Errorf("read the id of cgroup %s: a handle of %d bytes", g.path, handle.Size())
	}
	return binary.NativeEndian.Uint64(handle.Bytes()), nil
}

// PIDs returns the processes of the group and of all groups below it, sorted. A group that is gone
// has none.
func (g *Group) PIDs() ([]int, error) {
	var pids []int
	err := g.walk(func(dir string) error {
		data, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		if errors.Is(err, unix.EOPNOTSUPP) {
			return nil // a threaded group: its processes are listed by the group above
		} else if gone(err) {
			return nil
		} else if err != nil {
			return err
		}
		for field := range strings.FieldsSeq(string(data)) {
			pid, err := strconv.Atoi(field)
			if err != nil {
				return fmt.Errorf("parse cgroup.procs: %w", err)
			}
			if pid > 0 { // 0: a process that this PID namespace can't see
				pids = append(pids, pid)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the processes of cgroup %s: %w", g.path, err)
	}
	slices.Sort(pids)
	return slices.Compact(pids), nil
}

// walk calls visit for the group and all groups below it, parents first.
func (g *Group) walk(visit func(dir string) error) error {
	return filepath.WalkDir(g.path, func(path string, entry fs.DirEntry, err error) error {
		if gone(err) {
			return nil
		} else if err != nil {
			return err
		}
		if !entry.IsDir() {
			return nil
		}
		return visit(path)
	})
}

// gone says that a file of a group could not be used because the group was removed meanwhile.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENODEV)
}
