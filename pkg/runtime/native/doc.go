// SPDX-License-Identifier: Apache-2.0

// Package native starts a jail's command on the host itself, inside a file system view and
// namespaces that bubblewrap sets up, and inside a cgroup from its first instruction on.
//
// It works in two steps. NewPlan looks at the host, decides what will be visible, as which user,
// with which environment, and whether the command can run there at all; it changes nothing.
// (*Plan).Start then starts bubblewrap, whose work the isolation is.
//
// The file system is closed by default: system directories read-only, /tmp, /run, /var, /dev and
// /proc private, and of the home directory only the workspace, what the policy names, and the
// user's tools (read-only, without the credential files in them). In the order of mounting, what
// comes later wins: system, tools, policy (workspace, read, write), hide.
//
// Known limits, all of them bubblewrap's or the kernel's: a file that is hidden by a mount appears
// when somebody outside of the jail replaces it by rename(2), as editors and passwd(1) do; a jail
// that runs as real root owns the host's root-owned files wherever they are visible, and may
// change the modes of the six device nodes in /dev. Hiding a directory, and not working as root,
// have neither problem.
package native
