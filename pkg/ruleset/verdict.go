// SPDX-License-Identifier: Apache-2.0

package ruleset

import "slices"

// state is which rules decide at an address, the flags of their words aside. Either a rule
// without ports decides alone: its rank, or the number of rules for the default. Or rules with
// ports come before it: firstChain plus the index of their chain. Equal rules, equal state.
type state uint32

const firstChain state = 1 << 31

// chainLink is a rule with ports and what decides where its ports don't match.
type chainLink struct {
	otherwise state
	rank      uint32
	full      bool // matters to the word: the rule holds for this very address
}

// chain is a chainLink with the words of its port trees as far as they were needed, else 0.
type chain struct {
	chainLink
	words [hostClasses]Word
}

func (c *compiler) isPortless(rank uint32) bool { return rank < c.portless }

// join returns the state inside a prefix of a rule, full if the prefix is a single address, that
// lies in a prefix where st holds.
func (c *compiler) join(st state, rank uint32, full bool) state {
	if c.isPortless(rank) {
		return state(rank)
	}
	link := chainLink{otherwise: st, rank: rank, full: full}
	if at, ok := c.chainAt[link]; ok {
		return at
	}
	if c.chainAt == nil {
		c.chainAt = make(map[chainLink]state)
	}
	at := firstChain + state(len(c.chains))
	c.chains = append(c.chains, chain{chainLink: link})
	c.chainAt[link] = at
	return at
}

// word returns the verdict word of an address where st holds.
func (c *compiler) word(st state, class hostClass) Word {
	if st < firstChain {
		return c.flag(c.words[st], class, class == hostUnicast, false)
	}
	ch := &c.chains[st-firstChain]
	if ch.words[class] == 0 {
		ch.words[class] = c.portTree(st, class)
	}
	return ch.words[class]
}

// flag adds the flags to a final word. own is whether a listener of the jail makes up for a
// block: the address has one owner and no port was named. exact is whether the deciding rule
// names the address at full length and the port.
func (c *compiler) flag(w Word, class hostClass, own, exact bool) Word {
	switch {
	case w.Kind() == KindBlock && own && c.in.Own:
		w |= FlagOwn
	case w.Kind() == KindAllow && (c.in.HostRule == 0 || class != notHost || exact):
		// A block of the host that named this address at full length would not change it: there
		// is none, it is part of the sweep already, or it loses to a rule with ports.
		w |= FlagHostOK
	}
	return w
}

// portKey is the key of a port tree.
func portKey(proto uint8, port uint16) uint64 { return uint64(proto)<<16 | uint64(port) }

// portTree adds the tree of the ports of a chain and returns the word that leads to it.
func (c *compiler) portTree(st state, class hostClass) Word {
	p := &c.portWork
	p.claims = p.claims[:0]
	for ; st >= firstChain; st = c.chains[st-firstChain].otherwise {
		link := c.chains[st-firstChain].chainLink
		w := c.flag(c.words[link.rank], class, false, link.full)
		for _, r := range c.in.Rules[c.order[link.rank]].Ports {
			if r.Proto != ProtoUDP {
				p.claim(portKey(ProtoTCP, r.First), portKey(ProtoTCP, r.Last), w)
			}
			if r.Proto != ProtoTCP {
				p.claim(portKey(ProtoUDP, r.First), portKey(ProtoUDP, r.Last), w)
			}
		}
	}
	return c.subTree(KindPorts, p.resolve(c.word(st, class)))
}

// portWork is the memory that port trees are worked out in.
type portWork struct {
	claims []claim
	starts []uint64
	words  []Word
	free   []int
	out    ranges
}

// claim is a range of port keys that a rule decides unless an earlier claim does.
type claim struct {
	first, last uint64
	word        Word
}

func (p *portWork) claim(first, last uint64, w Word) {
	p.claims = append(p.claims, claim{first, last, w})
}

// resolve returns what the claims come to, with the word otherwise for all that is unclaimed. The
// result is valid until the next call.
func (p *portWork) resolve(otherwise Word) *ranges {
	// Cut the key space wherever a claim begins or ends; a piece goes to its first claim.
	p.starts = append(p.starts[:0], 0)
	for _, cl := range p.claims {
		p.starts = append(p.starts, cl.first, cl.last+1)
	}
	slices.Sort(p.starts)
	p.starts = slices.Compact(p.starts)

	// free[i] leads to the first piece from i on that is unclaimed, so that no piece is visited
	// more than once or twice however much the claims overlap.
	n := len(p.starts)
	p.words, p.free = slices.Grow(p.words[:0], n)[:n], slices.Grow(p.free[:0], n+1)[:n+1]
	for i := range p.words {
		p.words[i] = otherwise
	}
	for i := range p.free {
		p.free[i] = i
	}
	unclaimed := func(i int) int {
		for p.free[i] != i {
			p.free[i] = p.free[p.free[i]]
			i = p.free[i]
		}
		return i
	}
	for _, cl := range p.claims {
		i, _ := slices.BinarySearch(p.starts, cl.first)
		for i = unclaimed(i); i < n && p.starts[i] <= cl.last; i = unclaimed(i) {
			p.words[i] = cl.word
			p.free[i] = i + 1
		}
	}

	p.out.reset()
	for i, w := range p.words {
		end := allOnes
		if i+1 < n {
			end = p.starts[i+1] - 1
		}
		p.out.add(end, w)
	}
	return &p.out
}
