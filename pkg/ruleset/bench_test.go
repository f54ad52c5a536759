// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
)

// manyPrefixes4 returns n different IPv4 prefixes in random order, of the lengths that real block
// lists have: /16 1, /20 4, /22 10, /24 55, /28 10 and /32 20 in a hundred.
func manyPrefixes4(rng *rand.Rand, n int) []netip.Prefix {
	list, seen := make([]netip.Prefix, 0, n), make(map[netip.Prefix]bool, n)
	for len(list) < n {
		var bits int
		switch x := rng.IntN(100); {
		case x < 1:
			bits = 16
		case x < 5:
			bits = 20
		case x < 15:
			bits = 22
		case x < 70:
			bits = 24
		case x < 80:
			bits = 28
		default:
			bits = 32
		}
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], rng.Uint32())
		if p := netip.PrefixFrom(netip.AddrFrom4(a), bits).Masked(); !seen[p] {
			seen[p] = true
			list = append(list, p)
		}
	}
	return list
}

// manyPrefixes6 is manyPrefixes4 for 2000::/3: /32 10, /48 40, /56 20, /64 25, /128 5.
func manyPrefixes6(rng *rand.Rand, n int) []netip.Prefix {
	list := make([]netip.Prefix, n)
	for i := range list {
		var bits int
		switch x := rng.IntN(100); {
		case x < 10:
			bits = 32
		case x < 50:
			bits = 48
		case x < 70:
			bits = 56
		case x < 95:
			bits = 64
		default:
			bits = 128
		}
		var a [16]byte
		binary.BigEndian.PutUint64(a[:8], rng.Uint64()>>3|1<<61)
		binary.BigEndian.PutUint64(a[8:], rng.Uint64())
		list[i] = netip.PrefixFrom(netip.AddrFrom16(a), bits).Masked()
	}
	return list
}

// oneRule is a set with one list; ruleEach gives each prefix a rule, so that no ranges merge.
func oneRule(list []netip.Prefix) Input {
	return Input{Default: Allow, Errno: 1, Rules: []Rule{{ID: FirstRule, Action: Block, Prefixes: list}}}
}

func ruleEach(list []netip.Prefix) Input {
	in := Input{Default: Allow, Errno: 1, Rules: make([]Rule, len(list))}
	for i := range list {
		in.Rules[i] = Rule{ID: FirstRule + uint32(i), Action: Block, Prefixes: list[i : i+1]}
	}
	return in
}

func BenchmarkCompile1M(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	list4 := manyPrefixes4(rng, 1_000_000)
	for _, bm := range []struct {
		name string
		in   Input
	}{
		{"v4 one rule", oneRule(list4)},
		{"v4 a rule each", ruleEach(list4)},
		{"v6 200k a rule each", ruleEach(manyPrefixes6(rng, 200_000))},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			var lines int
			for range b.N {
				set, err := Compile(bm.in)
				if err != nil {
					b.Fatal(err)
				}
				lines = len(set.Lines)
			}
			b.ReportMetric(float64(lines*LineSize), "image-B")
		})
	}
}

func BenchmarkCompileSmall(b *testing.B) {
	in := small()
	b.ReportAllocs()
	for range b.N {
		if _, err := Compile(in); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkLookup(b *testing.B) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, bm := range []struct {
		name string
		n    int
	}{{"10", 10}, {"1M", 1_000_000}} {
		list := manyPrefixes4(rng, bm.n)
		set, err := Compile(ruleEach(list))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(bm.name, func(b *testing.B) {
			for i := range b.N {
				set.Lookup(list[i%len(list)].Addr(), 6, 443)
			}
		})
	}
}

// small is a set like that of a policy that says nothing: a few addresses, ports and own.
func small() Input {
	pfx := func(s ...string) []netip.Prefix {
		var list []netip.Prefix
		for _, p := range s {
			list = append(list, netip.MustParsePrefix(p))
		}
		return list
	}
	host := pfx("0.0.0.0/8", "127.0.0.0/8", "192.0.2.7/32", "192.0.2.255/32", "::/128", "::1/128", "fe80::5/128", "2001:db8::7/128")
	in := Input{
		Default: Allow, Errno: 1, Own: true, HostRule: 3, HostNetwork: true,
		Rules: []Rule{
			{ID: 3, Action: Block, Prefixes: host},
			{ID: 4, Action: Block, Prefixes: pfx("169.254.0.0/16", "fe80::/10")},
			{ID: 5, Action: Block, Prefixes: pfx("169.254.169.254/32", "fd00:ec2::254/128")},
			{ID: 6, Action: Block, Prefixes: pfx("224.0.0.0/4", "ff00::/8")},
			{ID: 7, Action: Allow, Prefixes: pfx("127.0.0.53/32", "2001:db8::53/128"), Ports: []PortRange{{ProtoAny, 53, 53}}},
		},
	}
	for _, p := range host {
		in.Host = append(in.Host, HostPrefix{p, p.Addr() != netip.MustParseAddr("192.0.2.255")})
	}
	return in
}
