// SPDX-License-Identifier: Apache-2.0

package ruleset

// event is an event4 or an event6.
type event interface {
	comparable
	span() (first, last u128)
	bits() int
	code() uint32
}

// sweepEvents goes once through sorted events of one family, whose addresses have addrBits bits,
// and returns the ranges of its address tree. It adds the sub-trees that they need to the image.
//
// Prefixes nest or are disjoint, so what holds at a key is a stack of those around it, the most
// specific on top; each knows the verdict of a key for which nothing more specific comes.
func sweepEvents[E event](c *compiler, events []E, addrBits int) ranges {
	s := sweep{c: c}
	// Every event begins and ends a range at most.
	s.out.top.ends = make([]uint64, 0, 2*len(events)+1)
	s.out.top.words = make([]Word, 0, 2*len(events)+1)
	s.out.c = c
	outside := frame{last: u128{allOnes, allOnes}, state: state(len(c.in.Rules)), code: codeHostShared}
	s.stack = append(s.stack, outside)
	for i, e := range events {
		if c.err != nil {
			break
		}
		if i > 0 && e == events[i-1] {
			continue
		}
		first, last := e.span()
		s.enter(first, last, e.code(), e.bits() == addrBits)
	}
	for len(s.stack) > 0 {
		s.pop()
	}
	s.out.flush()
	return s.out.top
}

// sweep is the state of sweepEvents.
type sweep struct {
	c     *compiler
	stack []frame
	out   splitter
}

// frame is a prefix around the key where the sweep is.
type frame struct {
	last  u128
	code  uint32
	state state     // the rules that decide
	class hostClass // what the key is to the host
	full  bool      // the prefix is a single address
}

// hostClass says whether an address reaches the host.
type hostClass uint8

const (
	notHost     hostClass = iota
	hostShared            // it does, but several sockets may receive what is sent there
	hostUnicast           // it does, and one listener owns it
	hostClasses
)

// enter goes on to the prefix from first to last.
func (s *sweep) enter(first, last u128, code uint32, full bool) {
	for s.stack[len(s.stack)-1].last.less(first) {
		s.pop()
	}
	around := s.stack[len(s.stack)-1]
	if s.out.at.less(first) {
		s.out.upTo(first.prev(), s.c.word(around.state, around.class))
	}
	f := frame{last: last, code: code, state: around.state, class: around.class, full: full}
	switch {
	case code == codeHostShared:
		f.class = hostShared
	case code == codeHostUnicast:
		f.class = hostUnicast
	case code&codeHole != 0:
		s.c.holes[code>>1]++
		f.state = s.stateNow()
	case s.c.holes == nil || s.c.holes[code>>1] == 0:
		f.state = s.c.join(around.state, code>>1, full)
	}
	s.stack = append(s.stack, f)
}

// pop ends the innermost prefix.
func (s *sweep) pop() {
	f := &s.stack[len(s.stack)-1]
	if !s.out.done && !f.last.less(s.out.at) {
		s.out.upTo(f.last, s.c.word(f.state, f.class))
	}
	if f.isHole() {
		s.c.holes[f.code>>1]--
	}
	s.stack = s.stack[:len(s.stack)-1]
}

// stateNow works out the state anew from the prefixes on the stack, leaving out the rules that
// have a hole here.
func (s *sweep) stateNow() state {
	lives := func(f *frame) bool { return f.isRule() && s.c.holes[f.code>>1] == 0 }
	from := len(s.stack) - 1 // the innermost prefix of a rule without ports decides over all below
	for from > 0 && !(lives(&s.stack[from]) && s.c.isPortless(s.stack[from].code>>1)) {
		from--
	}
	st := s.stack[0].state
	for i := from; i < len(s.stack); i++ {
		if f := &s.stack[i]; lives(f) {
			st = s.c.join(st, f.code>>1, f.full)
		}
	}
	return st
}

func (f *frame) isRule() bool { return f.code < codeHostUnicast && f.code&codeHole == 0 }
func (f *frame) isHole() bool { return f.code < codeHostUnicast && f.code&codeHole != 0 }
