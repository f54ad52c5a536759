// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

var comparable = cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{})

// all returns the prefixes of a list, as text.
func all(list []policy.Address) []string {
	var texts []string
	for _, a := range list {
		texts = append(texts, a.Prefix.String())
	}
	return texts
}

func TestResolvConf(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"one", "nameserver 192.0.2.1\n", []string{"192.0.2.1/32"}},
		{"no newline at the end", "nameserver 192.0.2.1", []string{"192.0.2.1/32"}},
		{"CR LF", "nameserver 192.0.2.1\r\nnameserver 192.0.2.2\r\n", []string{"192.0.2.1/32", "192.0.2.2/32"}},
		{"tabs", "nameserver\t \t192.0.2.1\t\n", []string{"192.0.2.1/32"}},
		{"IPv6", "nameserver 2001:db8::53\n", []string{"2001:db8::53/128"}},
		{"zones", "nameserver fe80::1%eth0\nnameserver fe80::2%\n", []string{"fe80::1/128", "fe80::2/128"}},
		{"mapped", "nameserver ::ffff:192.0.2.1\n", []string{"192.0.2.1/32"}},
		{
			"more than three", "nameserver 192.0.2.1\nnameserver 192.0.2.2\nnameserver 192.0.2.3\nnameserver 192.0.2.4\n",
			[]string{"192.0.2.1/32", "192.0.2.2/32", "192.0.2.3/32", "192.0.2.4/32"},
		},
		{"comments", "# nameserver 192.0.2.1\n;nameserver 192.0.2.2\nnameserver 192.0.2.3 # x\nnameserver 192.0.2.4;x\n", []string{"192.0.2.3/32", "192.0.2.4/32"}},
		{"a stub", "nameserver 127.0.0.53\noptions edns0 trust-ad\nsearch example.org\n", []string{"127.0.0.53/32"}},
		{"unspecified", "nameserver 0.0.0.0\nnameserver ::\n", []string{"0.0.0.0/32", "127.0.0.1/32", "::/128", "::1/128"}},
		{"only the first word counts", "nameserver 192.0.2.1 192.0.2.2\n", []string{"192.0.2.1/32"}},
		{"empty", "", []string{"127.0.0.1/32", "::1/128"}},
		{
			"nothing valid", "nameserver\nnameserver \nnameservers 192.0.2.1\n nameserver 192.0.2.2\nnameserver dns.example.org\n" +
				"nameserver 192.0.2.0/24\nNameserver 192.0.2.3\nnameserver192.0.2.4\nnameserver #192.0.2.5\n",
			[]string{"127.0.0.1/32", "::1/128"},
		},
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		check(t, os.WriteFile(path, []byte(c.text), 0o600))
		list, err := readResolvConf(path)
		check(t, err)
		if diff := cmp.Diff(c.want, all(list)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
	list, err := readResolvConf("/nonexistent/resolv.conf")
	check(t, err)
	const reason = "default resolver: no nameserver in /nonexistent/resolv.conf"
	expect(t, list, map[string]string{"127.0.0.1/32": reason, "::1/128": reason})
}

func TestHosts(t *testing.T) {
	const text = `127.0.0.1 localhost
192.0.2.1	Host.Containers.INTERNAL host.docker.internal # x
192.0.2.2 other gateway.docker.internal
fe80::1%eth0 host.docker.internal
::ffff:192.0.2.3 host.docker.internal
224.1.2.3 host.docker.internal
192.0.2.8 # host.docker.internal
# 192.0.2.9 host.docker.internal
192.0.2.10 host.docker.internal.example.org xhost.docker.internal
name host.docker.internal
192.0.2.11 host.docker.internal`
	want := []policy.Address{
		{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Reason: "host.containers.internal in FILE", Unicast: true},
		{Prefix: netip.MustParsePrefix("192.0.2.1/32"), Reason: "host.docker.internal in FILE", Unicast: true},
		{Prefix: netip.MustParsePrefix("192.0.2.2/32"), Reason: "gateway.docker.internal in FILE", Unicast: true},
		{Prefix: netip.MustParsePrefix("fe80::1/128"), Reason: "host.docker.internal in FILE", Unicast: true},
		{Prefix: netip.MustParsePrefix("192.0.2.3/32"), Reason: "host.docker.internal in FILE", Unicast: true},
		{Prefix: netip.MustParsePrefix("224.1.2.3/32"), Reason: "host.docker.internal in FILE"},
		{Prefix: netip.MustParsePrefix("192.0.2.11/32"), Reason: "host.docker.internal in FILE", Unicast: true},
	}
	if diff := cmp.Diff(want, parseHosts(text, "FILE"), comparable); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if list, err := readHosts("/nonexistent/hosts"); list != nil || err != nil {
		t.Errorf("no file: %v, %v", list, err)
	}
}

