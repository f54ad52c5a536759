// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"gopkg.in/yaml.v3"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// rawTerm is a term that is being read from a mapping.
type rawTerm struct {
	Term
	targets  []*yaml.Node // of the keys that say where to
	bad      bool         // something was reported
	exceptAt []*yaml.Node
	portsAt  *yaml.Node
}

// readTerms reads `block` or `allow`.
func (d *decoder) readTerms(n *yaml.Node, action ruleset.Action, into *opt[[]Term]) {
	what := actionName(action)
	terms := []Term{}
	d.eachItem(n, what, func(item *yaml.Node) {
		if t, ok := d.readTerm(item, action); ok {
			terms = append(terms, t)
		}
	})
	into.put(terms, d.at(n)) // even if wrong: the built-in ones are not what was meant
}

// readTerm reads one entry, a word or a mapping.
func (d *decoder) readTerm(n *yaml.Node, action ruleset.Action) (Term, bool) {
	raw := &rawTerm{}
	switch n.Kind {
	case yaml.ScalarNode:
		raw.keep(d, n, func(s string) (Term, *problem) { return parseTarget(s) })
	case yaml.MappingNode:
		if quoted := unquoted(n); quoted != "" {
			d.fail(n, `put it in quotes: "`+quoted+`"`, "YAML reads this IPv6 address as a key")
			return Term{}, false
		}
		before := len(d.errs)
		readMap(d, n, "the entry", termKeys, raw)
		raw.bad = raw.bad || len(d.errs) > before
		d.finishTerm(n, raw)
	default:
		d.want(n, yaml.ScalarNode, "an entry of "+actionName(action), "a group, an address, a CIDR or a mapping")
		return Term{}, false
	}
	if p := checkSwitch(&raw.Term, action); p != nil && !raw.bad {
		d.errs.add(d.at(n), *p)
		raw.bad = true
	}
	raw.Position = d.at(n)
	return raw.Term, !raw.bad
}

// keep parses a scalar into the target of the term.
func (raw *rawTerm) keep(d *decoder, n *yaml.Node, parse func(string) (Term, *problem)) {
	s, ok := d.scalar(n, "the entry", "a group, an address or a CIDR")
	if !ok {
		raw.bad = true
		return
	}
	t, p := parse(s)
	if p != nil {
		d.errs.add(d.at(n), *p)
		raw.bad = true
		return
	}
	raw.Text, raw.Group, raw.Prefix, raw.File = t.Text, t.Group, t.Prefix, t.File
	raw.Ports = append(raw.Ports, t.Ports...)
}

// unquoted returns the address that YAML takes for a mapping when it ends in a colon (fe80::).
func unquoted(n *yaml.Node) string {
	if len(n.Content) != 2 || n.Content[1].Tag != "!!null" {
		return ""
	}
	s := n.Content[0].Value + ":"
	if _, err := netip.ParseAddr(s); err != nil {
		return ""
	}
	return s
}

// finishTerm checks what the keys of a term say together.
func (d *decoder) finishTerm(n *yaml.Node, raw *rawTerm) {
	switch {
	case raw.bad:
		return
	case len(raw.targets) == 0:
		d.fail(n, "add one of "+strings.Join(targetKeys, ", "), "the entry does not say where to")
		raw.bad = true
		return
	case len(raw.targets) > 1:
		d.fail(raw.targets[1], "make it an entry of its own", "the entry has more than one of %s", strings.Join(targetKeys, ", "))
		raw.bad = true
		return
	}
	if raw.portsAt != nil && strings.Contains(raw.targets[0].Value, ":") && raw.Prefix.IsValid() && hasPort(raw.targets[0].Value) {
		d.fail(raw.portsAt, "keep one of them", "the entry names a port with the address and in ports")
		raw.bad = true
	}
	for i, hole := range raw.Except {
		if p := checkExcept(&raw.Term, hole); p != nil {
			d.errs.add(d.at(raw.exceptAt[i]), *p)
			raw.bad = true
		}
	}
	raw.Text = describe(&raw.Term)
}

func hasPort(s string) bool {
	_, _, ok, p := parseAddrPort(s)
	return ok && p == nil
}

