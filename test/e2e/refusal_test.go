// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"testing"
	"time"
)

const (
	// fast is what a refused call may take: it never waits. On a busy machine one of three is.
	fast = 50 * time.Millisecond
	// hanging is what no scheduler explains.
	hanging = 500 * time.Millisecond
)

// target is a way to reach a listener.
type target struct {
	technique string // of the probe
	addr      string // what the program says: ADDRESS:PORT
	via       string // further argument of some techniques
	at        *listener
}

func (g target) String() string {
	return g.technique + " " + g.addr
}

// attempt is the target's step, with a token of its own.
func (g target) attempt() (token string, s step) {
	token = newToken()
	s = do(g.technique, g.addr, token)
	if g.via != "" {
		s = append(s, g.via)
	}
	return token, s
}

// wantArrival fails the test unless the attempt succeeds, and arrives where it was meant for.
func wantArrival(t *testing.T, a *agent, g target) {
	t.Helper()
	token, s := g.attempt()
	if r := a.try(t, s); !r.OK {
		t.Errorf("%s: %s: %v: want it to reach %s", a.where, g, r, g.at.addr)
	} else if !g.at.got(token) {
		t.Errorf("%s: %s: %s has not seen it", a.where, g, g.at.addr)
	}
}

// wantErrno fails the test unless the call was refused with this errno, without waiting.
func wantErrno(t *testing.T, what any, r reply, errno string) {
	t.Helper()
	if r.OK || r.Errno != errno {
		t.Errorf("%v: %v: want %s", what, r, errno)
	} else if r.took() > hanging {
		t.Errorf("%v: refused after %v", what, r.took())
	}
}

// wantFast is wantErrno for an attempt that can be made again, and so be told from a busy machine.
func wantFast(t *testing.T, g target, j *jail, errno string) {
	t.Helper()
	var r reply
	for range 3 {
		_, s := g.attempt()
		r = j.try(t, s)
		wantErrno(t, g, r, errno)
		if r.OK || r.took() < fast {
			return
		}
	}
	t.Errorf("%v: refused after %v, want less than %v", g, r.took(), fast)
}

// wantRefused fails the test unless each target is refused in the jail, has seen nothing, and is
// reached from outside. No target may have been used before.
func wantRefused(t *testing.T, j *jail, out *agent, errno string, targets []target) {
	t.Helper()
	for _, g := range targets {
		wantFast(t, g, j, errno)
	}
	for _, l := range listenersOf(targets) {
		l.wantNone(t)
	}
	for _, g := range targets {
		wantArrival(t, out, g)
	}
}

// listenersOf returns the targets' listeners, after the grace time.
func listenersOf(targets []target) []*listener {
	time.Sleep(grace)
	seen := map[*listener]bool{}
	var all []*listener
	for _, g := range targets {
		if !seen[g.at] {
			seen[g.at] = true
			all = append(all, g.at)
		}
	}
	return all
}

// Techniques that work for every unicast address.
var (
	tcpTechniques = []string{
		"tcp-connect", "tcp-nonblock", "tcp-fastopen", "tcp-tfo-connect", "mptcp-connect", "mptcp-fastopen",
	}
	udpTechniques = []string{"udp-send", "udp-connect", "udp-sendmmsg", "udp-pktinfo"}
)

// allTechniques lists every way to reach the two listeners by an address.
func allTechniques(addr string, tcp, udp *listener) []target {
	var all []target
	for _, name := range tcpTechniques {
		all = append(all, target{technique: name, addr: addr, at: tcp})
	}
	for _, name := range udpTechniques {
		all = append(all, target{technique: name, addr: addr, at: udp})
	}
	return all
}

// someTechniques lists the plain ways to do so.
func someTechniques(addr string, tcp, udp *listener) []target {
	return []target{
		{technique: "tcp-connect", addr: addr, at: tcp},
		{technique: "udp-send", addr: addr, at: udp},
		{technique: "udp-connect", addr: addr, at: udp},
	}
}

// hostTargets opens listeners on the host, and returns the ways to reach them.
func hostTargets(t *testing.T, w *world) []target {
	t.Helper()
	const port = "7000"
	var all []target
	loopTCP, loopUDP := listenBoth(t, w.host, "127.0.0.1:"+port)
	sixTCP, sixUDP := listenBoth(t, w.host, "[::1]:"+port)
	ownTCP, ownUDP := listenBoth(t, w.host, "192.0.2.1:"+port)
	all = append(all, allTechniques("127.0.0.1:"+port, loopTCP, loopUDP)...)
	all = append(all, allTechniques("[::1]:"+port, sixTCP, sixUDP)...)
	all = append(all, allTechniques("192.0.2.1:"+port, ownTCP, ownUDP)...)
	for _, addr := range []string{
		"127.0.0.2", "127.9.8.7", "192.0.2.129", "203.0.113.129", "2001:db8:1::1", "fe80::1%up0",
	} {
		addr = net.JoinHostPort(addr, port)
		tcp, udp := listenBoth(t, w.host, addr)
		all = append(all, someTechniques(addr, tcp, udp)...)
	}
	// Other names of the same places.
	all = append(all, allTechniques("[::ffff:127.0.0.1]:"+port, loopTCP, loopUDP)...)
	all = append(all, allTechniques("[::ffff:192.0.2.1]:"+port, ownTCP, ownUDP)...)
	all = append(all, someTechniques("0.0.0.0:"+port, loopTCP, loopUDP)...)
	all = append(all, someTechniques("[::]:"+port, sixTCP, sixUDP)...)
	all = append(all, someTechniques("[::ffff:0.0.0.0]:"+port, loopTCP, loopUDP)...)
	decoy := net.JoinHostPort(webV4, "7000")
	return append(all,
		target{technique: "udp-unspec", addr: "127.0.0.1:" + port, at: loopUDP},
		target{technique: "udp6-name4", addr: "127.0.0.1:" + port, at: loopUDP},
		target{technique: "udp-rename", addr: "192.0.2.1:" + port, via: decoy, at: ownUDP},
		// Sent from X, 0.0.0.0 means X.
		target{technique: "udp-bound", addr: "0.0.0.0:" + port, via: "192.0.2.1:0", at: ownUDP},
		target{technique: "tcp-bound", addr: "0.0.0.0:" + port, via: "192.0.2.1:0", at: ownTCP},
		target{technique: "tcp-bound", addr: "127.0.0.1:" + port, via: "127.0.0.1:0", at: loopTCP},
	)
}

// webTargets opens listeners in the web, and returns the ways to reach them.
func webTargets(t *testing.T, w *world) []target {
	t.Helper()
	var all []target
	for _, addr := range []string{webV4, webV6} {
		addr = net.JoinHostPort(addr, "7000")
		tcp, udp := listenBoth(t, w.web, addr)
		all = append(all, allTechniques(addr, tcp, udp)...)
	}
	return all
}
