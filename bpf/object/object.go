// SPDX-License-Identifier: Apache-2.0

// Package object carries the compiled programs of a jail. Their sources, in the folder above, are
// GPL-2.0-only.
package object

import _ "embed"

// ELF is the ELF object that `make` builds from jail.bpf.c.
//
//go:embed jail.bpf.o
var ELF []byte
