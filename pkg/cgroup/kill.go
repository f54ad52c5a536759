// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

const (
	pollEvery     = time.Millisecond
	freezeTimeout = 5 * time.Second
	removeTimeout = 2 * time.Second
)

// Kill sends SIGKILL to everything in the group and below, and waits until nothing is left, for at
// most the timeout (ErrTimeout). A group that is empty or gone is no error.
func (g *Group) Kill(timeout time.Duration) error {
	deadline := time.Now().Add(timeout)
	err := g.write("cgroup.kill", "1")
	if errors.Is(err, fs.ErrNotExist) && g.exists() {
		return g.killOneByOne(deadline) // before Linux 5.14
	} else if err != nil && !gone(err) {
		return fmt.Errorf("kill cgroup %s: %w", g.path, err)
	}
	return g.waitEmpty(deadline)
}

// killOneByOne freezes the group, so that nothing in it can fork away, kills what is there, and
// repeats that until nothing is left. (A frozen process takes a SIGKILL.)
func (g *Group) killOneByOne(deadline time.Time) error {
	// Not waited for: a group that doesn't freeze is killed all the same.
	if err := g.write("cgroup.freeze", "1"); err != nil && !gone(err) {
		return fmt.Errorf("kill cgroup %s: %w", g.path, err)
	}
	defer g.write("cgroup.freeze", "0") //nolint:errcheck // an empty group may stay frozen
	for {
		pids, err := g.PIDs()
		if err != nil {
			return fmt.Errorf("kill cgroup %s: %w", g.path, err)
		}
		for _, pid := range pids {
			if err := unix.Kill(pid, unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("kill process %d of cgroup %s: %w", pid, g.path, err)
			}
		}
		if len(pids) == 0 {
			return g.waitEmpty(deadline)
		}
		if time.Now().After(deadline) {
			return g.stillThere()
		}
		time.Sleep(pollEvery)
	}
}

func (g *Group) waitEmpty(deadline time.Time) error {
	return g.wait(deadline, "populated 0", g.stillThere)
}

func (g *Group) stillThere() error {
	pids, _ := g.PIDs()
	return fmt.Errorf("kill cgroup %s: %w with processes %v alive", g.path, ErrTimeout, pids)
}

// wait polls cgroup.events until it has the line, or the group is gone, or the time is up.
func (g *Group) wait(deadline time.Time, line string, late func() error) error {
	for {
		events, err := os.ReadFile(filepath.Join(g.path, "cgroup.events"))
		if gone(err) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the state of cgroup %s: %w", g.path, err)
		}
		scanner := bufio.NewScanner(bytes.NewReader(events))
		for scanner.Scan() {
			if scanner.Text() == line {
				return nil
			}
		}
		if time.Now().After(deadline) {
			return late()
		}
		time.Sleep(pollEvery)
	}
}

// Freeze stops every process of the group and below it, and returns when all have stopped.
func (g *Group) Freeze() error { return g.freeze("1") }

// Thaw lets them go on.
func (g *Group) Thaw() error { return g.freeze("0") }

func (g *Group) freeze(state string) error {
	if err := g.write("cgroup.freeze", state); err != nil {
		return fmt.Errorf("set cgroup.freeze of %s to %s: %w", g.path, state, err)
	}
	return g.wait(time.Now().Add(freezeTimeout), "frozen "+state, func() error {
		return fmt.Errorf("set cgroup.freeze of %s to %s: %w", g.path, state, ErrTimeout)
	})
}

// Remove removes the group and those below it, the deepest first, and the slice if this was the
// last jail. A group is busy for a moment after its last process died, which Remove waits out;
// one that has processes stays, and is an error (EBUSY). A group that is gone is no error.
func (g *Group) Remove() error {
	deadline := time.Now().Add(removeTimeout)
	for {
		err := g.removeTree()
		if err == nil {
			break
		}
		if !errors.Is(err, unix.EBUSY) && !errors.Is(err, unix.ENOTEMPTY) || time.Now().After(deadline) {
			return fmt.Errorf("remove cgroup: %w", err)
		}
		if pids, _ := g.PIDs(); len(pids) > 0 {
			return fmt.Errorf("remove cgroup: %w (processes %v)", err, pids)
		}
		time.Sleep(pollEvery)
	}
	if slice := filepath.Join(g.root, Slice); filepath.Dir(g.path) == slice {
		_ = unix.Rmdir(slice) // in use by another jail it stays: the kernel refuses
	}
	return nil
}

func (g *Group) removeTree() error {
	var dirs []string
	if err := g.walk(func(dir string) error { dirs = append(dirs, dir); return nil }); err != nil {
		return err
	}
	for _, dir := range slices.Backward(dirs) {
		if err := unix.Rmdir(dir); err != nil && !gone(err) {
			return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
		}
	}
	return nil
}

func (g *Group) exists() bool {
	_, err := os.Stat(g.path)
	return err == nil
}

// write writes a control file, which is never created: a missing one is an error.
func (g *Group) write(name, value string) error {
	return writeControl(filepath.Join(g.path, name), value)
}

func writeControl(path, value string) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(value)
	return errors.Join(err, f.Close())
}
