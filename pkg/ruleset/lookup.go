// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"net/netip"
)

// FaultWord is the verdict where the image cannot be read.
const FaultWord = Word(KindBlock)<<kindShift | Word(RuleFault)

// Lookup returns the final verdict word for a destination, found just as the kernel finds it:
// addr is normalised, its tree searched, then those that verdict words name. port is that of TCP
// and UDP (proto is an IP protocol number) and 0 for other protocols. An image that makes no sense
// and an invalid address give FaultWord.
func (s *Set) Lookup(addr netip.Addr, proto, port uint16) Word {
	var w Word
	switch addr = Normalize(addr); {
	case addr.Is4():
		a := addr.As4()
		w = s.search(setV4, uint64(binary.BigEndian.Uint32(a[:])), treeMaxLevels)
	case addr.Is6():
		a := addr.As16()
		w = s.search(setV6, binary.BigEndian.Uint64(a[:8]), treeMaxLevels)
		if w.Kind() == KindLow64 {
			w = s.search(w.Arg(), binary.BigEndian.Uint64(a[8:]), subtreeMaxLevels)
		}
	}
	if w.Kind() == KindPorts {
		w = s.search(w.Arg(), uint64(proto)<<16|uint64(port), subtreeMaxLevels)
	}
	if k := w.Kind(); k != KindAllow && k != KindBlock {
		return FaultWord
	}
	return w
}

// search returns the word of the range that key is in, of the tree with this head; 0 if a line
// that it needs is not there, or the tree has more than so many upper levels.
func (s *Set) search(head uint32, key uint64, levels uint32) Word {
	h := s.line(uint64(head))
	if h == nil || h[headLevels] > levels {
		return 0
	}
	var n uint64
	for i := range h[headLevels] {
		l := s.line(uint64(h[headLevel+i]) + n)
		if l == nil {
			return 0
		}
		n = n*treeFanout + l.rank(key, treeFanout-1)
	}
	l := s.line(uint64(h[headLeaves]) + n)
	if l == nil {
		return 0
	}
	return Word(l[leafVerdicts+l.rank(key, leafRanges-1)])
}

// line returns a line of the image, nil if there is no such line.
func (s *Set) line(n uint64) *Line {
	if n >= uint64(len(s.Lines)) {
		return nil
	}
	return &s.Lines[n]
}

// rank returns how many of the first n keys are less than key.
func (l *Line) rank(key uint64, n int) uint64 {
	var r uint64
	for i := range n {
		if l.key(i) < key {
			r++
		}
	}
	return r
}

// Normalize returns the address that is judged in place of addr: the IPv4 address inside
// IPv4-mapped (::ffff:0:0/96), IPv4-compatible (::/96 but for :: and ::1), NAT64 (64:ff9b::/96) and
// 6to4 (2002::/16) addresses, else addr itself. A zone is dropped.
func Normalize(addr netip.Addr) netip.Addr {
	addr = addr.WithZone("").Unmap()
	if !addr.Is6() {
		return addr
	}
	a := addr.As16()
	hi, lo := binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	const nat64 = 0x64ff9b << 32
	switch {
	case hi>>48 == 0x2002:
		return netip.AddrFrom4([4]byte(a[2:6]))
	case lo>>32 == 0 && (hi == nat64 || hi == 0 && lo > 1):
		return netip.AddrFrom4([4]byte(a[12:16]))
	}
	return addr
}
