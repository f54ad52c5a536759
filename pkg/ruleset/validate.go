// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"fmt"
	"net/netip"
)

// maxErrno is the kernel's MAX_ERRNO.
const maxErrno = 4095

// validate returns an *InputError for the first thing in in that cannot be compiled.
func validate(in *Input) error {
	fault := func(rule uint32, format string, args ...any) error {
		return &InputError{Rule: rule, Reason: fmt.Sprintf(format, args...)}
	}
	if in.Default != Allow && in.Default != Block {
		return fault(0, "default action %d is neither allow nor block", in.Default)
	}
	if in.Errno == 0 || in.Errno > maxErrno {
		return fault(0, "errno %d is not between 1 and %d", in.Errno, maxErrno)
	}
	if err := validateIDs(in); err != nil {
		return err
	}
	hostRule := in.HostRule == 0
	for i := range in.Rules {
		r := &in.Rules[i]
		if r.Action != Allow && r.Action != Block {
			return fault(r.ID, "action %d is neither allow nor block", r.Action)
		}
		for _, list := range [2][]netip.Prefix{r.Prefixes, r.Except} {
			for _, p := range list {
				if reason := prefixFault(p); reason != "" {
					return fault(r.ID, "prefix %v %s", p, reason)
				}
			}
		}
		for _, p := range r.Ports {
			if p.Proto != ProtoAny && p.Proto != ProtoTCP && p.Proto != ProtoUDP {
				return fault(r.ID, "protocol %d has no ports here", p.Proto)
			}
			if p.First > p.Last {
				return fault(r.ID, "first port %d is above last port %d", p.First, p.Last)
			}
		}
		hostRule = hostRule || r.ID == in.HostRule && r.Action == Block && len(r.Ports) == 0
	}
	if !hostRule {
		return fault(0, "host rule %d is not a rule that blocks all ports", in.HostRule)
	}
	for _, h := range in.Host {
		if reason := prefixFault(h.Prefix); reason != "" {
			return fault(0, "host prefix %v %s", h.Prefix, reason)
		}
	}
	return nil
}

// validateIDs checks that the rules' ids fit into a verdict word and differ. Its memory is a bit
// for every id up to the highest: at most 2 MiB, next to nothing for ids given in order.
func validateIDs(in *Input) error {
	var highest uint32
	for i := range in.Rules {
		id := in.Rules[i].ID
		if id < FirstRule || id > uint32(argMask) {
			return &InputError{Rule: id, Reason: fmt.Sprintf("id is not between %d and %d", FirstRule, uint32(argMask))}
		}
		highest = max(highest, id)
	}
	seen := make([]uint64, highest/64+1)
	for i := range in.Rules {
		id := in.Rules[i].ID
		if seen[id/64]&(1<<(id%64)) != 0 {
			return &InputError{Rule: id, Reason: "id is used twice"}
		}
		seen[id/64] |= 1 << (id % 64)
	}
	return nil
}

// prefixFault says what is wrong with p, nothing if it is fine.
func prefixFault(p netip.Prefix) string {
	switch {
	case !p.IsValid():
		return "is not valid"
	case p.Addr().Is4In6():
		return "is an IPv4-mapped IPv6 prefix"
	case p != p.Masked():
		return "has host bits set"
	}
	return ""
}
