// SPDX-License-Identifier: Apache-2.0

// Package policy turns a policy file into a compiled rule set.
//
// Load reads and checks a file, (*File).Jail merges one jail with the file's defaults and the
// built-in ones, and Compile turns that jail and the machine's addresses into what the kernel
// searches. The package does no I/O but reading the policy and the lists that it names.
//
// # Decision
//
// The most specific prefix wins. At the same prefix a rule with ports that match beats one
// without; at a tie block beats allow. A plain port number means TCP and UDP; a rule with ports
// never matches another protocol. `except` makes holes in its own entry only: inside a hole, less
// specific rules decide. `own` lifts a block of an address of this host whose listener the jail
// itself opened, unless the block names ports. An IPv6 address that carries an IPv4 address is
// judged as that IPv4 address.
//
// # Defaults
//
// A jail's scalars replace those of `defaults`, its maps are merged key by key, and its lists are
// appended, except that an empty list is the empty set and drops what `defaults` says. What
// neither says is as in Default.
//
// # Errors
//
// Everything wrong with a file is reported at once, as Errors: each with file, line, column and
// the fix. An empty list never means "all", and what is in doubt is refused.
package policy
