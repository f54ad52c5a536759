// SPDX-License-Identifier: Apache-2.0

package native

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many symbolic links a path may lead through, as in the kernel.
const maxLinks = 40

// ResolvePath makes a path of a policy absolute and clean: "~" and "~/x" are home, a relative path
// starts at dir. Symbolic links are left as they are.
func ResolvePath(path, dir, home string) string {
	switch {
	case path == "~":
		path = home
	case strings.HasPrefix(path, "~/"):
		path = filepath.Join(home, path[2:])
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	return filepath.Clean(path)
}

// within says whether the clean absolute path is dir or below it.
func within(path, dir string) bool {
	if path == dir || dir == "/" {
		return true
	}
	return len(path) > len(dir) && path[len(dir)] == '/' && path[:len(dir)] == dir
}

// below says whether path is strictly below dir.
func below(path, dir string) bool { return path != dir && within(path, dir) }

// comparePaths sorts parents before children, and neighbours by name.
func comparePaths(a, b string) int {
	return cmp.Or(
		slices.Compare(strings.Split(a, "/"), strings.Split(b, "/")),
		cmp.Compare(a, b),
	)
}

// link is a symbolic link on the way to a path. The directory that it is in has no link in its own
// path.
type link struct {
	at     string // where it is
	target string // what it says
}

// follow resolves a path of the host, and tells the links it went through, in order. The error is
// that of the first component that is not there.
func follow(path string) (real string, links []link, err error) {
	real = "/"
	rest := components(path)
	for len(rest) > 0 {
		name := rest[0]
		rest = rest[1:]
		if name == ".." {
			real = filepath.Dir(real)
			continue
		}
		next := filepath.Join(real, name)
		info, err := os.Lstat(next)
		if err != nil {
			return "", nil, err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			real = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		if links = append(links, link{next, target}); len(links) > maxLinks {
			return "", nil, &fs.PathError{Op: "resolve", Path: path, Err: unix.ELOOP}
		}
		if filepath.IsAbs(target) {
			real = "/"
		}
		rest = append(components(target), rest...)
	}
	return real, links, nil
}

// components splits a path into the names that a walk takes one after the other.
func components(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(s string) bool { return s == "" || s == "." })
}

// missing says that an error means "no such file": nothing there, or a file where a directory
// would have to be.
func missing(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR)
}
