// SPDX-License-Identifier: Apache-2.0

package native

import (
	"bytes"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// shebangSize is how much of a file the kernel looks at (BINPRM_BUF_SIZE).
const shebangSize = 256

// findCommand says whether the command can be executed in the view, as execvp(3) there would. The
// error is ErrNotFound or ErrNotExecutable.
func (v *view) findCommand(name, cwd, path string, u *User) error {
	if name == "" {
		return fmt.Errorf("%w: its name is empty", ErrNotFound)
	}
	if strings.Contains(name, "/") {
		at := name
		if !filepath.IsAbs(at) {
			at = cwd + "/" + at // not cleaned: ".." after a link is not the link's directory
		}
		if v.lookup(at) == nil {
			return v.notFound(name, []string{at})
		}
		return v.checkExecutable(name, at, u)
	}
	var candidates []string
	var unusable error
	for _, entry := range filepath.SplitList(path) {
		if !filepath.IsAbs(entry) {
			entry = filepath.Join(cwd, entry)
		}
		at := filepath.Join(entry, name)
		if v.lookup(at) == nil {
			candidates = append(candidates, at)
			continue
		}
		err := v.checkExecutable(name, at, u)
		if err == nil {
			return nil
		}
		if unusable == nil {
			unusable = err
		}
	}
	if unusable != nil {
		return unusable
	}
	return v.notFound(name, candidates)
}

// notFound tells whether the command is there outside of the jail, and how to show it.
func (v *view) notFound(name string, candidates []string) error {
	err := fmt.Errorf("%w: %s", ErrNotFound, name)
	for _, at := range candidates {
		real, _, followErr := follow(at)
		if followErr != nil {
			continue
		}
		if info, statErr := os.Stat(real); statErr != nil || info.IsDir() || info.Mode()&0o111 == 0 {
			continue
		}
		show := filepath.Clean(at)
		if real != show && !v.shows(real, real) {
			// The link may be visible; what it points to is what's missing.
			if n, _ := v.lstat(show); n != nil {
				show = real
			}
		}
		return hint.Wrap(fmt.Errorf("%w in the jail: %s", ErrNotFound, name),
			"%s exists but is not visible; the policy shows it with: filesystem: {read: [%s]}", real, show)
	}
	return err
}

// checkExecutable looks at a file that is visible: its type, its mode, and the interpreter or
// loader that it names, which has to be visible too.
func (v *view) checkExecutable(name, at string, u *User) error {
	n := v.lookup(at)
	if n.isDir() {
		return fmt.Errorf("%w: %s is a directory", ErrNotExecutable, name)
	}
	if n.info == nil {
		return hint.Wrap(fmt.Errorf("%w: %s is hidden", ErrNotExecutable, name), "see `filesystem: hide` in the policy")
	}
	if !n.info.Mode().IsRegular() {
		return fmt.Errorf("%w: %s is not a regular file", ErrNotExecutable, name)
	}
	if !u.mayExecute(n) {
		return hint.Wrap(fmt.Errorf("%w: %s has no execute permission", ErrNotExecutable, name), "chmod +x %s", n.path)
	}
	f, err := os.Open(n.path)
	if err != nil {
		return nil // executable without being readable: the kernel knows what it is
	}
	defer f.Close()
	interpreter := interpreterOf(f)
	if interpreter == "" {
		return nil
	}
	what := v.lookup(interpreter)
	if what != nil && !what.isDir() {
		return nil
	}
	err = fmt.Errorf("%w: %s needs %s, which is not there", ErrNotExecutable, name, interpreter)
	if _, statErr := os.Stat(interpreter); statErr == nil {
		return hint.Wrap(err, "%s exists but is not visible; the policy shows it with: filesystem: {read: [%s]}", interpreter, interpreter)
	}
	return err
}

// mayExecute asks the kernel where it answers for this very user (it knows access lists), and goes
// by the mode where it would answer for root's capabilities, which the jail doesn't have.
func (u *User) mayExecute(n *node) bool {
	if os.Geteuid() != 0 {
		return unix.Access(n.path, unix.X_OK) == nil
	}
	return u.may(n.info, 1)
}

// interpreterOf returns the program that runs the file: of a script the one after #!, of a
// dynamically linked program its loader. "" is none, or one relative to wherever the file is run.
func interpreterOf(f *os.File) string {
	head := make([]byte, shebangSize)
	n, err := io.ReadFull(f, head)
	if err != nil && err != io.ErrUnexpectedEOF {
		return ""
	}
	head = head[:n]
	interpreter := ""
	if script, found := bytes.CutPrefix(head, []byte("#!")); found {
		line, _, _ := bytes.Cut(script, []byte("\n"))
		if fields := strings.Fields(string(line)); len(fields) > 0 {
			interpreter = fields[0]
		}
	} else if program, err := elf.NewFile(f); err == nil {
		for _, segment := range program.Progs {
			if segment.Type != elf.PT_INTERP {
				continue
			}
			loader, err := io.ReadAll(io.LimitReader(segment.Open(), 4096))
			if err != nil {
				return ""
			}
			interpreter = string(bytes.TrimRight(loader, "\x00"))
		}
	}
	if !filepath.IsAbs(interpreter) {
		return ""
	}
	return interpreter
}
