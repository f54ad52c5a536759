// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"strconv"
	"testing"
)

// ownListener is a server in the jail, and the addresses under which the jail's own programs
// reach it.
type ownListener struct {
	kind    string // of the socket, or of the listener that Go makes (tcp, udp)
	at      string
	options []string
	reach   []string
}

var ownListeners = []ownListener{
	{kind: "tcp4", at: "127.0.0.1", reach: []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"}},
	{kind: "tcp4", at: "127.0.0.2", reach: []string{"127.0.0.2"}},
	{kind: "tcp4", at: "192.0.2.1", reach: []string{"192.0.2.1", "::ffff:192.0.2.1"}},
	{kind: "tcp4", at: "0.0.0.0", reach: []string{"127.0.0.1", "127.0.0.2", "0.0.0.0", "192.0.2.1", "192.0.2.129", "203.0.113.129", "::ffff:127.0.0.1"}},
	{kind: "tcp6", at: "::1", reach: []string{"::1", "::"}},
	{kind: "tcp6", at: "::", options: []string{"v6only"}, reach: []string{"::1", "::", "2001:db8:1::1"}},
	{kind: "tcp6", at: "::", options: []string{"dual-stack"}, reach: []string{"::1", "::", "127.0.0.1", "0.0.0.0", "192.0.2.1", "::ffff:127.0.0.1", "2001:db8:1::1"}},
	{kind: "tcp6", at: "::ffff:127.0.0.1", reach: []string{"127.0.0.1", "::ffff:127.0.0.1"}},
	{kind: "mptcp4", at: "127.0.0.1", reach: []string{"127.0.0.1", "0.0.0.0"}},
	{kind: "mptcp4", at: "0.0.0.0", reach: []string{"127.0.0.1", "192.0.2.1"}},
	{kind: "mptcp6", at: "::", options: []string{"dual-stack"}, reach: []string{"::1", "127.0.0.1", "192.0.2.1"}},
	{kind: "tcp", at: "127.0.0.1", reach: []string{"127.0.0.1"}},
	{kind: "tcp", at: "::", reach: []string{"::1", "127.0.0.1", "192.0.2.1", "2001:db8:1::1"}},
	{kind: "udp4", at: "127.0.0.1", reach: []string{"127.0.0.1", "::ffff:127.0.0.1", "0.0.0.0"}},
	{kind: "udp4", at: "127.0.0.2", reach: []string{"127.0.0.2"}},
	{kind: "udp4", at: "192.0.2.1", reach: []string{"192.0.2.1"}},
	{kind: "udp4", at: "0.0.0.0", reach: []string{"127.0.0.1", "0.0.0.0", "192.0.2.1", "192.0.2.129", "203.0.113.129"}},
	{kind: "udp6", at: "::1", reach: []string{"::1", "::"}},
	{kind: "udp6", at: "::", options: []string{"v6only"}, reach: []string{"::1", "2001:db8:1::1"}},
	{kind: "udp6", at: "::", options: []string{"dual-stack"}, reach: []string{"::1", "127.0.0.1", "192.0.2.1", "::ffff:127.0.0.1"}},
	{kind: "udp", at: "127.0.0.1", reach: []string{"127.0.0.1"}},
	{kind: "udp", at: "::", reach: []string{"::1", "127.0.0.1"}},
}

func (l ownListener) String() string {
	return l.kind + " " + l.at
}

// open opens the listener in the agent, with an echo server behind it, and returns its port.
func (l ownListener) open(t *testing.T, a *agent) string {
	t.Helper()
	addr := net.JoinHostPort(l.at, "0")
	if l.kind == "tcp" || l.kind == "udp" {
		if l.at == "::" {
			addr = ":0" // Go's default: both families
		}
		return a.must(t, do("go-serve", l.kind, addr))
	}
	name := "@" + newToken()
	steps := []step{do("open", name, l.kind)}
	for _, o := range l.options {
		steps = append(steps, do("opt", name, o))
	}
	steps = append(steps, do("bind", name, addr))
	if !l.isUDP() {
		steps = append(steps, do("listen", name))
	}
	return a.must(t, append(steps, do("serve", name), do("local", name))...)
}

func (l ownListener) isUDP() bool {
	return l.kind[:3] == "udp"
}

// techniques are the ways to reach the listener.
func (l ownListener) techniques() []string {
	if l.isUDP() {
		return udpTechniques
	}
	return tcpTechniques
}

// The jail's programs reach the jail's servers, from the same process and from another one.
func TestOwnListeners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wantOwnListeners(t, w.jail(t, setup{}))
}

func wantOwnListeners(t *testing.T, j *jail) {
	t.Helper()
	for _, l := range ownListeners {
		port := l.open(t, j.agent)
		for _, addr := range l.reach {
			addr = net.JoinHostPort(addr, port)
			for _, technique := range l.techniques() {
				token := newToken()
				if r := j.try(t, do(technique, addr, token)); !r.OK || r.Data != token {
					t.Errorf("own listener %s: %s %s: %v: want %q", l, technique, addr, r, token)
				}
			}
			technique := l.techniques()[0]
			token := newToken()
			if r := j.tryChild(t, do(technique, addr, token)); !r.OK || r.Data != token {
				t.Errorf("own listener %s, from a child: %s %s: %v: want %q", l, technique, addr, r, token)
			}
		}
	}
}

// Many at a time, of the jail's own and of the web.
func TestParallelConnections(t *testing.T) {
	t.Parallel()
	const count = 200
	w := newWorld(t)
	j := w.jail(t, setup{})
	for _, network := range []string{"tcp", "udp"} {
		for _, addr := range []string{webV4, webV6} {
			l := listen(t, w.web, network, net.JoinHostPort(addr, "7000"))
			if got := j.try(t, do("dial-many", network, l.addr, strconv.Itoa(count))); got.Data != strconv.Itoa(count) {
				t.Errorf("%d connections to %s %s: %v answered", count, network, l.addr, got)
			}
		}
		for _, host := range []string{"127.0.0.1", "::1"} {
			port := ownListener{kind: network, at: "::"}.open(t, j.agent)
			addr := net.JoinHostPort(host, port)
			if got := j.try(t, do("dial-many", network, addr, strconv.Itoa(count))); got.Data != strconv.Itoa(count) {
				t.Errorf("%d connections to the jail's own %s %s: %v answered", count, network, addr, got)
			}
		}
	}
}

// `own` may be left out of what is allowed; a block of ports holds for the jail's own as well.
func TestOwnNotAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name, policy, port string
		want               map[string]bool // port -> reached
	}{
		{"without own", network("block: [host]", "allow: [dns]"), "3101", map[string]bool{"3101": false}},
		{
			"a block with ports",
			network("block: [host, {to: 127.0.0.1, ports: [tcp/3102]}]", "allow: [dns, own]"), "3102",
			map[string]bool{"3102": false, "3103": true},
		},
	} {
		j := w.jail(t, setup{policy: c.policy})
		for port, reached := range c.want {
			name := "@" + newToken()
			addr := "127.0.0.1:" + port
			j.must(t, do("open", name, "tcp4"), do("bind", name, addr), do("listen", name), do("serve", name))
			r := j.try(t, do("tcp-connect", addr, newToken()))
			if reached && !r.OK {
				t.Errorf("%s: own port %s: %v", c.name, port, r)
			} else if !reached {
				wantErrno(t, c.name+": own port "+port, r, "EPERM")
			}
		}
	}
}
