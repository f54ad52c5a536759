// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// chooser makes the choices of a random input: a seeded generator, or a fuzzer's bytes.
type chooser interface {
	IntN(n int) int // 0 <= IntN(n) < n
}

var bases = []netip.Addr{
	netip.MustParseAddr("10.0.0.0"),
	netip.MustParseAddr("127.0.0.1"),
	netip.MustParseAddr("0.0.0.0"),
	netip.MustParseAddr("255.255.255.255"),
	netip.MustParseAddr("2001:db8::"),
	netip.MustParseAddr("2001:db8:0:1::1"),
	netip.MustParseAddr("::"),
	netip.MustParseAddr("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
	netip.MustParseAddr("fe80::ffff:ffff:ffff:ffff"),
}

var edgePorts = []uint16{0, 1, 52, 53, 54, 80, 443, 8000, 8100, 65534, 65535}

// randomAddr returns an address near one of the bases, so that prefixes of them nest.
func randomAddr(c chooser) netip.Addr {
	b := bases[c.IntN(len(bases))].AsSlice()
	for range c.IntN(3) {
		bit := c.IntN(8 * len(b))
		b[bit/8] ^= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func randomPrefix(c chooser) netip.Prefix {
	a := randomAddr(c)
	bits := c.IntN(a.BitLen() + 1)
	if edges := []int{0, 1, 31, 32, 63, 64, 65, 127, 128}; c.IntN(2) == 0 {
		bits = min(edges[c.IntN(len(edges))], a.BitLen())
	}
	p := netip.PrefixFrom(a, bits).Masked()
	if p.Addr().Is4In6() { // such a prefix is an error
		return netip.PrefixFrom(a.Unmap(), 32)
	}
	return p
}

func randomPrefixes(c chooser, n int) []netip.Prefix {
	var list []netip.Prefix
	for range c.IntN(n + 1) {
		list = append(list, randomPrefix(c))
	}
	return list
}

func randomPorts(c chooser) []PortRange {
	var ports []PortRange
	for range 1 + c.IntN(3) {
		i := c.IntN(len(edgePorts))
		j := i + c.IntN(min(4, len(edgePorts)-i))
		proto := []uint8{ProtoAny, ProtoTCP, ProtoUDP}[c.IntN(3)]
		ports = append(ports, PortRange{proto, edgePorts[i], edgePorts[j]})
	}
	return ports
}

// randomInput returns a valid input of a few rules that get into each other's way.
func randomInput(c chooser) Input {
	in := Input{
		Default: []Action{Allow, Block}[c.IntN(2)],
		Own:     c.IntN(2) == 0,
		Errno:   1 + uint32(c.IntN(4095)),
		Audit:   c.IntN(2) == 0, HostNetwork: c.IntN(2) == 0,
	}
	ids := c.IntN(1 << 20)
	var again []netip.Prefix // prefixes to use once more: in ties, as holes, as the host's
	for range c.IntN(9) {
		ids += 1 + c.IntN(3)
		r := Rule{ID: FirstRule + uint32(ids), Action: []Action{Allow, Block}[c.IntN(2)], Prefixes: randomPrefixes(c, 4)}
		if len(again) > 0 && c.IntN(3) == 0 {
			r.Prefixes = append(r.Prefixes, again[c.IntN(len(again))])
		}
		if c.IntN(3) == 0 {
			r.Except = randomPrefixes(c, 3)
			if len(again) > 0 && c.IntN(3) == 0 {
				r.Except = append(r.Except, again[c.IntN(len(again))])
			}
		}
		if c.IntN(5) < 2 {
			r.Ports = randomPorts(c)
		} else if r.Action == Block && c.IntN(2) == 0 {
			in.HostRule = r.ID
		}
		again = append(again, r.Prefixes...)
		in.Rules = append(in.Rules, r)
	}
	// Rules may come in any order.
	for i := range in.Rules {
		j := c.IntN(i + 1)
		in.Rules[i], in.Rules[j] = in.Rules[j], in.Rules[i]
	}
	for range c.IntN(5) {
		p := randomPrefix(c)
		if len(again) > 0 && c.IntN(2) == 0 {
			p = again[c.IntN(len(again))]
		}
		in.Host = append(in.Host, HostPrefix{p, c.IntN(3) > 0})
	}
	return in
}

// lastAddr returns the last address of a prefix.
func lastAddr(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < 8*len(b); i++ {
		b[i/8] |= 0x80 >> (i % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// edgeAddrs returns the first and last address of each prefix and those outside next to them.
func edgeAddrs(in *Input) []netip.Addr {
	var addrs []netip.Addr
	add := func(p netip.Prefix) {
		first, last := p.Addr(), lastAddr(p)
		for _, a := range []netip.Addr{first.Prev(), first, last, last.Next()} {
			if a.IsValid() {
				addrs = append(addrs, a)
			}
		}
	}
	for _, r := range in.Rules {
		for _, p := range r.Prefixes {
			add(p)
		}
		for _, p := range r.Except {
			add(p)
		}
	}
	for _, h := range in.Host {
		add(h.Prefix)
	}
	return append(addrs, bases...)
}

// agrees compiles in and compares verdicts with the reference, for a few random ports and
// protocols at each of the addresses where verdicts may change.
func agrees(in Input, c chooser) error {
	set, err := Compile(in)
	if err != nil {
		return err
	}
	if err := inspect(set); err != nil {
		return err
	}
	addrs := edgeAddrs(&in)
	for range 8 {
		addrs = append(addrs, randomAddr(c))
	}
	for _, addr := range addrs {
		for range 3 {
			proto := []uint16{6, 17, 6, 17, 1, 0, 136, 255}[c.IntN(8)]
			port := edgePorts[c.IntN(len(edgePorts))] + uint16(c.IntN(2))
			got, want := set.Lookup(addr, proto, port), referenceWord(&in, addr, proto, port)
			if got != want {
				return fmt.Errorf("%v protocol %d port %d: %#x, want %#x", addr, proto, port, got, want)
			}
		}
	}
	return nil
}

func TestCompileAgreesWithReference(t *testing.T) {
	for seed := range uint64(4000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		in := randomInput(rng)
		if err := agrees(in, rng); err != nil {
			t.Fatalf("seed %d: %v\n%+v", seed, err, in)
		}
	}
}

// fuzzBytes takes its choices from bytes, 0 when they are used up.
type fuzzBytes struct{ left []byte }

func (f *fuzzBytes) IntN(n int) int {
	v := 0
	for m := n - 1; m > 0 && len(f.left) > 0; m >>= 8 {
		v = v<<8 | int(f.left[0])
		f.left = f.left[1:]
	}
	return v % n
}

func FuzzCompile(f *testing.F) {
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 1))
		b := make([]byte, 400)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		f.Add(b)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		in := randomInput(&fuzzBytes{b})
		if err := agrees(in, rand.New(rand.NewPCG(0, 0))); err != nil {
			t.Fatalf("%v\n%+v", err, in)
		}
	})
}
