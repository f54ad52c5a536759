// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"slices"
	"strings"
	"testing"
)

// Everything that reaches the web from outside of a jail does from inside, with real programs too.
func TestWeb(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{})
	for _, g := range webTargets(t, w) {
		wantArrival(t, j.agent, g)
	}
	for _, addr := range []string{webV4, webV6} {
		listen(t, w.web, "tcp", net.JoinHostPort(addr, "80"))
	}
	for _, url := range []string{
		"http://" + webV4 + "/", "http://[" + webV6 + "]/", "http://" + webName + "/",
	} {
		if got := j.must(t, do("http", url)); !strings.HasPrefix(got, "hello from ") {
			t.Errorf("GET %s in the jail: %q", url, got)
		}
	}
	for _, args := range [][]string{
		{"http://" + webV4 + "/"},
		{"http://[" + webV6 + "]/"},
		{"-4", "http://" + webName + "/"},
		{"-6", "http://" + webName + "/"},
	} {
		o := w.runJail(t, setup{}, append([]string{"curl", "-sS", "--max-time", "5"}, args...)...)
		if o.code != 0 || !strings.HasPrefix(o.stdout, "hello from ") {
			t.Errorf("curl %q: status %d, %q\n%s", args, o.code, o.stdout, o.stderr)
		}
	}
}

// Port 53 of the configured resolvers stays open, wherever they are; nothing else of theirs does.
func TestResolvers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{}), w.outside(t, false)
	want := []string{webV6, webV4}
	slices.Sort(want)
	for _, server := range resolvers {
		for _, transport := range []string{"udp", "tcp"} {
			got := j.try(t, do("dns", transport, server+":53", webName))
			if got.Data != strings.Join(want, " ") {
				t.Errorf("dns over %s to %s: %v: want %q", transport, server, got, want)
			}
		}
	}
	if got := j.must(t, do("resolve", webName)); got != strings.Join(want, " ") {
		t.Errorf("resolve %s: %q, want %q", webName, got, want)
	}
	var closed []target
	for server, at := range map[string]*space{"127.0.0.53": w.host, "192.0.2.254": w.web} {
		for _, port := range []string{"5353", "54", "80"} {
			tcp, udp := listenBoth(t, at, net.JoinHostPort(server, port))
			closed = append(closed, allTechniques(tcp.addr, tcp, udp)...)
		}
	}
	// A resolver that is not configured, on the host.
	tcp, udp := listenBoth(t, w.host, "127.0.0.54:53")
	closed = append(closed, someTechniques(tcp.addr, tcp, udp)...)
	wantRefused(t, j, out, "EPERM", closed)
}

// The C library's resolver, whose sorting of addresses connects UDP sockets to all of them.
func TestSystemResolver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, want := range map[string]string{"localhost": "127.0.0.1", webName: webV4} {
		command := []string{"getent", "ahosts", name}
		inside, outside := w.runJail(t, setup{}, command...), w.run(t, w.plain(command...))
		if inside.code != 0 || inside.stdout != outside.stdout || !strings.Contains(inside.stdout, want) {
			t.Errorf("%q: status %d, %q; outside of the jail %q\n%s", command, inside.code, inside.stdout, outside.stdout, inside.stderr)
		}
	}
}
