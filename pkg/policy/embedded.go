// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
)

// embedding is IPv6 space whose addresses carry an IPv4 address and are judged as that one.
type embedding struct {
	name  string
	space netip.Prefix
	at    int // bit where the IPv4 address begins
}

var mapped = embedding{"IPv4-mapped", netip.MustParsePrefix("::ffff:0:0/96"), 96}

var embeddings = []embedding{
	mapped,
	{"IPv4-compatible", netip.MustParsePrefix("::/96"), 96},
	{"NAT64", netip.MustParsePrefix("64:ff9b::/96"), 96},
	{"6to4", netip.MustParsePrefix("2002::/16"), 16},
}

// pureLow holds :: and ::1, the addresses of ::/96 that carry none.
var pureLow = netip.MustParsePrefix("::/127")

// inside returns the IPv4 prefix that decides for a prefix which lies in such a space. ok is
// false for every other prefix.
func inside(p netip.Prefix) (v4 netip.Prefix, e embedding, ok bool) {
	if p.Addr().Is4() || pureLow.Bits() <= p.Bits() && pureLow.Contains(p.Addr()) {
		return p, e, false
	}
	b := p.Addr().As16()
	for _, e := range embeddings {
		// Contains refuses IPv4-mapped addresses in every prefix.
		if p.Bits() >= e.space.Bits() && prefixOf(b, e.space.Bits()) == prefixOf(e.space.Addr().As16(), e.space.Bits()) {
			a := netip.AddrFrom4([4]byte(b[e.at/8:]))
			return netip.PrefixFrom(a, min(p.Bits()-e.at, 32)).Masked(), e, true
		}
	}
	return p, e, false
}

// prefixOf clears all but the first bits, a multiple of 8.
func prefixOf(b [16]byte, bits int) [16]byte {
	clear(b[bits/8:])
	return b
}

// literal returns what a prefix of a policy stands for, or why it would never decide anything.
func literal(p netip.Prefix) (netip.Prefix, *problem) {
	v4, e, ok := inside(p)
	switch {
	case !ok:
		return p, nil
	case e == mapped:
		return v4, nil
	}
	fix := "write " + v4.String()
	if v4.IsSingleIP() {
		fix = "write " + v4.Addr().String()
	}
	if p.IsSingleIP() && e.at == 96 && e.space.Addr().IsUnspecified() {
		fix += "; if the last group is meant as a port: [ADDRESS]:PORT"
	}
	return p, &problem{fmt.Sprintf("%s is %s space, which is judged by the IPv4 address inside", p, e.name), fix}
}

// canonical is literal for prefixes that no user wrote: the one that decides.
func canonical(p netip.Prefix) netip.Prefix {
	v4, _, _ := inside(p.Masked())
	return v4
}
