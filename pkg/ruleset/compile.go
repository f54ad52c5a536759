// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"cmp"
	"hash/maphash"
	"net/netip"
	"slices"
)

// Compile turns rules into the image that the kernel searches.
//
// It takes time and memory in proportion to the prefixes (and to the ports, for each different
// combination of rules with ports that meets somewhere), reads in without keeping or changing any
// of it, and always returns the same image for the same input. Errors are *InputError and
// ErrTooLarge.
//
// IPv6 prefixes inside the forms that carry an IPv4 address (see Normalize) compile but never
// decide: the IPv4 address inside does.
func Compile(in Input) (*Set, error) { return compileLimited(in, maxLines) }

// compileLimited is Compile with another limit to the number of lines.
func compileLimited(in Input, limit int) (*Set, error) {
	if err := validate(&in); err != nil {
		return nil, err
	}
	c := newCompiler(&in, limit)
	v4 := sweepFamily(c, 32, newEvent4, sortEvents4)
	v6 := sweepFamily(c, 128, newEvent6, sortEvents6)
	return c.finish(v4, v6)
}

// compiler holds what the steps of one compilation share.
type compiler struct {
	in *Input

	// Rules are known by rank, their order at the same prefix: the higher decides. The ranks
	// below portless are rules without ports.
	order    []uint32 // rank -> index in in.Rules
	portless uint32
	words    []Word  // rank -> word without flags; behind the last, that of the default
	holes    []uint8 // rank -> how many holes of the rule the sweep is in, one a length at most; nil if no rule has any

	// Combinations of rules with ports; see state.
	chains   []chain
	chainAt  map[chainLink]state
	portWork portWork

	// Lines so far: the two heads and the sub-trees, found again by a hash of their ranges.
	lines    []Line
	limit    int
	interned map[uint64]uint32
	seed     maphash.Seed
	hashWork []byte
	err      error // the last failure to add a sub-tree, which ends it all
}

func newCompiler(in *Input, limit int) *compiler {
	c := &compiler{in: in, lines: make([]Line, 2), limit: limit, seed: maphash.MakeSeed()}
	c.rank()
	if slices.ContainsFunc(in.Rules, func(r Rule) bool { return len(r.Except) > 0 }) {
		c.holes = make([]uint8, len(in.Rules))
	}
	return c
}

// rank orders the rules by who decides at the same prefix.
func (c *compiler) rank() {
	rules := c.in.Rules
	c.order = make([]uint32, len(rules))
	for i := range c.order {
		c.order[i] = uint32(i)
		if len(rules[i].Ports) == 0 {
			c.portless++
		}
	}
	strength := func(r *Rule) int {
		s := 0
		if len(r.Ports) > 0 {
			s += 2
		}
		if r.Action == Block {
			s++
		}
		return s
	}
	slices.SortFunc(c.order, func(a, b uint32) int {
		ra, rb := &rules[a], &rules[b]
		if d := cmp.Compare(strength(ra), strength(rb)); d != 0 {
			return d
		}
		return cmp.Compare(rb.ID, ra.ID)
	})
	c.words = make([]Word, 0, len(rules)+1)
	for _, i := range c.order {
		c.words = append(c.words, newWord(rules[i].Action.kind(), rules[i].ID))
	}
	c.words = append(c.words, newWord(c.in.Default.kind(), RuleDefault))
}

func (a Action) kind() Kind {
	if a == Allow {
		return KindAllow
	}
	return KindBlock
}

// sweepFamily returns the ranges of the address tree of the family whose addresses have addrBits
// bits.
func sweepFamily[E event](c *compiler, addrBits int, newEvent func(netip.Prefix, uint32) E, sort func([]E)) ranges {
	n := 0
	c.eachPrefix(addrBits, func(netip.Prefix, uint32) { n++ })
	events := make([]E, 0, n)
	c.eachPrefix(addrBits, func(p netip.Prefix, code uint32) { events = append(events, newEvent(p, code)) })
	sort(events)
	return sweepEvents(c, events, addrBits)
}

// eachPrefix calls f for each prefix of a family with its code.
func (c *compiler) eachPrefix(addrBits int, f func(p netip.Prefix, code uint32)) {
	one := func(p netip.Prefix, code uint32) {
		if p.Addr().BitLen() == addrBits {
			f(p, code)
		}
	}
	for rank, i := range c.order {
		r, code := &c.in.Rules[i], uint32(rank)<<1
		for _, p := range r.Prefixes {
			one(p, code)
		}
		for _, p := range r.Except {
			one(p, code|codeHole)
		}
	}
	for _, h := range c.in.Host {
		if h.Unicast {
			one(h.Prefix, codeHostUnicast)
		} else {
			one(h.Prefix, codeHostShared)
		}
	}
}

// finish lays out the trees of both families.
func (c *compiler) finish(v4, v6 ranges) (*Set, error) {
	if c.err != nil {
		return nil, c.err
	}
	if !c.hasRoom(0, len(v4.ends), len(v6.ends)) {
		return nil, ErrTooLarge
	}
	total := len(c.lines) + treeLines(len(v4.ends)) + treeLines(len(v6.ends))
	if total > cap(c.lines) {
		c.lines = append(make([]Line, 0, total), c.lines...)
	}
	c.addTree(setV4, v4)
	c.addTree(setV6, v6)

	var flags uint32
	if c.in.Audit {
		flags |= flagAudit
	}
	if c.in.HostNetwork {
		flags |= flagHostNet
	}
	var host Word
	if c.in.HostRule != 0 {
		host = newWord(KindBlock, c.in.HostRule)
		if c.in.Own {
			host |= FlagOwn
		}
	}
	if c.in.Own && (c.in.Default == Block || slices.ContainsFunc(c.in.Rules, func(r Rule) bool { return r.Action == Block })) {
		flags |= flagOwn // whatever addresses the machine has now: sockets outlive that
	}
	for _, head := range [2]int{setV4, setV6} {
		c.lines[head][headFlags] = flags
		c.lines[head][headErrno] = c.in.Errno
		c.lines[head][headHost] = uint32(host)
	}
	return &Set{Lines: c.lines}, nil
}
