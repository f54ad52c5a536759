// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"regexp"
	"strings"
	"syscall"

	"gopkg.in/yaml.v3"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// document is a file as written.
type document struct {
	defaults body
	names    []string // of the jails, in the order of the file
	jails    map[string]*body
}

// body is a jail, or `defaults`, as written.
type body struct {
	command                         opt[[]string]
	runtime, image, workspace, mode opt[string]
	pass, read, write, hide         opt[[]string]
	set                             map[string]string
	memory, pids                    opt[uint64]
	cpus                            opt[float64]
	netMode, netDefault             opt[string]
	block, allow                    opt[[]Term]
	errno                           opt[syscall.Errno]
	watch                           opt[bool]
}

// jailName is what a jail may be called: its name becomes part of paths.
var jailName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// readDocument reads a whole file.
func (d *decoder) readDocument(root *yaml.Node) *document {
	doc := &document{jails: make(map[string]*body)}
	if newer := otherVersion(root); newer != nil {
		// Whatever else it says is not ours to judge.
		readVersion(d, newer, doc)
		return doc
	}
	given := readMap(d, root, "the policy", fileKeys, doc)
	if root.Kind != yaml.MappingNode {
		return doc
	}
	if given["version"] == nil {
		d.fail(root, fmt.Sprintf("add `version: %d`", Version), "the policy has no version")
	}
	if given["jails"] == nil {
		d.fail(root, "add `jails:` with a jail below it", "the policy has no jails")
	}
	return doc
}

// otherVersion returns the value of `version` if it is a number, and not ours.
func otherVersion(root *yaml.Node) *yaml.Node {
	if root.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if k, v := root.Content[i], root.Content[i+1]; k.Value == "version" && v.Tag == "!!int" && v.Value != fmt.Sprint(Version) {
			return v
		}
	}
	return nil
}

func readVersion(d *decoder, n *yaml.Node, _ *document) {
	switch {
	case !d.want(n, yaml.ScalarNode, "version", "a number"):
	case n.Tag != "!!int":
		d.fail(n, fmt.Sprintf("write `version: %d`", Version), "version is %s, not a number", kindOf(n))
	case n.Value != fmt.Sprint(Version):
		d.fail(n, fmt.Sprintf("write `version: %d`, or use a jail-ai that knows this one", Version), "version %s is not supported", short(n.Value))
	}
}

func readDefaults(d *decoder, n *yaml.Node, doc *document) {
	readMap(d, n, "defaults", jailKeys, &doc.defaults)
}

func readJails(d *decoder, n *yaml.Node, doc *document) {
	if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
		d.fail(n, "add a jail: `NAME: {command: [PROGRAM]}`", "jails is empty")
	}
	d.eachKey(n, "jails", func(k, v *yaml.Node) {
		if !jailName.MatchString(k.Value) {
			d.fail(k, "use letters, digits, '-', '_' and '.', at most 63, a letter or digit first", "bad jail name %q", short(k.Value))
		}
		b := new(body)
		doc.names = append(doc.names, k.Value)
		doc.jails[k.Value] = b
		if v.Tag == "!!null" || v.Kind == yaml.MappingNode && len(v.Content) == 0 {
			d.fail(k, "say what it runs: `command: [PROGRAM]`", "jail %q is empty", short(k.Value))
			return
		}
		readMap(d, v, fmt.Sprintf("jail %q", short(k.Value)), jailKeys, b)
	})
}

// readObject returns the reader of a section with keys of its own.
func readObject(what string, keys []key[body]) func(*decoder, *yaml.Node, *body) {
	return func(d *decoder, n *yaml.Node, b *body) { readMap(d, n, what, keys, b) }
}

