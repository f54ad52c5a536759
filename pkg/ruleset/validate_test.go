// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestCompileRefuses(t *testing.T) {
	pfx := func(addr string, bits int) []netip.Prefix {
		return []netip.Prefix{netip.PrefixFrom(netip.MustParseAddr(addr), bits)}
	}
	one := func(change func(*Rule)) func(*Input) {
		return func(in *Input) { change(&in.Rules[1]) }
	}
	for _, tt := range []struct {
		name   string
		change func(*Input)
		rule   uint32
		reason string
	}{
		{"no default", func(in *Input) { in.Default = 0 }, 0, "default action 0"},
		{"default", func(in *Input) { in.Default = 3 }, 0, "default action 3"},
		{"errno 0", func(in *Input) { in.Errno = 0 }, 0, "errno 0"},
		{"errno", func(in *Input) { in.Errno = 4096 }, 0, "errno 4096"},
		{"id", one(func(r *Rule) { r.ID = 2 }), 2, "id"},
		{"id of 25 bits", one(func(r *Rule) { r.ID = 1 << 24 }), 1 << 24, "id"},
		{"id of 32 bits", one(func(r *Rule) { r.ID = 1<<32 - 1 }), 1<<32 - 1, "id"},
		{"id twice", one(func(r *Rule) { r.ID = 70 }), 70, "twice"},
		{"no action", one(func(r *Rule) { r.Action = 0 }), 4, "action 0"},
		{"action", one(func(r *Rule) { r.Action = 3 }), 4, "action 3"},
		{"no prefix", one(func(r *Rule) { r.Prefixes = []netip.Prefix{{}} }), 4, "valid"},
		{"long prefix", one(func(r *Rule) { r.Prefixes = pfx("10.0.0.0", 33) }), 4, "valid"},
		{"host bits", one(func(r *Rule) { r.Prefixes = pfx("10.0.0.1", 31) }), 4, "10.0.0.1/31 has host bits"},
		{"host bits in IPv6", one(func(r *Rule) { r.Prefixes = pfx("2001:db8::1", 64) }), 4, "has host bits"},
		{"mapped", one(func(r *Rule) { r.Prefixes = pfx("::ffff:10.0.0.1", 128) }), 4, "mapped"},
		{"mapped all", one(func(r *Rule) { r.Prefixes = pfx("::ffff:0:0", 96) }), 4, "mapped"},
		{"except", one(func(r *Rule) { r.Except = pfx("10.0.0.1", 31) }), 4, "has host bits"},
		{"except mapped", one(func(r *Rule) { r.Except = pfx("::ffff:10.0.0.1", 128) }), 4, "mapped"},
		{"ports", one(func(r *Rule) { r.Ports = []PortRange{{6, 2, 1}} }), 4, "first port 2"},
		{"protocol", one(func(r *Rule) { r.Ports = []PortRange{{1, 1, 2}} }), 4, "protocol 1"},
		{"host prefix", func(in *Input) { in.Host = []HostPrefix{{}} }, 0, "host prefix"},
		{"host prefix with host bits", func(in *Input) { in.Host = []HostPrefix{{pfx("10.0.0.1", 8)[0], true}} }, 0, "host prefix 10.0.0.1/8"},
		{"host rule that is none", func(in *Input) { in.HostRule = 5 }, 0, "host rule 5"},
		{"host rule that allows", func(in *Input) { in.HostRule = 4 }, 0, "host rule 4"},
		{"host rule with ports", func(in *Input) { in.HostRule = 71 }, 0, "host rule 71"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Default: Block, Errno: 4095, Rules: []Rule{
				block(70, "0.0.0.0/0"), allow(4, "10.0.0.0/8"), block(71, "::/0", port(1)), block(1<<24-1, "::/0"),
			}}
			if _, err := Compile(in); err != nil {
				t.Fatalf("before the change: %v", err)
			}
			tt.change(&in)
			set, err := Compile(in)
			var ie *InputError
			if set != nil || !errors.As(err, &ie) {
				t.Fatalf("set %v, error %v", set != nil, err)
			}
			if ie.Rule != tt.rule || !strings.Contains(err.Error(), tt.reason) {
				t.Errorf("rule %d: %v", ie.Rule, err)
			}
		})
	}
}
