// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
	"math"
	"os"

	"golang.org/x/sys/unix"
)

// closeOnExec sees to it that no descriptor that this process has, whoever opened it, reaches a
// process that it starts: a socket from outside would not be subject to the jail's rules.
func closeOnExec() error {
	err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
	if err == nil {
		return nil
	}
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("close descriptors: %w", err)
	}
	return closeOnExecOneByOne() // before Linux 5.11, or under a filter that doesn't know the call
}

func closeOnExecOneByOne() error {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		return fmt.Errorf("close descriptors: %w", err)
	}
	for _, fd := range numbers(names) {
		if fd < 3 {
			continue
		}
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil && !errors.Is(err, unix.EBADF) {
			return fmt.Errorf("close descriptor %d: %w", fd, err)
		}
	}
	return nil
}
