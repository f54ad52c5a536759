// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"testing"
)

// Every address and every name of the host, by every call that sends.
func TestHostRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	targets := hostTargets(t, w)
	wantRefused(t, w.jail(t, setup{}), w.outside(t, false), "EPERM", targets)
}

// IPv6 addresses that stand for an IPv4 address of the host, should anything translate them.
func TestEmbeddedHostRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{policy: network("block: [host]")}), w.outside(t, false)
	var targets []target
	for _, addr := range []string{"64:ff9b::c000:201", "2002:c000:201::1", "::c000:201"} {
		addr = net.JoinHostPort(addr, "7000")
		tcp, udp := listenBoth(t, w.web, addr)
		targets = append(targets, allTechniques(addr, tcp, udp)...)
	}
	wantRefused(t, j, out, "EPERM", targets)

	// Of an address that is allowed, the same form is.
	open := net.JoinHostPort(webNAT64, "7000")
	tcp, udp := listenBoth(t, w.web, open)
	for _, g := range allTechniques(open, tcp, udp) {
		wantArrival(t, j.agent, g)
	}
}

// Sockets whose sending the jail can't judge are not made at all.
func TestProtocolsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	needed := map[string]bool{"raw-udp": true, "raw-icmp": true, "raw6": true, "ping4": true, "ping6": true, "packet": true}
	for _, kind := range []string{"raw-udp", "raw-icmp", "raw6", "ping4", "ping6", "packet", "udplite4", "udplite6"} {
		control := out.try(t, do("open", "a", kind))
		if !control.OK && needed[kind] {
			t.Errorf("outside of the jail: %v: want it to succeed", control)
		}
		got := j.try(t, do("open", "a", kind))
		if got.OK || control.OK && got.Errno != "EPERM" {
			t.Errorf("socket %s in the jail: %v: want EPERM", kind, got)
		}
	}
	// They would have reached the host.
	out.must(t, do("ping-echo", "127.0.0.1:0"))
	out.must(t, do("ping-echo", "[::1]:0"))
	udp := listen(t, w.host, "udp", "127.0.0.1:7000")
	if r := out.try(t, do("udplite-send", "127.0.0.1:7000", "x")); !r.OK && r.Errno != "EPROTONOSUPPORT" {
		t.Errorf("outside of the jail: %v", r)
	}
	wantNothing(t, udp) // another protocol's port
}

// A routing header names the true destination beside the one that the call names.
func TestRoutingHeaderRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	decoy := net.JoinHostPort(webV6, "7000")
	for _, steps := range [][]step{
		{do("open", "a", "udp6"), do("opt", "a", "segment", "2001:db8:1::1"), do("sendto", "a", decoy, "x")},
		{do("open", "a", "udp6"), do("opt", "a", "segment", "2001:db8:1::1"), do("connect", "a", decoy), do("send", "a", "x")},
	} {
		wantErrno(t, "routing header by the host", j.try(t, steps...), "EPERM")
		out.must(t, steps...)
	}
}

// What a policy names beside groups: prefixes with holes, ports, both families.
func TestPolicyRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{policy: network(
		"block:",
		"  - host",
		"  - {cidr: 198.51.100.0/24, except: [198.51.100.77/32]}",
		"  - 2001:db8:3::/64",
		"  - {to: 203.0.113.20, ports: [tcp/8081, udp/8090-8092]}",
		"allow:",
		"  - dns",
		"  - own",
		"  - {to: '2001:db8:3::77', ports: [tcp/443]}",
	)})
	at := func(network, addr, port string) *listener {
		return listen(t, w.web, network, net.JoinHostPort(addr, port))
	}
	var refused, reached []target
	for _, addr := range []string{"198.51.100.10", "2001:db8:3::10"} {
		tcp, udp := listenBoth(t, w.web, net.JoinHostPort(addr, "80"))
		refused = append(refused, allTechniques(tcp.addr, tcp, udp)...)
		if addr == "198.51.100.10" {
			refused = append(refused, someTechniques("[::ffff:198.51.100.10]:80", tcp, udp)...)
		}
	}
	for port, network := range map[string]string{"8081": "tcp", "8090": "udp", "8092": "udp"} {
		l := at(network, "203.0.113.20", port)
		refused = append(refused, target{technique: network + "-connect", addr: l.addr, at: l})
	}
	for _, network := range []string{"tcp", "udp"} {
		for _, port := range []string{"80", "8082", "8093"} {
			l := at(network, "203.0.113.20", port)
			reached = append(reached, target{technique: network + "-connect", addr: l.addr, at: l})
		}
		l := at(network, "198.51.100.77", "80")
		reached = append(reached, target{technique: network + "-connect", addr: l.addr, at: l})
		l = at(network, "2001:db8:3::77", "80")
		refused = append(refused, target{technique: network + "-connect", addr: l.addr, at: l})
	}
	other := at("udp", "203.0.113.20", "8081")
	reached = append(reached, target{technique: "udp-send", addr: other.addr, at: other})
	https := at("tcp", "2001:db8:3::77", "443")
	reached = append(reached, target{technique: "tcp-connect", addr: https.addr, at: https})
	quic := at("udp", "2001:db8:3::77", "443")
	refused = append(refused, target{technique: "udp-send", addr: quic.addr, at: quic})

	for _, g := range reached {
		wantArrival(t, j.agent, g)
	}
	wantRefused(t, j, w.outside(t, false), "EPERM", refused)
}

// default: block turns the policy round.
func TestDefaultBlock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{policy: network("default: block", "block: []", "allow: [dns, own, "+webV4+"]")})
	tcp, udp := listenBoth(t, w.web, webV4+":7000")
	for _, g := range allTechniques(tcp.addr, tcp, udp) {
		wantArrival(t, j.agent, g)
	}
	var refused []target
	for _, addr := range []string{"203.0.113.20", webV6, "192.0.2.254"} {
		tcp, udp := listenBoth(t, w.web, net.JoinHostPort(addr, "7000"))
		refused = append(refused, allTechniques(tcp.addr, tcp, udp)...)
	}
	wantRefused(t, j, w.outside(t, false), "EPERM", refused)
	for _, transport := range []string{"udp", "tcp"} {
		j.must(t, do("dns", transport, "127.0.0.53:53", webName))
	}
}

// An empty list is the empty set: this policy blocks nothing.
func TestEmptyBlockList(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{policy: network("block: []")})
	for _, g := range hostTargets(t, w) {
		wantArrival(t, j.agent, g)
	}
}
