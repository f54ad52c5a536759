// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// File is a policy file without errors.
type File struct {
	name string
	doc  *document
	list []string // paths of the list files
}

// ErrNoJail means that a file has no jail of the name asked for.
var ErrNoJail = errors.New("no such jail")

// Parse reads a policy without any I/O: list files that it names are not read, so jails that use
// them don't compile. name stands for the file in positions. Errors are of type Errors.
func Parse(name string, data []byte) (*File, error) {
	f, errs := parse(name, data, time.Now())
	if err := errs.err(); err != nil {
		return nil, err
	}
	return f, nil
}

func parse(name string, data []byte, now time.Time) (*File, Errors) {
	d := &decoder{file: name, now: now}
	doc := &document{}
	if root := d.readYAML(data); root != nil {
		doc = d.readDocument(root)
		d.check(doc)
	}
	return &File{name: name, doc: doc}, d.errs.tidy(name)
}

// Load reads a policy file and the list files that it names, which are relative to it. What is
// wrong in them is of type Errors.
func Load(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("read policy: %w", err)
	}
	f, errs := parse(path, data, time.Now())
	l := loader{dir: filepath.Dir(path), lists: make(map[string]*list)}
	for _, b := range f.bodies() {
		l.load(b.block.value)
		l.load(b.allow.value)
	}
	if err := append(errs, l.errs...).tidy(path).err(); err != nil {
		return nil, err
	}
	f.list = l.order
	return f, nil
}

// bodies returns defaults and jails.
func (f *File) bodies() []*body {
	all := []*body{&f.doc.defaults}
	for _, name := range f.doc.names {
		all = append(all, f.doc.jails[name])
	}
	return all
}

// Jails returns the names of the jails in the order of the file.
func (f *File) Jails() []string { return slices.Clone(f.doc.names) }

// Files returns the paths of everything that was read, the policy first.
func (f *File) Files() []string { return append([]string{f.name}, f.list...) }

// Jail returns a jail, merged with all defaults; "" is the only one, or the one named default.
// The caller may change what is returned. The error wraps ErrNoJail.
func (f *File) Jail(name string) (*Jail, error) {
	all := strings.Join(f.doc.names, ", ")
	if name == "" {
		name = "default"
		if len(f.doc.names) == 1 {
			name = f.doc.names[0]
		}
		if f.doc.jails[name] == nil {
			return nil, &jailError{fmt.Sprintf("%s has several jails and none is named default", f.name), "choose one with --jail: " + all}
		}
	}
	b := f.doc.jails[name]
	if b == nil {
		hint := "the jails are: " + all
		if near := nearest(name, f.doc.names); near != "" {
			hint = "did you mean " + near + "? " + hint
		}
		return nil, &jailError{fmt.Sprintf("%s has no jail %q (it has: %s)", f.name, name, all), hint}
	}
	return merge(name, &f.doc.defaults, b), nil
}

// jailError is an ErrNoJail with a hint.
type jailError struct{ message, hint string }

func (e *jailError) Error() string { return e.message }
func (e *jailError) Hint() string  { return e.hint }
func (e *jailError) Unwrap() error { return ErrNoJail }

// loader reads the list files of a policy, each once.
type loader struct {
	dir   string
	lists map[string]*list // nil: reported as unreadable
	order []string
	errs  Errors
}

// load reads the files of all terms that name some.
func (l *loader) load(terms []Term) {
	for i := range terms {
		t := &terms[i]
		if t.File == "" {
			continue
		}
		t.loaded = true
		for _, path := range l.match(t) {
			if got := l.read(t, path); got != nil {
				t.lists = append(t.lists, got)
			}
		}
	}
}

// match returns the paths that a pattern stands for.
func (l *loader) match(t *Term) []string {
	pattern := t.File
	if !filepath.IsAbs(pattern) {
		// The directory's own name is no pattern.
		pattern = filepath.Join(escape(l.dir), pattern)
	}
	paths, err := filepath.Glob(pattern)
	switch {
	case err != nil: // parseFile has seen the pattern; fail closed all the same
		l.errs.add(t.Position, *problemf("correct the pattern", "%q is no valid pattern", t.File))
	case len(paths) == 0 && strings.ContainsAny(t.File, `*?[\`):
		l.errs.add(t.Position, *problemf("correct it, or create such a file; the pattern is relative to the policy file", "no file matches %q", t.File))
	case len(paths) == 0:
		l.errs.add(t.Position, *problemf("correct the path, which is relative to the policy file, or create the file", "there is no file %q", t.File))
	}
	return paths
}

// escape makes a pattern that matches s alone.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}

// read returns a list, nil after reporting that it can't be read.
func (l *loader) read(t *Term, path string) *list {
	if got, ok := l.lists[path]; ok && got != nil {
		return got
	}
	data, err := readList(path)
	if err != nil {
		var pe *fs.PathError
		if errors.As(err, &pe) {
			err = pe.Err
		}
		l.errs.add(t.Position, *problemf("make it a file that you can read, or remove the entry", "read list %s: %v", path, err))
		return nil
	}
	got, errs := parseList(path, data)
	l.errs = append(l.errs, errs...)
	l.lists[path], l.order = got, append(l.order, path)
	return got
}
