// SPDX-License-Identifier: Apache-2.0

package ruleset

import "net/netip"

// The reference decides by looking at every rule, straight from the description of Input. It
// shares no code with the compiler and the search.

// referenceWord returns the verdict word that in gives a destination.
func referenceWord(in *Input, addr netip.Addr, proto, port uint16) Word {
	addr = referenceAddr(addr)
	action, rule := referenceDecide(in.Rules, in.Default, addr, proto, port)
	host, unicast := referenceHost(in.Host, addr)

	if action == Block {
		w := Word(2)<<28 | Word(ruleID(rule))
		if in.Own && unicast && (rule == nil || len(rule.Ports) == 0) {
			w |= 1 << 24
		}
		return w
	}
	w := Word(1)<<28 | Word(ruleID(rule))
	if in.HostRule == 0 || host {
		return w | 1<<25
	}
	// What if this address were one of the host's?
	known := Rule{ID: in.HostRule, Action: Block, Prefixes: []netip.Prefix{netip.PrefixFrom(addr, addr.BitLen())}}
	again, _ := referenceDecide(append([]Rule{known}, in.Rules...), in.Default, addr, proto, port)
	if again == Allow {
		w |= 1 << 25
	}
	return w
}

func ruleID(r *Rule) uint32 {
	if r == nil {
		return 0
	}
	return r.ID
}

func referenceDecide(rules []Rule, otherwise Action, addr netip.Addr, proto, port uint16) (Action, *Rule) {
	var best *Rule
	bestBits := -1
	for i := range rules {
		r := &rules[i]
		if containsAny(r.Except, addr) || !portsMatch(r.Ports, proto, port) {
			continue
		}
		for _, p := range r.Prefixes {
			if p.Contains(addr) && (p.Bits() > bestBits || p.Bits() == bestBits && beats(r, best)) {
				best, bestBits = r, p.Bits()
			}
		}
	}
	if best == nil {
		return otherwise, nil
	}
	return best.Action, best
}

// beats says whether a decides before b where both match at the same prefix.
func beats(a, b *Rule) bool {
	if (len(a.Ports) > 0) != (len(b.Ports) > 0) {
		return len(a.Ports) > 0
	}
	if a.Action != b.Action {
		return a.Action == Block
	}
	return a.ID < b.ID
}

func portsMatch(ports []PortRange, proto, port uint16) bool {
	if len(ports) == 0 {
		return true
	}
	for _, r := range ports {
		named := r.Proto == 0 || uint16(r.Proto) == proto
		if named && (proto == 6 || proto == 17) && r.First <= port && port <= r.Last {
			return true
		}
	}
	return false
}

func containsAny(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// referenceHost says whether addr is the host's and whether one listener owns it: the most
// specific prefix decides, at the same one "no" wins.
func referenceHost(list []HostPrefix, addr netip.Addr) (host, unicast bool) {
	bits := -1
	for _, h := range list {
		if !h.Prefix.Contains(addr) {
			continue
		}
		host = true
		switch {
		case h.Prefix.Bits() > bits:
			bits, unicast = h.Prefix.Bits(), h.Unicast
		case h.Prefix.Bits() == bits && !h.Unicast:
			unicast = false
		}
	}
	return host, unicast
}

var (
	compatible4 = netip.MustParsePrefix("::/96")
	nat64       = netip.MustParsePrefix("64:ff9b::/96")
	sixToFour   = netip.MustParsePrefix("2002::/16")
)

// referenceAddr returns the IPv4 address inside the forms that carry one.
func referenceAddr(addr netip.Addr) netip.Addr {
	if addr.Is4() || addr == netip.IPv6Unspecified() || addr == netip.IPv6Loopback() {
		return addr
	}
	b := addr.AsSlice()
	switch {
	case addr.Is4In6(), compatible4.Contains(addr), nat64.Contains(addr):
		v4, _ := netip.AddrFromSlice(b[12:])
		return v4
	case sixToFour.Contains(addr):
		v4, _ := netip.AddrFromSlice(b[2:6])
		return v4
	}
	return addr
}
