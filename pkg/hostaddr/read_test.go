// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

func cidr(t *testing.T, s string) *net.IPNet {
	t.Helper()
	_, n, err := net.ParseCIDR(s)
	check(t, err)
	return n
}

func TestReadInterfaceAddresses(t *testing.T) {
	w := newWorld(t)
	index := w.veth("e0", "e1")
	w.addAddr(index, "192.0.2.1/24")
	w.addAddr(index, "2001:db8::1/64")
	w.addAddr(index, "fe80::7/64")
	peer := w.address("198.51.100.1/32")
	peer.Peer = cidr(t, "198.51.100.2/32")
	check(t, w.AddrAdd(onLink(index), peer))
	check(t, w.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "docker0"}}))
	bridge, err := w.LinkByName("docker0")
	check(t, err)
	// A bridge that is down, as docker0 is without containers, has its addresses all the same.
	w.addAddr(bridge.Attrs().Index, "203.0.113.1/24")
	check(t, os.WriteFile(w.Hosts, []byte("203.0.113.1 host.docker.internal\n198.51.100.9 host.containers.internal\n"), 0o600))

	m := w.read()
	expect(t, m.Host, map[string]string{
		"127.0.0.0/8":        "loopback",
		"127.0.0.1/32":       "", // part of the loopback network
		"::1/128":            "loopback",
		"127.255.255.255/32": "!broadcast route dev lo",
		"192.0.2.1/32":       "address of e0",
		"192.0.2.255/32":     "!broadcast route dev e0",
		"192.0.2.0/24":       "",
		"2001:db8::1/128":    "address of e0",
		"fe80::7/128":        "address of e0",
		"198.51.100.1/32":    "address of e0",
		"198.51.100.2/32":    "", // the other side
		"203.0.113.1/32":     "address of bridge docker0",
		"198.51.100.9/32":    "host.containers.internal in " + w.Hosts,
		"169.254.1.2/32":     engineAlias,
		"224.0.0.0/24":       "!link-local multicast",
		"ff00::/8":           "",
	})
	expect(t, m.Resolvers, map[string]string{"192.0.2.53/32": "nameserver in " + w.ResolvConf})
	if len(m.Gateway) != 0 {
		t.Errorf("gateways without a default route: %v", m.Gateway)
	}
}

func TestReadLocalRoutes(t *testing.T) {
	w := newWorld(t)
	index := w.veth("e0", "e1")
	for _, r := range []struct {
		dst         string
		table, kind int
	}{
		{"192.0.2.0/24", unix.RT_TABLE_LOCAL, unix.RTN_LOCAL},
		{"2001:db8:1::/48", unix.RT_TABLE_LOCAL, unix.RTN_LOCAL},
		{"198.51.100.0/24", 100, unix.RTN_LOCAL},
		{"2001:db8:2::/48", 100000, unix.RTN_LOCAL},
		{"198.51.100.77/32", 101, unix.RTN_BROADCAST},
		{"2001:db8:3::/128", unix.RT_TABLE_LOCAL, unix.RTN_ANYCAST},
		{"0.0.0.0/0", 102, unix.RTN_LOCAL}, // a transparent proxy's
		{"::/0", 102, unix.RTN_LOCAL},
		{"203.0.113.0/24", unix.RT_TABLE_MAIN, unix.RTN_UNICAST},
		{"203.0.113.0/24", 103, unix.RTN_BLACKHOLE},
	} {
		route := netlink.Route{Dst: cidr(t, r.dst), Table: r.table, Type: r.kind, LinkIndex: w.lo, Scope: unix.RT_SCOPE_HOST}
		switch r.kind {
		case unix.RTN_UNICAST:
			route.LinkIndex, route.Scope = index, unix.RT_SCOPE_LINK
		case unix.RTN_BROADCAST:
			route.Scope = unix.RT_SCOPE_LINK
		case unix.RTN_BLACKHOLE:
			route.LinkIndex, route.Scope = 0, unix.RT_SCOPE_UNIVERSE
		}
		w.addRoute(route)
	}
	expect(t, w.read().Host, map[string]string{
		"192.0.2.0/24":     "local route dev lo",
		"2001:db8:1::/48":  "local route dev lo",
		"198.51.100.0/24":  "local route dev lo",
		"2001:db8:2::/48":  "local route dev lo",
		"198.51.100.77/32": "!broadcast route dev lo",
		"2001:db8:3::/128": "anycast route dev lo",
		"203.0.113.0/24":   "",
		"0.0.0.0/0":        "",
		"::/0":             "",
	})

	// Without a rule in front, the local table is asked first: this one does make all local.
	w.addRoute(netlink.Route{
		Dst: cidr(t, "0.0.0.0/0"), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
		LinkIndex: w.lo, Scope: unix.RT_SCOPE_HOST,
	})
	expect(t, w.read().Host, map[string]string{"0.0.0.0/0": "local route dev lo", "::/0": ""})
	w.addRoute(netlink.Route{
		Dst: cidr(t, "::/0"), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL,
		LinkIndex: w.lo, Scope: unix.RT_SCOPE_HOST,
	})
	expect(t, w.read().Host, map[string]string{"::/0": "local route dev lo"})
}

