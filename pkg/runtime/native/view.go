// SPDX-License-Identifier: Apache-2.0

package native

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// kind is what a mount shows.
type kind int

const (
	readOnly  kind = iota // a file or directory of the host
	readWrite             // the same, writable
	device                // a device node of the host
	private               // an empty writable directory
	symlink               // a symbolic link
	plainDir              // a directory in a private one
	devices               // bubblewrap's /dev
	processes             // /proc
	emptyFile             // masks a file: read-only and empty
	emptyDir              // masks a directory: read-only and empty
)

// mount is one step of building the file system. What comes later covers what came before.
type mount struct {
	kind kind
	at   string // where in the jail; has no symbolic link in it, except for a symlink's own name
	text string // a symlink's target
}

// view is the file system that the jail will see, as the list of mounts that make it up. The root
// is a private directory. Host paths appear at their own place, so no mount needs a source.
type view struct {
	mounts []mount
}

func (v *view) add(k kind, at string) { v.mounts = append(v.mounts, mount{kind: k, at: at}) }

// covered says whether a later mount hides the one at this place in the list.
func (v *view) covered(place int) bool {
	return slices.ContainsFunc(v.mounts[place+1:], func(later mount) bool { return within(v.mounts[place].at, later.at) })
}

// node is what a path is in the view.
type node struct {
	path  string // where it is, without symbolic links
	info  fs.FileInfo
	mount mount // what shows it
}

// isDir: what is there without a file of the host behind it (info is nil) is a directory, but for
// masked files.
func (n *node) isDir() bool {
	if n.info == nil {
		return n.mount.kind != emptyFile
	}
	return n.info.IsDir()
}

// top returns the mount that decides what is at the path, which has no links in it, and its place
// in the list.
func (v *view) top(path string) (mount, int) {
	for i, m := range slices.Backward(v.mounts) {
		if within(path, m.at) {
			return m, i
		}
	}
	return mount{kind: private, at: "/"}, -1
}

// lstat looks at one path whose directory has no links in its own path; nil means that nothing is
// there. For a link it returns the target.
func (v *view) lstat(path string) (*node, string) {
	m, place := v.top(path)
	n := &node{path: path, mount: m}
	switch m.kind {
	case symlink:
		return n, m.text
	case readOnly, readWrite, device, devices, processes:
		if (m.kind == devices || m.kind == processes) && path == m.at {
			return n, ""
		}
		info, err := os.Lstat(path)
		if err != nil {
			return nil, ""
		}
		n.info = info
		if info.Mode()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(path)
			if err != nil {
				return nil, ""
			}
			return n, target
		}
		return n, ""
	}
	if path == m.at {
		return n, ""
	}
	for _, later := range v.mounts[place+1:] { // bubblewrap makes the directories above a mount
		if below(later.at, path) {
			n.mount.kind = plainDir
			return n, ""
		}
	}
	return nil, ""
}

// lookup resolves a path as a process in the jail would, and returns what is there, or nil.
func (v *view) lookup(path string) *node {
	current, _ := v.lstat("/")
	if current == nil {
		return nil
	}
	rest := components(path)
	for links := 0; len(rest) > 0; {
		name := rest[0]
		rest = rest[1:]
		if !current.isDir() {
			return nil
		}
		at := filepath.Join(current.path, name) // ".." included: there are no links in it
		next, target := v.lstat(at)
		if next == nil {
			return nil
		}
		if target == "" {
			current = next
			continue
		}
		if links++; links > maxLinks {
			return nil
		}
		if filepath.IsAbs(target) {
			current, _ = v.lstat("/")
		}
		rest = append(components(target), rest...)
	}
	return current
}

// shows says whether the path leads, in the view, to the very file of the host that it does
// outside.
func (v *view) shows(path, real string) bool {
	n := v.lookup(path)
	return n != nil && n.path == real && n.info != nil
}

// addLinks makes the links that are not visible yet, so that paths through them work.
func (v *view) addLinks(links []link) {
	slices.SortStableFunc(links, func(a, b link) int { return comparePaths(a.at, b.at) })
	for _, l := range links {
		if n, _ := v.lstat(l.at); n == nil {
			v.mounts = append(v.mounts, mount{symlink, l.at, l.target})
		}
	}
}

// want is a path to be made visible.
type want struct {
	kind  kind
	path  string
	field string // who wants it, for errors; "" if it may as well be missing
}

// found is a want whose path was resolved.
type found struct {
	want
	real  string
	links []link
	info  fs.FileInfo
}

// addAll makes the paths visible, parents before children, whatever order they come in. Where two
// are the same file, the later one in the list holds.
func (v *view) addAll(all []found) {
	byPath := map[string]found{}
	var links []link
	for _, f := range all {
		byPath[f.real] = f
		links = append(links, f.links...)
	}
	sorted := make([]found, 0, len(byPath))
	for _, f := range byPath {
		sorted = append(sorted, f)
	}
	slices.SortFunc(sorted, func(a, b found) int { return comparePaths(a.real, b.real) })
	for _, f := range sorted {
		v.add(f.kind, f.real)
	}
	v.addLinks(links)
}

// mask hides a path, if it is visible, by an empty file or directory.
func (v *view) mask(real string) {
	n := v.lookup(real)
	if n == nil || n.path != real {
		return
	}
	if n.isDir() {
		v.add(emptyDir, real)
	} else {
		v.add(emptyFile, real)
	}
}
