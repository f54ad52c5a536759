// SPDX-License-Identifier: Apache-2.0

package native

import (
	"bytes"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"
)

// screen is the user's terminal: what the jail writes to it, and the keyboard.
type screen struct {
	t             *testing.T
	master, slave *os.File
	mu            sync.Mutex
	text          bytes.Buffer
}

func newScreen(t *testing.T) *screen {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{t: t, master: master, slave: slave}
	if err := pty.Setsize(master, &pty.Winsize{Rows: 31, Cols: 97}); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		data := make([]byte, 4096)
		for {
			n, err := master.Read(data)
			s.mu.Lock()
			s.text.Write(data[:n])
			s.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { slave.Close(); <-ended; master.Close() })
	return s
}

func (s *screen) keys(text string) {
	s.t.Helper()
	if _, err := s.master.WriteString(text); err != nil {
		s.t.Fatal(err)
	}
}

func (s *screen) read() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.ReplaceAll(s.text.String(), "\r\n", "\n")
}

// await waits until the text is on the screen, and forgets everything up to there.
func (s *screen) await(text string) string {
	s.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		s.mu.Lock()
		before, after, found := strings.Cut(strings.ReplaceAll(s.text.String(), "\r\n", "\n"), text)
		if found {
			s.text.Reset()
			s.text.WriteString(after)
		}
		s.mu.Unlock()
		if found {
			return before
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("no %q on the screen:\n%s", text, s.read())
		}
	}
}

func (s *screen) modes() unix.Termios {
	s.t.Helper()
	modes, err := unix.IoctlGetTermios(int(s.slave.Fd()), unix.TCGETS)
	if err != nil {
		s.t.Fatal(err)
	}
	return *modes
}

// startOn starts a command on the screen.
func startOn(t *testing.T, s *screen, spec Spec) *Process {
	t.Helper()
	plan, err := NewPlan(spec)
	if err != nil {
		t.Fatal(err)
	}
	process, err := plan.Start(newCgroup(t).File(), Stdio{s.slave, s.slave, s.slave})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { process.Close() })
	return process
}

func wantStatus(t *testing.T, process *Process, want int) {
	t.Helper()
	if status, err := process.Wait(); status != want || err != nil {
		t.Errorf("status %d, %v; want %d", status, err, want)
	}
}

// shell starts an interactive bash whose prompt is "ready>".
func shell(t *testing.T, s *screen, p *place) *Process {
	t.Helper()
	spec := p.spec("bash", "--norc", "--noprofile", "--noediting", "-i")
	spec.Set = map[string]string{"PS1": "ready>"}
	process := startOn(t, s, spec)
	if before := s.await("ready>"); strings.Contains(before, "job control") {
		t.Errorf("bash complains: %s", before)
	}
	return process
}

func TestTerminal(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		s := newScreen(t)
		before := s.modes()
		process := shell(t, s, p)
		if raw := s.modes(); raw.Lflag&(unix.ICANON|unix.ECHO|unix.ISIG) != 0 {
			t.Errorf("the outer terminal is not raw: %#x", raw.Lflag)
		}
		s.keys("tty; stty size; [ -t 0 ] && [ -t 1 ] && [ -t 2 ] && echo on a tty; echo x > /dev/tty; echo y > $(tty)\n")
		s.await("/dev/console\n31 97\non a tty\nx\ny\n")
		s.await("ready>")
		if err := pty.Setsize(s.master, &pty.Winsize{Rows: 12, Cols: 34}); err != nil {
			t.Fatal(err)
		}
		// The screen is nobody's controlling terminal here, so that the kernel tells no one.
		if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		s.keys("until [ \"$(stty size)\" = '12 34' ]; do sleep 0.01; done; echo re''sized\n")
		s.await("resized\n")
		s.await("ready>")

		s.keys("sh -c 'echo g\"\"o; exec sleep 60'\n")
		s.await("\ngo\n")
		s.keys("\x03")
		s.await("^C")
		s.await("ready>")
		s.keys("echo status $?\n")
		s.await("status 130\n")

		s.keys("sh -c 'echo g\"\"o; exec sleep 61'\n")
		s.await("\ngo\n")
		s.keys("\x1a")
		s.await("Stopped")
		s.await("ready>")
		s.keys("bg; jobs -r | grep -c 'sleep 6[1]'; fg\n")
		s.await("\n1\n")
		s.await("sleep 61'\n")
		// bash says so before it gives the terminal to the job: it may get the first one itself.
		for tries := 0; tries < 50 && !strings.Contains(s.read(), "ready>"); tries++ {
			s.keys("\x03")
			time.Sleep(200 * time.Millisecond)
		}
		s.await("ready>")
		s.keys("set -m; (exit 3) & fg; exit 9\n")
		wantStatus(t, process, 9)
		if after := s.modes(); after != before {
			t.Errorf("the terminal's modes are not as they were:\n%+v\n%+v", after, before)
		}
	})
}

