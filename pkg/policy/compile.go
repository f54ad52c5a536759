// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// ErrNoHost means that a jail blocks the host, but the machine has no host addresses: not even
// loopback, so nobody asked which there are.
var ErrNoHost = errors.New("the host's addresses are unknown")

// Compiled is a jail's rule set for one machine at one time, and what is needed to explain it.
type Compiled struct {
	Set        *ruleset.Set
	Rules      []RuleInfo   // one for each term, blocks first; the ID of Rules[i] is FirstRule + i
	NextExpiry time.Time    // when the first entry expires that has not, zero if none does
	Warnings   []Diagnostic // what holds, but can't be what was meant

	rules   []rule // what Rules tells about
	deflt   RuleInfo
	audit   bool
	machine Machine
}

// RuleInfo says what a rule id stands for. Ids are stable: compiling the same jail for another
// machine or at another time gives the same ids.
type RuleInfo struct {
	ID       uint32
	Text     string // the entry in one line: "host", "10.0.0.0/8", "default: allow"
	Action   ruleset.Action
	Position Position
	Reason   string    // what the policy says, "" if nothing
	Group    string    // "" if the entry names none
	Expires  time.Time // zero: never
	Expired  bool      // it had expired, and is no part of the set
}

// rule is a term with the addresses that it stands for on the machine.
type rule struct {
	Term
	action  ruleset.Action
	members []Address // of a group
	expired bool
}

// Compile resolves a jail's terms to addresses and compiles them. An entry that has expired at
// now is left out. It returns ErrNoHost, Errors for entries that don't fit the machine or whose
// lists were not read, and the errors of ruleset.Compile.
func Compile(j *Jail, m Machine, now time.Time) (*Compiled, error) {
	c := &Compiled{
		audit:   j.Mode == ModeAudit,
		machine: Machine{Host: canonicals(m.Host), Gateway: canonicals(m.Gateway), Resolvers: canonicals(m.Resolvers)},
		deflt:   defaultInfo(j),
	}
	in := ruleset.Input{
		Default:     j.Network.Default,
		HostNetwork: j.Network.Mode == NetworkHost,
		Errno:       uint32(j.Network.Errno),
		Audit:       c.audit,
	}
	for _, a := range c.machine.Host {
		in.Host = append(in.Host, ruleset.HostPrefix{Prefix: a.Prefix, Unicast: a.Unicast})
	}
	var errs Errors
	for _, side := range []struct {
		action ruleset.Action
		terms  []Term
	}{{ruleset.Block, j.Network.Block}, {ruleset.Allow, j.Network.Allow}} {
		for _, t := range side.terms {
			errs = append(errs, c.add(&in, t, side.action, now)...)
		}
	}
	if err := errs.err(); err != nil {
		return nil, err
	}
	if in.HostRule != 0 && len(in.Host) == 0 {
		return nil, fmt.Errorf("compile jail %q: %w", j.Name, ErrNoHost)
	}
	var err error
	if c.Set, err = ruleset.Compile(in); err != nil {
		return nil, fmt.Errorf("compile jail %q: %w", j.Name, err)
	}
	c.warn()
	return c, nil
}

// add appends a term's rule to the input.
func (c *Compiled) add(in *ruleset.Input, t Term, action ruleset.Action, now time.Time) (errs Errors) {
	r := rule{Term: t, action: action, members: Members(t.Group, c.machine), expired: t.expired(now)}
	id := ruleset.FirstRule + uint32(len(c.Rules))
	c.rules = append(c.rules, r)
	c.Rules = append(c.Rules, RuleInfo{
		ID: id, Text: t.Text, Action: action, Position: t.Position, Reason: t.Reason, Group: t.Group, Expires: t.Expires, Expired: r.expired,
	})
	switch {
	case t.File != "" && !t.loaded:
		errs.add(t.Position, *problemf("load the policy from its file", "the list %q was not read", t.File))
		return errs
	case r.expired:
		return nil
	case !t.Expires.IsZero() && (c.NextExpiry.IsZero() || t.Expires.Before(c.NextExpiry)):
		c.NextExpiry = t.Expires
	}
	if t.Group == "own" {
		in.Own = true
		return nil
	}
	if t.Group == "host" && action == ruleset.Block && len(t.Ports) == 0 && in.HostRule == 0 {
		in.HostRule = id
	}
	in.Rules = append(in.Rules, ruleset.Rule{ID: id, Action: action, Prefixes: r.prefixes(), Except: t.Except, Ports: r.ports()})
	return nil
}

// ports returns the ports that a rule holds for; dns has its own.
func (r *rule) ports() []ruleset.PortRange {
	if r.Group == "dns" {
		return []ruleset.PortRange{{Proto: ruleset.ProtoAny, First: 53, Last: 53}}
	}
	return r.Ports
}

// prefixes returns all prefixes of a rule; those of a single list without copying them.
func (r *rule) prefixes() []netip.Prefix {
	switch {
	case r.Prefix.IsValid():
		return []netip.Prefix{r.Prefix}
	case len(r.lists) == 1:
		return r.lists[0].prefixes
	}
	var all []netip.Prefix
	for _, l := range r.lists {
		all = append(all, l.prefixes...)
	}
	for _, m := range r.members {
		all = append(all, m.Prefix)
	}
	return all
}

// hole says that a prefix lies in an exception of the rule.
func (r *rule) hole(p netip.Prefix) bool {
	return slices.ContainsFunc(r.Except, func(hole netip.Prefix) bool {
		return hole.Bits() <= p.Bits() && hole.Contains(p.Addr())
	})
}

// canonicals returns addresses whose prefixes are those that decide.
func canonicals(all []Address) []Address {
	out := make([]Address, 0, len(all))
	for _, a := range all {
		if a.Prefix.IsValid() {
			a.Prefix = canonical(a.Prefix)
			out = append(out, a)
		}
	}
	return out
}

func defaultInfo(j *Jail) RuleInfo {
	info := RuleInfo{
		ID: ruleset.RuleDefault, Text: "default: " + actionName(j.Network.Default), Action: j.Network.Default,
		Position: j.Network.defaultAt, Reason: "no entry matches",
	}
	if info.Position == (Position{}) {
		info.Position = builtinAt
	}
	return info
}

// Rule returns what a rule id stands for, the reserved ones included. For an id that the set
// doesn't have it is a block without a text of the policy.
func (c *Compiled) Rule(id uint32) RuleInfo {
	switch {
	case id == ruleset.RuleDefault:
		return c.deflt
	case id == ruleset.RuleProtocol:
		return RuleInfo{ID: id, Text: "protocol", Action: ruleset.Block, Position: builtinAt, Reason: "a protocol or header that a jail does not get"}
	case id >= ruleset.FirstRule && id-ruleset.FirstRule < uint32(len(c.Rules)):
		return c.Rules[id-ruleset.FirstRule]
	}
	return RuleInfo{ID: id, Text: "fault", Action: ruleset.Block, Position: builtinAt, Reason: "the rule set could not be read, so it refuses"}
}

// Reason returns why a rule decides for an address, for events: what the policy says, else why the
// address is in the rule's group, "" if neither is known.
func (c *Compiled) Reason(id uint32, addr netip.Addr) string {
	info := c.Rule(id)
	if info.Reason != "" || id < ruleset.FirstRule {
		return info.Reason
	}
	_, reason, _ := c.match(id, ruleset.Normalize(addr))
	if reason == "" && info.Group == "host" {
		return "address of this machine" // newer than the list
	}
	return reason
}
