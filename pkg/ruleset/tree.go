// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"hash/maphash"
)

// ceilDiv returns a / b rounded up.
func ceilDiv(a, b int) int { return (a + b - 1) / b }

// treeLines returns how many lines a tree of n ranges has besides its head.
func treeLines(n int) int {
	level := ceilDiv(n, leafRanges)
	lines := level
	for level > 1 {
		level = ceilDiv(level, treeFanout)
		lines += level
	}
	return lines
}

// hasRoom says whether trees of these numbers of ranges are shallow enough to be searched and fit
// behind the lines so far, together with more lines.
func (c *compiler) hasRoom(more int, sizes ...int) bool {
	total := len(c.lines) + more
	for _, n := range sizes {
		if n > maxRanges {
			return false
		}
		total += treeLines(n)
	}
	return total <= c.limit
}

// addTree appends the tree of r to the lines and writes its head, which is there already. The
// caller has checked that there is room.
func (c *compiler) addTree(head int, r ranges) {
	var spans []int // of each upper level from below: how many ranges a child has
	for span := leafRanges; span < len(r.ends); span *= treeFanout {
		spans = append(spans, span)
	}
	c.lines[head][headLevels] = uint32(len(spans))
	for i := range spans {
		c.lines[head][headLevel+i] = uint32(len(c.lines))
		c.addUpper(r.ends, spans[len(spans)-1-i])
	}
	c.lines[head][headLeaves] = uint32(len(c.lines))
	c.addLeaves(r)
}

// addUpper appends the upper level whose children have span ranges each.
func (c *compiler) addUpper(ends []uint64, span int) {
	for from := 0; from < len(ends); from += treeFanout * span {
		var l Line
		for i := range treeFanout {
			k := allOnes
			if from+i*span < len(ends) {
				k = ends[min(from+(i+1)*span, len(ends))-1]
			}
			l.setKey(i, k)
		}
		c.lines = append(c.lines, l)
	}
}

// addLeaves appends the leaves of r. Unused words stay 0, which refuses, although the last range
// ends with the key space and no search gets behind it.
func (c *compiler) addLeaves(r ranges) {
	for from := 0; from < len(r.ends); from += leafRanges {
		var l Line
		for i := range leafRanges {
			k := allOnes
			if from+i < len(r.ends) {
				k = r.ends[from+i]
				l[leafVerdicts+i] = uint32(r.words[from+i])
			}
			l.setKey(i, k)
		}
		c.lines = append(c.lines, l)
	}
}

// subTree returns the word that leads to the tree of r, which it adds unless an equal one is
// there. A single range needs no tree.
func (c *compiler) subTree(k Kind, r *ranges) Word {
	if len(r.words) == 1 {
		return r.words[0]
	}
	hash := c.hash(r)
	for ; ; hash++ { // different trees with the same hash take the next free one
		head, ok := c.interned[hash]
		if !ok {
			break
		}
		if c.sameTree(head, r) {
			return newWord(k, head)
		}
	}
	if len(r.ends) > maxSubRanges || !c.hasRoom(1, len(r.ends)) {
		c.err = ErrTooLarge
		return 0
	}
	if c.interned == nil {
		c.interned = make(map[uint64]uint32)
	}
	head := len(c.lines)
	c.interned[hash] = uint32(head)
	c.lines = append(c.lines, Line{})
	c.addTree(head, *r)
	return newWord(k, uint32(head))
}

func (c *compiler) hash(r *ranges) uint64 {
	b := c.hashWork[:0]
	for i, end := range r.ends {
		b = binary.NativeEndian.AppendUint64(b, end)
		b = binary.NativeEndian.AppendUint32(b, uint32(r.words[i]))
	}
	c.hashWork = b
	return maphash.Bytes(c.seed, b)
}

// sameTree says whether the tree has these very ranges. Ends grow and the last is all ones in
// both, so that they also have equally many when no difference was found.
func (c *compiler) sameTree(head uint32, r *ranges) bool {
	leaves := int(c.lines[head][headLeaves])
	for i, end := range r.ends {
		l := &c.lines[leaves+i/leafRanges]
		if l.key(i%leafRanges) != end || l[leafVerdicts+i%leafRanges] != uint32(r.words[i]) {
			return false
		}
	}
	return true
}