// TestTerminalInterrupt: Ctrl-C is for the command, which may handle it; bubblewrap, which would
// end the jail, doesn't get it.
func TestTerminalInterrupt(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		s := newScreen(t)
		process := startOn(t, s, p.spec("bash", "-c", "trap 'echo handled; exit 5' INT; echo started; while :; do sleep 0.02; done"))
		s.await("started\n")
		s.keys("\x03")
		wantStatus(t, process, 5)
		s.await("handled\n")
		process = startOn(t, s, p.spec("sh", "-c", "echo again; exec sleep 60"))
		s.await("again\n")
		s.keys("\x03")
		wantStatus(t, process, 130)
	})
}

// TestTerminalPanics: Close in a defer gives the terminal back and ends the jail.
func TestTerminalPanics(t *testing.T) {
	requireJails(t)
	p, s := newPlace(t, 0), newScreen(t)
	before := s.modes()
	func() {
		defer func() { _ = recover() }()
		process := startOn(t, s, p.spec("bash", "-c", "echo started; sleep 60"))
		defer process.Close()
		s.await("started\n")
		panic("supervisor")
	}()
	if after := s.modes(); after != before {
		t.Errorf("the terminal's modes are not as they were: %+v", after)
	}
}

// TestTerminalOutputIsWhole: what is written last, and a lot, is out before Wait returns.
func TestTerminalOutputIsWhole(t *testing.T) {
	requireJails(t)
	p, s := newPlace(t, 0), newScreen(t)
	process := startOn(t, s, p.spec("bash", "-c", "for i in {1..20000}; do echo $i; done; echo -n last"))
	wantStatus(t, process, 0)
	eventually(t, "all is on the screen", func() bool { return strings.HasSuffix(s.read(), "\n20000\nlast") })
	if got := strings.Count(s.read(), "\n"); got != 20000 {
		t.Errorf("%d lines", got)
	}
}

// stealer tries to type into a terminal: TIOCSTI (0x5412) on standard input, output, error, and on
// what a terminal's names lead to.
const stealer = `
my @files = (*STDIN, *STDOUT, *STDERR);
for my $name ("/dev/tty", "/dev/console") { if (open(my $f, "+<", $name)) { push @files, $f } }
for my $f (@files) { my $c = "!"; print ioctl($f, 0x5412, $c) ? "typed\n" : "refused\n" }
`

// TestNoTIOCSTI: a command can't type for the user once it has ended: neither with a terminal of
// its own, nor when it is given the user's because another file is none.
func TestNoTIOCSTI(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		s := newScreen(t)
		process := startOn(t, s, p.spec("perl", "-e", stealer))
		wantStatus(t, process, 0)
		// Its own terminal is its own: what is typed there, only the command could read.
		eventually(t, "five files were tried", func() bool { return len(strings.Fields(s.read())) == 5 })
		assertNothingTyped(t, s)

		// The terminal as the input only; and it is the controlling one of the supervisor.
		out := capture(t)
		cmd := supervisor(t, newCgroup(t), p, "perl", "-e", stealer)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = s.slave, out.writer, os.Stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		err := cmd.Run()
		out.writer.Close()
		if got := out.text(t); err != nil || strings.Contains(got, "typed") || strings.Count(got, "refused") != 3 {
			t.Errorf("%v:\n%s", err, got)
		}
		assertNothingTyped(t, s)
	})
}

func assertNothingTyped(t *testing.T, s *screen) {
	t.Helper()
	pending, err := unix.IoctlGetInt(int(s.slave.Fd()), unix.TIOCINQ)
	if err != nil || pending != 0 {
		t.Errorf("%d bytes were typed into the outer terminal (%v)", pending, err)
	}
}

// TestSupervisorOnTerminal has the whole chain on a controlling terminal, and signals restore it.
func TestSupervisorOnTerminal(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		s := newScreen(t)
		before := s.modes()
		cmd := supervisor(t, newCgroup(t), p, "bash", "-c", "trap 'echo resized; stty size' WINCH; echo started; while :; do sleep 0.02; done")
		cmd.Stdin, cmd.Stdout, cmd.Stderr = s.slave, s.slave, s.slave
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		s.await("started\n")
		if s.modes() == before {
			t.Error("the outer terminal is not raw")
		}
		if err := pty.Setsize(s.master, &pty.Winsize{Rows: 5, Cols: 55}); err != nil {
			t.Fatal(err)
		}
		s.await("resized\n5 55\n")
		if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != 143 {
			t.Errorf("exit status %d, want 143", got)
		}
		if s.modes() != before {
			t.Error("the terminal's modes are not as they were")
		}
	})
}
