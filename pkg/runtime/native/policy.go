// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

const (
	fieldWorkspace = "workspace"
	fieldRead      = "filesystem.read"
	fieldWrite     = "filesystem.write"
	fieldHide      = "filesystem.hide"
)

// policyPaths finds what the policy makes visible, in the order of precedence, weakest first. What
// it names must be there, and be sane to show.
func policyPaths(spec *Spec, home homes) ([]found, error) {
	wants := make([]want, 0, len(spec.Read)+len(spec.Write)+1)
	if spec.Workspace != "" {
		wants = append(wants, want{readWrite, spec.Workspace, fieldWorkspace})
	}
	for _, path := range spec.Read {
		wants = append(wants, want{readOnly, path, fieldRead})
	}
	for _, path := range spec.Write {
		wants = append(wants, want{readWrite, path, fieldWrite})
	}
	all := make([]found, 0, len(wants))
	for _, w := range wants {
		if w.path == "" {
			return nil, fmt.Errorf("%s: %w: it is empty", w.field, ErrPath)
		}
		w.path = ResolvePath(w.path, spec.Dir, home.named)
		f, err := resolve(w)
		if missing(err) {
			return nil, hint.Wrap(pathError(w.field, w.path, "does not exist"), "create it, or take it out of the policy")
		} else if err != nil {
			return nil, fmt.Errorf("%s: %w: %w", w.field, ErrPath, err)
		}
		if err := f.check(home); err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, checkLinks(all)
}

// check refuses what would open the jail as a whole.
func (f *found) check(home homes) error {
	switch {
	case f.field == fieldWorkspace:
		return checkWorkspace(f, home)
	case below(f.real, "/dev") && f.info.Mode()&fs.ModeDevice != 0:
		if f.kind == readOnly {
			return hint.Wrap(pathError(f.field, f.path, "is a device"), "name it in `filesystem: {write: [%s]}`", f.path)
		}
		f.kind = device
		return nil
	case kernelPath(f.real):
		return hint.Wrap(pathError(f.field, f.path, "would open the jail to the whole machine"), "name the directories that are needed")
	case f.real == "/run":
		return hint.Wrap(pathError(f.field, f.path, "would hand over the sockets of all services"), "name the file that is needed")
	}
	return nil
}

// checkWorkspace refuses a workspace that has in it what a jail is to be kept from.
func checkWorkspace(f *found, home homes) error {
	const advice = "change to a project's directory, or set `workspace` in the policy"
	if !f.info.IsDir() {
		return hint.Wrap(pathError(f.field, f.path, "is not a directory"), advice)
	}
	switch {
	case f.real == "/":
		return hint.Wrap(pathError(f.field, f.path, "is the whole machine"), advice)
	case f.real == home.real:
		return hint.Wrap(pathError(f.field, f.path, "is the home directory: all of it, keys and passwords included, would be open to the command"), advice)
	case within(home.real, f.real):
		return hint.Wrap(pathError(f.field, f.path, "has the home directory "+home.named+" in it"), advice)
	case kernelPath(f.real):
		return hint.Wrap(pathError(f.field, f.path, "belongs to the kernel"), advice)
	}
	for _, path := range append([]string{"/tmp", "/run", "/var", "/var/tmp", "/root", "/home"}, systemDirs...) {
		if within(path, f.real) {
			return hint.Wrap(pathError(f.field, f.path, "has files of the whole system in it"), advice)
		}
	}
	return nil
}

// checkLinks refuses paths that go through a link which a jail may have made: what it points to
// is not what the author of the policy meant.
func checkLinks(all []found) error {
	trees := writableTrees(all)
	for _, f := range all {
		if at := linkIn(f.links, trees); at != "" {
			return hint.Wrap(pathError(f.field, f.path, "leads through the symbolic link "+at+", which the command can change"),
				"name what it points to: %s", f.real)
		}
	}
	return nil
}

// writableTrees lists the directories that the command may write to.
func writableTrees(all []found) []string {
	var trees []string
	for _, f := range all {
		if f.kind == readWrite && f.info.IsDir() {
			trees = append(trees, f.real)
		}
	}
	return trees
}

// hide masks what the policy wants out of sight. A path that isn't there is no error: policies are
// shared between machines.
func (v *view) hide(spec *Spec, home homes, workspace string) error {
	var reals []string
	for _, path := range spec.Hide {
		if path == "" {
			return fmt.Errorf("%s: %w: it is empty", fieldHide, ErrPath)
		}
		path = ResolvePath(path, spec.Dir, home.named)
		real, _, err := follow(path)
		if missing(err) || errors.Is(err, fs.ErrPermission) { // what this process can't reach, the command can't
			continue
		} else if err != nil {
			return fmt.Errorf("%s: %w: %w", fieldHide, ErrPath, err)
		}
		if real == "/" || workspace != "" && within(workspace, real) {
			return hint.Wrap(pathError(fieldHide, path, "has the workspace in it"), "name the files and directories in it that are to be hidden")
		}
		if kernelPath(real) {
			return pathError(fieldHide, path, "belongs to the kernel and can't be hidden")
		}
		reals = append(reals, real)
	}
	slices.SortFunc(reals, comparePaths)
	covered := ""
	for _, real := range slices.Compact(reals) {
		if covered != "" && within(real, covered) {
			continue
		}
		if n := v.lookup(real); n != nil && n.path == real {
			v.mask(real)
			if n.isDir() {
				covered = real
			}
		}
	}
	return nil
}

// workDir is where the command starts: the caller's directory if the jail has the same one, else
// the workspace, else the home directory.
func (v *view) workDir(spec *Spec, home homes, workspace string) string {
	for _, path := range []string{filepath.Clean(spec.Dir), workspace} {
		if path == "" || path == "." {
			continue
		}
		if real, _, err := follow(path); err == nil && v.shows(path, real) && v.lookup(path).isDir() {
			return path
		}
	}
	return home.named
}
