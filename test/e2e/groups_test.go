// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"testing"
)

// The groups beside the host that are blocked when nothing is said, and open when a policy does
// not name them.
func TestDefaultGroups(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var targets []target
	for _, addr := range []string{
		"192.0.2.254", "2001:db8:1::fe", // gateway
		"169.254.169.254", "fd00:ec2::254", // metadata
		"fe80::2%up0", // linklocal
	} {
		tcp, udp := listenBoth(t, w.web, net.JoinHostPort(addr, "7000"))
		targets = append(targets, allTechniques(net.JoinHostPort(addr, "7000"), tcp, udp)...)
	}
	wantRefused(t, w.jail(t, setup{}), w.outside(t, false), "EPERM", targets)

	hostOnly := w.jail(t, setup{policy: network("block: [host]")})
	for _, g := range targets {
		wantArrival(t, hostOnly.agent, g)
	}
}

// Broadcast and multicast come back to the host's own listeners past every packet filter.
func TestBroadcastAndMulticastRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var targets []target
	add := func(l *listener, addrs ...string) {
		for _, addr := range addrs {
			for _, name := range []string{"udp-send", "udp-connect-send", "udp-sendmmsg"} {
				targets = append(targets, target{technique: name, addr: addr, at: l})
			}
		}
	}
	add(listen(t, w.host, "udp4", "0.0.0.0:7001"),
		"192.0.2.255:7001", "255.255.255.255:7001", "127.255.255.255:7001")
	for _, group := range []string{"224.0.0.251", "239.1.2.3", "ff05::1:3", "ff02::fb", "ff01::1"} {
		family, any := "udp4", "0.0.0.0"
		if net.ParseIP(group).To4() == nil {
			family, any = "udp6", "::"
		}
		l := listen(t, w.host, family, net.JoinHostPort(any, "0"), joined(group))
		_, port, err := net.SplitHostPort(l.addr)
		if err != nil {
			t.Fatal(err)
		}
		switch group {
		case "ff02::fb", "ff05::1:3", "ff01::1":
			group += "%up0"
		case "224.0.0.251":
			add(l, "[::ffff:224.0.0.251]:"+port)
		}
		add(l, net.JoinHostPort(group, port))
	}
	wantRefused(t, w.jail(t, setup{}), w.outside(t, false), "EPERM", targets)
}
