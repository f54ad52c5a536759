// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The lines of expected images, written without the code that they check.

func headLine(levels []uint32, leaves uint32, settings ...uint32) Line {
	l := Line{0: uint32(len(levels)), 9: leaves}
	copy(l[1:], levels)
	copy(l[10:], settings)
	return l
}

func keyLine(keys []uint64, n int) Line {
	var b []byte
	for i := range n {
		k := ^uint64(0)
		if i < len(keys) {
			k = keys[i]
		}
		b = binary.NativeEndian.AppendUint64(b, k)
	}
	var l Line
	for i := range 2 * n {
		l[i] = binary.NativeEndian.Uint32(b[4*i:])
	}
	return l
}

func upperLine(keys ...uint64) Line { return keyLine(keys, 8) }

func leafLine(ends []uint64, words ...uint32) Line {
	l := keyLine(ends, 5)
	copy(l[10:], words)
	return l
}

const ones = ^uint64(0)

func prefixes(list string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range strings.Fields(list) {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

func block(id uint32, list string, ports ...PortRange) Rule {
	return Rule{ID: id, Action: Block, Prefixes: prefixes(list), Ports: ports}
}

func allow(id uint32, list string, ports ...PortRange) Rule {
	return Rule{ID: id, Action: Allow, Prefixes: prefixes(list), Ports: ports}
}

func TestImage(t *testing.T) {
	tests := []struct {
		name string
		in   Input
		want []Line
	}{
		{
			"no rules, allow",
			Input{Default: Allow, Errno: 1},
			[]Line{
				headLine(nil, 2, 0, 1, 0),
				headLine(nil, 3, 0, 1, 0),
				leafLine([]uint64{ones}, 0x12000000),
				leafLine([]uint64{ones}, 0x12000000),
			},
		},
		{
			"settings",
			Input{
				Default: Block, Errno: 13, Own: true, HostRule: 9, Audit: true, HostNetwork: true,
				Rules: []Rule{block(9, "")},
			},
			[]Line{
				headLine(nil, 2, 7, 13, 0x21000009),
				headLine(nil, 3, 7, 13, 0x21000009),
				leafLine([]uint64{ones}, 0x20000000),
				leafLine([]uint64{ones}, 0x20000000),
			},
		},
		{
			"both families at their first and last address, with /0",
			Input{Default: Allow, Errno: 1, Rules: []Rule{
				block(3, "0.0.0.0/0 ::/0"),
				allow(4, "0.0.0.0/32 255.255.255.255/32 ::/64 ffff:ffff:ffff:ffff::/64"),
			}},
			[]Line{
				headLine(nil, 2, 0, 1, 0),
				headLine(nil, 3, 0, 1, 0),
				leafLine([]uint64{0, 0xfffffffe, ones}, 0x12000004, 0x20000003, 0x12000004),
				leafLine([]uint64{0, ones - 1, ones}, 0x12000004, 0x20000003, 0x12000004),
			},
		},
		{
			"neighbours merge, across rules of other specificity too",
			Input{Default: Allow, Errno: 1, Rules: []Rule{
				block(3, "10.0.0.0/9 10.128.0.0/9 10.1.0.0/16 11.0.0.0/8 10.0.0.0/9"),
				allow(0xffffff, "11.0.0.0/8"), // loses the tie
			}},
			[]Line{
				headLine(nil, 2, 0, 1, 0),
				headLine(nil, 3, 0, 1, 0),
				leafLine([]uint64{0x09ffffff, 0x0bffffff, ones}, 0x12000000, 0x20000003, 0x12000000),
				leafLine([]uint64{ones}, 0x12000000),
			},
		},
		{
			"/65 and /128 split a /64, equal low halves share a tree",
			Input{Default: Allow, Errno: 1, Rules: []Rule{
				block(3, "2001:db8:0:1:8000::/65 2001:db8:0:2:8000::/65 2001:db8:0:4:8000::/65"),
				block(4, "2001:db8:0:8::/128 2001:db8:0:8:ffff:ffff:ffff:ffff/128"),
			}},
			[]Line{
				headLine(nil, 6, 0, 1, 0),
				headLine([]uint32{7}, 8, 0, 1, 0),
				headLine(nil, 3),
				leafLine([]uint64{1<<63 - 1, ones}, 0x12000000, 0x20000003),
				headLine(nil, 5),
				leafLine([]uint64{0, ones - 1, ones}, 0x20000004, 0x12000000, 0x20000004),
				leafLine([]uint64{ones}, 0x12000000),
				upperLine(0x20010db800000007, ones),
				leafLine([]uint64{
					0x20010db800000000, 0x20010db800000002, 0x20010db800000003, 0x20010db800000004, 0x20010db800000007,
				}, 0x12000000, 0x30000002, 0x12000000, 0x30000002, 0x12000000),
				leafLine([]uint64{0x20010db800000008, ones}, 0x30000004, 0x12000000),
			},
		},
		{
			"a range from inside one /64 into another",
			Input{Default: Allow, Errno: 1, Rules: []Rule{block(3, "0:0:0:1:8000::/65 0:0:0:2::/63 0:0:0:4::/65")}},
			[]Line{
				headLine(nil, 6, 0, 1, 0),
				headLine(nil, 7, 0, 1, 0),
				headLine(nil, 3),
				leafLine([]uint64{1<<63 - 1, ones}, 0x12000000, 0x20000003),
				headLine(nil, 5),
				leafLine([]uint64{1<<63 - 1, ones}, 0x20000003, 0x12000000),
				leafLine([]uint64{ones}, 0x12000000),
				leafLine([]uint64{0, 1, 3, 4, ones}, 0x12000000, 0x30000002, 0x20000003, 0x30000004, 0x12000000),
			},
		},
		{
			"ports: one tree for both families, at the edges of the port space",
			Input{Default: Allow, Errno: 1, Rules: []Rule{
				block(3, "192.0.2.0/24 2001:db8::1/128", PortRange{ProtoTCP, 0, 0}, PortRange{ProtoUDP, 65535, 65535}),
			}},
			[]Line{
				headLine(nil, 6, 0, 1, 0),
				headLine(nil, 7, 0, 1, 0),
				headLine(nil, 3),
				leafLine([]uint64{0x5ffff, 0x60000, 0x11fffe, 0x11ffff, ones},
					0x12000000, 0x20000003, 0x12000000, 0x20000003, 0x12000000),
				headLine(nil, 5),
				leafLine([]uint64{0, 1, ones}, 0x12000000, 0x40000002, 0x12000000),
				leafLine([]uint64{0xc00001ff, 0xc00002ff, ones}, 0x12000000, 0x40000002, 0x12000000),
				leafLine([]uint64{0x20010db7ffffffff, 0x20010db800000000, ones}, 0x12000000, 0x30000004, 0x12000000),
			},
		},
		{
			"host: own, and what a later host address would keep",
			Input{
				Default: Allow, Errno: 1, Own: true, HostRule: 3,
				Rules: []Rule{
					block(3, "127.0.0.0/8"),
					allow(4, "127.0.0.53/32 198.51.100.1/32", PortRange{ProtoUDP, 53, 53}),
					allow(5, "198.51.100.2/32"),
				},
				Host: []HostPrefix{
					{netip.MustParsePrefix("127.0.0.0/8"), true},
					{netip.MustParsePrefix("127.255.255.255/32"), false},
				},
			},
			[]Line{
				headLine([]uint32{6}, 7, 4, 1, 0x21000003),
				headLine(nil, 9, 4, 1, 0x21000003),
				headLine(nil, 3), // ports of 127.0.0.53
				leafLine([]uint64{0x110034, 0x110035, ones}, 0x21000003, 0x12000004, 0x21000003),
				headLine(nil, 5), // ports of 198.51.100.1
				leafLine([]uint64{0x110034, 0x110035, ones}, 0x10000000, 0x12000004, 0x10000000),
				upperLine(0x7fffffff, ones),
				leafLine([]uint64{0x7effffff, 0x7f000034, 0x7f000035, 0x7ffffffe, 0x7fffffff},
					0x10000000, 0x21000003, 0x40000002, 0x21000003, 0x20000003),
				leafLine([]uint64{0xc6336400, 0xc6336401, 0xc6336402, ones},
					0x10000000, 0x40000004, 0x10000005, 0x10000000),
				leafLine([]uint64{ones}, 0x10000000),
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			set, err := Compile(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, set.Lines); diff != "" {
				t.Errorf("lines (-want +got):\n%s", diff)
			}
			if err := inspect(set); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLevels pins the shape of trees at the numbers of ranges where they grow a line or a level.
func TestLevels(t *testing.T) {
	for _, tt := range []struct{ ranges, levels, lines int }{
		{5, 0, 1}, {7, 1, 3}, {39, 1, 9}, {41, 2, 12}, {319, 2, 73}, {321, 3, 65 + 9 + 2 + 1},
	} {
		var list []netip.Prefix
		for i := range tt.ranges / 2 { // each adds two ranges to the first
			list = append(list, netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i / 100), byte(i%100*2 + 1)}), 32))
		}
		set, err := Compile(oneRule(list))
		if err != nil {
			t.Fatal(err)
		}
		if err := inspect(set); err != nil {
			t.Errorf("%d ranges: %v", tt.ranges, err)
		}
		levels, lines := int(set.Lines[0][0]), len(set.Lines)-3
		if levels != tt.levels || lines != tt.lines {
			t.Errorf("%d ranges: %d levels, %d lines; want %d, %d", tt.ranges, levels, lines, tt.levels, tt.lines)
		}
	}
}

// TestHasRoom pins the largest trees: 8 children a level, 5 ranges a leaf.
func TestHasRoom(t *testing.T) {
	const most = 5 * 8 * 8 * 8 * 8 * 8 * 8 * 8
	const lines = 8*8*8*8*8*8*8 + 8*8*8*8*8*8 + 8*8*8*8*8 + 8*8*8*8 + 8*8*8 + 8*8 + 8 + 1
	c := newCompiler(&Input{}, maxLines)
	for _, tt := range []struct {
		more  int
		sizes []int
		want  bool
	}{
		{0, []int{1, most}, true},
		{0, []int{1, most + 1}, false},
		{0, []int{most + 1, 1}, false},
		{1<<24 - 2 - lines, []int{most}, true},
		{1<<24 - 1 - lines, []int{most}, false},
		{0, []int{most, most, most, most, most, most}, true},
		{0, []int{most, most, most, most, most, most, most}, false},
	} {
		if got := c.hasRoom(tt.more, tt.sizes...); got != tt.want {
			t.Errorf("room for %d lines and trees of %v ranges: %v", tt.more, tt.sizes, got)
		}
	}
}

func TestBytes(t *testing.T) {
	set, err := Compile(Input{Default: Block, Errno: 1, Audit: true})
	if err != nil {
		t.Fatal(err)
	}
	var want []byte
	for _, l := range set.Lines {
		for _, w := range l {
			want = binary.NativeEndian.AppendUint32(want, w)
		}
	}
	if len(want) != 4*64 || !bytes.Equal(set.Bytes(), want) {
		t.Errorf("%d bytes % x, want % x", len(set.Bytes()), set.Bytes(), want)
	}
	set.Lines[0][headErrno] = 13
	if got := binary.NativeEndian.Uint32(set.Bytes()[4*headErrno:]); got != 13 {
		t.Errorf("errno %d in the bytes: a copy?", got)
	}
	if got := (&Set{}).Bytes(); len(got) != 0 {
		t.Errorf("an empty set has %d bytes", len(got))
	}
}

func TestSettings(t *testing.T) {
	set, err := Compile(Input{
		Default: Allow, Errno: 111, HostRule: 5, Audit: true,
		Rules: []Rule{block(5, "127.0.0.0/8")},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !set.Audit() || set.HostNetwork() || set.Errno() != 111 || set.HostWord() != 0x20000005 {
		t.Errorf("settings %v %v %d %#x", set.Audit(), set.HostNetwork(), set.Errno(), set.HostWord())
	}
	empty := &Set{}
	if empty.Audit() || empty.HostNetwork() || empty.Errno() != 0 || empty.HostWord() != 0 {
		t.Error("an empty set has settings")
	}
}

// TestHeader compares the constants with those of the C programs.
func TestHeader(t *testing.T) {
	text, err := os.ReadFile("../../bpf/types.h")
	if err != nil {
		t.Fatal(err)
	}
	defined := map[string]uint64{}
	re := regexp.MustCompile(`(?m)^#define\s+(\w+)\s+(?:\((\d+) << (\d+)\)|(0x[0-9a-f]+|\d+))(?:\s|$)`)
	for _, m := range re.FindAllStringSubmatch(string(text), -1) {
		if m[4] != "" {
			defined[m[1]], err = strconv.ParseUint(m[4], 0, 64)
		} else {
			var v, shift uint64
			if v, err = strconv.ParseUint(m[2], 10, 64); err == nil {
				shift, err = strconv.ParseUint(m[3], 10, 6)
			}
			defined[m[1]] = v << shift
		}
		if err != nil {
			t.Fatalf("%s: %v", m[0], err)
		}
	}
	for name, want := range map[string]uint64{
		"SET_V4": setV4, "SET_V6": setV6,
		"TREE_MAX_LEVELS": treeMaxLevels, "SUBTREE_MAX_LEVELS": subtreeMaxLevels, "TREE_FANOUT": treeFanout,
		"LEAF_RANGES": leafRanges, "LEAF_VERDICTS": leafVerdicts,
		"HEAD_LEVELS": headLevels, "HEAD_LEVEL": headLevel, "HEAD_LEAVES": headLeaves,
		"HEAD_FLAGS": headFlags, "HEAD_ERRNO": headErrno, "HEAD_HOST": headHost,
		"SET_FLAG_AUDIT": uint64(flagAudit), "SET_FLAG_HOSTNET": uint64(flagHostNet), "SET_FLAG_OWN": uint64(flagOwn),
		"VERDICT_KIND_SHIFT": kindShift, "VERDICT_ARG_MASK": uint64(argMask),
		"VERDICT_ALLOW": uint64(KindAllow), "VERDICT_BLOCK": uint64(KindBlock),
		"VERDICT_LOW64": uint64(KindLow64), "VERDICT_PORTS": uint64(KindPorts),
		"VERDICT_F_OWN": uint64(FlagOwn), "VERDICT_F_HOST_OK": uint64(FlagHostOK),
		"RULE_DEFAULT": uint64(RuleDefault), "RULE_PROTOCOL": uint64(RuleProtocol),
		"RULE_FAULT": uint64(RuleFault), "RULE_FIRST": uint64(FirstRule),
	} {
		if got, ok := defined[name]; !ok || got != want {
			t.Errorf("%s is %d in bpf/types.h (defined: %v), %d here", name, got, ok, want)
		}
	}
}
