// SPDX-License-Identifier: Apache-2.0

package cgroup

import "errors"

var (
	// ErrNoCgroup2 says that no cgroup v2 hierarchy is mounted.
	ErrNoCgroup2 = errors.New("no cgroup v2 hierarchy is mounted")
	// ErrExists says that a group with this id is there already.
	ErrExists = errors.New("cgroup exists already")
	// ErrNotExist says that there is no group with this id.
	ErrNotExist = errors.New("cgroup does not exist")
	// ErrBadID says that an id can't be the name of a group.
	ErrBadID = errors.New("not a valid cgroup name")
	// ErrNoController says that a limit needs a controller that cgroup v2 does not have here.
	ErrNoController = errors.New("cgroup v2 controller not available")
	// ErrBadLimit says that a limit is outside of what the kernel takes.
	ErrBadLimit = errors.New("limit out of range")
	// ErrTimeout says that the kernel did not finish within the time given.
	ErrTimeout = errors.New("timed out")
)
