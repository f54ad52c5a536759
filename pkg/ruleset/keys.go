// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// The sweep's input is a sorted list of events, one for each prefix of each rule, each hole and
// each prefix of the host. An event is a few bits that sort in the order in which the sweep needs
// them: by first address, then the less specific prefix, then by code, the stronger rule later.

// A code says what an event is of: a rule (rank<<1), a hole of a rule (rank<<1 | codeHole), or
// the host. Ids below 1<<24 leave the highest codes free.
const (
	codeBits        = 25
	codeHole        = 1
	codeHostUnicast = 1<<codeBits - 2
	codeHostShared  = 1<<codeBits - 1 // decides over codeHostUnicast at the same prefix
	prefixBits      = 8
)

// event4 is an event of an IPv4 prefix: its address, its length (6 bits) and its code (25 bits).
type event4 uint64

const event4Addr = codeBits + 6

func newEvent4(p netip.Prefix, code uint32) event4 {
	a := p.Addr().As4()
	return event4(binary.BigEndian.Uint32(a[:]))<<event4Addr | event4(p.Bits())<<codeBits | event4(code)
}

// span returns the first and the last key of the event. IPv4 keys are the high half of a u128, as
// if an address were an IPv6 network. The last address ends with the key space, not with the
// addresses, so that the tree has a verdict for every key.
func (e event4) span() (first, last u128) {
	addr, bits := uint32(e>>event4Addr), e.bits()
	first = u128{hi: uint64(addr)}
	last = u128{hi: uint64(addr | ^uint32(0)>>bits), lo: allOnes}
	if uint32(last.hi) == ^uint32(0) {
		last.hi = allOnes
	}
	return first, last
}

func (e event4) bits() int    { return int(e >> codeBits & (1<<6 - 1)) }
func (e event4) code() uint32 { return uint32(e & (1<<codeBits - 1)) }

// event6 is an event of an IPv6 prefix.
type event6 struct {
	addr u128
	tail uint64 // length and code
}

func newEvent6(p netip.Prefix, code uint32) event6 {
	a := p.Addr().As16()
	return event6{
		addr: u128{hi: binary.BigEndian.Uint64(a[:8]), lo: binary.BigEndian.Uint64(a[8:])},
		tail: uint64(p.Bits())<<codeBits | uint64(code),
	}
}

func (e event6) span() (first, last u128) {
	bits := e.bits()
	if bits <= 64 {
		return e.addr, u128{hi: e.addr.hi | allOnes>>bits, lo: allOnes}
	}
	return e.addr, u128{hi: e.addr.hi, lo: e.addr.lo | allOnes>>(bits-64)}
}

func (e event6) bits() int    { return int(e.tail >> codeBits & (1<<prefixBits - 1)) }
func (e event6) code() uint32 { return uint32(e.tail & (1<<codeBits - 1)) }

func sortEvents6(ev []event6) {
	slices.SortFunc(ev, func(a, b event6) int {
		if c := cmp.Compare(a.addr.hi, b.addr.hi); c != 0 {
			return c
		}
		if c := cmp.Compare(a.addr.lo, b.addr.lo); c != 0 {
			return c
		}
		return cmp.Compare(a.tail, b.tail)
	})
}

// u128 is a key of 128 bits.
type u128 struct{ hi, lo uint64 }

func (a u128) less(b u128) bool { return a.hi < b.hi || a.hi == b.hi && a.lo < b.lo }

// next returns a + 1, 0 behind the last key.
func (a u128) next() u128 {
	a.lo++
	if a.lo == 0 {
		a.hi++
	}
	return a
}

// prev returns a - 1, the last key before 0.
func (a u128) prev() u128 {
	if a.lo == 0 {
		a.hi--
	}
	a.lo--
	return a
}

// sortEvents4 sorts ev, by radix where there are many: 1 M events take a third of the time of a
// comparing sort. Lists are often sorted already and cost one look then.
func sortEvents4(ev []event4) {
	const (
		digit  = 11
		digits = 6 // 66 bits
		few    = 4096
	)
	if slices.IsSorted(ev) {
		return
	}
	if len(ev) < few {
		slices.Sort(ev)
		return
	}
	var count [digits][1 << digit]uint32
	for _, e := range ev {
		for d := range count {
			count[d][e>>(d*digit)&(1<<digit-1)]++
		}
	}
	src, dst := ev, make([]event4, len(ev))
	for d := range count {
		shift := d * digit
		c := &count[d]
		if c[src[0]>>shift&(1<<digit-1)] == uint32(len(ev)) {
			continue // the same digit in all: a single rule has a single code
		}
		var at uint32
		for i, n := range c {
			c[i] = at
			at += n
		}
		for _, e := range src {
			i := e >> shift & (1<<digit - 1)
			dst[c[i]] = e
			c[i]++
		}
		src, dst = dst, src
	}
	if &src[0] != &ev[0] {
		copy(ev, src)
	}
}
