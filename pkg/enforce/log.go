// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"github.com/aquasecurity/libbpfgo"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// LoadError says that the kernel did not take the programs. Log is what libbpf and the verifier
// said, whole.
type LoadError struct {
	Err error
	Log string
}

// logTail is how many lines of the verifier's log an error shows: the reason stands at its end.
const logTail = 30

// Error returns the error with the end of the log.
func (e *LoadError) Error() string {
	lines := strings.Split(strings.TrimSpace(e.Log), "\n")
	if e.Log == "" {
		return e.Err.Error()
	}
	omitted := ""
	if len(lines) > logTail {
		omitted = fmt.Sprintf(" (%d lines omitted)", len(lines)-logTail)
		lines = lines[len(lines)-logTail:]
	}
	return fmt.Sprintf("%v; the kernel said%s:\n\t%s", e.Err, omitted, strings.Join(lines, "\n\t"))
}

// Unwrap returns the cause.
func (e *LoadError) Unwrap() error { return e.Err }

// Hint names what mends the usual causes.
func (e *LoadError) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.EPERM):
		return "loading eBPF programs needs root, or CAP_BPF and CAP_NET_ADMIN; run this with sudo"
	case errors.Is(e.Err, syscall.ENOMEM):
		return "the kernel charges BPF memory to this cgroup: raise its memory limit"
	}
	return "the kernel must be 5.8 or newer with CONFIG_CGROUP_BPF and CONFIG_DEBUG_INFO_BTF"
}

// attachHint explains the errnos of an attachment.
func attachHint(err error) error {
	switch {
	case errors.Is(err, syscall.EBADF):
		return hint.Wrap(err, "the jail's cgroup is not on a cgroup2 file system")
	case errors.Is(err, syscall.EPERM):
		return hint.Wrap(err, "another program on an ancestor cgroup, attached without BPF_F_ALLOW_MULTI, forbids more")
	case errors.Is(err, syscall.E2BIG):
		return hint.Wrap(err, "64 programs are attached to this cgroup already, the kernel's maximum")
	case errors.Is(err, syscall.EINVAL):
		return hint.Wrap(err, "the kernel must be 5.8 or newer with CONFIG_CGROUP_BPF")
	}
	return err
}

// libbpfLog collects what libbpf prints: its callback is one for the whole process, so captures
// take turns.
var libbpfLog struct {
	sync.Mutex // held by whoever captures
	install    sync.Once
	lines      lockedLines
}

type lockedLines struct {
	sync.Mutex
	b strings.Builder
}

type capture struct{}

// captureLog starts a capture; stop ends it.
func captureLog() capture {
	libbpfLog.Lock()
	libbpfLog.install.Do(func() {
		libbpfgo.SetLoggerCbs(libbpfgo.Callbacks{Log: func(level int, msg string) {
			if level > libbpfgo.LibbpfWarnLevel {
				return
			}
			libbpfLog.lines.Lock()
			defer libbpfLog.lines.Unlock()
			libbpfLog.lines.b.WriteString(msg)
		}})
	})
	libbpfLog.lines.Lock()
	defer libbpfLog.lines.Unlock()
	libbpfLog.lines.b.Reset()
	return capture{}
}

func (capture) text() string {
	libbpfLog.lines.Lock()
	defer libbpfLog.lines.Unlock()
	return libbpfLog.lines.b.String()
}

func (capture) stop() { libbpfLog.Unlock() }
