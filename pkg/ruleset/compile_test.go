// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"errors"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func port(p uint16) PortRange { return PortRange{ProtoAny, p, p} }

// TestVerdicts goes through the decision rule case by case.
func TestVerdicts(t *testing.T) {
	type probe struct {
		addr        string
		proto, port uint16
		want        Word
	}
	except := func(r Rule, list string) Rule {
		r.Except = prefixes(list)
		return r
	}
	host := func(list string) []HostPrefix {
		var out []HostPrefix
		for _, p := range prefixes(list) {
			out = append(out, HostPrefix{p, true})
		}
		return out
	}
	tests := []struct {
		name   string
		in     Input
		probes []probe
	}{
		{
			"most specific prefix wins",
			Input{Default: Allow, Rules: []Rule{
				block(3, "10.0.0.0/8"), allow(4, "10.1.0.0/16"), block(5, "10.1.1.0/24"), allow(6, "10.1.1.1/32"),
			}},
			[]probe{
				{"10.2.0.0", 6, 1, 0x20000003},
				{"10.1.2.0", 6, 1, 0x12000004},
				{"10.1.1.2", 6, 1, 0x20000005},
				{"10.1.1.1", 6, 1, 0x12000006},
				{"10.1.1.0", 6, 1, 0x20000005},
				{"11.0.0.0", 6, 1, 0x12000000},
				{"9.255.255.255", 1, 0, 0x12000000},
				{"10.255.255.255", 1, 0, 0x20000003},
			},
		},
		{
			"ties: ports, then block, then the lower id",
			Input{Default: Allow, Rules: []Rule{
				block(9, "10.0.0.0/8"), block(8, "10.0.0.0/8"), allow(3, "10.0.0.0/8"),
				allow(7, "10.0.0.0/8", port(80)), allow(6, "10.0.0.0/8", port(443)), block(10, "10.0.0.0/8", port(443)),
			}},
			[]probe{
				{"10.0.0.1", 6, 22, 0x20000008},
				{"10.0.0.1", 6, 80, 0x12000007},
				{"10.0.0.1", 17, 80, 0x12000007},
				{"10.0.0.1", 6, 443, 0x2000000a},
				{"10.0.0.1", 1, 0, 0x20000008},
				{"10.0.0.1", 136, 80, 0x20000008},
			},
		},
		{
			"a specific prefix whose ports don't match leaves it to the next",
			Input{Default: Allow, Rules: []Rule{
				block(3, "10.0.0.0/8"), allow(4, "10.0.0.0/16", PortRange{ProtoTCP, 80, 90}), block(5, "10.0.0.1/32", PortRange{ProtoTCP, 85, 85}),
			}},
			[]probe{
				{"10.0.0.1", 6, 84, 0x12000004},
				{"10.0.0.1", 6, 85, 0x20000005},
				{"10.0.0.1", 6, 90, 0x12000004},
				{"10.0.0.1", 6, 91, 0x20000003},
				{"10.0.0.1", 6, 79, 0x20000003},
				{"10.0.0.1", 17, 85, 0x20000003},
				{"10.0.0.2", 6, 85, 0x12000004},
			},
		},
		{
			"a hole leaves it to less specific rules and keeps the rule's specificity around",
			Input{Default: Allow, Rules: []Rule{
				except(block(3, "10.0.0.0/8"), "10.1.0.0/16"), block(4, "0.0.0.0/0"), allow(5, "10.0.0.0/9"),
				except(block(6, "11.0.0.0/8 11.1.1.0/24 11.2.0.0/16"), "11.1.0.0/16 11.2.0.0/16 11.1.1.0/24"),
			}},
			[]probe{
				{"10.200.0.1", 6, 1, 0x20000003},
				{"10.1.0.1", 6, 1, 0x12000005},
				{"10.2.0.1", 6, 1, 0x12000005},
				{"11.0.0.1", 6, 1, 0x20000006},
				{"11.1.0.1", 6, 1, 0x20000004},
				{"11.1.1.1", 6, 1, 0x20000004},
				{"11.2.3.4", 6, 1, 0x20000004},
				{"11.3.0.0", 6, 1, 0x20000006},
			},
		},
		{
			"low halves with ports",
			Input{Default: Block, Rules: []Rule{
				allow(3, "2001:db8::/64"), block(4, "2001:db8::8000:0:0:0/65", port(22)), allow(5, "2001:db8::8000:0:0:1/128", PortRange{ProtoUDP, 22, 22}),
			}},
			[]probe{
				{"2001:db8::1", 6, 22, 0x12000003},
				{"2001:db8::8000:0:0:0", 6, 22, 0x20000004},
				{"2001:db8::8000:0:0:1", 17, 22, 0x12000005},
				{"2001:db8::8000:0:0:1", 6, 22, 0x20000004},
				{"2001:db8::ffff:ffff:ffff:ffff", 6, 23, 0x12000003},
				{"2001:db8:0:1::", 6, 22, 0x20000000},
				{"2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", 6, 22, 0x20000000},
			},
		},
		{
			"IPv4 inside IPv6 gets the IPv4 verdict",
			Input{Default: Allow, Rules: []Rule{block(3, "192.0.2.0/24"), block(4, "::/0")}},
			[]probe{
				{"192.0.2.1", 6, 1, 0x20000003},
				{"::ffff:192.0.2.1", 6, 1, 0x20000003},
				{"::192.0.2.1", 6, 1, 0x20000003},
				{"64:ff9b::192.0.2.1", 6, 1, 0x20000003},
				{"2002:c000:201:5::1", 6, 1, 0x20000003},
				{"64:ff9b::192.0.3.1", 6, 1, 0x12000000},
				{"64:ff9b:1::192.0.3.1", 6, 1, 0x20000004},
				{"::", 6, 1, 0x20000004},
				{"::1", 6, 1, 0x20000004},
				{"::2", 6, 1, 0x12000000},
				{"fe80::1%eth0", 6, 1, 0x20000004},
			},
		},
		{
			"own lifts blocks of the host that name no port, the default's too",
			Input{
				Default: Block, Own: true, Host: append(host("127.0.0.0/8 ::1/128"), HostPrefix{netip.MustParsePrefix("127.1.0.0/16"), false}, HostPrefix{netip.MustParsePrefix("127.1.1.0/24"), true}, HostPrefix{netip.MustParsePrefix("127.1.1.0/24"), false}),
				Rules: []Rule{block(3, "127.0.0.1/32 10.0.0.0/8"), block(4, "127.0.0.0/8", port(5432)), allow(5, "127.0.0.2/32")},
			},
			[]probe{
				{"127.0.0.1", 6, 5432, 0x21000003},
				{"127.0.0.3", 6, 5432, 0x20000004},
				{"127.0.0.3", 6, 80, 0x21000000},
				{"127.0.0.2", 6, 80, 0x12000005},
				{"10.0.0.1", 6, 80, 0x20000003},
				{"::1", 6, 80, 0x21000000},
				{"127.1.0.1", 6, 80, 0x20000000},
				{"127.1.1.1", 6, 80, 0x20000000},
				{"127.2.0.1", 6, 80, 0x21000000},
			},
		},
		{
			"without own nothing is lifted",
			Input{Default: Block, Host: host("127.0.0.0/8"), Rules: []Rule{block(3, "127.0.0.1/32")}},
			[]probe{{"127.0.0.1", 6, 80, 0x20000003}, {"127.0.0.2", 6, 80, 0x20000000}},
		},
		{
			"what stays allowed if the address turns out to be the host's",
			Input{
				Default: Allow, HostRule: 3, Host: host("127.0.0.0/8"),
				Rules: []Rule{
					block(3, "127.0.0.0/8"), allow(4, "10.0.0.1/32", port(80)), allow(5, "10.0.0.2/32"),
					allow(6, "10.0.0.0/24", port(443)), allow(7, "127.0.0.1/32"), allow(8, "2001:db8::1/128", port(80)),
				},
			},
			[]probe{
				{"192.0.2.1", 6, 80, 0x10000000},
				{"10.0.0.1", 6, 80, 0x12000004},
				{"10.0.0.1", 6, 81, 0x10000000},
				{"10.0.0.1", 6, 443, 0x10000006},
				{"10.0.0.2", 6, 80, 0x10000005},
				{"10.0.0.3", 6, 443, 0x10000006},
				{"127.0.0.1", 6, 80, 0x12000007},
				{"2001:db8::1", 17, 80, 0x12000008},
				{"2001:db8::1", 17, 81, 0x10000000},
			},
		},
		{
			"a rule without prefixes matches nothing",
			Input{Default: Block, Rules: []Rule{allow(3, ""), allow(4, "", port(80))}},
			[]probe{{"192.0.2.1", 6, 80, 0x20000000}, {"2001:db8::1", 6, 80, 0x20000000}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.in.Errno = 1
			set, err := Compile(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range tt.probes {
				addr := netip.MustParseAddr(p.addr)
				if got := set.Lookup(addr, p.proto, p.port); got != p.want {
					t.Errorf("%s protocol %d port %d: %#x, want %#x", p.addr, p.proto, p.port, got, p.want)
				}
				if ref := referenceWord(&tt.in, addr.WithZone(""), p.proto, p.port); ref != p.want {
					t.Errorf("%s protocol %d port %d: the reference says %#x, want %#x", p.addr, p.proto, p.port, ref, p.want)
				}
			}
		})
	}
}

// TestSharing checks that equal port trees are built once, and once for all prefixes of a rule.
func TestSharing(t *testing.T) {
	in := Input{Default: Allow, Errno: 1}
	for i := range 200 {
		in.Rules = append(in.Rules, Rule{
			ID: FirstRule + uint32(i), Action: Block, Ports: []PortRange{port(uint16(i % 2))},
			Prefixes: []netip.Prefix{
				netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i), 0}), 24),
				netip.PrefixFrom(netip.AddrFrom4([4]byte{11, 0, byte(i), 1}), 32),
				netip.PrefixFrom(netip.AddrFrom16([16]byte{0x20, 15: byte(i)}), 128),
			},
		})
	}
	set, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := inspect(set); err != nil { // finds equal trees
		t.Error(err)
	}
}

