// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"strings"
	"testing"
)

// The policy chooses what a refused call returns.
func TestErrno(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tcp, udp := listenBoth(t, w.host, "127.0.0.1:7000")
	j := w.jail(t, setup{policy: network("block: [host]", "errno: ECONNREFUSED")})
	wantRefused(t, j, w.outside(t, false), "ECONNREFUSED", allTechniques(tcp.addr, tcp, udp))
}

// Audit refuses nothing and tells everything.
func TestAudit(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	targets := hostTargets(t, w)
	for name, s := range map[string]setup{
		"mode: audit": {policy: "version: 1\njails:\n  e2e: {mode: audit}\n"},
		"--audit":     {args: []string{"--audit"}},
	} {
		j := w.jail(t, s)
		for _, g := range targets {
			wantArrival(t, j.agent, g)
		}
		j.must(t, do("ping-echo", "127.0.0.1:0"))
		for _, dst := range []string{"127.0.0.1", "::1", "192.0.2.1"} {
			e := j.event(t, func(e event) bool { return e.Dst == dst && e.Port == 7000 })
			if e.Action != "audit" || e.Rule != "host" || e.Comm != "probe" {
				t.Errorf("%s: event %+v, want action audit of rule host by probe", name, e)
			}
		}
		for _, e := range j.events(t) {
			if e.Action != "audit" {
				t.Errorf("%s: event %+v, want action audit", name, e)
			}
		}
		if summary := j.finish(t); !strings.Contains(summary, "127.0.0.1:7000") {
			t.Errorf("%s: the summary does not have 127.0.0.1:7000:\n%s", name, summary)
		}
	}
}

// --block, --allow and --block-host are the policy's own terms.
func TestFlags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	web := listen(t, w.web, "tcp", "198.51.100.10:8080")
	other := listen(t, w.web, "tcp", webV4+":8080")
	host := listen(t, w.host, "tcp", "127.0.0.1:8080")
	db := listen(t, w.host, "tcp", "127.0.0.1:5432")
	nothing := network("block: []")
	for _, c := range []struct {
		name    string
		setup   setup
		to      *listener
		reaches bool
	}{
		{"no policy, the web", setup{}, web, true},
		{"no policy, the host", setup{}, host, false},
		{"--block CIDR", setup{args: []string{"--block", "198.51.100.0/24"}}, web, false},
		{"--block CIDR, another", setup{args: []string{"--block", "198.51.100.0/24"}}, other, true},
		{"--block CIDR, the host", setup{args: []string{"--block", "198.51.100.0/24"}}, host, false},
		{"--block ADDRESS:PORT", setup{args: []string{"--block", "198.51.100.10:8080"}}, web, false},
		{"--block ADDRESS:PORT, another port", setup{args: []string{"--block", "198.51.100.10:80"}}, web, true},
		{"--block twice", setup{args: []string{"--block", "192.0.2.128/25", "--block", webV4}}, other, false},
		{"--allow ADDRESS:PORT", setup{args: []string{"--allow", "127.0.0.1:5432"}}, db, true},
		{"--allow ADDRESS:PORT, another port", setup{args: []string{"--allow", "127.0.0.1:5432"}}, host, false},
		{"a policy that blocks nothing", setup{policy: nothing}, host, true},
		{"--block-host", setup{policy: nothing, args: []string{"--block-host"}}, host, false},
		{"--block-host, the web", setup{policy: nothing, args: []string{"--block-host"}}, web, true},
		{"--block host", setup{policy: nothing, args: []string{"--block", "host"}}, host, false},
	} {
		before := c.to.arrivals()
		o := w.runJail(t, c.setup, "curl", "-sS", "--max-time", "5", "http://"+c.to.addr+"/")
		arrived := c.to.arrivals() > before
		switch {
		case c.reaches && (o.code != 0 || !strings.HasPrefix(o.stdout, "hello from ") || !arrived):
			t.Errorf("%s: curl ended with status %d, %q, arrived %v\n%s", c.name, o.code, o.stdout, arrived, o.stderr)
		case !c.reaches && (o.code != curlNoConnection || o.stdout != "" || arrived):
			t.Errorf("%s: curl ended with status %d, %q, arrived %v, want %d and nothing\n%s", c.name, o.code, o.stdout, arrived, curlNoConnection, o.stderr)
		case !c.reaches:
			wantSummary(t, o.stderr, c.to.addr, "", 1, "curl")
		}
	}
}

// curlNoConnection is curl's status when it could not connect.
const curlNoConnection = 7
