// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
	"github.com/jail-ai/jail-ai/pkg/hint"
)

// ErrInUse says that a jail of this name is running.
var ErrInUse = errors.New("name is in use")

// claim is the right to a name: a state directory whose lock this process holds. The kernel gives
// the lock back when the process dies, however it dies; then the name is anybody's, after gc.
type claim struct {
	id   string
	lock *os.File
}

// claimFor takes the name asked for, or without one the first free one of the jail's name in the
// policy, that name with -2, with -3 and so on. What dead jails left behind is removed first.
func claimFor(asked, jail string) (*claim, error) {
	id, exact := asked, asked != ""
	if !exact {
		id = idFrom(jail)
	}
	if !validID.MatchString(id) {
		return nil, hint.Wrap(fmt.Errorf("%q is no name for a jail", id), "letters, digits, - and _, at most 64")
	}
	unlock, err := lockRoot()
	if err != nil {
		return nil, err
	}
	defer unlock()
	collected := collect()
	name := id
	for n := 2; ; n++ {
		c, err := tryClaim(name)
		if !errors.Is(err, os.ErrExist) {
			return c, err
		}
		if exact {
			if err := collected[name]; err != nil {
				return nil, fmt.Errorf("remove what the last jail %s left behind: %w", name, err)
			}
			return nil, hint.Wrap(fmt.Errorf("jail %s: %w", name, ErrInUse), "choose another --name, or none")
		}
		name = id + "-" + strconv.Itoa(n)
	}
}

// idFrom makes an ID of a jail's name in the policy, where more is allowed, with room for a number.
func idFrom(name string) string {
	const room = 56
	id := strings.Map(func(r rune) rune {
		if validID.MatchString("a" + string(r)) {
			return r
		}
		return '-'
	}, name)
	return strings.TrimLeft(id[:min(len(id), room)], "-_")
}

func tryClaim(id string) (*claim, error) {
	if err := os.Mkdir(stateDir(id), 0o700); err != nil {
		return nil, fmt.Errorf("claim name: %w", err)
	}
	lock, err := lockFile(filepath.Join(stateDir(id), "lock"), unix.LOCK_EX|unix.LOCK_NB)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("claim name: %w", err), os.RemoveAll(stateDir(id)))
	}
	if isTaken(id) {
		return nil, errors.Join(fmt.Errorf("claim name: %w", os.ErrExist), os.RemoveAll(stateDir(id)), lock.Close())
	}
	return &claim{id: id, lock: lock}, nil
}

// isTaken says that a jail-ai with another /run has a jail of this name; see collect.
func isTaken(id string) bool {
	if _, err := os.Lstat(pinDir(id)); err == nil {
		return true
	}
	group, err := cgroup.Open(id)
	if err != nil {
		return false
	}
	group.Close()
	return true
}

// release gives the name back; nothing of the jail may be left.
func (c *claim) release() error {
	unlock, err := lockRoot() // or another run could make the directory while it is being removed
	if err != nil {
		return err
	}
	defer unlock()
	return errors.Join(os.RemoveAll(stateDir(c.id)), c.lock.Close())
}

// lockRoot keeps claims and collections apart.
func lockRoot() (unlock func(), err error) {
	f, err := lockFile(filepath.Join(stateRoot, ".lock"), unix.LOCK_EX)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", stateRoot, err)
	}
	return func() { f.Close() }, nil
}

func lockFile(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		if err = unix.Flock(int(f.Fd()), how); !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
