// SPDX-License-Identifier: Apache-2.0

package ruleset

// ranges are sorted disjoint ranges that cover a key space: each begins behind the one before and
// the first at 0. Neighbours have different words.
type ranges struct {
	ends  []uint64
	words []Word
}

// add appends the range that ends at end, which is above all ends so far.
func (r *ranges) add(end uint64, w Word) {
	if n := len(r.ends); n > 0 && r.words[n-1] == w {
		r.ends[n-1] = end
		return
	}
	r.ends = append(r.ends, end)
	r.words = append(r.words, w)
}

func (r *ranges) reset() {
	r.ends, r.words = r.ends[:0], r.words[:0]
}

// splitter takes the verdicts of growing 128-bit keys and makes of them the ranges of the high
// halves, with a sub-tree of low halves where the verdict changes inside a high half.
type splitter struct {
	c    *compiler
	top  ranges
	low  ranges // of the high half that is being split
	at   u128   // first key without a verdict
	done bool   // all keys have theirs

	// The range that may still grow: neighbours with equal words merge before they are split.
	first, last u128
	word        Word
	pending     bool
}

// upTo gives the word to the keys from at to last.
func (s *splitter) upTo(last u128, w Word) {
	if !s.pending || w != s.word {
		s.flush()
		s.first, s.word, s.pending = s.at, w, true
	}
	s.last = last
	s.at = last.next()
	s.done = s.at == u128{}
}

// flush splits the pending range.
func (s *splitter) flush() {
	if !s.pending {
		return
	}
	s.pending = false
	first, last := s.first, s.last
	if first.lo != 0 { // the rest of a high half that is being split
		if first.hi == last.hi && last.lo != allOnes {
			s.low.add(last.lo, s.word)
			return
		}
		s.low.add(allOnes, s.word)
		s.top.add(first.hi, s.c.subTree(KindLow64, &s.low))
		s.low.reset()
		if first.hi == last.hi {
			return
		}
		first = u128{hi: first.hi + 1}
	}
	if last.lo == allOnes {
		s.top.add(last.hi, s.word)
		return
	}
	if first.hi < last.hi {
		s.top.add(last.hi-1, s.word)
	}
	s.low.add(last.lo, s.word)
}