// TestHashCollision gives two different trees the same hash.
func TestHashCollision(t *testing.T) {
	c := newCompiler(&Input{}, maxLines)
	a := &ranges{ends: []uint64{7, allOnes}, words: []Word{1 << 28, 2 << 28}}
	for _, b := range []*ranges{
		{ends: []uint64{8, allOnes}, words: []Word{1 << 28, 2 << 28}},
		{ends: []uint64{7, allOnes}, words: []Word{1 << 28, 2<<28 | 3}},
		{ends: []uint64{7, 8, allOnes}, words: []Word{1 << 28, 2 << 28, 1 << 28}},
	} {
		wordA := c.subTree(KindPorts, a)
		c.interned[c.hash(b)] = wordA.Arg()
		wordB := c.subTree(KindPorts, b)
		if wordA == wordB {
			t.Errorf("%v got the tree of %v", b, a)
		}
		if again := c.subTree(KindPorts, b); again != wordB {
			t.Errorf("%v got two trees", b)
		}
	}
}

func TestCompileIsDeterministic(t *testing.T) {
	for seed := range uint64(50) {
		in := randomInput(rand.New(rand.NewPCG(seed, 2)))
		a, err := Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(in.Rules) // the order of rules has no meaning
		b, err := Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Lines, b.Lines) {
			t.Fatalf("seed %d: different images", seed)
		}
	}
}

// TestTooLarge compiles with fewer lines than are needed, for each kind of tree.
func TestTooLarge(t *testing.T) {
	for name, in := range map[string]Input{
		"addresses": oneRule(manyPrefixes4(rand.New(rand.NewPCG(1, 1)), 100)),
		"ports":     {Default: Allow, Errno: 1, Rules: []Rule{block(3, "10.0.0.0/8", port(1))}},
		"low64":     {Default: Allow, Errno: 1, Rules: []Rule{block(3, "2001:db8::1/128 2001:db8::1:0:0:1/128")}},
	} {
		full, err := Compile(in)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := compileLimited(in, len(full.Lines)); err != nil {
			t.Errorf("%s: %v at exactly as many lines as needed", name, err)
		}
		for _, limit := range []int{2, 3, len(full.Lines) - 1} {
			set, err := compileLimited(in, limit)
			if set != nil || !errors.Is(err, ErrTooLarge) {
				t.Errorf("%s: set %v, error %v with %d lines", name, set != nil, err, limit)
			}
		}
	}
	var hint interface{ Hint() string }
	if !errors.As(ErrTooLarge, &hint) || hint.Hint() == "" {
		t.Error("no hint")
	}
}