func TestFixed(t *testing.T) {
	var s set
	s.add(fixed...)
	if len(s.list) != len(fixed) || len(fixed) != 6+32 {
		t.Errorf("%d fixed entries, %d of them different, want 38", len(fixed), len(s.list))
	}
	expect(t, fixed, map[string]string{
		"127.0.0.0/8": "loopback", "::1/128": "loopback",
		"0.0.0.0/8": "unspecified", "::/128": "unspecified",
		"255.255.255.255/32": "!broadcast", "224.0.0.0/24": "!link-local multicast",
		"ff01::/16": "!node-local multicast", "ff02::/16": "!link-local multicast",
		"ff11::/16": "!node-local multicast", "ff32::/16": "!link-local multicast",
		"fff1::/16": "!node-local multicast", "fff2::/16": "!link-local multicast",
		"ff00::/16": "", "ff03::/16": "", "ff05::/16": "", "ff0e::/16": "",
	})
	expect(t, engineAliases, map[string]string{
		"169.254.1.1/32": engineAlias, "169.254.1.2/32": engineAlias, "10.0.2.2/32": engineAlias,
	})
}

func TestAssemble(t *testing.T) {
	addr := func(prefix, reason string, unicast bool) policy.Address {
		return policy.Address{Prefix: netip.MustParsePrefix(prefix), Reason: reason, Unicast: unicast}
	}
	n := network{
		addresses: []policy.Address{
			addr("127.0.0.1/32", "address of lo", true), addr("10.0.2.2/32", "address of e0", true),
			addr("192.0.2.1/32", "address of e0", true), addr("192.0.2.1/32", "address of e1", true),
		},
		routes: []policy.Address{
			addr("127.0.0.0/8", "local route dev lo", true), addr("192.0.2.1/32", "broadcast route dev e2", false),
			addr("192.0.2.0/24", "local route dev lo", true),
		},
		gateways: []policy.Address{addr("192.0.2.9/32", "b", true), addr("192.0.2.8/32", "a", true), addr("192.0.2.9/32", "c", true)},
	}
	m := assemble(n, []policy.Address{addr("169.254.1.2/32", "a name", true)}, []policy.Address{addr("::1/128", "r", true), addr("127.0.0.1/32", "r", true)})
	expect(t, m.Host, map[string]string{
		"127.0.0.0/8":    "loopback",
		"10.0.2.2/32":    "address of e0",
		"169.254.1.2/32": "a name",
		"169.254.1.1/32": engineAlias,
		"192.0.2.1/32":   "!address of e0", // what one of the sources broadcasts is not unicast
		"192.0.2.0/24":   "local route dev lo",
	})
	for _, c := range []struct {
		got, want []string
	}{
		{all(m.Host)[:6], []string{"0.0.0.0/8", "10.0.2.2/32", "127.0.0.0/8", "169.254.1.1/32", "169.254.1.2/32", "192.0.2.0/24"}},
		{all(m.Host)[6:11], []string{"192.0.2.1/32", "224.0.0.0/24", "255.255.255.255/32", "::/128", "::1/128"}},
		{all(m.Gateway), []string{"192.0.2.8/32", "192.0.2.9/32"}},
		{all(m.Resolvers), []string{"127.0.0.1/32", "::1/128"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	expect(t, m.Gateway, map[string]string{"192.0.2.9/32": "b"})
}

// What the kernel could say and today's does not.
func TestStrangeRoutes(t *testing.T) {
	var n network
	if err := n.addRoute(&netlink.Route{Type: unix.RTN_LOCAL}, nil); err == nil {
		t.Error("a route without a destination is no error")
	}
	short := &net.IPNet{IP: net.IP{192, 0, 2}, Mask: net.CIDRMask(24, 32)}
	if err := n.addRoute(&netlink.Route{Type: unix.RTN_LOCAL, Dst: short}, nil); err == nil {
		t.Error("an address of three bytes is no error")
	}
	if err := n.addGateway(net.IP{1}, nil, "e0"); err == nil {
		t.Error("a gateway of one byte is no error")
	}
	for bits, want := range map[int]string{96: "0.0.0.0/0", 120: "192.0.2.0/24", 128: "192.0.2.1/32", 80: "::/80"} {
		if got := toPrefix(netip.MustParseAddr("::ffff:192.0.2.1"), bits); got.String() != want {
			t.Errorf("::ffff:192.0.2.1/%d is %v, want %s", bits, got, want)
		}
	}
}

func TestInterfaceNames(t *testing.T) {
	l := links{1: {name: printable("eth0")}, 2: {name: printable("br-1"), bridge: true}, 3: {name: printable("a\x1b[2J")}, 4: {name: printable("\xff")}}
	for index, want := range map[int]string{1: "eth0", 2: "bridge br-1", 3: `"a\x1b[2J"`, 4: `"\xff"`, 5: "interface 5"} {
		if got := l.describe(index); got != want {
			t.Errorf("interface %d is %s, want %s", index, got, want)
		}
	}
}