func TestReadGateways(t *testing.T) {
	w := newWorld(t)
	e0, f0 := w.veth("e0", "e1"), w.veth("f0", "f1")
	w.addAddr(e0, "192.0.2.1/24")
	w.addAddr(f0, "198.51.100.1/24")
	w.addAddr(e0, "2001:db8::1/64")
	w.addAddr(f0, "2001:db8:1::1/64")
	all4, all6 := cidr(t, "0.0.0.0/0"), cidr(t, "::/0")
	for _, r := range []netlink.Route{
		{Dst: all4, Gw: net.ParseIP("192.0.2.254")},
		{Dst: all4, Gw: net.ParseIP("198.51.100.254"), Table: 200},
		{Dst: all4, Priority: 7, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: e0, Gw: net.ParseIP("192.0.2.252")},
			{LinkIndex: f0, Gw: net.ParseIP("198.51.100.252")},
			{LinkIndex: f0, Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.ParseIP("fe80::252")}},
		}},
		{Dst: all4, Priority: 8, LinkIndex: e0, Via: &netlink.Via{AddrFamily: unix.AF_INET6, Addr: net.ParseIP("fe80::99")}},
		{Dst: all4, Priority: 9, LinkIndex: e0, Scope: unix.RT_SCOPE_LINK}, // no gateway
		{Dst: all6, Gw: net.ParseIP("fe80::1"), LinkIndex: e0},
		{Dst: all6, Gw: net.ParseIP("2001:db8::fe"), Table: 201},
		{Dst: all6, Priority: 7, MultiPath: []*netlink.NexthopInfo{
			{LinkIndex: e0, Gw: net.ParseIP("2001:db8::fd")},
			{LinkIndex: f0, Gw: net.ParseIP("2001:db8:1::fd")},
		}},
		{Dst: cidr(t, "203.0.113.0/24"), Gw: net.ParseIP("192.0.2.77")}, // not a default route
	} {
		w.addRoute(r)
	}
	m := w.read()
	const hop = "next hop of the default route dev "
	want := map[string]string{
		"192.0.2.252/32":     hop + "e0",
		"192.0.2.254/32":     hop + "e0",
		"198.51.100.252/32":  hop + "f0",
		"198.51.100.254/32":  hop + "f0",
		"2001:db8::fd/128":   hop + "e0",
		"2001:db8::fe/128":   hop + "e0",
		"2001:db8:1::fd/128": hop + "f0",
		"fe80::1/128":        hop + "e0",
		"fe80::99/128":       hop + "e0",
		"fe80::252/128":      hop + "f0",
	}
	expect(t, m.Gateway, want)
	if len(m.Gateway) != len(want) {
		t.Errorf("%d gateways, want %d: %v", len(m.Gateway), len(want), m.Gateway)
	}
	expect(t, m.Host, map[string]string{"0.0.0.0/0": "", "::/0": "", "192.0.2.254/32": ""})
}

