// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"
)

func TestNormalize(t *testing.T) {
	for _, tt := range []struct{ in, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"0.0.0.0", "0.0.0.0"},
		{"::", "::"},
		{"::1", "::1"},
		{"::2", "0.0.0.2"},
		{"::192.0.2.1", "192.0.2.1"},
		{"::1:0:0", "::1:0:0"},
		{"::ffff:192.0.2.1", "192.0.2.1"},
		{"::ffff:0.0.0.0", "0.0.0.0"},
		{"::ffff:192.0.2.1%eth0", "192.0.2.1"},
		{"::fffe:192.0.2.1", "::fffe:192.0.2.1"},
		{"::ffff:0:192.0.2.1", "::ffff:0:192.0.2.1"},
		{"64:ff9b::192.0.2.1", "192.0.2.1"},
		{"64:ff9b::", "0.0.0.0"},
		{"64:ff9b::1:0:0", "64:ff9b::1:0:0"},
		{"64:ff9b:1::192.0.2.1", "64:ff9b:1::192.0.2.1"},
		{"64:ff9b:0:1::192.0.2.1", "64:ff9b:0:1::192.0.2.1"},
		{"2002::", "0.0.0.0"},
		{"2002:c000:201::", "192.0.2.1"},
		{"2002:c000:201:ffff:ffff:ffff:ffff:ffff", "192.0.2.1"},
		{"2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
		{"2003::", "2003::"},
		{"fe80::1%eth0", "fe80::1"},
		{"2001:db8::1", "2001:db8::1"},
	} {
		if got, want := Normalize(netip.MustParseAddr(tt.in)), netip.MustParseAddr(tt.want); got != want {
			t.Errorf("Normalize(%s) = %v, want %v", tt.in, got, want)
		}
	}
	if got := Normalize(netip.Addr{}); got.IsValid() {
		t.Errorf("no address became %v", got)
	}
}

// TestLookupOfBrokenImages checks that what makes no sense refuses.
func TestLookupOfBrokenImages(t *testing.T) {
	const fault = Word(0x20000002)
	good, err := Compile(Input{Default: Allow, Errno: 1, Rules: []Rule{
		block(3, "10.0.0.1/32 10.0.0.3/32 10.0.0.5/32"),
		allow(4, "2001:db8::1/128 10.0.0.7/32", port(80)),
	}})
	if err != nil {
		t.Fatal(err)
	}
	v4, v6 := netip.MustParseAddr("10.0.0.7"), netip.MustParseAddr("2001:db8::1")
	for _, addr := range []netip.Addr{v4, v6} {
		if got := good.Lookup(addr, 6, 80); got != 0x12000004 {
			t.Fatalf("%v: %#x before the image is broken", addr, got)
		}
	}
	// lead gives w to the words of a leaf line that lead to other trees, words to all.
	lead := func(line uint32, w Word) func([]Line) {
		return func(l []Line) {
			for i := leafVerdicts; i < leafVerdicts+leafRanges; i++ {
				if k := Word(l[line][i]).Kind(); k == KindPorts || k == KindLow64 {
					l[line][i] = uint32(w)
				}
			}
		}
	}
	words := func(line uint32, w Word) func([]Line) {
		return func(l []Line) {
			for i := leafVerdicts; i < leafVerdicts+leafRanges; i++ {
				l[line][i] = uint32(w)
			}
		}
	}
	set := func(line, word int, v uint32) func([]Line) {
		return func(l []Line) { l[line][word] = v }
	}
	v4leaf := good.Lines[0][headLeaves] + 1 // the second: behind 10.0.0.5
	v6leaf := good.Lines[1][headLeaves]
	const portsHead, portsLeaf, lowHead, lowLeaf = 2, 3, 4, 5
	end := uint32(len(good.Lines))
	for _, tt := range []struct {
		name   string
		addr   netip.Addr
		damage func([]Line)
	}{
		{"too many levels", v4, set(0, headLevels, treeMaxLevels+1)},
		{"far too many levels", v4, set(0, headLevels, ^uint32(0))},
		{"upper line behind the image", v4, set(0, headLevel, end)},
		{"upper line of all ones", v4, set(0, headLevel, ^uint32(0))},
		{"leaf line behind the image", v4, set(0, headLeaves, end)},
		{"word of zeros", v4, lead(v4leaf, 0)},
		{"kind 0 with a rule id", v4, lead(v4leaf, 5)},
		{"unknown kind", v4, lead(v4leaf, 0x50000003)},
		{"ports tree behind the image", v4, lead(v4leaf, newWord(KindPorts, end))},
		{"low half of an IPv4 address", v4, lead(v4leaf, newWord(KindLow64, lowHead))},
		{"ports lead to ports", v4, words(portsLeaf, newWord(KindPorts, portsHead))},
		{"ports lead to a low half", v6, words(portsLeaf, newWord(KindLow64, lowHead))},
		{"low half behind the image", v6, lead(v6leaf, newWord(KindLow64, 0xffffff))},
		{"low half leads to a low half", v6, lead(lowLeaf, newWord(KindLow64, lowHead))},
		{"levels of the ports tree", v6, set(portsHead, headLevels, subtreeMaxLevels+1)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := &Set{Lines: slices.Clone(good.Lines)}
			tt.damage(broken.Lines)
			if got := broken.Lookup(tt.addr, 6, 80); got != fault {
				t.Errorf("%#x, want %#x", got, fault)
			}
		})
	}
	for n := range 2 {
		short := &Set{Lines: good.Lines[:n]}
		if got := short.Lookup(v6, 6, 80); got != fault {
			t.Errorf("%d lines: %#x, want %#x", n, got, fault)
		}
	}
	if got := good.Lookup(netip.Addr{}, 6, 80); got != fault {
		t.Errorf("no address: %#x, want %#x", got, fault)
	}
}

