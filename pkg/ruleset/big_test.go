// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

// bigReference decides for sets of many prefixes with one rule each, none twice and none with
// ports, by asking for every length. It returns the rule's id.
func bigReference(rules map[netip.Prefix]uint32, a netip.Addr) uint32 {
	for bits := a.BitLen(); bits >= 0; bits-- {
		if id, ok := rules[netip.PrefixFrom(a, bits).Masked()]; ok {
			return id
		}
	}
	return RuleDefault
}

// TestBigSets compares 100 000 prefixes of each family with the reference at range edges and at
// random addresses.
func TestBigSets(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	list := slices.Concat(manyPrefixes4(rng, 100_000), manyPrefixes6(rng, 100_000))
	in := ruleEach(list)
	rules := make(map[netip.Prefix]uint32, len(list))
	for i, p := range list {
		if _, ok := rules[p]; !ok { // at a tie the lower id wins
			rules[p] = in.Rules[i].ID
		}
	}
	set, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := inspect(set); err != nil {
		t.Fatal(err)
	}
	check := func(a netip.Addr) {
		want := FlagHostOK | Word(KindAllow)<<28
		if id := bigReference(rules, a); id != RuleDefault {
			want = Word(KindBlock)<<28 | Word(id)
		}
		if got := set.Lookup(a, 6, 443); got != want {
			t.Fatalf("%v: %#x, want %#x", a, got, want)
		}
	}
	for range 8_000 {
		p := list[rng.IntN(len(list))]
		first, last := p.Addr(), lastAddr(p)
		for _, a := range []netip.Addr{first.Prev(), first, last, last.Next()} {
			if a.IsValid() {
				check(a)
			}
		}
	}
}

// TestSortEvents4 compares the radix sort with the library's, above and below the number from
// which it is used, with digits that are the same in all events and with events in order.
func TestSortEvents4(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	for _, n := range []int{0, 1, 2, 100, 4095, 4096, 20_000} {
		for _, mask := range []event4{1<<63 - 1, 0xff << 40, 1<<63 - 1<<codeBits, 0, 0x7ff} {
			ev := make([]event4, n)
			for i := range ev {
				ev[i] = event4(rng.Uint64())&mask | 1<<50
			}
			want := slices.Clone(ev)
			slices.Sort(want)
			for range 2 { // the second time they are in order
				sortEvents4(ev)
				if !slices.Equal(ev, want) {
					t.Fatalf("%d events, mask %#x: not sorted", n, mask)
				}
			}
		}
	}
}

// TestManyRulesAtOnePrefix compiles rules that all meet, which must not take quadratic time.
func TestManyRulesAtOnePrefix(t *testing.T) {
	const n = 9_000 // about as many ranges as a further tree holds
	in := Input{Default: Allow, Errno: 1}
	for i := range uint32(n) {
		in.Rules = append(in.Rules, block(FirstRule+2*i, "10.0.0.0/8", port(uint16(i))))
		in.Rules = append(in.Rules, block(FirstRule+2*i+1, "10.0.0.0/8"))
	}
	set, err := Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	if err := inspect(set); err != nil {
		t.Fatal(err)
	}
	a := netip.MustParseAddr("10.1.2.3")
	for _, tt := range []struct {
		port uint16
		want Word
	}{{0, 0x20000003}, {1, 0x20000005}, {n - 1, 0x20000003 + 2*(n-1)}, {n, 0x20000004}} {
		if got := set.Lookup(a, 17, tt.port); got != tt.want {
			t.Errorf("port %d: %#x, want %#x", tt.port, got, tt.want)
		}
	}
}
