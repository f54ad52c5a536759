// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// That a listener is the jail's own is true at one moment and false at the next, and an adversary
// chooses the moment. Each test is one way to do so.

// rounds is how often an attempt is made whose way depends on a hash.
const rounds = 64

// unused is a port on which nobody is, in a world made for one test.
const unused = "4100"

// A UDP socket connected to an own listener, which goes away; the host takes the port, or had it
// on a wildcard address all along.
func TestOwnThenClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	for i, c := range []struct{ kind, addr string }{
		{"udp4", "127.0.0.1"},
		{"udp4", "192.0.2.1"},
		{"udp6", "::1"},
		{"udp6", "::ffff:127.0.0.1"},
	} {
		addr := net.JoinHostPort(c.addr, fmt.Sprint(4100+i))
		token := newToken()
		j.must(t, do("open", "@l", c.kind), do("bind", "@l", addr), do("open", "@c", c.kind),
			do("connect", "@c", addr), do("send", "@c", token))
		if got := j.must(t, do("recv", "@l")); got != token {
			t.Fatalf("%s: own listener received %q", addr, got)
		}
		j.must(t, do("close", "@l"))
		host := listen(t, w.host, "udp", addr)
		for range 3 {
			wantErrno(t, addr+" after its listener was closed", j.try(t, do("send", "@c", newToken())), "EPERM")
			wantErrno(t, addr+" by name", j.try(t, do("sendto", "@c", addr, newToken())), "EPERM")
		}
		wantNothing(t, host)
		wantArrival(t, out, target{technique: "udp-connect", addr: addr, at: host})
	}
}

// ownPolicies are the ways to refuse the host but for the jail's own.
var ownPolicies = []string{
	"", network("block: [127.0.0.0/8, \"::/16\", 192.0.2.0/24]", "allow: [own]"), network("default: block", "block: []", "allow: [own]"),
}

// A jail does not get to share a port with a socket of the host, which anybody else may do where
// that one allows it.
func TestSharedPortIsTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.outside(t, false)
	port := 4100
	for _, policy := range ownPolicies {
		j := w.jail(t, setup{policy: policy})
		for _, c := range []struct{ kind, host, bind, option string }{
			{"tcp4", "127.0.0.1", "127.0.0.1", "reuseport"},
			{"udp4", "127.0.0.1", "127.0.0.1", "reuseport"},
			{"udp4", "127.0.0.1", "127.0.0.1", "reuseaddr"},
			{"udp4", "0.0.0.0", "127.0.0.1", "reuseaddr"},
			{"udp4", "127.0.0.1", "0.0.0.0", "reuseaddr"},
			{"tcp4", "0.0.0.0", "0.0.0.0", "reuseport"},
			{"udp4", "0.0.0.0", "0.0.0.0", "reuseport"},
			{"udp4", "192.0.2.1", "192.0.2.1", "reuseport"},
			{"tcp6", "::1", "::1", "reuseport"},
			{"udp6", "::1", "::1", "reuseaddr"},
			{"tcp6", "::", "::", "reuseport"},
			{"udp6", "::", "::", "reuseport"},
		} {
			port++
			host, bind := net.JoinHostPort(c.host, fmt.Sprint(port)), net.JoinHostPort(c.bind, fmt.Sprint(port))
			option := reusePort
			if c.option == "reuseaddr" {
				option = reuseAddr
			}
			listen(t, w.host, c.kind, host, option)
			share := func(name string) []step {
				return []step{do("open", name, c.kind), do("opt", name, c.option), do("bind", name, bind)}
			}
			wantErrno(t, fmt.Sprintf("%s %s beside %s", c.kind, bind, host), j.try(t, share("a")...), "EADDRINUSE")
			out.must(t, share("a")...)
		}
		// Nor if the kernel picks the port, from a range of one (within that of the machine).
		port++
		picked := 41000 + port
		host := fmt.Sprintf("127.0.0.1:%d", picked)
		listen(t, w.host, "udp4", host, reusePort)
		pick := func(name string, last ...step) []step {
			return append([]step{do("open", name, "udp4"), do("opt", name, "reuseport"), do("opt", name, "port-range", fmt.Sprint(picked))}, last...)
		}
		wantErrno(t, "a picked port", j.try(t, pick("a", do("bind", "a", "127.0.0.1:0"))...), "EADDRINUSE")
		out.must(t, pick("a", do("bind", "a", "127.0.0.1:0"))...)
		j.must(t, do("open", "@own", "udp4"), do("bind", "@own", "127.0.0.1:"+unused))
		if r := j.try(t, pick("a", do("sendto", "a", "127.0.0.1:"+unused, "x"))...); r.OK {
			t.Errorf("a socket that was not bound shares the host's port")
		}
		j.must(t, do("close", "@own"))
		// Its own TCP sockets may share.
		for _, name := range []string{"@one", "@two"} {
			j.must(t, do("open", name, "tcp4"), do("opt", name, "reuseport"), do("bind", name, "0.0.0.0:"+unused), do("listen", name))
		}
		for _, name := range []string{"@one", "@two"} {
			j.must(t, do("close", name))
		}
	}
}

