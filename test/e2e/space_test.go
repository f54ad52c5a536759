// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// space is a network namespace, and perhaps a mount namespace, held by a thread that does what it
// is asked to. Sockets and processes made on that thread belong to the namespaces. They go with
// the thread: nothing has a name that could be left over.
type space struct {
	tasks chan func()
	gone  chan struct{}
}

// newSpace makes a space; its namespaces are new as the CLONE_NEW* flags say. setUp runs on its
// thread.
func newSpace(t *testing.T, flags int, setUp func() error) *space {
	t.Helper()
	s := &space{tasks: make(chan func()), gone: make(chan struct{})}
	ready := make(chan error)
	go func() {
		defer close(s.gone)
		// Never unlocked: the thread ends with the goroutine, and so do the namespaces.
		runtime.LockOSThread()
		err := unix.Unshare(flags)
		if err == nil {
			err = setUp()
		}
		ready <- err
		for task := range s.tasks {
			task()
		}
	}()
	t.Cleanup(func() {
		close(s.tasks)
		<-s.gone
	})
	if err := <-ready; err != nil {
		t.Fatalf("make namespaces: %v", err)
	}
	return s
}

// do runs f on the space's thread.
func (s *space) do(f func() error) error {
	done := make(chan error)
	s.tasks <- func() { done <- f() }
	return <-done
}

// start starts a process in the space. It does not outlive the space.
func (s *space) start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = unix.SIGKILL
	return s.do(cmd.Start)
}

// handle opens the space's network namespace.
func (s *space) handle() (file *os.File, err error) {
	err = s.do(func() error {
		file, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return file, err
}

// bindMounts mounts files over others, seen by this thread's mount namespace alone.
func bindMounts(over map[string]string) error {
	// Mounts made on the machine still come in, none go out.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("make mounts private: %w", err)
	}
	for target, source := range over {
		if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mount over %s: %w", target, err)
		}
	}
	return nil
}
