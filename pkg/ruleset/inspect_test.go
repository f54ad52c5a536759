// SPDX-License-Identifier: Apache-2.0

package ruleset

import (
	"encoding/binary"
	"fmt"
)

// inspection walks an image from its heads and checks that it is well formed in every detail: a
// search in such an image always ends in a leaf that has a verdict for its key.
type inspection struct {
	lines []Line
	used  []bool            // lines that some tree has
	trees map[uint32]string // ranges of the trees seen, by head
}

// inspect returns what is wrong with the image of a set.
func inspect(s *Set) error {
	in := inspection{lines: s.Lines, used: make([]bool, len(s.Lines)), trees: map[uint32]string{}}
	if len(s.Lines) < 2 {
		return fmt.Errorf("only %d lines", len(s.Lines))
	}
	for i := 10; i < 16; i++ {
		if s.Lines[0][i] != s.Lines[1][i] {
			return fmt.Errorf("heads differ in word %d", i)
		}
	}
	if err := in.tree(0, KindPorts); err != nil {
		return err
	}
	if err := in.tree(1, KindPorts, KindLow64); err != nil {
		return err
	}
	for i, used := range in.used {
		if !used {
			return fmt.Errorf("line %d belongs to no tree", i)
		}
	}
	equal := map[string]uint32{}
	for head, content := range in.trees {
		if other, ok := equal[content]; ok && head > 1 && other > 1 {
			return fmt.Errorf("sub-trees %d and %d are equal", other, head)
		}
		if head > 1 {
			equal[content] = head
		}
	}
	return nil
}

func (in *inspection) use(n uint32) (*Line, error) {
	if int(n) >= len(in.lines) {
		return nil, fmt.Errorf("no line %d", n)
	}
	if in.used[n] {
		return nil, fmt.Errorf("line %d has two uses", n)
	}
	in.used[n] = true
	return &in.lines[n], nil
}

func wordPair(l *Line, i int) uint64 {
	var b [8]byte
	binary.NativeEndian.PutUint32(b[:4], l[2*i])
	binary.NativeEndian.PutUint32(b[4:], l[2*i+1])
	return binary.NativeEndian.Uint64(b[:])
}

// tree checks the tree with this head, whose words may be final or of the further kinds.
func (in *inspection) tree(head uint32, further ...Kind) error {
	h, err := in.use(head)
	if err != nil {
		return err
	}
	levels := h[0]
	if levels > treeMaxLevels || head > 1 && levels > subtreeMaxLevels {
		return fmt.Errorf("tree %d has %d levels", head, levels)
	}
	for i := 1 + levels; i < 9; i++ {
		if h[i] != 0 {
			return fmt.Errorf("tree %d: level %d without use", head, i)
		}
	}
	if head > 1 {
		for i := 10; i < 16; i++ {
			if h[i] != 0 {
				return fmt.Errorf("tree %d: settings in a sub-tree", head)
			}
		}
	}
	first := append(append([]uint32{}, h[1:1+levels]...), h[9])
	var words []Word
	var ends []uint64
	// node returns the last key below line n of a level.
	var node func(level, n uint32) (uint64, error)
	node = func(level, n uint32) (uint64, error) {
		l, err := in.use(first[level] + n)
		if err != nil {
			return 0, fmt.Errorf("tree %d: %w", head, err)
		}
		if level == levels {
			for i := range 5 {
				end, w := wordPair(l, i), l[10+i]
				if n := len(ends); n > 0 && ends[n-1] == ^uint64(0) {
					if w != 0 || end != ^uint64(0) {
						return 0, fmt.Errorf("tree %d: unused range %d is %#x %#x", head, i, end, w)
					}
					continue
				} else if n > 0 && (end <= ends[n-1] || Word(w) == words[n-1]) {
					return 0, fmt.Errorf("tree %d: range %#x %#x after %#x %#x", head, end, w, ends[n-1], words[n-1])
				}
				ends, words = append(ends, end), append(words, Word(w))
			}
			if l[15] != 0 {
				return 0, fmt.Errorf("tree %d: last word of a leaf used", head)
			}
			return ends[len(ends)-1], nil
		}
		for i := range uint32(8) {
			key := wordPair(l, int(i))
			if len(ends) > 0 && ends[len(ends)-1] == ^uint64(0) {
				if key != ^uint64(0) {
					return 0, fmt.Errorf("tree %d: unused key %#x", head, key)
				}
				continue
			}
			last, err := node(level+1, 8*n+i)
			if err != nil {
				return 0, err
			}
			if last != key {
				return 0, fmt.Errorf("tree %d: key %#x above a child that ends at %#x", head, key, last)
			}
		}
		return ends[len(ends)-1], nil
	}
	if last, err := node(0, 0); err != nil {
		return err
	} else if last != ^uint64(0) {
		return fmt.Errorf("tree %d: keys behind %#x have no verdict", head, last)
	}
	in.trees[head] = fmt.Sprint(ends, words)
	return in.follow(head, words, further)
}

// follow checks the words of a tree and the trees that they lead to.
func (in *inspection) follow(head uint32, words []Word, further []Kind) error {
words:
	for _, w := range words {
		switch w.Kind() {
		case KindAllow:
			if w&^(0x1ffffff|FlagHostOK)&0xfffffff != 0 || w&FlagOwn != 0 {
				return fmt.Errorf("tree %d: allow word %#x", head, w)
			}
			continue
		case KindBlock:
			if w&^(0xffffff|FlagOwn)&0xfffffff != 0 {
				return fmt.Errorf("tree %d: block word %#x", head, w)
			}
			continue
		}
		for _, k := range further {
			if w.Kind() != k {
				continue
			}
			if w&0xf000000 != 0 || w.Arg() < 2 {
				return fmt.Errorf("tree %d: word %#x", head, w)
			}
			if _, seen := in.trees[w.Arg()]; seen {
				continue words
			}
			var next []Kind
			if k == KindLow64 {
				next = []Kind{KindPorts}
			}
			if err := in.tree(w.Arg(), next...); err != nil {
				return err
			}
			continue words
		}
		return fmt.Errorf("tree %d: word %#x of a kind that it can't have", head, w)
	}
	return nil
}
