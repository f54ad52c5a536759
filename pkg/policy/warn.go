// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// warn finds entries that can't have the effect that they were written for.
func (c *Compiled) warn() {
	for i := range c.rules {
		for _, l := range c.rules[i].lists {
			if len(l.prefixes) == 0 {
				c.warnf(&c.rules[i], "fill it, or remove the entry", "list %s names no address", l.path)
			}
		}
	}
	c.warnBeaten()
}

// warnBeaten finds allowed literals that never decide, because what is blocked at the same prefix
// always beats them: `allow: ::1` below `block: host`.
func (c *Compiled) warnBeaten() {
	literals := make(map[netip.Prefix][]*rule) // allowed ones, with the blocks at their prefix
	for i := range c.rules {
		if r := &c.rules[i]; r.action == ruleset.Allow && r.Prefix.IsValid() && !r.expired {
			literals[r.Prefix] = nil
		}
	}
	if len(literals) == 0 {
		return
	}
	for i := range c.rules {
		r := &c.rules[i]
		if r.action != ruleset.Block || r.expired {
			continue
		}
		for _, p := range r.prefixes() {
			if blocks, ok := literals[p]; ok && !slices.Contains(blocks, r) && !r.hole(p) {
				literals[p] = append(blocks, r)
			}
		}
	}
	for i := range c.rules {
		r := &c.rules[i]
		if r.action != ruleset.Allow || !r.Prefix.IsValid() || r.expired {
			continue
		}
		if by := beatenBy(r, literals[r.Prefix]); by != nil {
			fix := fmt.Sprintf("name the ports that you need, or take %s out of block and list what shall stay blocked", by.Text)
			if len(r.Ports) > 0 {
				fix = fmt.Sprintf("take these ports out of the block at %s", by.Position)
			}
			c.warnf(r, fix, "%s is never allowed: %s (%s) blocks the same prefix, and a block beats an allow", r.Text, by.Text, by.Position)
		}
	}
}

// beatenBy returns a block that leaves nothing to an allow at the same prefix, the last needed one
// if several do it together, nil if they don't.
func beatenBy(allow *rule, blocks []*rule) *rule {
	var ports []ruleset.PortRange
	for _, b := range blocks {
		switch {
		case len(allow.Ports) == 0 && len(b.ports()) == 0:
			return b
		case len(allow.Ports) > 0 && len(b.ports()) > 0:
			ports = append(ports, b.ports()...)
			if coversPorts(ports, allow.Ports) {
				return b
			}
		}
	}
	return nil
}

func (c *Compiled) warnf(r *rule, fix, format string, args ...any) {
	errs := Errors(c.Warnings)
	errs.add(r.Position, *problemf(fix, format, args...))
	c.Warnings = errs
}
