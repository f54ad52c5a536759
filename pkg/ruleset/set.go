// SPDX-License-Identifier: Apache-2.0

package ruleset

import "unsafe"

// Bytes returns the image as it goes into the kernel's array: LineSize bytes a line, in the
// machine's byte order. It is the memory of s.Lines, not a copy.
func (s *Set) Bytes() []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s.Lines))), len(s.Lines)*LineSize)
}

// Audit says whether the set only reports what it would refuse.
func (s *Set) Audit() bool { return s.setting(headFlags)&flagAudit != 0 }

// HostNetwork says whether the set is for a jail in the host's network namespace.
func (s *Set) HostNetwork() bool { return s.setting(headFlags)&flagHostNet != 0 }

// Errno returns the positive errno of a refused call.
func (s *Set) Errno() uint32 { return s.setting(headErrno) }

// HostWord returns the verdict word of an address that turns out to be the host's although no
// list has it, 0 if the host is not blocked.
func (s *Set) HostWord() Word { return Word(s.setting(headHost)) }

// setting returns a word of the first head line, 0 of an empty image.
func (s *Set) setting(i int) uint32 {
	if len(s.Lines) == 0 {
		return 0
	}
	return s.Lines[setV4][i]
}
