// SPDX-License-Identifier: Apache-2.0

package native

import "os"

// Spec says what to run, and in which surroundings. Paths may be relative to Dir, or start with ~.
type Spec struct {
	// Command is the program, looked up as a shell would, and its arguments.
	Command []string
	// Dir is the caller's current directory. The command starts there if that is visible in the
	// jail, else in the workspace.
	Dir string
	// Workspace is the directory that the command may write to; "" is none.
	Workspace string

	// Environ is the caller's environment; nil means that of this process.
	Environ []string
	// Pass names variables of the caller to hand over; a * at the end stands for any rest.
	Pass []string
	// Set has variables with their values. It wins over all others.
	Set map[string]string

	// Read and Write are made visible, read-only and writable. Where one path is both, Write
	// holds; where a path is the workspace and in Read, Read does.
	Read, Write []string
	// Hide takes files and directories out of what is visible. It wins over all others.
	Hide []string

	// User is who the command runs as: see CurrentUser.
	User User
	// NewNetwork gives the command a network namespace of its own, with loopback only.
	NewNetwork bool
}

// Stdio are the three files that the command gets, and nothing else. They stay the caller's. A nil
// one is /dev/null.
type Stdio struct {
	In, Out, Err *os.File
}
