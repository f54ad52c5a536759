// SPDX-License-Identifier: Apache-2.0

package native

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// Process is a jail's command that was started. Its methods may be called from several goroutines.
type Process struct {
	cmd      *exec.Cmd
	terminal *terminal // nil without one
	relays   []*relay  // in place of sockets
	gate     *gate     // nil once the command was let go, or never will be

	done    chan struct{} // closed when bwrap has ended and its status was read
	waitErr error         // of bwrap

	statusRead chan struct{} // closed when bwrap has nothing more to report
	exited     bool          // it reported that the command ran and ended
	exitCode   int

	mu      sync.Mutex
	command *os.Process // the command itself, once it was looked for
}

func newProcess() *Process {
	return &Process{done: make(chan struct{}), statusRead: make(chan struct{})}
}

// run starts bwrap on a thread of its own that lives as long as bwrap does: the signal at the
// parent's death is sent when the *thread* that started the process ends.
func (p *Process) run() error {
	if err := closeOnExec(); err != nil {
		return err
	}
	started := make(chan error)
	ended := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err != nil {
			return
		}
		p.waitErr = p.cmd.Wait()
		close(ended)
	}()
	if err := <-started; err != nil {
		return err
	}
	go func() {
		<-ended
		<-p.statusRead
		close(p.done)
	}()
	return nil
}

// Go lets the command run.
func (p *Process) Go() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate == nil {
		return
	}
	p.gate.open()
	p.gate.close()
	p.gate = nil
	p.copyData()
}

// readStatus reads what bwrap reports until it has ended. It gives an exit code only if the command
// was executed, which tells a command's failure from bubblewrap's own.
func (p *Process) readStatus(status *os.File) {
	defer close(p.statusRead)
	defer status.Close()
	for decoder := json.NewDecoder(status); ; {
		var report struct {
			ExitCode *int `json:"exit-code"`
		}
		if err := decoder.Decode(&report); err != nil {
			return
		}
		if report.ExitCode != nil {
			p.exited, p.exitCode = true, *report.ExitCode
		}
	}
}

// Wait waits until the command has ended and all that it wrote is out, gives the terminal back, and
// returns the exit status: the command's own, or 128+n if signal n killed it. If bubblewrap could
// not run it, the status is 125 and the error ErrSetup.
func (p *Process) Wait() (int, error) {
	<-p.done
	p.release()
	if p.exited {
		return p.exitCode, nil
	}
	var exit *exec.ExitError
	if errors.As(p.waitErr, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return StatusSignal + int(status.Signal()), nil
		} else if ok && status.ExitStatus() > StatusSignal {
			// A signal took the command before it was executed. bwrap's own failures are a 1.
			return status.ExitStatus(), nil
		}
	}
	err := fmt.Errorf("%w: %w", ErrSetup, errors.Join(p.waitErr, errors.New("see its message above")))
	if readSysctl(sysctlDir, "kernel/apparmor_restrict_unprivileged_userns") == "1" {
		return StatusSetup, hint.Wrap(err, "%s", apparmorHint)
	}
	return StatusSetup, err
}

// Close kills the command, if it is still there, and gives the terminal back. It may be called
// after Wait, and more than once.
func (p *Process) Close() error {
	select {
	case <-p.done:
	default:
		p.cmd.Process.Kill() //nolint:errcheck // it may be gone by now
		<-p.done
	}
	p.release()
	return nil
}

// copyData starts carrying data to and from the command.
func (p *Process) copyData() {
	if p.terminal != nil {
		p.terminal.start()
	}
	for _, r := range p.relays {
		r.start()
	}
}

// release ends what Start began on this side.
func (p *Process) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gate != nil {
		p.gate.close()
		p.gate = nil
	}
	if p.terminal != nil {
		p.terminal.stop()
		p.terminal = nil
	}
	for _, r := range p.relays {
		r.stop()
	}
	p.relays = nil
	if p.command != nil {
		p.command.Release() //nolint:errcheck // closes a descriptor
		p.command = nil
	}
}

// commandTimeout is how long Signal waits for a command that bubblewrap is about to start.
const commandTimeout = 5 * time.Second

// Signal sends a signal to the command itself, not to bubblewrap: that would end the whole jail
// at once, without the command's say. It waits for a command that isn't there yet. After its end
// the error is os.ErrProcessDone.
func (p *Process) Signal(sig os.Signal) error {
	command, err := p.findCommand()
	if err != nil {
		return err
	}
	return command.Signal(sig)
}

func (p *Process) findCommand() (*os.Process, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for deadline := time.Now().Add(commandTimeout); p.command == nil; time.Sleep(time.Millisecond) {
		select {
		case <-p.done:
			return nil, os.ErrProcessDone
		default:
		}
		command, err := jailedCommand(p.cmd.Process.Pid)
		if err != nil {
			return nil, fmt.Errorf("find the command in the jail: %w", err)
		}
		p.command = command
		if command == nil && time.Now().After(deadline) {
			return nil, fmt.Errorf("find the command in the jail: not started after %v", commandTimeout)
		}
	}
	return p.command, nil
}

// Forwarded are the signals that are for the command when they reach its supervisor.
var Forwarded = []os.Signal{
	unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2,
}

var _ io.Closer = (*Process)(nil)
