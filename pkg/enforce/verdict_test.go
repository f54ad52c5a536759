// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/aquasecurity/libbpfgo"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// TestKernelAgrees asks the kernel itself: the egress program is run on packets to random
// addresses, at the edges of random rules above all, and must say what Set.Lookup says.
func TestKernelAgrees(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 14))
	var o *Object
	for round := range 60 {
		in := randomInput(rng, 1+rng.IntN(200))
		set, err := ruleset.Compile(in)
		if err != nil {
			t.Fatal(err)
		}
		if o == nil {
			o = load0(t, set, 256)
			if err := o.attachTemp(t); err != nil {
				t.Fatal(err)
			}
		} else if err := o.Swap(set); err != nil {
			t.Fatal(err)
		}
		allowed, refused := 0, 0
		for range 300 {
			addr := randomAddr(rng, in.Rules)
			proto := []uint8{unix.IPPROTO_TCP, unix.IPPROTO_UDP, unix.IPPROTO_ICMP}[rng.IntN(3)]
			port := uint16(rng.IntN(8))
			if proto == unix.IPPROTO_ICMP {
				port = 0
			}
			word := set.Lookup(addr, uint16(proto), port)
			want := word.Kind() == ruleset.KindAllow
			if got := o.passes(t, packet(addr, proto, port)); got != want {
				t.Fatalf("round %d: %v proto %d port %d: the kernel says %v, the set %#x", round, addr, proto, port, got, word)
			}
			if want {
				allowed++
			} else {
				refused++
			}
		}
		if round == 0 && (allowed == 0 || refused == 0) {
			t.Errorf("%d allowed, %d refused: that shows nothing", allowed, refused)
		}
	}
}

// TestKernelAgreesOnBigSet does the same on a set with several levels, and on the programs that a
// set needs that outgrew the first.
func TestKernelAgreesOnBigSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 9))
	o := load0(t, compile(t), 256)
	in := randomInput(rng, 40_000)
	set, err := ruleset.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	before := o.progs["egress"]
	if err := o.attachTemp(t); err != nil {
		t.Fatal(err)
	}
	if err := o.Swap(set); err != nil {
		t.Fatal(err)
	}
	if o.progs["egress"] == before {
		t.Fatal("the set did not outgrow the programs: that shows nothing")
	}
	for range 5000 {
		addr, port := randomAddr(rng, in.Rules), uint16(rng.IntN(8))
		want := set.Lookup(addr, unix.IPPROTO_UDP, port).Kind() == ruleset.KindAllow
		if got := o.passes(t, packet(addr, unix.IPPROTO_UDP, port)); got != want {
			t.Fatalf("%v port %d: the kernel says %v, the set %v", addr, port, got, want)
		}
	}
}

// TestBrokenSetRefuses takes the set away, in parts and whole.
func TestBrokenSetRefuses(t *testing.T) {
	web := netip.MustParseAddr("203.0.113.1")
	for _, tt := range []struct {
		name   string
		damage func([]ruleset.Line) []ruleset.Line
		want   bool
	}{
		{"whole", func(l []ruleset.Line) []ruleset.Line { return l }, true},
		{"empty", func([]ruleset.Line) []ruleset.Line { return nil }, false},
		{"levels", func(l []ruleset.Line) []ruleset.Line { l[0][0] = 8; return l }, false},
		{"leaf", func(l []ruleset.Line) []ruleset.Line { l[0][9] = 1 << 30; return l }, false},
		{"verdicts", func(l []ruleset.Line) []ruleset.Line { return l[:2] }, false},
	} {
		set := &ruleset.Set{Lines: tt.damage(compile(t, "192.0.2.0/24").Lines)}
		o := load0(t, set, 8)
		if got := o.passes(t, packet(web, unix.IPPROTO_UDP, 53)); got != tt.want {
			t.Errorf("%s: passes %v, want %v", tt.name, got, tt.want)
		}
	}
}

