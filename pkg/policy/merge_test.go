// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// mustJail parses a policy and returns one of its jails.
func mustJail(t testing.TB, in, name string) *Jail {
	t.Helper()
	f, errs := parse("p.yaml", []byte(in), noon)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	j, err := f.Jail(name)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestDefault(t *testing.T) {
	j := Default()
	if j.Runtime != RuntimeNative || j.Mode != ModeEnforce || j.Workspace != "." || j.Watch || j.Env.Set == nil || j.Command != nil {
		t.Errorf("%+v", j)
	}
	n := j.Network
	if n.Mode != NetworkHost || n.Default != ruleset.Allow || n.Errno != syscall.EPERM {
		t.Errorf("%+v", n)
	}
	want := []string{
		"host built in", "gateway built in", "linklocal built in", "metadata built in", "multicast built in", "dns built in", "own built in",
	}
	if diff := cmp.Diff(want, texts(append(n.Block, n.Allow...))); diff != "" {
		t.Error(diff)
	}
	// A policy that says nothing of the network is the same.
	said := mustJail(t, jail("command: [x]"), "a")
	if diff := cmp.Diff(texts(append(n.Block, n.Allow...)), texts(append(said.Network.Block, said.Network.Allow...))); diff != "" {
		t.Error(diff)
	}
}

func TestMergeLists(t *testing.T) {
	const builtinBlock = "host gateway linklocal metadata multicast"
	for name, tt := range map[string]struct{ defaults, own, want string }{
		"neither":       {"", "", builtinBlock},
		"defaults":      {"block: [10.0.0.0/8]", "", "10.0.0.0/8"},
		"own":           {"", "block: [10.0.0.0/8]", "10.0.0.0/8"},
		"both":          {"block: [10.0.0.0/8]", "block: [any]", "10.0.0.0/8 any"},
		"own empty":     {"block: [10.0.0.0/8]", "block: []", ""},
		"default empty": {"block: []", "", ""},
		"onto empty":    {"block: []", "block: [any]", "any"},
		"only allow":    {"", "allow: [192.0.2.1]", builtinBlock},
	} {
		t.Run(name, func(t *testing.T) {
			in := "version: 1\ndefaults: {network: {" + tt.defaults + "}}\njails: {a: {network: {" + tt.own + "}}}\n"
			var got []string
			for _, term := range mustJail(t, in, "").Network.Block {
				got = append(got, term.Text)
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestMergeAll(t *testing.T) {
	in := `version: 1
defaults:
  command: [x, y]
  runtime: podman
  image: debian
  workspace: /w
  env: {pass: [A], set: {K: "1", L: "2"}}
  filesystem: {read: [/r], write: [/w], hide: [/h]}
  resources: {memory: 1.5GiB, cpus: 0.5, pids: 10}
  network: {mode: private, default: block, errno: EACCES, allow: []}
  mode: audit
  watch: true
jails:
  same: {env: {}}
  other:
    command: [z]
    runtime: native
    image: ""
    workspace: .
    env: {pass: [B], set: {L: "3", M: ""}}
    filesystem: {read: [/r2], write: [], hide: [/h]}
    resources: {memory: 1000000000, cpus: 4}
    network: {mode: none, default: allow, errno: ETIMEDOUT}
    mode: enforce
    watch: false
`
	same, other := mustJail(t, in, "same"), mustJail(t, in, "other")
	want := &Jail{
		Name: "same", Command: []string{"x", "y"}, Runtime: "podman", Image: "debian", Workspace: "/w",
		Env:        Env{Pass: []string{"A"}, Set: map[string]string{"K": "1", "L": "2"}},
		Filesystem: Filesystem{Read: []string{"/r"}, Write: []string{"/w"}, Hide: []string{"/h"}},
		Resources:  Resources{Memory: 3 << 29, CPUs: 0.5, PIDs: 10},
		Network:    Network{Mode: "private", Default: ruleset.Block, Errno: syscall.EACCES, defaultAt: Position{"p.yaml", 10, 37}},
		Mode:       "audit", Watch: true,
	}
	same.Network.Block, same.Network.Allow = nil, nil
	if diff := cmp.Diff(want, same, cmp.AllowUnexported(Network{})); diff != "" {
		t.Error(diff)
	}
	want = &Jail{
		Name: "other", Command: []string{"z"}, Runtime: "native", Workspace: ".",
		Env:        Env{Pass: []string{"A", "B"}, Set: map[string]string{"K": "1", "L": "3", "M": ""}},
		Filesystem: Filesystem{Read: []string{"/r", "/r2"}, Write: []string{}, Hide: []string{"/h", "/h"}},
		Resources:  Resources{Memory: 1e9, CPUs: 4, PIDs: 10},
		Network:    Network{Mode: "none", Default: ruleset.Allow, Errno: syscall.ETIMEDOUT, defaultAt: Position{"p.yaml", 23, 36}},
		Mode:       "enforce",
	}
	other.Network.Block, other.Network.Allow = nil, nil
	if diff := cmp.Diff(want, other, cmp.AllowUnexported(Network{})); diff != "" {
		t.Error(diff)
	}
}

func TestJailByName(t *testing.T) {
	parseFile := func(jails string) *File {
		f, err := Parse("p.yaml", []byte("version: 1\njails: {"+jails+"}\n"))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	const two = "b: {command: [x]}, claude: {command: [y]}"
	for name, tt := range map[string]struct{ jails, ask, want, err, hint string }{
		"only":    {"b: {command: [x]}", "", "b", "", ""},
		"named":   {two, "claude", "claude", "", ""},
		"default": {two + ", default: {command: [z]}", "", "default", "", ""},
		"several": {two, "", "", "p.yaml has several jails and none is named default", "choose one with --jail: b, claude"},
		"unknown": {two, "x", "", `p.yaml has no jail "x" (it has: b, claude)`, "the jails are: b, claude"},
		"typo":    {two, "claud", "", `p.yaml has no jail "claud" (it has: b, claude)`, "did you mean claude? the jails are: b, claude"},
	} {
		t.Run(name, func(t *testing.T) {
			j, err := parseFile(tt.jails).Jail(tt.ask)
			if tt.err == "" {
				if err != nil || j.Name != tt.want {
					t.Errorf("got %v, %v", j, err)
				}
				return
			}
			var hint interface{ Hint() string }
			if err == nil || err.Error() != tt.err || !errors.Is(err, ErrNoJail) || !errors.As(err, &hint) || hint.Hint() != tt.hint {
				t.Errorf("got %v, hint %v", err, hint)
			}
		})
	}
	if diff := cmp.Diff([]string{"b", "claude"}, parseFile(two).Jails()); diff != "" {
		t.Error(diff)
	}
}

func TestJailIsACopy(t *testing.T) {
	f, errs := parse("p.yaml", []byte(designPolicy), noon)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	first, _ := f.Jail("")
	first.Env.Set["CI"], first.Command[0], first.Network.Block[0].Text = "x", "x", "x"
	first.Network.Allow[1].Ports[0].First = 1
	if err := first.AddTerm(ruleset.Block, "any"); err != nil {
		t.Fatal(err)
	}
	second, _ := f.Jail("")
	if second.Env.Set["CI"] != "1" || second.Command[0] != "claude" || second.Network.Block[0].Text != "host" || len(second.Network.Block) != 6 ||
		second.Network.Allow[1].Ports[0].First != 5432 {
		t.Errorf("%+v", second)
	}
}

func TestAddTerm(t *testing.T) {
	for _, tt := range []struct {
		action ruleset.Action
		text   string
		want   string // the last term of the list, or the error
	}{
		{ruleset.Block, "private", "private --block"},
		{ruleset.Block, "198.51.100.0/24", "198.51.100.0/24 --block"},
		{ruleset.Allow, "127.0.0.1:5432", "127.0.0.1:5432 --allow"},
		{ruleset.Allow, "[::1]:5432", "[::1]:5432 --allow"},
		{ruleset.Allow, "::1", "::1 --allow"},
		{ruleset.Block, "hots", `--block: unknown group "hots"; fix: did you mean host? Known: host, gateway, metadata, private, linklocal, multicast, dns, own, any`},
		{ruleset.Block, "10.0.0.1/8", "--block: 10.0.0.1/8 has host bits set; fix: write 10.0.0.0/8, or 10.0.0.1 for that one address"},
		{ruleset.Block, "own", "--block: own can only be allowed; fix: remove it, and leave own out of allow"},
		{ruleset.Block, "dns", "--block: dns is blocked here and allowed by default; fix: give the jail an `allow` of its own without dns"},
		{ruleset.Allow, "host", "--allow: host is allowed here and blocked by default; fix: give the jail a `block` of its own without host"},
		{ruleset.Allow, "", `--allow: "" is no address; fix: write an address`},
	} {
		j := Default()
		err := j.AddTerm(tt.action, tt.text)
		if err != nil {
			if !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("%q: got %v, want %s", tt.text, err, tt.want)
			}
			if len(j.Network.Block) != 5 || len(j.Network.Allow) != 2 {
				t.Errorf("%q: the jail has changed", tt.text)
			}
			continue
		}
		terms := j.Network.Allow
		if tt.action == ruleset.Block {
			terms = j.Network.Block
		}
		if got := texts(terms[len(terms)-1:])[0]; got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestExpires(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "1h30m": 90 * time.Minute, "7d": 7 * 24 * time.Hour, "0.5d": 12 * time.Hour,
		"2030-06-01T12:00:01Z": time.Second, "2030-06-01T14:00:01+02:00": time.Second,
	} {
		got, p := parseExpires(in, noon)
		if p != nil || got.Sub(noon) != want {
			t.Errorf("%s: got %v, %v", in, got, p)
		}
	}
	for _, in := range []string{"", "0s", "1ns", "d", "99999999d", "-7d", "1e3d", "NaNd"} {
		if got, p := parseExpires(in, noon); p == nil {
			t.Errorf("%s: got %v", in, got)
		}
	}
}