func TestReadOtherNamespace(t *testing.T) {
	w := newWorld(t)
	w.addAddr(w.lo, "192.0.2.1/32")
	own, err := os.Open(ownNetNS)
	check(t, err)
	defer own.Close()
	s := w.Source
	s.NetNS = "/proc/self/fd/" + itoa(own.Fd())

	check(t, unix.Unshare(unix.CLONE_NEWNET))
	expect(t, w.Source.must(t).Host, map[string]string{"192.0.2.1/32": ""})
	expect(t, s.must(t).Host, map[string]string{"192.0.2.1/32": "address of lo"})
	expect(t, w.Source.must(t).Host, map[string]string{"192.0.2.1/32": ""}) // back where it was

	s.NetNS = "/proc/self/no-such-namespace"
	if m, err := s.Read(); !errors.Is(err, os.ErrNotExist) || m.Host != nil {
		t.Errorf("a namespace that isn't there: %v, %v", m, err)
	}
	s.NetNS = w.Hosts
	if m, err := s.Read(); !errors.Is(err, unix.EINVAL) || m.Host != nil {
		t.Errorf("a file that is no namespace: %v, %v", m, err)
	}
}

func TestReadUnreadableFiles(t *testing.T) {
	for _, s := range []Source{{ResolvConf: t.TempDir()}, {Hosts: t.TempDir()}} {
		if m, err := s.Read(); !errors.Is(err, unix.EISDIR) || m.Host != nil {
			t.Errorf("%+v: %v, %v, want an error and nothing else", s, m, err)
		}
	}
}

func TestReadThisMachine(t *testing.T) {
	m, err := Read()
	check(t, err)
	expect(t, m.Host, map[string]string{"127.0.0.0/8": "loopback", "::/128": "unspecified"})
	if len(m.Resolvers) == 0 {
		t.Error("no resolvers")
	}
	for _, list := range [][]policy.Address{m.Host, m.Gateway, m.Resolvers} {
		seen := map[netip.Prefix]bool{}
		for _, a := range list {
			if seen[a.Prefix] || a.Prefix != a.Prefix.Masked() || !a.Prefix.IsValid() || a.Reason == "" {
				t.Errorf("twice, not in canonical form or without a reason: %+v", a)
			}
			seen[a.Prefix] = true
		}
	}
}

func TestWhole(t *testing.T) {
	for _, interruptions := range []int{0, 1, listAttempts - 1, listAttempts} {
		calls := 0
		result, err := whole(func() (string, error) {
			calls++
			if calls <= interruptions {
				return "partial", netlink.ErrDumpInterrupted
			}
			return "whole", nil
		})
		if interruptions == listAttempts {
			if !errors.Is(err, netlink.ErrDumpInterrupted) || result != "" {
				t.Errorf("always interrupted: %q, %v", result, err)
			}
		} else if err != nil || calls != interruptions+1 || result != "whole" {
			t.Errorf("%d interruptions: %q, %v after %d calls", interruptions, result, err, calls)
		}
	}
	calls := 0
	result, err := whole(func() (string, error) { calls++; return "partial", unix.EPERM })
	if !errors.Is(err, unix.EPERM) || calls != 1 || result != "" {
		t.Errorf("another error: %q, %v after %d calls", result, err, calls)
	}
}

// Dumps that changes interrupt again and again: no snapshot lacks what was there all the time.
func TestReadDuringChanges(t *testing.T) {
	w := newWorld(t)
	const there = 1000 // enough for a dump of several messages
	check(t, w.churn(there, 0))
	comesAndGoes := w.address("192.0.2.1/32")
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				stopped <- nil
				return
			default:
			}
			if err := errors.Join(w.AddrAdd(onLink(w.lo), comesAndGoes), w.AddrDel(onLink(w.lo), comesAndGoes)); err != nil {
				stopped <- err
				return
			}
		}
	}()
	whole, failed := 0, 0
	for start := time.Now(); time.Since(start) < time.Second; {
		m, err := w.Read()
		if err != nil {
			if !errors.Is(err, netlink.ErrDumpInterrupted) || m.Host != nil {
				t.Errorf("%v, %v", m, err)
			}
			failed++
			continue
		}
		whole++
		count := 0
		for _, a := range m.Host {
			if netip.MustParsePrefix("198.18.0.0/15").Contains(a.Prefix.Addr()) {
				count++
			}
		}
		if count != there {
			t.Fatalf("%d of %d addresses", count, there)
		}
	}
	close(stop)
	check(t, <-stopped)
	t.Logf("%d snapshots, %d failures", whole, failed)
	if whole == 0 {
		t.Error("not one snapshot")
	}
}

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		if _, err := Read(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/read")
}