// TestSearchIsTheKernels pins what a search does with lines that Compile never makes, so that it
// stays the search of the C programs.
func TestSearchIsTheKernels(t *testing.T) {
	const a, z = 0x10000003, 0x10000004
	zeros := func(n int) []uint64 { return make([]uint64, n) }
	key := netip.MustParseAddr("0.0.0.5")
	for _, tt := range []struct {
		name  string
		lines []Line
		want  Word
	}{
		{
			"a key above all ends of a leaf gets its last word",
			[]Line{headLine(nil, 2), {}, leafLine(zeros(5), a, a, a, a, z)},
			z,
		},
		{
			"a key above all keys of an upper line goes to the last child",
			[]Line{
				headLine([]uint32{2}, 3),
				{},
				upperLine(zeros(8)...),
				leafLine(nil, a), leafLine(nil, a), leafLine(nil, a), leafLine(nil, a),
				leafLine(nil, a), leafLine(nil, a), leafLine(nil, a), leafLine(nil, z),
				leafLine(nil, a),
			},
			z,
		},
		{
			"seven levels are searched",
			[]Line{headLine([]uint32{2, 2, 2, 2, 2, 2, 2}, 3), {}, upperLine(), leafLine(nil, z)},
			z,
		},
		{
			"eight levels are not",
			[]Line{headLine([]uint32{2, 2, 2, 2, 2, 2, 2, 2}, 3), {}, upperLine(), leafLine(nil, z)},
			FaultWord,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			set := &Set{Lines: tt.lines}
			if got := set.Lookup(key, 6, 80); got != tt.want {
				t.Errorf("%#x, want %#x", got, tt.want)
			}
		})
	}
}

// TestLookupSurvivesRandomDamage checks that no damage makes a search panic, run on or return
// what is no verdict.
func TestLookupSurvivesRandomDamage(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		in := randomInput(rng)
		set, err := Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		addrs := edgeAddrs(&in)
		for range 50 {
			w := &set.Lines[rng.IntN(len(set.Lines))][rng.IntN(16)]
			old := *w
			*w = rng.Uint32() >> rng.IntN(32)
			got := set.Lookup(addrs[rng.IntN(len(addrs))], 6, 80)
			if got.Kind() != KindAllow && got.Kind() != KindBlock {
				t.Fatalf("%#x", got)
			}
			*w = old
		}
	}
}
