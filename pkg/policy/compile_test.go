// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

func address(prefix, reason string, unicast bool) Address {
	return Address{netip.MustParsePrefix(prefix), reason, unicast}
}

// machine is a machine as pkg/hostaddr describes one.
var machine = Machine{
	Host: []Address{
		address("127.0.0.0/8", "loopback", true),
		address("::1/128", "loopback", true),
		address("0.0.0.0/8", "unspecified", true),
		address("::/128", "unspecified", true),
		address("192.168.1.20/32", "address of eth0", true),
		address("192.168.1.255/32", "broadcast of eth0", false),
		address("2001:db8::20/128", "address of eth0", true),
		address("2002:c000:204::1/128", "address of sit0", true),
	},
	Gateway:   []Address{address("192.168.1.1/32", "default gateway on eth0", true)},
	Resolvers: []Address{address("127.0.0.53/32", "resolver", true), address("192.168.1.1/32", "resolver", true)},
}

func mustCompile(t testing.TB, j *Jail, now time.Time) *Compiled {
	t.Helper()
	c, err := Compile(j, machine, now)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// verdict writes what the set decides: action, rule, and "own" if that lifts it.
func verdict(c *Compiled, to string) string {
	proto := uint16(ruleset.ProtoTCP)
	if at, ok := strings.CutSuffix(to, "/udp"); ok {
		to, proto = at, uint16(ruleset.ProtoUDP)
	} else if at, ok := strings.CutSuffix(to, "/icmp"); ok {
		to, proto = at+":0", 1
	}
	ap := netip.MustParseAddrPort(to)
	w := c.Set.Lookup(ap.Addr(), proto, ap.Port())
	s := actionName(actionOfWord(w)) + " " + c.Rule(w.Arg()).Text
	if w&ruleset.FlagOwn != 0 && w.Kind() == ruleset.KindBlock {
		s += " own"
	}
	return s
}

func TestCompile(t *testing.T) {
	for name, tt := range map[string]struct {
		network string
		want    map[string]string
	}{
		"built in": {"mode: host", map[string]string{
			"127.0.0.1:80":              "block host own",
			"[::1]:80":                  "block host own",
			"0.0.0.0:80":                "block host own",
			"[::ffff:127.0.0.1]:80":     "block host own",
			"[64:ff9b::7f00:1]:80":      "block host own",
			"192.168.1.20:80":           "block host own",
			"192.168.1.255:80":          "block host",
			"192.0.2.4:80":              "block host own", // the 6to4 address's
			"127.0.0.53:53":             "allow dns",
			"127.0.0.53:53/udp":         "allow dns",
			"127.0.0.53:54":             "block host own",
			"127.0.0.53/icmp":           "block host own",
			"192.168.1.1:53":            "allow dns",
			"192.168.1.1:80":            "block gateway",
			"192.168.1.2:80":            "allow default: allow",
			"169.254.169.254:80":        "block metadata",
			"169.254.1.1:80":            "block linklocal",
			"[fe80::1]:80":              "block linklocal",
			"[fd00:ec2::254]:80":        "block metadata",
			"224.0.0.1:80/udp":          "block multicast",
			"255.255.255.255:80/udp":    "block multicast",
			"[ff02::1]:80/udp":          "block multicast",
			"1.1.1.1:443":               "allow default: allow",
			"[2606:4700:4700::1111]:53": "allow default: allow",
		}},
		"nothing": {"block: []\nallow: []", map[string]string{
			"127.0.0.1:80": "allow default: allow", "127.0.0.53:53": "allow default: allow",
		}},
		"default block": {"default: block\nblock: []\nallow: [10.0.0.0/8]", map[string]string{
			"127.0.0.1:80": "block default: block", "10.1.2.3:80": "allow 10.0.0.0/8", "127.0.0.53:53": "block default: block",
		}},
		"specific wins": {"block: [10.0.0.0/8, 10.1.1.1]\nallow: [10.1.0.0/16]", map[string]string{
			"10.0.0.1:1": "block 10.0.0.0/8", "10.1.0.1:1": "allow 10.1.0.0/16", "10.1.1.1:1": "block 10.1.1.1",
		}},
		"ports win": {"block: [10.0.0.0/8]\nallow: [{cidr: 10.0.0.0/8, ports: [tcp/80, 90-91]}]", map[string]string{
			"10.0.0.1:80": "allow 10.0.0.0/8 ports tcp/80, 90-91", "10.0.0.1:80/udp": "block 10.0.0.0/8", "10.0.0.1:91/udp": "allow 10.0.0.0/8 ports tcp/80, 90-91",
			"10.0.0.1:92": "block 10.0.0.0/8", "10.0.0.1/icmp": "block 10.0.0.0/8",
		}},
		"block wins a tie": {"block: [{cidr: 10.0.0.0/8, ports: [80-85]}]\nallow: [{cidr: 10.0.0.0/8, ports: [85-90]}]", map[string]string{
			"10.0.0.1:85": "block 10.0.0.0/8 ports 80-85", "10.0.0.1:86": "allow 10.0.0.0/8 ports 85-90",
		}},
		"except": {"block: [private, {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}, {cidr: 192.0.2.0/24, except: [192.0.2.1]}]", map[string]string{
			"10.0.0.1:1": "block private", "10.1.0.1:1": "block private", "192.0.2.2:1": "block 192.0.2.0/24 except 192.0.2.1", "192.0.2.1:1": "allow default: allow",
		}},
		"own without host": {"block: []\nallow: [own]\ndefault: block", map[string]string{
			"127.0.0.1:80": "block default: block own", "10.0.0.1:80": "block default: block",
		}},
		"own and ports": {"block: [host, {group: host, ports: [22]}]\nallow: [own]", map[string]string{
			"127.0.0.1:80": "block host own", "127.0.0.1:22": "block host ports 22",
		}},
		"not own":        {"block: [host]\nallow: [dns]", map[string]string{"127.0.0.1:80": "block host"}},
		"any":            {"block: [any]\nallow: [dns, 1.1.1.1]", map[string]string{"1.1.1.1:80": "allow 1.1.1.1", "8.8.8.8:80": "block any", "[2001:db8::1]:80": "block any"}},
		"group ports":    {"block: [{group: private, ports: [tcp/443]}]", map[string]string{"10.0.0.1:443": "block private ports tcp/443", "10.0.0.1:80": "allow default: allow"}},
		"bracketed port": {"allow: ['[::1]:5432']", map[string]string{"[::1]:5432": "allow [::1]:5432", "[::1]:5433": "block host"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := mustCompile(t, mustJail(t, network(tt.network), ""), noon)
			for to, want := range tt.want {
				if got := verdict(c, to); got != want {
					t.Errorf("%s: got %q, want %q", to, got, want)
				}
			}
		})
	}
}

// What goes to ruleset.Compile besides the rules stands in the heads of the image (bpf/types.h).
func TestCompileSettings(t *testing.T) {
	const (
		headFlags, headErrno, headHost = 10, 11, 12
		audit, hostNetwork, ownDecides = 1, 2, 4
		host                           = 2<<28 | 3 // a block by the first rule
		own                            = 1 << 24
	)
	for name, tt := range map[string]struct {
		policy             string
		flags, errno, host uint32
	}{
		"built in": {network("mode: host"), hostNetwork | ownDecides, 1, host | own},
		"private":  {network("mode: private"), ownDecides, 1, host | own},
		"none":     {network("mode: none"), ownDecides, 1, host | own},
		"errno":    {network("errno: EACCES"), hostNetwork | ownDecides, 13, host | own},
		"not own":  {network("allow: []"), hostNetwork, 1, host},
		"no host":  {network("block: [private]"), hostNetwork | ownDecides, 1, 0}, // the host has addresses in it
		"port":     {network("block: [{group: host, ports: [1]}]"), hostNetwork | ownDecides, 1, 0},
		"no block": {network("block: []"), hostNetwork, 1, 0},
		"port too": {network("block: [{group: host, ports: [1]}, host]"), hostNetwork | ownDecides, 1, (host | own) + 1},
		"allowed":  {network("block: [private]\nallow: [host]"), hostNetwork, 1, 0},
		"expires":  {network("block: [{group: host, expires: 1h}]"), hostNetwork | ownDecides, 1, host | own},
		"auditing": {jail("mode: audit"), hostNetwork | audit | ownDecides, 1, host | own},
	} {
		t.Run(name, func(t *testing.T) {
			want := [3]uint32{tt.flags, tt.errno, tt.host}
			for i, head := range mustCompile(t, mustJail(t, tt.policy, ""), noon).Set.Lines[:2] {
				if got := [3]uint32{head[headFlags], head[headErrno], head[headHost]}; got != want {
					t.Errorf("head %d: got %#x, want %#x", i, got, want)
				}
			}
		})
	}
	later := mustCompile(t, mustJail(t, network("block: [{group: host, expires: 1h}]"), ""), noon.Add(time.Hour))
	if got := later.Set.Lines[0][headHost]; got != 0 {
		t.Errorf("the expired block of the host: %#x", got)
	}
}

func TestCompileExpiry(t *testing.T) {
	j := mustJail(t, network(`block: [host]
allow:
- {to: 127.0.0.1, ports: [80], expires: 1h}
- {to: 127.0.0.2, ports: [80], expires: 30m}
- {group: own, expires: 2h}
- to: 127.0.0.3:80`), "")
	for _, tt := range []struct {
		after, next            time.Duration
		first, second, ownless bool
	}{
		{0, 30 * time.Minute, true, true, false},
		{30 * time.Minute, time.Hour, true, false, false},
		{time.Hour, 2 * time.Hour, false, false, false},
		{2 * time.Hour, 0, false, false, true},
	} {
		c := mustCompile(t, j, noon.Add(tt.after))
		want := time.Time{}
		if tt.next > 0 {
			want = noon.Add(tt.next)
		}
		if !c.NextExpiry.Equal(want) {
			t.Errorf("after %v: next expiry %v", tt.after, c.NextExpiry)
		}
		allowed := func(to string) bool { return strings.HasPrefix(verdict(c, to), "allow") }
		if allowed("127.0.0.1:80") != tt.first || allowed("127.0.0.2:80") != tt.second || !allowed("127.0.0.3:80") || strings.HasSuffix(verdict(c, "127.0.0.9:80"), "own") == tt.ownless {
			t.Errorf("after %v: %s, %s", tt.after, verdict(c, "127.0.0.1:80"), verdict(c, "127.0.0.9:80"))
		}
		// Ids stay the same.
		if got := c.Rule(ruleset.FirstRule + 2); got.Text != "127.0.0.2 ports 80" || got.Expired == tt.second {
			t.Errorf("after %v: %+v", tt.after, got)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	if _, err := Compile(Default(), Machine{}, noon); !errors.Is(err, ErrNoHost) {
		t.Errorf("no host: %v", err)
	}
	_, err := Compile(mustJail(t, network("block: [file: x.txt]"), ""), machine, noon)
	var errs Errors
	if !errors.As(err, &errs) || errs[0].String() != `p.yaml:5:15: the list "x.txt" was not read; fix: load the policy from its file` {
		t.Errorf("lists not read: %v", err)
	}
}

func TestWarnings(t *testing.T) {
	for name, tt := range map[string]struct {
		network string
		want    []string
	}{
		"built in": {"mode: host", nil},
		"loopback": {"allow: ['::1']", []string{
			"p.yaml:5:15: ::1 is never allowed: host (built in) blocks the same prefix, and a block beats an allow; fix: name the ports that you need, or take host out of block and list what shall stay blocked",
		}},
		"with ports":    {"allow: ['[::1]:80']", nil},
		"more specific": {"allow: [127.0.0.1]", nil},
		"hole":          {"block: [{group: host, except: ['::1']}]\nallow: ['::1']", nil},
		"covered ports": {"block: ['10.0.0.1:80', {to: 10.0.0.1, ports: [81-90]}]\nallow: [{to: 10.0.0.1, ports: [tcp/80-82]}]", []string{
			"p.yaml:6:15: 10.0.0.1 ports tcp/80-82 is never allowed: 10.0.0.1 ports 81-90 (p.yaml:5:30) blocks the same prefix, and a block beats an allow; fix: take these ports out of the block at p.yaml:5:30",
		}},
		"other ports": {"block: [{to: 10.0.0.1, ports: [tcp/80-90]}]\nallow: [{to: 10.0.0.1, ports: [80]}]", nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range mustCompile(t, mustJail(t, network(tt.network), ""), noon).Warnings {
				got = append(got, w.String())
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"p.yaml": network(`block:
- host
- metadata
- file: '*.txt'
allow:
- dns
- own
- to: 127.0.0.1
  ports: [tcp/5432, 8000-8100]
  reason: team database
- {to: 127.0.0.1, ports: [tcp/5432]}`),
		"a.txt": "198.51.100.0/24\n",
		"b.txt": "# more\n198.51.100.7\n2001:db8:bad::/48\n",
	})
	f, err := Load(filepath.Join(dir, "p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.Jail("")
	if err != nil {
		t.Fatal(err)
	}
	c := mustCompile(t, j, noon)
	for _, tt := range []struct {
		addr        string
		proto, port uint16
		want        string
	}{
		{"127.0.0.1", 6, 5432, "127.0.0.1:5432/tcp: allowed\n  rule:   127.0.0.1 ports tcp/5432, 8000-8100 (p.yaml:12:9)\n  prefix: 127.0.0.1\n  why:    team database"},
		{
			"127.0.0.1", 0, 0, "127.0.0.1: blocked\n  rule:   host (p.yaml:6:9)\n  prefix: 127.0.0.0/8\n  why:    loopback\n  note:   allowed where the jail itself opened the listener (own)\n" +
				"  but:    tcp/5432 is allowed by 127.0.0.1 ports tcp/5432, 8000-8100 (p.yaml:12:9)\n  but:    tcp/8000-8100 is allowed by 127.0.0.1 ports tcp/5432, 8000-8100 (p.yaml:12:9)\n" +
				"  but:    udp/8000-8100 is allowed by 127.0.0.1 ports tcp/5432, 8000-8100 (p.yaml:12:9)",
		},
		{"127.0.0.53", 17, 0, "127.0.0.53/udp: blocked\n  rule:   host (p.yaml:6:9)\n  prefix: 127.0.0.0/8\n  why:    loopback\n  note:   allowed where the jail itself opened the listener (own)\n  but:    udp/53 is allowed by dns (p.yaml:10:9)"},
		{"::ffff:198.51.100.7", 6, 80, "[::ffff:198.51.100.7]:80/tcp: blocked\n  rule:   file *.txt (p.yaml:8:9)\n  prefix: 198.51.100.7\n  list:   b.txt:2\n  note:   ::ffff:198.51.100.7 is judged as 198.51.100.7"},
		{"198.51.100.8", 1, 0, "198.51.100.8/icmp: blocked\n  rule:   file *.txt (p.yaml:8:9)\n  prefix: 198.51.100.0/24\n  list:   a.txt:1"},
		{"2001:db8:bad::1", 132, 0, "2001:db8:bad::1/protocol 132: blocked\n  rule:   file *.txt (p.yaml:8:9)\n  prefix: 2001:db8:bad::/48\n  list:   b.txt:3"},
		{"169.254.169.254", 6, 80, "169.254.169.254:80/tcp: blocked\n  rule:   metadata (p.yaml:7:9)\n  prefix: 169.254.169.254\n  why:    cloud metadata service (AWS, Azure, Google Cloud and others)"},
		{"1.1.1.1", 6, 443, "1.1.1.1:443/tcp: allowed\n  rule:   default: allow (built in)\n  why:    no entry matches"},
		{"192.168.1.255", 17, 9, "192.168.1.255:9/udp: blocked\n  rule:   host (p.yaml:6:9)\n  prefix: 192.168.1.255\n  why:    broadcast of eth0"},
	} {
		got := strings.ReplaceAll(c.Explain(netip.MustParseAddr(tt.addr), tt.proto, tt.port).String(), dir+"/", "")
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s %d %d:\n%s", tt.addr, tt.proto, tt.port, diff)
		}
	}
	c.audit = true
	if got := c.Explain(netip.MustParseAddr("169.254.169.254"), 6, 80).String(); !strings.HasPrefix(got, "169.254.169.254:80/tcp: blocked (mode audit: reported only)\n") {
		t.Error(got)
	}
	if e := c.Explain(netip.Addr{}, 6, 80); e.Action != ruleset.Block || e.Rule.ID != ruleset.RuleFault {
		t.Errorf("no address: %v", e)
	}
}

// A rule is told even if another decides at its first ports.
func TestExplainPorts(t *testing.T) {
	c := mustCompile(t, mustJail(t, network(`block: [{to: 192.0.2.1, ports: [tcp/80-81, udp/80-99]}]
allow: [{to: 192.0.2.1, ports: [80-90]}]`), ""), noon)
	var got []string
	for _, p := range c.Explain(netip.MustParseAddr("192.0.2.1"), 0, 0).Ports {
		got = append(got, actionName(p.Action)+" "+formatPort(p.Ports))
	}
	if diff := cmp.Diff([]string{"block tcp/80-81", "block udp/80-99", "allow tcp/80-90"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestRuleAndReason(t *testing.T) {
	c := mustCompile(t, mustJail(t, network("default: block\nblock: [host, {to: 192.0.2.1, reason: noisy}]"), ""), noon)
	for id, want := range map[uint32]string{
		ruleset.RuleDefault: "default: block block p.yaml:5:16", ruleset.RuleProtocol: "protocol block built in", ruleset.RuleFault: "fault block built in",
		ruleset.FirstRule: "host block p.yaml:6:15", ruleset.FirstRule + 1: "192.0.2.1 block p.yaml:6:21", ruleset.FirstRule + 2: "dns allow built in",
		ruleset.FirstRule + 3: "own allow built in", ruleset.FirstRule + 4: "fault block built in", 1 << 31: "fault block built in", ^uint32(0): "fault block built in",
	} {
		r := c.Rule(id)
		if got := r.Text + " " + actionName(r.Action) + " " + r.Position.String(); got != want || r.ID != id {
			t.Errorf("%d: got %q, want %q", id, got, want)
		}
	}
	for _, tt := range []struct {
		id         uint32
		addr, want string
	}{
		{ruleset.FirstRule, "127.0.0.1", "loopback"},
		{ruleset.FirstRule, "::ffff:192.168.1.20", "address of eth0"},
		{ruleset.FirstRule, "2002:c000:204::9", "address of sit0"},
		{ruleset.FirstRule, "10.9.9.9", "address of this machine"},
		{ruleset.FirstRule + 1, "192.0.2.1", "noisy"},
		{ruleset.FirstRule + 2, "127.0.0.53", "resolver"},
		{ruleset.FirstRule + 3, "127.0.0.53", ""},
		{ruleset.RuleDefault, "1.1.1.1", "no entry matches"},
		{ruleset.RuleProtocol, "1.1.1.1", "a protocol or header that a jail does not get"},
	} {
		if got := c.Reason(tt.id, netip.MustParseAddr(tt.addr)); got != tt.want {
			t.Errorf("%d %s: got %q, want %q", tt.id, tt.addr, got, tt.want)
		}
	}
}

func TestGroups(t *testing.T) {
	var all []string
	for _, g := range Groups() {
		all = append(all, g.Name)
		if g.About == "" {
			t.Errorf("%s: no description", g.Name)
		}
		if members := Members(g.Name, machine); (len(members) == 0) != (g.Name == "own") {
			t.Errorf("%s: %v", g.Name, members)
		}
	}
	if diff := cmp.Diff(groupNames, all); diff != "" {
		t.Error(diff)
	}
	for name, members := range fixedGroups {
		for _, a := range members {
			if a.Prefix != a.Prefix.Masked() || a.Reason == "" {
				t.Errorf("%s: %v", name, a)
			}
		}
	}
	if Members("nobody", machine) != nil {
		t.Error("an unknown group has members")
	}
}
