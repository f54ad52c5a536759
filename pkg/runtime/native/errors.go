// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
)

// Exit statuses of a jail whose command did not run.
const (
	StatusSetup         = 125 // the jail could not be set up
	StatusNotExecutable = 126
	StatusNotFound      = 127
	StatusSignal        = 128 // + the number of the signal
)

var (
	// ErrNotFound says that the command is not visible in the jail: exit status 127.
	ErrNotFound = errors.New("command not found")
	// ErrNotExecutable says that it is visible and can't be executed: exit status 126.
	ErrNotExecutable = errors.New("command cannot be executed")
	// ErrNoBubblewrap says that bwrap is not installed.
	ErrNoBubblewrap = errors.New("bubblewrap (bwrap) is not installed")
	// ErrNoUserNamespaces says that the kernel forbids user namespaces, which bubblewrap needs
	// for everybody but root.
	ErrNoUserNamespaces = errors.New("user namespaces are not allowed")
	// ErrPath says that a path of the policy can't be used.
	ErrPath = errors.New("path cannot be used")
	// ErrSetup says that bubblewrap gave up before the command ran; it says why on standard error.
	ErrSetup = errors.New("bubblewrap could not set the jail up")
)

// pathError is about a path that the policy names; field is where, such as "filesystem.read".
func pathError(field, path, why string) error {
	return fmt.Errorf("%s: %w: %s %s", field, ErrPath, path, why)
}
