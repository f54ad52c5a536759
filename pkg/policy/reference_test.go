// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// reference is the decision of a jail worked out the long way, from its terms alone: what the
// documentation says, without ranges, trees or anything of pkg/ruleset but its constants.
type reference struct {
	jail    *Jail
	machine Machine
	now     time.Time
}

// decision is what a reference and a compiled set must agree on.
type decision struct {
	action ruleset.Action
	id     uint32
	own    bool
}

// embeddedIn returns the IPv4 address that decides for an IPv6 one.
func embeddedIn(a netip.Addr) netip.Addr {
	a = a.WithZone("")
	b := a.As16()
	from := func(i int) netip.Addr { return netip.AddrFrom4([4]byte(b[i : i+4])) }
	switch {
	case a.Is4():
		return a
	case a.Is4In6():
		return from(12)
	case b[0] == 0x20 && b[1] == 0x02:
		return from(2)
	case string(b[:12]) == "\x00\x64\xff\x9b\x00\x00\x00\x00\x00\x00\x00\x00":
		return from(12)
	case string(b[:12]) == string(make([]byte, 12)) && a != netip.IPv6Unspecified() && a != netip.IPv6Loopback():
		return from(12)
	}
	return a
}

// contains says that a prefix, as a machine may have it, holds the address that decides.
func contains(p netip.Prefix, a netip.Addr) (bits int, ok bool) {
	first, last := embeddedIn(p.Masked().Addr()), p.Masked().Addr()
	if first.Is4() && last.Is6() {
		// A prefix of carriers: its first address and how much of the IPv4 address it fixes.
		fixed := map[bool]int{true: 16, false: 96}[last.As16()[0] == 0x20]
		p = netip.PrefixFrom(first, min(32, p.Bits()-fixed))
	}
	return p.Bits(), p.Masked().Contains(a)
}

func (r *reference) members(t *Term) (all []netip.Prefix) {
	group := map[string][]Address{"host": r.machine.Host, "gateway": r.machine.Gateway, "dns": r.machine.Resolvers}[t.Group]
	for _, a := range append(group[:len(group):len(group)], fixedGroups[t.Group]...) {
		all = append(all, a.Prefix)
	}
	for _, l := range t.lists {
		all = append(all, l.prefixes...)
	}
	if t.Prefix.IsValid() {
		all = append(all, t.Prefix)
	}
	return all
}

func (r *reference) decide(addr netip.Addr, proto, port uint16) decision {
	addr = embeddedIn(addr)
	best := decision{action: r.jail.Network.Default, id: ruleset.RuleDefault}
	bestBits, bestPorts, own := -1, false, false
	id := ruleset.FirstRule
	for _, side := range []ruleset.Action{ruleset.Block, ruleset.Allow} {
		terms := r.jail.Network.Block
		if side == ruleset.Allow {
			terms = r.jail.Network.Allow
		}
		for i := range terms {
			t := &terms[i]
			this := id
			id++
			if !t.Expires.IsZero() && !r.now.Before(t.Expires) {
				continue
			}
			if t.Group == "own" {
				own = true
				continue
			}
			ports := t.Ports
			if t.Group == "dns" {
				ports = []ruleset.PortRange{{First: 53, Last: 53}}
			}
			if len(ports) > 0 && !slices.ContainsFunc(ports, func(p ruleset.PortRange) bool {
				return (proto == 6 || proto == 17) && (p.Proto == 0 || uint16(p.Proto) == proto) && p.First <= port && port <= p.Last
			}) {
				continue
			}
			if slices.ContainsFunc(t.Except, func(hole netip.Prefix) bool { return hole.Contains(addr) }) {
				continue
			}
			for _, p := range r.members(t) {
				bits, ok := contains(p, addr)
				named := len(ports) > 0
				// Blocks come first and ids rise, so that an equal is never better.
				if ok && (bits > bestBits || bits == bestBits && named && !bestPorts) {
					best, bestBits, bestPorts = decision{action: side, id: this}, bits, named
				}
			}
		}
	}
	best.own = own && best.action == ruleset.Block && !bestPorts && r.unicastHost(addr)
	return best
}

// unicastHost says that one listener of the host owns the address.
func (r *reference) unicastHost(addr netip.Addr) bool {
	best, unicast := -1, false
	for _, a := range r.machine.Host {
		if bits, ok := contains(a.Prefix, addr); ok && (bits > best || bits == best && !a.Unicast) {
			best, unicast = bits, a.Unicast
		}
	}
	return unicast
}

// check compares a compiled jail with the reference, and with what it explains.
func (r *reference) check(t *testing.T, c *Compiled, addr netip.Addr, proto, port uint16) {
	t.Helper()
	w := c.Set.Lookup(addr, proto, port)
	got := decision{actionOfWord(w), w.Arg(), w.Kind() == ruleset.KindBlock && w&ruleset.FlagOwn != 0}
	if want := r.decide(addr, proto, port); got != want {
		t.Errorf("%v %d %d: got %+v, want %+v\nblock %q\nallow %q", addr, proto, port, got, want, texts(r.jail.Network.Block), texts(r.jail.Network.Allow))
	}
	e := c.Explain(addr, proto, port)
	// What goes to a translator reaches no listener here, whatever it is judged as.
	own := got.own && (addr.Is4() || addr.Is4In6() || addr == embeddedIn(addr))
	if e.Action != got.action || e.Rule.ID != got.id || e.Own != own {
		t.Errorf("%v %d %d: explained as %+v, decided %+v", addr, proto, port, e, got)
	}
	if e.Rule.ID >= ruleset.FirstRule {
		if !e.Prefix.Contains(e.Judged) || e.Rule.Action != e.Action || e.Rule.Expired {
			t.Errorf("%v %d %d: explained as %+v", addr, proto, port, e)
		}
		if fromList := c.rules[e.Rule.ID-ruleset.FirstRule].File != ""; fromList != (e.List.Line > 0) {
			t.Errorf("%v: list %v", addr, e.List)
		}
	}
	if port == 0 {
		for _, p := range e.Ports {
			if p.Rule.ID == e.Rule.ID {
				t.Errorf("%v: its own rule decides otherwise: %+v", addr, p)
			}
		}
	}
}

