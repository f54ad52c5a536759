// SPDX-License-Identifier: Apache-2.0

package native

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// setsidProgram makes the terminal the controlling one of the command alone. (bubblewrap's own two
// processes would be in the command's process group otherwise, and die of a Ctrl-C that the command
// handles.) With -c it starts the command in a new session on standard input's terminal; it is part
// of util-linux and of busybox.
const setsidProgram = "setsid"

// terminal connects the user's terminal with a new one for the jail. The jail never holds the
// user's, so it can't push input into it (TIOCSTI) or change its modes.
type terminal struct {
	in, out *os.File // the user's
	master  *os.File
	slave   *os.File // handed to the child and closed with its other files
	state   *term.State
	wake    *waker
	resized chan os.Signal
	output  chan struct{} // closed when all output is out
	input   sync.WaitGroup

	resizing sync.WaitGroup
}

// openTerminal makes the jail's terminal, with the user's modes and size.
func openTerminal(in, out *os.File, u *User) (*terminal, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, fmt.Errorf("open a terminal: %w", err)
	}
	t := &terminal{in: in, out: out, master: master, slave: slave}
	if t.wake, err = newWaker(); err == nil {
		err = t.prepare(u)
	}
	if err != nil {
		slave.Close()
		t.stop()
		return nil, err
	}
	return t, nil
}

func (t *terminal) prepare(u *User) error {
	modes, err := unix.IoctlGetTermios(int(t.in.Fd()), unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read the terminal's modes: %w", err)
	}
	if err := unix.IoctlSetTermios(int(t.slave.Fd()), unix.TCSETS, modes); err != nil {
		return fmt.Errorf("set the new terminal's modes: %w", err)
	}
	if err := pty.InheritSize(t.in, t.master); err != nil {
		return fmt.Errorf("set the new terminal's size: %w", err)
	}
	if os.Geteuid() == 0 { // its name in the jail, /dev/console, can be opened by its user only
		if err := t.slave.Chown(int(u.UID), int(u.GID)); err != nil {
			return fmt.Errorf("hand the new terminal over: %w", err)
		}
	}
	return nil
}

// start switches the user's terminal to raw mode and begins copying. (Before that, bubblewrap can
// fail and the terminal was never touched.)
func (t *terminal) start() {
	// A terminal that can't be made raw, since it has just hung up, still copies.
	t.state, _ = term.MakeRaw(int(t.in.Fd()))
	t.resized = make(chan os.Signal, 1)
	signal.Notify(t.resized, unix.SIGWINCH, unix.SIGCONT)
	t.resized <- unix.SIGWINCH // it may have been resized since
	t.output = make(chan struct{})
	t.input.Add(1)
	t.resizing.Add(1)
	go func() {
		defer t.resizing.Done()
		for sig := range t.resized {
			if sig == unix.SIGCONT { // a shell had the terminal meanwhile
				_, _ = term.MakeRaw(int(t.in.Fd()))
			}
			_ = pty.InheritSize(t.in, t.master) // a size that can't be read stays
		}
	}()
	go func() {
		defer t.input.Done()
		_, _ = io.Copy(t.master, &wakeReader{t.in, t.wake})
	}()
	go func() {
		defer close(t.output)
		// It ends with EIO when the jail has closed its side. If nobody reads the output any
		// more, it is still taken, so that the command doesn't hang.
		if _, err := io.Copy(&blockingWriter{t.out}, t.master); err != nil {
			_, _ = io.Copy(io.Discard, t.master)
		}
	}()
}

// stop is for after the jail's end. It waits for the output and gives the terminal back.
func (t *terminal) stop() {
	if t.output != nil {
		<-t.output
		t.wake.wake()
		signal.Stop(t.resized)
		close(t.resized)
		t.resizing.Wait() // before the modes are restored
	}
	if t.state != nil {
		_ = term.Restore(int(t.in.Fd()), t.state) // fails if the terminal is gone, which needs none
	}
	t.master.Close() // ends a write of input that nobody reads
	t.input.Wait()
	if t.wake != nil {
		t.wake.close()
	}
}
