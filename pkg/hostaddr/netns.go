// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"
)

const ownNetNS = "/proc/thread-self/ns/net"

// openNetNS opens the network namespace at path, or the calling thread's if path is empty. The
// file keeps the namespace alive.
func openNetNS(path string) (*os.File, error) {
	if path == "" {
		path = ownNetNS
	}
	ns, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open network namespace: %w", err)
	}
	return ns, nil
}

// enter moves the calling goroutine into the network namespace for good: it is bound to a thread
// that ends with it, so that no other goroutine ever runs in that namespace by accident. Nothing
// happens, and no privilege is needed, if the goroutine is there already.
func enter(ns *os.File) error {
	runtime.LockOSThread()
	var here, there unix.Stat_t
	if err := unix.Stat(ownNetNS, &here); err != nil {
		return fmt.Errorf("stat %s: %w", ownNetNS, err)
	}
	if err := unix.Fstat(int(ns.Fd()), &there); err != nil {
		return fmt.Errorf("stat %s: %w", ns.Name(), err)
	}
	if here.Dev == there.Dev && here.Ino == there.Ino {
		runtime.UnlockOSThread()
		return nil
	}
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("enter network namespace %s: %w", ns.Name(), err)
	}
	return nil
}