// Nor does the host get to share a UDP port of the jail, which it may of anybody else's.
func TestJailSharesNoUDPPort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	for i, option := range []string{"reuseaddr", "reuseport"} {
		addr := fmt.Sprintf("127.0.0.1:%d", 4100+i)
		share := func(name string) []step {
			return []step{do("open", name, "udp4"), do("opt", name, option), do("bind", name, addr)}
		}
		j.must(t, share("@l")...)
		wantErrno(t, option+" beside the jail's", out.try(t, share("a")...), "EADDRINUSE")
		j.must(t, do("close", "@l"))
		out.must(t, share("@l")...)
		out.must(t, share("a")...)
		out.must(t, do("close", "@l"))
	}
}

// The host joins the port group of a jail's TCP listener (the same user may), and the kernel picks
// the receiver by a hash of the source port.
func TestReusePortGroup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	for i, addr := range []string{"127.0.0.1", "192.0.2.1", "::1"} {
		addr = net.JoinHostPort(addr, fmt.Sprint(4100+i))
		kind := "tcp4"
		if strings.HasPrefix(addr, "[") {
			kind = "tcp6"
		}
		j.must(t, do("open", "@tcp", kind), do("opt", "@tcp", "reuseport"), do("bind", "@tcp", addr),
			do("listen", "@tcp"), do("serve", "@tcp"))
		host := listen(t, w.host, "tcp", addr, reusePort)
		for range rounds {
			// What would go to the host gets no answer or a refusal; neither is waited for.
			j.try(t, do("open", "a", kind), do("opt", "a", "limit", "5ms"), do("connect", "a", addr), do("send", "a", newToken()))
		}
		wantNothing(t, host)
		for range rounds {
			out.must(t, do("tcp-connect", addr, newToken()))
		}
		if host.arrivals() == 0 {
			t.Errorf("%s: the host's member of the port group was never picked", addr)
		}
	}
}

// A host listener on one address beats the jail's own on the wildcard, for this address alone.
func TestSpecificBeforeWildcard(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	const host, own = "127.0.0.1:" + unused, "127.0.0.2:" + unused
	tcp := listen(t, w.host, "tcp4", host, reusePort)
	j.must(t, do("open", "@l", "tcp4"), do("opt", "@l", "reuseport"), do("bind", "@l", "0.0.0.0:"+unused),
		do("listen", "@l"), do("serve", "@l"))
	token := newToken()
	if r := j.try(t, do("tcp-connect", own, token)); !r.OK || r.Data != token {
		t.Errorf("own wildcard listener: %v", r)
	}
	var refused []target
	for _, addr := range []string{host, "0.0.0.0:" + unused, "[::ffff:127.0.0.1]:" + unused} {
		for _, technique := range tcpTechniques {
			refused = append(refused, target{technique: technique, addr: addr, at: tcp})
		}
	}
	wantRefused(t, j, out, "EPERM", refused)
}

// A wildcard destination means the address that the socket is bound to, or loopback: a listener of
// the jail on the one does not open the host's on the other.
func TestWildcardDestination(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	const wildcard = "0.0.0.0:" + unused
	serve := func(name, kind, addr string) {
		t.Helper()
		steps := []step{do("open", name, kind), do("bind", name, addr)}
		if kind == "tcp4" {
			steps = append(steps, do("listen", name))
		}
		j.must(t, append(steps, do("serve", name))...)
	}
	// Own on loopback, the host's on its address.
	serve("@tcp", "tcp4", "127.0.0.1:"+unused)
	serve("@udp", "udp4", "127.0.0.1:"+unused)
	tcp, udp := listenBoth(t, w.host, "192.0.2.1:"+unused)
	for _, g := range []target{
		{technique: "tcp-bound", addr: wildcard, via: "192.0.2.1:0", at: tcp},
		{technique: "udp-bound", addr: wildcard, via: "192.0.2.1:0", at: udp},
	} {
		_, s := g.attempt()
		// The call may see it, or the packet may be stopped.
		if r := j.try(t, s); r.OK {
			t.Errorf("%s from 192.0.2.1: %v: want it to fail", g, r)
		}
	}
	wantNothing(t, tcp, udp)
	wantArrival(t, out, target{technique: "tcp-bound", addr: wildcard, via: "192.0.2.1:0", at: tcp})
	wantArrival(t, out, target{technique: "udp-bound", addr: wildcard, via: "192.0.2.1:0", at: udp})

	// The other way round.
	const second = "4101"
	serve("@tcp2", "tcp4", "192.0.2.1:"+second)
	serve("@udp2", "udp4", "192.0.2.1:"+second)
	tcp, udp = listenBoth(t, w.host, "127.0.0.1:"+second)
	wantRefused(t, j, out, "EPERM", someTechniques("0.0.0.0:"+second, tcp, udp))
	for _, technique := range []string{"tcp-bound", "udp-bound"} {
		token := newToken()
		if r := j.try(t, do(technique, "0.0.0.0:"+second, token, "192.0.2.1:0")); !r.OK || r.Data != token {
			t.Errorf("%s from 192.0.2.1 to the jail's own: %v", technique, r)
		}
	}
}

