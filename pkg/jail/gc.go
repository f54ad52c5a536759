// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
	"github.com/jail-ai/jail-ai/pkg/enforce"
)

// killTimeout is how long killed processes get to go.
const killTimeout = 10 * time.Second

// GC removes what jails whose supervisor is gone left behind: processes, cgroups, pins and state.
// It returns the names of what was removed; the error tells what could not be.
func GC() ([]string, error) {
	if err := needRoot(); err != nil {
		return nil, err
	}
	if err := ensureRoots(); err != nil {
		return nil, err
	}
	unlock, err := lockRoot()
	if err != nil {
		return nil, err
	}
	defer unlock()
	var removed []string
	var errs []error
	results := collect()
	for _, id := range slices.Sorted(maps.Keys(results)) {
		if err := results[id]; err != nil {
			errs = append(errs, fmt.Errorf("remove jail %s: %w", id, err))
		} else {
			removed = append(removed, id)
		}
	}
	return removed, errors.Join(errs...)
}

// collect removes all dead jails and returns what came of each. The caller holds the root's lock.
//
// A jail has its state directory before anything else, and until all else is gone. A cgroup or pins
// without one are not ours to judge: they belong to a jail-ai with another /run, in a container
// that shares the cgroups, say, and taking them for dead would end its jails or open them.
func collect() map[string]error {
	results := map[string]error{}
	entries, err := os.ReadDir(stateRoot)
	if err != nil {
		return results // it is made before anything is put there
	}
	for _, e := range entries {
		if id := e.Name(); validID.MatchString(id) && isDead(id) {
			results[id] = remove(id)
		}
	}
	return results
}

// isDead reports whether nobody holds the lock of a jail.
func isDead(id string) bool {
	f, err := os.OpenFile(filepath.Join(stateDir(id), "lock"), os.O_RDWR, 0)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	defer f.Close()
	return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil
}

// remove takes a jail away: processes first, while the programs still hold them.
func remove(id string) error {
	if err := removeCgroup(id); err != nil {
		return err
	}
	return errors.Join(enforce.Unpin(pinDir(id)), os.RemoveAll(stateDir(id)))
}

func removeCgroup(id string) error {
	group, err := cgroup.Open(id)
	if errors.Is(err, cgroup.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer group.Close()
	if err := group.Kill(killTimeout); err != nil {
		return err
	}
	if err := enforce.Outlive(group.File(), pinDir(id)); err != nil {
		return err
	}
	return group.Remove()
}
