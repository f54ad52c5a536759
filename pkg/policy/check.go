// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// check finds what is wrong with a document only once its jails are merged.
func (d *decoder) check(doc *document) {
	if len(d.errs) > 0 && len(doc.names) == 0 {
		return
	}
	for _, name := range doc.names {
		b := doc.jails[name]
		j := merge(name, &doc.defaults, b)
		if j.Image != "" && j.Runtime == RuntimeNative {
			at := b.image.or(doc.defaults.image).at
			d.errs.add(at, *problemf("add `runtime: podman`, or remove image", "jail %q has an image, but its runtime is native", name))
		}
		d.errs = append(d.errs, contradictions(j.Network.Block, j.Network.Allow)...)
	}
}

// contradictions finds entries that block and allow the very same thing. The position is that of
// the allow, which would have no effect, unless it is built in.
func contradictions(block, allow []Term) Errors {
	type place struct {
		group, file string
		prefix      netip.Prefix
	}
	where := func(t *Term) place { return place{t.Group, t.File, t.Prefix} }
	blocked := make(map[place][]*Term)
	for i := range block {
		t := &block[i]
		blocked[where(t)] = append(blocked[where(t)], t)
	}
	var errs Errors
	for i := range allow {
		a := &allow[i]
		for _, b := range blocked[where(a)] {
			if !samePorts(a.Ports, b.Ports) {
				continue
			}
			if a.Position == builtinAt {
				errs.add(b.Position, *problemf("give the jail an `allow` of its own without "+a.Text, "%s is blocked here and allowed by default", b.Text))
			} else {
				errs.add(a.Position, *contradiction(a, b))
			}
			break
		}
	}
	return errs
}

func contradiction(a, b *Term) *problem {
	switch {
	case b.Position == builtinAt:
		return problemf("give the jail a `block` of its own without "+b.Text, "%s is allowed here and blocked by default", a.Text)
	case a.Position.File == b.Position.File && a.Position.Line > 0:
		return problemf("remove one of them; `block: []` in a jail drops the block of defaults", "%s is allowed here and blocked at %s", a.Text, b.Position)
	}
	return problemf("remove one of them", "%s is allowed here and blocked at %s", a.Text, b.Position)
}

// AddTerm adds an entry that stands in no file: what --block and --allow name. It is a group, an
// address, a CIDR, ADDRESS:PORT or [ADDRESS]:PORT. Errors are of type Errors.
func (j *Jail) AddTerm(action ruleset.Action, text string) error {
	at := Position{File: "--" + actionName(action)}
	var errs Errors
	t, p := parseTarget(text)
	if p == nil {
		p = checkSwitch(&t, action)
	}
	if p != nil {
		errs.add(at, *p)
		return errs
	}
	t.Position = at
	block, allow := j.Network.Block, j.Network.Allow
	switch action {
	case ruleset.Block:
		block = append(block[:len(block):len(block)], t)
		errs = contradictions(block[len(block)-1:], allow)
	case ruleset.Allow:
		allow = append(allow[:len(allow):len(allow)], t)
		errs = contradictions(block, allow[len(allow)-1:])
	default:
		return fmt.Errorf("add %q: unknown action %d", text, action)
	}
	if err := errs.err(); err != nil {
		return err
	}
	j.Network.Block, j.Network.Allow = block, allow
	return nil
}