// checkExcept says what is wrong with a hole, as far as the term's prefixes are known.
func checkExcept(t *Term, hole netip.Prefix) *problem {
	var of []netip.Prefix
	switch {
	case t.Prefix.IsValid():
		of = []netip.Prefix{t.Prefix}
	case t.Group != "":
		for _, a := range fixedGroups[t.Group] {
			of = append(of, a.Prefix)
		}
	}
	if len(of) == 0 {
		return nil // known when compiled
	}
	for _, p := range of {
		if p.Bits() <= hole.Bits() && p.Contains(hole.Addr()) {
			if p == hole && len(of) == 1 {
				return problemf("remove the entry, or make the exception smaller", "except %s leaves nothing of %s", formatPrefix(hole), formatPrefix(p))
			}
			return nil
		}
	}
	name := t.Group
	if t.Prefix.IsValid() {
		name = formatPrefix(t.Prefix)
	}
	return problemf("name a part of "+name+", or make it an entry of its own", "except %s is not inside %s", formatPrefix(hole), name)
}

// checkSwitch refuses what the groups with a meaning of their own can't say.
func checkSwitch(t *Term, action ruleset.Action) *problem {
	switch {
	case t.Group == "own" && action == ruleset.Block:
		return problemf("remove it, and leave own out of allow", "own can only be allowed")
	case t.Group == "own" && (len(t.Ports) > 0 || len(t.Except) > 0):
		return problemf("remove ports and except; block {group: host, ports: […]} keeps a port of this host closed", "own has no ports or exceptions")
	case t.Group == "dns" && len(t.Ports) > 0:
		return problemf("remove ports, or name the resolver's address", "dns is port 53 alone")
	}
	return nil
}

// describe writes a term in one line.
func describe(t *Term) string {
	s := t.Group
	switch {
	case t.File != "":
		s = "file " + t.File
	case t.Prefix.IsValid():
		s = formatPrefix(t.Prefix)
	}
	for i, r := range t.Ports {
		s += []string{" ports ", ", "}[min(i, 1)] + formatPort(r)
	}
	for i, p := range t.Except {
		s += []string{" except ", ", "}[min(i, 1)] + formatPrefix(p)
	}
	return s
}

// readTarget returns the reader of one of targetKeys.
func readTarget(key string) func(*decoder, *yaml.Node, *rawTerm) {
	return func(d *decoder, n *yaml.Node, raw *rawTerm) {
		raw.targets = append(raw.targets, n)
		raw.keep(d, n, func(s string) (Term, *problem) { return parseKeyed(key, s) })
	}
}

func readExcept(d *decoder, n *yaml.Node, raw *rawTerm) {
	d.eachItem(n, "except", func(item *yaml.Node) {
		s, ok := d.scalar(item, "an exception", "an address or a CIDR")
		if !ok {
			return
		}
		hole, p := parsePrefix(s)
		if p != nil {
			d.errs.add(d.at(item), *p)
			return
		}
		raw.Except, raw.exceptAt = append(raw.Except, hole), append(raw.exceptAt, item)
	})
}

func readPorts(d *decoder, n *yaml.Node, raw *rawTerm) {
	raw.portsAt = n
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		d.fail(n, "name ports, or remove the key for all of them", "ports is empty, so the entry would match nothing")
	}
	d.eachItem(n, "ports", func(item *yaml.Node) {
		s, ok := d.scalar(item, "a port", "a number, a range, tcp/NUMBER or udp/NUMBER")
		if !ok {
			return
		}
		r, p := parsePortRange(s)
		if p != nil {
			d.errs.add(d.at(item), *p)
			return
		}
		raw.Ports = append(raw.Ports, r)
	})
}

func readReason(d *decoder, n *yaml.Node, raw *rawTerm) {
	s, ok := d.text(n, "reason")
	if ok && strings.ContainsFunc(s, unicode.IsControl) {
		// It is shown on terminals.
		d.fail(n, "write one line of text", "reason contains control characters")
		return
	}
	raw.Reason = s
}

func readExpires(d *decoder, n *yaml.Node, raw *rawTerm) {
	s, ok := d.scalar(n, "expires", "a duration or a time")
	if !ok {
		return
	}
	t, p := parseExpires(s, d.now)
	if p != nil {
		d.errs.add(d.at(n), *p)
		return
	}
	raw.Expires = t
}

func actionName(a ruleset.Action) string {
	if a == ruleset.Block {
		return "block"
	}
	return "allow"
}

// clone returns the term with slices of its own.
func (t Term) clone() Term {
	t.Except, t.Ports = slices.Clone(t.Except), slices.Clone(t.Ports)
	return t
}
