// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// listLimit is how long a running jail's list of host addresses may be behind.
const listLimit = time.Second

// impatient are the calls of a program that gives up soon: until the list knows an address, only
// the packets are stopped, and a TCP connect gets no answer.
func impatient(addr, family, token string) [][]step {
	short := []step{do("opt", "a", "limit", "100ms")}
	return [][]step{
		append(append([]step{do("open", "a", "tcp"+family)}, short...), do("connect", "a", addr), do("send", "a", token)),
		append(append([]step{do("open", "a", "udp"+family)}, short...), do("sendto", "a", addr, token)),
		append(append([]step{do("open", "a", "udp"+family)}, short...), do("connect", "a", addr), do("send", "a", token)),
	}
}

// An address that the host gets while a jail runs is closed from its first moment on, refused with
// an errno soon after, and open again when it has gone back to where it was.
func TestHostAddressesChange(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	hostTCP, hostUDP := listenBoth(t, w.host, "[::]:7003") // both families
	for _, c := range []struct {
		name, addr, family string
		add, del           func() error
	}{
		{
			"interface address", "203.0.113.99", "4",
			func() error { return addAddress("lo", "203.0.113.99") },
			func() error { return delAddress("lo", "203.0.113.99") },
		},
		{
			"IPv6 interface address", webV6, "6",
			func() error { return addAddress("up0", webV6) },
			func() error { return delAddress("up0", webV6) },
		},
		{
			"local route", "203.0.113.20", "4",
			func() error { return addAnyIP("203.0.113.16/28") },
			func() error { return delAnyIP("203.0.113.16/28") },
		},
	} {
		addr := net.JoinHostPort(c.addr, "7003")
		tcp, udp := listenBoth(t, w.web, addr)
		far := allTechniques(addr, tcp, udp)
		for _, g := range far {
			wantArrival(t, j.agent, g)
		}
		farBefore := tcp.arrivals() + udp.arrivals()
		nearBefore := hostTCP.arrivals() + hostUDP.arrivals()

		if err := w.host.do(c.add); err != nil {
			t.Fatalf("add %s: %v", c.name, err)
		}
		added := time.Now()
		for time.Since(added) < listLimit {
			for _, steps := range impatient(addr, c.family, newToken()) {
				if r := j.try(t, steps...); r.OK {
					t.Fatalf("%s, %v after it was added: %v: want it to fail", c.name, time.Since(added), r)
				}
			}
		}
		near := allTechniques(addr, hostTCP, hostUDP)
		for _, g := range near {
			_, s := g.attempt()
			wantErrno(t, c.name+" "+g.String(), j.try(t, s), "EPERM")
		}
		time.Sleep(grace)
		if n := hostTCP.arrivals() + hostUDP.arrivals(); n != nearBefore {
			t.Errorf("%s: %d arrivals at the host, want none", c.name, n-nearBefore)
		}
		if n := tcp.arrivals() + udp.arrivals(); n != farBefore {
			t.Errorf("%s: %d arrivals in the web, want none", c.name, n-farBefore)
		}
		for _, g := range near {
			wantArrival(t, out, g)
		}

		if err := w.host.do(c.del); err != nil {
			t.Fatalf("remove %s: %v", c.name, err)
		}
		waitFor(t, listLimit, c.name+" open again", func() bool {
			return j.try(t, do("udp-send", addr, newToken())).OK
		})
		for _, g := range far {
			wantArrival(t, j.agent, g)
		}
	}
}

// A gateway that changes while a jail runs.
func TestGatewayChanges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const old, next = "192.0.2.254", "192.0.2.253"
	if err := w.web.do(func() error { return addAddress("up0", next) }); err != nil {
		t.Fatal(err)
	}
	oldTCP, oldUDP := listenBoth(t, w.web, old+":7003")
	nextTCP, nextUDP := listenBoth(t, w.web, next+":7003")
	j := w.jail(t, setup{})
	wantErrno(t, "the gateway", j.try(t, do("tcp-connect", oldTCP.addr, newToken())), "EPERM")
	for _, g := range someTechniques(nextTCP.addr, nextTCP, nextUDP) {
		wantArrival(t, j.agent, g)
	}
	before := nextTCP.arrivals() + nextUDP.arrivals()
	err := w.host.do(func() error {
		return netlink.RouteReplace(&netlink.Route{Dst: &net.IPNet{IP: net.IPv4zero, Mask: net.CIDRMask(0, 32)}, Gw: net.ParseIP(next)})
	})
	if err != nil {
		t.Fatalf("replace the default route: %v", err)
	}
	time.Sleep(listLimit)
	for _, g := range someTechniques(nextTCP.addr, nextTCP, nextUDP) {
		_, s := g.attempt()
		wantErrno(t, g, j.try(t, s), "EPERM")
	}
	for _, g := range someTechniques(oldTCP.addr, oldTCP, oldUDP) {
		wantArrival(t, j.agent, g)
	}
	if n := nextTCP.arrivals() + nextUDP.arrivals(); n != before {
		t.Errorf("%d arrivals at the new gateway, want none", n-before)
	}
}

// waitFor waits until ok.
func waitFor(t *testing.T, limit time.Duration, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Errorf("not within %v: %s", limit, what)
			return
		}
	}
}

func delAnyIP(prefix string) error {
	_, dst, err := net.ParseCIDR(prefix)
	if err != nil {
		return err
	}
	return netlink.RouteDel(&netlink.Route{Dst: dst, Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST})
}
