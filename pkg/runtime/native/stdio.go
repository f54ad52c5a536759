// SPDX-License-Identifier: Apache-2.0

package native

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// childStdio are the files that bwrap gets as 0 to 2.
type childStdio struct {
	files [3]*os.File
	own   []*os.File // those among them that are not the caller's, to be closed here
}

func (c *childStdio) close() {
	closeAll(c.own)
	c.own = nil
}

// connect prepares the command's standard files, and puts what stays on this side into process.
func (p *Plan) connect(process *Process, stdio Stdio) (*childStdio, error) {
	c := &childStdio{}
	ok := false
	defer func() {
		if !ok {
			c.close()
		}
	}()
	given := [3]*os.File{stdio.In, stdio.Out, stdio.Err}
	for i, f := range given {
		if f == nil {
			null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
			if err != nil {
				return nil, err
			}
			c.own = append(c.own, null)
			given[i] = null
		}
	}
	c.files = given
	if isTerminal(given[0]) && isTerminal(given[1]) {
		t, err := openTerminal(given[0], given[1], &p.user)
		if err != nil {
			return nil, err
		}
		process.terminal = t
		c.own = append(c.own, t.slave)
		c.files[0], c.files[1] = t.slave, t.slave
		if isTerminal(given[2]) {
			c.files[2] = t.slave
		}
	}
	for i, f := range c.files {
		if f != given[i] {
			continue
		}
		isSocket, err := checkStdio(f, i)
		if err != nil {
			return nil, err
		}
		if !isSocket {
			continue
		}
		r, inner, err := newRelay(f, i == 0)
		if err != nil {
			return nil, err
		}
		process.relays = append(process.relays, r)
		c.own = append(c.own, inner)
		c.files[i] = inner
	}
	ok = true
	return c, nil
}

// checkStdio refuses files that would be a way out of the jail: a directory would be one for
// openat(2). For a socket it returns true.
func checkStdio(f *os.File, number int) (isSocket bool, err error) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &stat); err != nil {
		return false, fmt.Errorf("look at descriptor %d: %w", number, err)
	}
	flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return false, fmt.Errorf("look at descriptor %d: %w", number, err)
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFSOCK:
		return true, nil
	case unix.S_IFREG, unix.S_IFIFO, unix.S_IFCHR:
		if flags&unix.O_PATH == 0 {
			return false, nil
		}
	}
	return false, hint.Wrap(fmt.Errorf("descriptor %d is neither a file, a pipe, a terminal nor a socket", number),
		"redirect it to one of these, or to /dev/null")
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
