// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"unsafe"
)

// The layout of the image, as in bpf/types.h; a test compares the two.
const (
	setV4 = 0 // line that heads the tree of IPv4 addresses
	setV6 = 1 // line that heads the tree of the high halves of IPv6 addresses

	treeMaxLevels    = 7
	subtreeMaxLevels = 4
	treeFanout       = 8
	leafRanges       = 5
	leafVerdicts     = 10 // first verdict word of a leaf

	headLevels = 0
	headLevel  = 1
	headLeaves = 9
	headFlags  = 10
	headErrno  = 11
	headHost   = 12

	flagAudit   uint32 = 1 << 0
	flagHostNet uint32 = 1 << 1
	flagOwn     uint32 = 1 << 2

	kindShift      = 28
	argMask   Word = 0xffffff

	// How many ranges an address tree and a further tree have room for.
	maxRanges    = leafRanges << (3 * treeMaxLevels)
	maxSubRanges = leafRanges << (3 * subtreeMaxLevels)
	// maxLines is how many lines a 24-bit line number can tell apart.
	maxLines = 1 << 24
)

// allOnes is the end of every key space and what unused keys of a line hold.
const allOnes = ^uint64(0)

// LineSize is the size of a line of the image in bytes.
const LineSize = int(unsafe.Sizeof(Line{}))

// newWord returns the word of this kind with a rule id or head line below 1<<24.
func newWord(k Kind, arg uint32) Word { return Word(k)<<kindShift | Word(arg) }

// bytes returns the memory of l.
func (l *Line) bytes() *[LineSize]byte { return (*[LineSize]byte)(unsafe.Pointer(l)) }

// key returns d[i] of the line in bpf/types.h.
func (l *Line) key(i int) uint64 { return binary.NativeEndian.Uint64(l.bytes()[8*i:]) }

// setKey sets d[i] of the line in bpf/types.h.
func (l *Line) setKey(i int, k uint64) { binary.NativeEndian.PutUint64(l.bytes()[8*i:], k) }