// readText returns the reader of a string.
func readText(what string, field func(*body) *opt[string]) func(*decoder, *yaml.Node, *body) {
	return func(d *decoder, n *yaml.Node, b *body) {
		s, ok := d.text(n, what)
		if ok && what == "workspace" && s == "" {
			d.fail(n, "name a directory; . is the current one", "workspace is empty")
			return
		}
		if ok {
			field(b).put(s, d.at(n))
		}
	}
}

// readEnum returns the reader of a string with few possible values.
func readEnum(what string, values []string, field func(*body) *opt[string]) func(*decoder, *yaml.Node, *body) {
	return func(d *decoder, n *yaml.Node, b *body) {
		s, ok := d.text(n, what)
		if !ok {
			return
		}
		for _, v := range values {
			if s == v {
				field(b).put(s, d.at(n))
				return
			}
		}
		d.fail(n, chooseFix(s, values), "unknown %s %q", what, short(s))
	}
}

// readPaths returns the reader of a list of paths, which stay as written.
func readPaths(what string, field func(*body) *opt[[]string]) func(*decoder, *yaml.Node, *body) {
	return func(d *decoder, n *yaml.Node, b *body) {
		if all, ok := d.texts(n, what, checkPath); ok {
			field(b).put(all, d.at(n))
		}
	}
}

func checkPath(s string) *problem {
	if s == "" {
		return problemf("name a path, or remove the entry", "an empty path")
	}
	return nil
}

func readCommand(d *decoder, n *yaml.Node, b *body) {
	all, ok := d.texts(n, "command", func(string) *problem { return nil })
	switch {
	case !ok:
	case len(n.Content) == 0:
		d.fail(n, "name a program: [PROGRAM, ARGUMENT], or remove the key", "command is empty")
	case len(all) > 0 && all[0] == "" && n.Content[0].Value == "":
		d.fail(n.Content[0], "name a program", "the program's name is empty")
	default:
		b.command.put(all, d.at(n))
	}
}

func readEnvPass(d *decoder, n *yaml.Node, b *body) {
	if all, ok := d.texts(n, "pass", checkEnvName); ok {
		b.pass.put(all, d.at(n))
	}
}

func readEnvSet(d *decoder, n *yaml.Node, b *body) {
	b.set = make(map[string]string)
	d.eachKey(n, "set", func(k, v *yaml.Node) {
		if p := checkEnvName(k.Value); p != nil {
			d.errs.add(d.at(k), *p)
		}
		if d.missing(v, k.Value) {
			return
		}
		if s, ok := d.text(v, k.Value); ok {
			b.set[k.Value] = s
		}
	})
}

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func checkEnvName(s string) *problem {
	if envName.MatchString(s) {
		return nil
	}
	if name, _, ok := strings.Cut(s, "="); ok && envName.MatchString(name) {
		// The value may be a secret, and errors end up in logs.
		return problemf("keep the name alone, or give the value in env.set", "%s=… is no name of a variable", short(name))
	}
	return problemf("use letters, digits and '_', no digit first; name each variable in full", "%q is no name of a variable", short(s))
}

func readWatch(d *decoder, n *yaml.Node, b *body) {
	switch {
	case !d.want(n, yaml.ScalarNode, "watch", "true or false"):
	case n.Tag != "!!bool":
		d.fail(n, "write true or false", "watch is %s, not a boolean", kindOf(n))
	default:
		b.watch.put(strings.EqualFold(n.Value, "true"), d.at(n))
	}
}

func readErrno(d *decoder, n *yaml.Node, b *body) {
	s, ok := d.text(n, "errno")
	if !ok {
		return
	}
	e, known := errnos[s]
	if !known {
		d.fail(n, chooseFix(s, errnoNames), "unknown errno %q", short(s))
		return
	}
	b.errno.put(e, d.at(n))
}

func readBlock(d *decoder, n *yaml.Node, b *body) { d.readTerms(n, ruleset.Block, &b.block) }
func readAllow(d *decoder, n *yaml.Node, b *body) { d.readTerms(n, ruleset.Allow, &b.allow) }