// What only the packet's own program could stop is stopped, counted and told.
func TestPacketRefusalIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{})
	const addr = "127.0.0.1:" + unused
	j.must(t, do("open", "@l", "udp4"), do("bind", "@l", addr), do("open", "@c", "udp4"), do("connect", "@c", addr), do("close", "@l"))
	host := listen(t, w.host, "udp", addr)
	wantErrno(t, "after its listener was closed", j.try(t, do("send", "@c", "x")), "EPERM")
	e := j.event(t, func(e event) bool { return e.Hook == "egress" })
	if e.Action != "block" || e.Proto != "udp" || e.Dst != "127.0.0.1" || e.Port != 4100 {
		t.Errorf("event of the refused packet: %+v", e)
	}
	wantNothing(t, host)
	wantSummary(t, j.finish(t), addr, "host", 1, "probe")
}

// Only the host's own word lets the jail answer: what one socket of the jail says to another opens
// no way to whoever has that port next.
func TestOwnWordIsNotTheHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	const addr = "127.0.0.1:" + unused
	j.must(t, do("open", "@own", "udp4"), do("bind", "@own", addr), do("open", "@c", "udp4"),
		do("sendto", "@c", addr, "question"), do("recv", "@own"), do("answer", "@own", "answer"), do("recv", "@c"))
	j.must(t, do("close", "@own"))
	host := listen(t, w.host, "udp", addr)
	wantErrno(t, "by name", j.try(t, do("sendto", "@c", addr, newToken())), "EPERM")
	wantErrno(t, "as an answer", j.try(t, do("answer", "@c", newToken())), "EPERM")
	wantErrno(t, "connect", j.try(t, do("connect", "@c", addr)), "EPERM")
	wantNothing(t, host)
	wantArrival(t, out, target{technique: "udp-send", addr: addr, at: host})
}

// What egress held back does not get out when the jail ends and its processes are gone: the kernel
// goes on sending the data of their connections.
func TestNothingAfterTheEnd(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"exit", "kill and gc"} {
		w := newWorld(t)
		host := listen(t, w.host, "tcp", "127.0.0.1:"+unused)
		j := w.jail(t, setup{policy: network("block: [host]", "allow: [{to: 127.0.0.1, ports: [tcp/"+unused+"], expires: 2s}]")})
		allowed, held := newToken(), newToken()
		j.must(t, do("open", "@c", "tcp4"), do("connect", "@c", "127.0.0.1:"+unused), do("send", "@c", allowed+"\n"), do("recv", "@c"))
		if !host.got(allowed) {
			t.Fatalf("%s: nothing arrives while it is allowed: the test shows nothing", end)
		}
		waitRefused(t, j, "127.0.0.1:"+unused)
		j.must(t, do("send", "@c", held+"\n"))
		if end == "exit" {
			j.finish(t)
		} else {
			if err := j.cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
			<-j.ended
			if o := w.run(t, w.jailAI("gc")); o.code != 0 {
				t.Errorf("gc: status %d\n%s", o.code, o.stderr)
			}
		}
		time.Sleep(3 * time.Second) // the kernel tries again after 0.2, 0.6, 1.4 and 3 s
		if host.got(held) {
			t.Errorf("%s: what was held back arrived after the end", end)
		}
	}
}

// A connection that was opened does not pass for one that came in by being bound, which fails.
func TestBindAfterConnect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := listen(t, w.host, "tcp", "127.0.0.1:"+unused)
	j := w.jail(t, setup{policy: network("block: [host]", "allow: [{to: 127.0.0.1, ports: [tcp/"+unused+"], expires: 2s}]")})
	allowed, held := newToken(), newToken()
	j.must(t, do("open", "@c", "tcp4"), do("connect", "@c", "127.0.0.1:"+unused), do("send", "@c", allowed+"\n"), do("recv", "@c"))
	if !host.got(allowed) {
		t.Fatal("nothing arrives while it is allowed: the test shows nothing")
	}
	j.try(t, do("bind", "@c", "127.0.0.1:0"))
	waitRefused(t, j, "127.0.0.1:"+unused)
	j.try(t, do("bind", "@c", "127.0.0.1:0"))
	j.try(t, do("send", "@c", held+"\n"))
	time.Sleep(time.Second)
	if host.got(held) {
		t.Error("a connection that is no longer allowed went on")
	}
}

// waitRefused waits until an entry of the policy has expired.
func waitRefused(t *testing.T, j *jail, addr string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if r := j.try(t, do("tcp-connect", addr, "x")); r.Errno == "EPERM" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the entry does not expire")
		}
	}
}
