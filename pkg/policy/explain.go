// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// Explanation says what a rule set decides for a destination, and why.
type Explanation struct {
	Addr   netip.Addr // as asked
	Judged netip.Addr // what is looked up: the IPv4 address inside an IPv6 one, else Addr
	Proto  uint16     // IP protocol number, 0 if none was asked
	Port   uint16     // 0 if none was asked

	Action ruleset.Action
	Rule   RuleInfo     // the rule that decides
	Prefix netip.Prefix // which of its prefixes; invalid for a reserved rule
	List   Position     // the line of a list file that has the prefix; zero if none
	Reason string       // why: the policy's reason, else that of the group; may be ""
	Own    bool         // allowed all the same where the jail itself opened the listener
	Audit  bool         // a block is reported, not enforced

	// Ports are where another rule decides for some port, if no port was asked.
	Ports []PortExplanation
}

// PortExplanation is a rule that decides for some ports of an address.
type PortExplanation struct {
	Ports  ruleset.PortRange // of the rule; others may decide for some of them
	Action ruleset.Action
	Rule   RuleInfo
}

// Explain says what the set decides for a destination; it asks the set itself. proto is an IP
// protocol number. With port 0 the ports where another rule decides are listed too.
func (c *Compiled) Explain(addr netip.Addr, proto, port uint16) Explanation {
	word := c.Set.Lookup(addr, proto, port)
	e := Explanation{
		Addr: addr, Judged: ruleset.Normalize(addr), Proto: proto, Port: port,
		Action: actionOfWord(word), Rule: c.Rule(word.Arg()),
		Own: word.Kind() == ruleset.KindBlock && word&ruleset.FlagOwn != 0 && !leadsElsewhere(addr), Audit: c.audit,
	}
	var reason string
	e.Prefix, reason, e.List = c.match(e.Rule.ID, e.Judged)
	if e.Reason = e.Rule.Reason; e.Reason == "" {
		e.Reason = reason
	}
	if port == 0 {
		e.Ports = c.portsAt(e)
	}
	return e
}

// leadsElsewhere says that an address carries an IPv4 address, and is judged as that, but is sent
// to a translator: no listener here is reached by it. (An IPv4-mapped address never leaves as one.)
func leadsElsewhere(addr netip.Addr) bool { return addr.Unmap() != ruleset.Normalize(addr) }

// portsAt returns the rules with ports that decide for some port of e's address.
func (c *Compiled) portsAt(e Explanation) (all []PortExplanation) {
	var here []uint32 // ids of rules with ports that hold at the address
	var cuts []uint16 // ports where another rule may begin to decide
	for i := range c.rules {
		r, id := &c.rules[i], ruleset.FirstRule+uint32(i)
		if r.expired || len(r.ports()) == 0 {
			continue
		}
		if p, _, _ := c.match(id, e.Judged); !p.IsValid() {
			continue
		}
		here = append(here, id)
		for _, ports := range r.ports() {
			cuts = append(cuts, ports.First, ports.Last+1)
		}
	}
	for _, id := range here {
		for _, ports := range portSet(c.rules[id-ruleset.FirstRule].ports()) {
			decides := slices.ContainsFunc(cuts, func(port uint16) bool {
				return ports.First <= port && port <= ports.Last && c.Set.Lookup(e.Judged, uint16(ports.Proto), port).Arg() == id
			})
			if decides && (e.Proto == 0 || e.Proto == uint16(ports.Proto)) {
				info := c.Rule(id)
				all = append(all, PortExplanation{ports, info.Action, info})
			}
		}
	}
	return all
}

// match returns the most specific prefix of a rule that holds for an address, and the reason or
// the line that it comes with. The prefix is invalid if there is none.
func (c *Compiled) match(id uint32, addr netip.Addr) (best netip.Prefix, reason string, at Position) {
	i := int(id) - int(ruleset.FirstRule)
	if i < 0 || i >= len(c.rules) || !addr.IsValid() {
		return best, "", at
	}
	r := &c.rules[i]
	if r.hole(netip.PrefixFrom(addr, addr.BitLen())) {
		return best, "", at
	}
	better := func(p netip.Prefix) bool {
		return (!best.IsValid() || p.Bits() > best.Bits()) && p.Contains(addr)
	}
	if r.Prefix.IsValid() && better(r.Prefix) {
		best = r.Prefix
	}
	for _, m := range r.members {
		if better(m.Prefix) {
			best, reason = m.Prefix, m.Reason
		}
	}
	for _, l := range r.lists {
		for n, p := range l.prefixes {
			if better(p) {
				best, at = p, Position{File: l.path, Line: int(l.lines[n])}
			}
		}
	}
	return best, reason, at
}

func actionOfWord(w ruleset.Word) ruleset.Action {
	if w.Kind() == ruleset.KindAllow {
		return ruleset.Allow
	}
	return ruleset.Block
}

// String is the explanation for people, in several lines, the last without a line break.
func (e Explanation) String() string {
	verdict := map[ruleset.Action]string{ruleset.Allow: "allowed", ruleset.Block: "blocked"}
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s", e.destination(), verdict[e.Action])
	if e.Audit && e.Action == ruleset.Block {
		b.WriteString(" (mode audit: reported only)")
	}
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "\n  %-7s "+format, append([]any{name + ":"}, args...)...)
	}
	line("rule", "%s (%s)", e.Rule.Text, e.Rule.Position)
	if e.Prefix.IsValid() {
		line("prefix", "%s", formatPrefix(e.Prefix))
	}
	if e.List.File != "" {
		line("list", "%s", e.List)
	}
	if e.Reason != "" {
		line("why", "%s", e.Reason)
	}
	if e.Judged != e.Addr {
		line("note", "%s is judged as %s", e.Addr, e.Judged)
	}
	if e.Own {
		line("note", "allowed where the jail itself opened the listener (own)")
	}
	for _, p := range e.Ports {
		line("but", "%s is %s by %s (%s)", formatPort(p.Ports), verdict[p.Action], p.Rule.Text, p.Rule.Position)
	}
	return b.String()
}

// destination writes what was asked: address, port and protocol.
func (e Explanation) destination() string {
	s := e.Addr.String()
	if e.Port != 0 {
		s = netip.AddrPortFrom(e.Addr, e.Port).String()
	}
	names := map[uint16]string{1: "icmp", 6: "tcp", 17: "udp", 58: "icmpv6"}
	switch name := names[e.Proto]; {
	case name != "":
		s += "/" + name
	case e.Proto != 0:
		s += fmt.Sprintf("/protocol %d", e.Proto)
	}
	return s
}
