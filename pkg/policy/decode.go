// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// decoder reads the nodes of one file and gathers what is wrong with them.
type decoder struct {
	file string
	now  time.Time // when the file was loaded
	errs Errors
}

func (d *decoder) at(n *yaml.Node) Position { return Position{d.file, n.Line, n.Column} }

func (d *decoder) fail(n *yaml.Node, fix, format string, args ...any) {
	d.errs.add(d.at(n), *problemf(fix, format, args...))
}

// opt is a value that a file may leave unsaid, and where it was said.
type opt[T any] struct {
	value T
	set   bool
	at    Position
}

func (o *opt[T]) put(v T, at Position) { *o = opt[T]{v, true, at} }

// or returns the value, else other's.
func (o opt[T]) or(other opt[T]) opt[T] {
	if o.set {
		return o
	}
	return other
}

// readMap reads a mapping by its table of keys.
func readMap[T any](d *decoder, n *yaml.Node, what string, keys []key[T], into *T) (given map[string]*yaml.Node) {
	given = make(map[string]*yaml.Node)
	d.eachKey(n, what, func(k, v *yaml.Node) {
		given[k.Value] = k
		for _, known := range keys {
			if known.name != k.Value {
				continue
			}
			if !d.missing(v, k.Value) {
				known.read(d, v, into)
			}
			return
		}
		d.fail(k, chooseFix(k.Value, names(keys)), "unknown key %q in %s", k.Value, what)
	})
	return given
}

// eachKey calls f with the keys of a mapping, except keys that have been reported here or by
// refuse.
func (d *decoder) eachKey(n *yaml.Node, what string, f func(k, v *yaml.Node)) {
	if !d.want(n, yaml.MappingNode, what, "a mapping (key: value)") {
		return
	}
	first := make(map[string]*yaml.Node)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.AliasNode || isMerge(k) {
			continue
		}
		if k.Kind != yaml.ScalarNode || k.Tag != "!!str" {
			d.fail(k, "write a name, in quotes if need be", "a key of %s is %s, not a string", what, kindOf(k))
			continue
		}
		if before := first[k.Value]; before != nil {
			d.fail(k, "keep one of them", "%q is given twice in %s, first in line %d", k.Value, what, before.Line)
			continue
		}
		first[k.Value] = k
		f(k, v)
	}
}

// eachItem calls f with the elements of a list, and returns whether it is one.
func (d *decoder) eachItem(n *yaml.Node, what string, f func(item *yaml.Node)) bool {
	fix := "a list"
	if n.Kind == yaml.ScalarNode {
		fix = fmt.Sprintf("a list: [%s]", short(n.Value))
	}
	if !d.want(n, yaml.SequenceNode, what, fix) {
		return false
	}
	for _, item := range n.Content {
		if !d.missing(item, "an entry of "+what) {
			f(item)
		}
	}
	return true
}

// missing reports a key that stands there without a value: it might be meant as "none" or as
// "the default", which are opposites.
func (d *decoder) missing(n *yaml.Node, what string) bool {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		d.fail(n, "write a value, or remove it; the empty list is []", "%s has no value", what)
		return true
	}
	return false
}

// want reports a node of another kind.
func (d *decoder) want(n *yaml.Node, kind yaml.Kind, what, form string) bool {
	if n.Kind == kind {
		return true
	}
	if n.Kind != yaml.AliasNode { // reported by refuse
		d.fail(n, "write "+form, "%s is %s, not %s", what, kindOf(n), strings.SplitN(form, ":", 2)[0])
	}
	return false
}

// text reads a string.
func (d *decoder) text(n *yaml.Node, what string) (string, bool) {
	if !d.want(n, yaml.ScalarNode, what, "a string") {
		return "", false
	}
	switch {
	case n.Tag != "!!str" && n.Style&yaml.TaggedStyle == 0:
		d.fail(n, fmt.Sprintf("put it in quotes: %q", n.Value), "%s is %s, not a string", what, kindOf(n))
	case strings.ContainsRune(n.Value, 0):
		d.fail(n, "remove it", "%s contains a NUL character", what)
	default:
		return n.Value, true
	}
	return "", false
}

// scalar reads a value as it is written: numbers, dates and addresses alike.
func (d *decoder) scalar(n *yaml.Node, what, form string) (string, bool) {
	if !d.want(n, yaml.ScalarNode, what, form) {
		return "", false
	}
	return n.Value, true
}

// texts reads a list of strings.
func (d *decoder) texts(n *yaml.Node, what string, check func(string) *problem) ([]string, bool) {
	all := []string{}
	ok := d.eachItem(n, what, func(item *yaml.Node) {
		s, ok := d.text(item, "an entry of "+what)
		if !ok {
			return
		}
		if p := check(s); p != nil {
			d.errs.add(d.at(item), *p)
			return
		}
		all = append(all, s)
	})
	return all, ok
}

// kindOf names what a node is.
func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	}
	switch n.Tag {
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "a boolean"
	case "!!null":
		return "nothing"
	case "!!timestamp":
		return "a date"
	}
	return "a string"
}

// short cuts a text of the user for a message.
func short(s string) string {
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