// load0 loads a set and closes the object after the test.
func load0(t testing.TB, set *ruleset.Set, rules int) *Object {
	t.Helper()
	o, err := Load(set, rules)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.sets.wait(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// passes runs the egress program on a packet.
func (o *Object) passes(t testing.TB, packet []byte) bool {
	t.Helper()
	prog, err := o.module.GetProgram("egress")
	if err != nil {
		t.Fatal(err)
	}
	opts := libbpfgo.RunOpts{DataIn: packet, DataSizeIn: uint32(len(packet)), Repeat: 1}
	if err := prog.Run(&opts); err != nil {
		t.Fatal(err)
	}
	return opts.RetVal == 1
}

// packet makes a packet as BPF_PROG_TEST_RUN takes it: with an Ethernet header. TCP ones open a
// connection.
func packet(to netip.Addr, proto uint8, port uint16) []byte {
	l4 := make([]byte, 20)
	binary.BigEndian.PutUint16(l4, 40000)
	binary.BigEndian.PutUint16(l4[2:], port)
	l4[12], l4[13] = 5<<4, 2
	b := make([]byte, 14, 100)
	if to.Is4() {
		binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IP)
		ip := make([]byte, 20)
		ip[0], ip[8], ip[9] = 0x45, 64, proto
		binary.BigEndian.PutUint16(ip[2:], 40)
		copy(ip[16:], to.AsSlice())
		return append(append(b, ip...), l4...)
	}
	binary.BigEndian.PutUint16(b[12:], unix.ETH_P_IPV6)
	ip := make([]byte, 40)
	ip[0], ip[6], ip[7] = 0x60, proto, 64
	binary.BigEndian.PutUint16(ip[4:], 20)
	copy(ip[24:], to.AsSlice())
	return append(append(b, ip...), l4...)
}

// randomInput makes rules whose prefixes nest and meet often.
func randomInput(rng *rand.Rand, prefixes int) ruleset.Input {
	in := ruleset.Input{Default: ruleset.Action(1 + rng.IntN(2)), Errno: 1}
	for id := range uint32(1 + rng.IntN(20)) {
		r := ruleset.Rule{ID: ruleset.FirstRule + id, Action: ruleset.Action(1 + rng.IntN(2))}
		for range 1 + rng.IntN(1+prefixes/10) {
			addr := clusteredAddr(rng)
			r.Prefixes = append(r.Prefixes, netip.PrefixFrom(addr, rng.IntN(addr.BitLen()+1)).Masked())
		}
		for range rng.IntN(3) {
			first := uint16(rng.IntN(8))
			r.Ports = append(r.Ports, ruleset.PortRange{
				Proto: []uint8{ruleset.ProtoAny, ruleset.ProtoTCP, ruleset.ProtoUDP}[rng.IntN(3)],
				First: first, Last: first + uint16(rng.IntN(3)),
			})
		}
		in.Rules = append(in.Rules, r)
	}
	return in
}

// clusteredAddr is an address with few different bytes, in every form that is judged differently.
func clusteredAddr(rng *rand.Rand) netip.Addr {
	few := func(b []byte) {
		for i := range b {
			b[i] = []byte{0, 1, 0x7f, 0x80, 0xff}[rng.IntN(5)]
		}
	}
	if rng.IntN(2) == 0 {
		var a [4]byte
		few(a[:])
		return netip.AddrFrom4(a)
	}
	var a [16]byte
	few(a[:])
	a[0] = 0x20 // outside of the forms that carry IPv4 addresses
	a[1] = 0x01
	return netip.AddrFrom16(a)
}

// randomAddr is an address in or beside a rule's prefix, or in a form that carries such an IPv4
// address.
func randomAddr(rng *rand.Rand, rules []ruleset.Rule) netip.Addr {
	addr := clusteredAddr(rng)
	if r := rules[rng.IntN(len(rules))]; len(r.Prefixes) > 0 && rng.IntN(4) > 0 {
		addr = r.Prefixes[rng.IntN(len(r.Prefixes))].Addr()
		switch rng.IntN(3) {
		case 0:
			if next := addr.Next(); next.IsValid() {
				addr = next
			}
		case 1:
			if prev := addr.Prev(); prev.IsValid() {
				addr = prev
			}
		}
	}
	if !addr.Is4() || rng.IntN(3) > 0 {
		return addr
	}
	v4 := addr.As4()
	var a [16]byte
	switch rng.IntN(4) {
	case 0: // IPv4-mapped
		a[10], a[11] = 0xff, 0xff
		copy(a[12:], v4[:])
	case 1: // IPv4-compatible
		copy(a[12:], v4[:])
	case 2: // NAT64
		copy(a[:], []byte{0, 0x64, 0xff, 0x9b})
		copy(a[12:], v4[:])
	case 3: // 6to4
		a[0], a[1] = 0x20, 0x02
		copy(a[2:], v4[:])
	}
	return netip.AddrFrom16(a)
}
