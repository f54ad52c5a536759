// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// maxFile bounds a policy file, in bytes. Long lists belong into files of their own.
const maxFile = 1 << 20

// maxDepth bounds how deep the values of a policy nest; the schema needs eight levels.
const maxDepth = 64

// readYAML parses data as one YAML document and returns its root, nil after a diagnostic that
// makes going on pointless. Anchors, aliases, merge keys and tags are refused: one value would
// have two positions, and `defaults` does their work.
func (d *decoder) readYAML(data []byte) *yaml.Node {
	if at, p := badText(data); p != nil {
		at.File = d.file
		d.errs.add(at, *p)
		return nil
	}
	root, rest, err := parseYAML(data)
	if err != nil {
		d.syntaxError(data, err)
		return nil
	}
	if root == nil {
		d.errs.add(Position{d.file, 1, 1}, *problemf("start with `version: 1` and `jails:`", "the policy is empty"))
		return nil
	}
	if rest != nil {
		d.fail(rest, "keep one document; several jails go under `jails`", "a second YAML document")
	}
	d.refuse(root, 0)
	return root
}

// badText finds what no policy may contain anywhere.
func badText(data []byte) (Position, *problem) {
	if len(data) > maxFile {
		return Position{Line: 1, Column: 1}, problemf("move long lists into files and name them with `file:`",
			"the policy is larger than %d KiB", maxFile>>10)
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == 0:
			return Position{Line: line, Column: column}, problemf("remove it; is this a text file?", "a NUL byte")
		case r == utf8.RuneError && size == 1:
			return Position{Line: line, Column: column}, problemf("save the file as UTF-8", "byte %#02x is not UTF-8", data[i])
		case r == '\n':
			line, column = line+1, 0
		}
		i += size
		column++
	}
	return Position{}, nil
}

// parseYAML returns the root value of the first document, nil if there is none, and that of the
// second.
func parseYAML(data []byte) (root, rest *yaml.Node, err error) {
	// Nothing in yaml.v3 is known to panic, but a policy is refused, not crashed on, whatever it
	// contains.
	defer func() {
		if p := recover(); p != nil {
			root, rest, err = nil, nil, fmt.Errorf("yaml: %v", p)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var docs [2]*yaml.Node
	for i := range docs {
		var doc yaml.Node
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return docs[0], docs[1], nil
		case err != nil:
			return nil, nil, err
		case len(doc.Content) == 1:
			docs[i] = doc.Content[0]
		}
	}
	return docs[0], docs[1], nil
}

var yamlLine = regexp.MustCompile(`^(yaml: )?(line \d+: )?`)

// syntaxError reports an error of the YAML parser. The line that the parser tells is that of the
// enclosing block, or missing: what counts is the last line without which the error isn't there.
func (d *decoder) syntaxError(data []byte, err error) {
	lines := bytes.SplitAfter(data, []byte("\n"))
	good, bad := 0, len(lines)
	for size := func(n int) int { return len(bytes.Join(lines[:n], nil)) }; bad-good > 1; {
		mid := (good + bad) / 2
		if _, _, e := parseYAML(data[:size(mid)]); e != nil && e.Error() == err.Error() {
			bad = mid
		} else {
			good = mid
		}
	}
	line := strings.TrimPrefix(string(lines[bad-1]), "\ufeff")
	indent := len(line) - len(strings.TrimLeft(line, " \t"))
	fix := "correct the YAML here; check indentation, quotes and brackets"
	switch {
	case strings.Contains(line[:indent], "\t"):
		fix = "indent with spaces, never with tabs"
	case strings.Contains(line, "[:") || strings.Contains(line, "]:") || strings.Contains(line, "::"):
		fix = `put IPv6 addresses in quotes: "::1", "[::1]:5432"`
	}
	d.errs.add(Position{d.file, bad, indent + 1}, *problemf(fix, "not valid YAML: %s", yamlLine.ReplaceAllString(err.Error(), "")))
}

// refuse reports the YAML features that a policy may not use.
func (d *decoder) refuse(n *yaml.Node, depth int) {
	const inFull = "write the value out; what jails share goes under `defaults`"
	switch {
	case depth > maxDepth:
		d.fail(n, "a policy needs no such structure", "values nest too deeply")
		return
	case n.Kind == yaml.AliasNode:
		d.fail(n, inFull, "YAML aliases (*%s) are not supported", n.Value)
		return // what it stands for is checked where it stands
	case n.Anchor != "":
		d.fail(n, inFull, "YAML anchors (&%s) are not supported", n.Anchor)
	case isMerge(n):
		d.fail(n, inFull, "YAML merge keys (<<) are not supported")
	case n.Style&yaml.TaggedStyle != 0:
		d.fail(n, "remove the tag", "YAML tags (%s) are not supported", n.Tag)
	}
	for _, c := range n.Content {
		d.refuse(c, depth+1)
	}
}

func isMerge(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!merge" }