// randomJail makes a jail whose terms overlap a lot: all of them in few addresses and ports.
func randomJail(rnd *rand.Rand) *Jail {
	j := Default()
	j.Network.Default = []ruleset.Action{ruleset.Allow, ruleset.Block}[rnd.IntN(2)]
	j.Network.Block, j.Network.Allow = randomTerms(rnd, "p.yaml:1"), randomTerms(rnd, "p.yaml:2")
	j.Network.Block = slices.DeleteFunc(j.Network.Block, func(t Term) bool { return t.Group == "own" })
	return j
}

func randomTerms(rnd *rand.Rand, file string) []Term {
	terms := make([]Term, rnd.IntN(6))
	for i := range terms {
		t := &terms[i]
		t.Position = Position{file, i + 1, 1}
		switch rnd.IntN(4) {
		case 0:
			t.Group = groupNames[rnd.IntN(len(groupNames))]
		case 1:
			t.File, t.loaded = "x", true
			for n := range rnd.IntN(3) {
				l := &list{path: fmt.Sprint("x", n)}
				for line := range rnd.IntN(4) {
					l.prefixes, l.lines = append(l.prefixes, randomPrefix(rnd)), append(l.lines, uint32(line+1))
				}
				t.lists = append(t.lists, l)
			}
		default:
			t.Prefix = randomPrefix(rnd)
		}
		for t.Group != "own" && rnd.IntN(3) == 0 {
			t.Except = append(t.Except, randomPrefix(rnd))
		}
		for t.Group != "own" && t.Group != "dns" && rnd.IntN(2) == 0 {
			first := randomPort(rnd)
			t.Ports = append(t.Ports, ruleset.PortRange{Proto: []uint8{0, 6, 17}[rnd.IntN(3)], First: first, Last: max(first, randomPort(rnd))})
		}
		if rnd.IntN(4) == 0 {
			t.Expires = noon.Add(time.Duration(rnd.IntN(3)-1) * time.Hour)
		}
		t.Text = describe(t)
	}
	return terms
}

func randomPort(rnd *rand.Rand) uint16 {
	return []uint16{1, 22, 52, 53, 54, 80, 65534, 65535}[rnd.IntN(8)]
}

func randomPrefix(rnd *rand.Rand) netip.Prefix {
	a := randomAddr(rnd)
	for embeddedIn(a) != a {
		a = embeddedIn(a)
	}
	bits := a.BitLen() - min(a.BitLen(), []int{0, 0, 1, 2, 3, 8, 16, 60, 64, 66, 128}[rnd.IntN(11)])
	p, err := literal(netip.PrefixFrom(a, bits).Masked())
	if err != nil {
		return netip.PrefixFrom(a, a.BitLen())
	}
	return p
}

// randomAddr returns an address near those that terms and the machine name.
func randomAddr(rnd *rand.Rand) netip.Addr {
	low := byte(rnd.IntN(8))
	v4 := [4]byte{10, 0, 0, low}
	switch rnd.IntN(5) {
	case 0:
		v4 = [4]byte{127, 0, 0, low}
	case 1:
		v4 = [4]byte{192, 168, 1, []byte{1, 19, 20, 21, 254, 255, 0, 2}[low]}
	}
	b := netip.MustParseAddr("2001:db8::").As16()
	switch rnd.IntN(12) {
	case 0:
		return netip.AddrFrom16([16]byte{15: low})
	case 1:
		return netip.AddrFrom16([16]byte{10: 0xff, 11: 0xff, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]})
	case 2:
		return netip.AddrFrom16([16]byte{0: 0, 1: 0x64, 2: 0xff, 3: 0x9b, 12: v4[0], 13: v4[1], 14: v4[2], 15: v4[3]})
	case 3:
		return netip.AddrFrom16([16]byte{0: 0x20, 1: 0x02, 2: v4[0], 3: v4[1], 4: v4[2], 5: v4[3], 15: low})
	case 4, 5:
		b[7], b[15] = low&1, low
		return netip.AddrFrom16(b)
	case 6:
		b[15] = 0x20 + low&1
		return netip.AddrFrom16(b)
	}
	return netip.AddrFrom4(v4)
}

func TestCompiledAgreesWithReference(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	seen := make(map[decision]bool)
	for range 1500 {
		j := randomJail(rnd)
		c := mustCompile(t, j, noon)
		ref := &reference{j, machine, noon}
		for range 60 {
			addr, proto, port := randomAddr(rnd), []uint16{1, 6, 6, 17, 17}[rnd.IntN(5)], uint16(0)
			if proto != 1 {
				port = randomPort(rnd) + uint16(rnd.IntN(2))
			}
			ref.check(t, c, addr, proto, port)
			d := ref.decide(addr, proto, port)
			seen[decision{action: d.action, own: d.own}] = true
		}
		if t.Failed() {
			return
		}
	}
	if len(seen) != 3 {
		t.Errorf("not every kind of verdict occurred: %v", seen)
	}
}
