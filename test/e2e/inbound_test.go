// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"testing"
)

// The developer's browser on the host opens the jail's dev server, and so does the rest of the
// world if the machine lets it.
func TestInbound(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	wantInbound(t, w, w.jail(t, setup{}), w.outside(t, false))
	j, afar := w.jail(t, setup{}), w.afar(t)
	for _, kind := range []string{"tcp", "udp"} {
		port := ownListener{kind: kind, at: "::"}.open(t, j.agent)
		for _, addr := range []string{"192.0.2.1", "2001:db8:1::1"} {
			token := newToken()
			if r := afar.try(t, do(kind+"-connect", net.JoinHostPort(addr, port), token)); !r.OK || r.Data != token {
				t.Errorf("from the web to the jail's %s server: %v", kind, r)
			}
		}
	}
}

func wantInbound(t *testing.T, w *world, j *jail, out *agent) {
	t.Helper()
	for _, l := range []ownListener{
		{kind: "tcp4", at: "127.0.0.1", reach: []string{"127.0.0.1"}},
		{kind: "tcp4", at: "0.0.0.0", reach: []string{"127.0.0.1", "127.0.0.2", "192.0.2.1", "192.0.2.129"}},
		{kind: "tcp6", at: "::", options: []string{"dual-stack"}, reach: []string{"::1", "127.0.0.1", "192.0.2.1", "2001:db8:1::1"}},
		{kind: "mptcp6", at: "::", options: []string{"dual-stack"}, reach: []string{"::1", "127.0.0.1"}},
		{kind: "tcp", at: "::", reach: []string{"::1", "127.0.0.1", "2001:db8:1::1"}},
		{kind: "udp4", at: "127.0.0.1", reach: []string{"127.0.0.1"}},
		{kind: "udp4", at: "0.0.0.0", reach: []string{"127.0.0.1", "192.0.2.1", "192.0.2.129"}},
		{kind: "udp6", at: "::1", reach: []string{"::1"}},
		{kind: "udp6", at: "::", options: []string{"dual-stack"}, reach: []string{"::1", "127.0.0.1", "192.0.2.1", "2001:db8:1::1"}},
		{kind: "udp", at: "::", reach: []string{"::1", "127.0.0.1"}},
	} {
		port := l.open(t, j.agent)
		for _, addr := range l.reach {
			for _, technique := range l.techniques() {
				token := newToken()
				if r := out.try(t, do(technique, net.JoinHostPort(addr, port), token)); !r.OK || r.Data != token {
					t.Errorf("from the host to the jail's %s server, %s: %v: want %q", l, technique, r, token)
				}
			}
		}
	}
	// A development server, and the developer's browser.
	j.must(t, do("http-serve", "0.0.0.0:3000", "made-in-jail"), do("http-serve", "[::]:3001", "made-in-jail"))
	for _, at := range []string{"127.0.0.1:3000", "192.0.2.1:3000", "localhost:3000", "[::1]:3001", "[2001:db8:1::1]:3001"} {
		o := w.run(t, w.plain("curl", "-sS", "--max-time", "5", "http://"+at+"/"))
		if o.code != 0 || o.stdout != "made-in-jail\n" {
			t.Errorf("curl of the host to the jail's %s: status %d, %q\n%s", at, o.code, o.stdout, o.stderr)
		}
	}
}

// A UDP socket that a host process spoke to may answer that process's port, and only it, and only
// from the socket that was spoken to.
func TestAnswersOnlyToWhoSpoke(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	for _, c := range []struct{ kind, addr, far string }{
		{"udp4", "127.0.0.1", "192.0.2.1"},
		{"udp4", "192.0.2.1", "127.0.0.1"},
		{"udp6", "::1", "2001:db8:1::1"},
	} {
		near := func(port string) string { return net.JoinHostPort(c.addr, port) }
		jailPort := j.must(t, do("open", "@s", c.kind), do("bind", "@s", near("0")), do("local", "@s"))
		spoke := out.must(t, do("open", "@spoke", c.kind), do("bind", "@spoke", near("0")),
			do("sendto", "@spoke", near(jailPort), "question"), do("local", "@spoke"))
		silent := out.must(t, do("open", "@silent", c.kind), do("bind", "@silent", near("0")), do("local", "@silent"))
		elsewhere := out.must(t, do("open", "@else", c.kind), do("bind", "@else", net.JoinHostPort(c.far, spoke)), do("local", "@else"))

		if got := j.must(t, do("recv", "@s")); got != "question" {
			t.Fatalf("%s: the jail received %q", c.addr, got)
		}
		j.must(t, do("answer", "@s", "answer-1"))
		j.must(t, do("sendto", "@s", near(spoke), "answer-2"))
		// Connecting back is an answer as well.
		j.must(t, do("connect", "@s", near(spoke)), do("send", "@s", "answer-3"), do("disconnect", "@s"))
		for _, want := range []string{"answer-1", "answer-2", "answer-3"} {
			if got := out.must(t, do("recv", "@spoke")); got != want {
				t.Errorf("%s: who spoke received %q, want %q", c.addr, got, want)
			}
		}

		wantErrno(t, "to another port", j.try(t, do("sendto", "@s", near(silent), "x")), "EPERM")
		wantErrno(t, "connect to another port", j.try(t, do("connect", "@s", near(silent))), "EPERM")
		wantErrno(t, "to another address", j.try(t, do("sendto", "@s", net.JoinHostPort(c.far, elsewhere), "x")), "EPERM")
		wantErrno(t, "from another socket", j.try(t, do("udp-send", near(spoke), "x")), "EPERM")
		wantErrno(t, "from another socket, connected", j.try(t, do("udp-connect", near(spoke), "x")), "EPERM")
		wantErrno(t, "by another protocol", j.try(t, do("tcp-connect", near(spoke), "x")), "EPERM")
		for _, name := range []string{"@spoke", "@silent", "@else"} {
			if r := out.try(t, do("recv", name, "150ms")); r.Errno != "EAGAIN" {
				t.Errorf("%s: %s: %v: want nothing to arrive", c.addr, name, r)
			}
		}
		// They were there to hear.
		out.must(t, do("udp-connect-send", near(silent), "x"))
		out.must(t, do("recv", "@silent"), do("close", "@silent"), do("close", "@spoke"), do("close", "@else"))
		j.must(t, do("close", "@s"))
	}
}
