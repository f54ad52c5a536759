// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// Start is Prepare and Go in one.
func (p *Plan) Start(cgroup *os.File, stdio Stdio) (*Process, error) {
	process, err := p.Prepare(cgroup, stdio)
	if err == nil {
		process.Go()
	}
	return process, err
}

// Prepare makes the command's surroundings inside of the cgroup, a cgroup v2 directory (O_PATH is
// enough), which the kernel puts bubblewrap into before its first instruction. The command itself
// waits for Go: until then bubblewrap is held at the end of its work, and if this process dies,
// however it dies, bubblewrap gives up. If it dies later, the kernel kills the jail.
//
// With a terminal as standard input and output, the command gets a new one that is connected to
// it, in raw mode, from Go to Wait or Close; otherwise it gets the three files as they are, except that
// sockets are relayed through pipes: a socket from outside of the jail would be outside of its
// network rules. Call Wait, and Close in a defer.
func (p *Plan) Prepare(cgroup *os.File, stdio Stdio) (*Process, error) {
	bwrap, err := exec.LookPath("bwrap")
	if err != nil {
		return nil, hint.Wrap(fmt.Errorf("start the jail: %w", ErrNoBubblewrap), "apt install bubblewrap (dnf, pacman, apk and zypper have it by the same name)")
	}
	if err := p.user.checkNamespaces(sysctlDir, bwrap); err != nil {
		return nil, fmt.Errorf("start the jail: %w", err)
	}
	process := newProcess()
	started := false
	defer func() {
		if !started {
			process.release()
		}
	}()
	child, err := p.connect(process, stdio)
	if err != nil {
		return nil, fmt.Errorf("start the jail: %w", err)
	}
	defer child.close()

	command, options := p.command, []string{"--new-session"}
	if process.terminal != nil {
		if p.setsid != nil {
			return nil, hint.Wrap(fmt.Errorf("start the jail: a terminal needs %s in it: %w", setsidProgram, p.setsid), "apt install util-linux")
		}
		command, options = append([]string{setsidProgram, "-c"}, command...), nil
	}
	common, masks := p.options()
	options = append(append(options, "--json-status-fd", strconv.Itoa(statusFD)), common...)
	for _, entry := range p.env.list() {
		name, value, _ := strings.Cut(entry, "=")
		options = append(options, "--setenv", name, value)
	}
	extra, err := childFiles(options, masks)
	if err != nil {
		return nil, fmt.Errorf("start the jail: %w", err)
	}
	defer closeAll(extra)
	status, statusWriter, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start the jail: %w", err)
	}
	extra[statusFD-argsFD] = statusWriter
	gate, err := newGate()
	if err != nil {
		status.Close()
		return nil, fmt.Errorf("start the jail: %w", err)
	}
	process.gate = gate
	extra[gateFD-argsFD] = gate.bwrap

	process.cmd = &exec.Cmd{
		Path:       bwrap,
		Args:       slices.Concat([]string{"bwrap", "--args", "3", "--"}, command),
		Env:        []string{}, // all of it by --setenv: nothing in it is for bwrap itself, such as LD_PRELOAD
		Dir:        "/",
		Stdin:      child.files[0],
		Stdout:     child.files[1],
		Stderr:     child.files[2],
		ExtraFiles: extra,
		SysProcAttr: &syscall.SysProcAttr{
			Setsid:      true, // signals from the terminal's keyboard are not for bwrap
			Pdeathsig:   syscall.SIGKILL,
			Cloneflags:  outerNamespace(),
			UseCgroupFD: true,
			CgroupFD:    int(cgroup.Fd()),
			Credential:  p.user.credential(),
		},
	}
	if err := process.run(); err != nil {
		status.Close()
		return nil, startError(err)
	}
	runtime.KeepAlive(cgroup)
	started = true
	go process.readStatus(status)
	return process, nil
}

func startError(err error) error {
	err = fmt.Errorf("start the jail: %w", err)
	switch {
	case errors.Is(err, unix.ENOSYS):
		return hint.Wrap(err, "starting a process inside a cgroup takes Linux 5.7")
	case errors.Is(err, unix.EBADF):
		return hint.Wrap(err, "the jail's cgroup is not of version 2")
	}
	return err
}

// childFiles makes the files from descriptor 3 on: the options, room for the status pipe and the
// gate, and the empty files.
func childFiles(options []string, masks int) ([]*os.File, error) {
	args, err := memoryFile(strings.Join(options, "\x00") + "\x00")
	if err != nil {
		return nil, err
	}
	files := []*os.File{args, nil, nil} // the status pipe and the gate come later
	for range masks {
		empty, err := os.Open(os.DevNull)
		if err != nil {
			closeAll(files)
			return nil, err
		}
		files = append(files, empty)
	}
	return files, nil
}

// memoryFile returns a file without a name, to be read from its start.
func memoryFile(content string) (*os.File, error) {
	fd, err := unix.MemfdCreate("jail-ai", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("make a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "bwrap's options")
	if _, err = f.WriteString(content); err == nil {
		_, err = f.Seek(0, 0)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("write bwrap's options: %w", err)
	}
	return f, nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
}

// credential is what the process has to change to; nil if it is that already.
func (u *User) credential() *syscall.Credential {
	if os.Geteuid() != 0 {
		return nil // only root can; for others it is who they are
	}
	if groups, err := os.Getgroups(); err == nil && u.UID == 0 && int(u.GID) == os.Getegid() && len(groups) == len(u.Groups) &&
		!slices.ContainsFunc(groups, func(g int) bool { return !slices.Contains(u.Groups, uint32(g)) }) {
		return nil // setgroups takes a capability that root in a container may lack
	}
	return &syscall.Credential{Uid: u.UID, Gid: u.GID, Groups: u.Groups}
}
