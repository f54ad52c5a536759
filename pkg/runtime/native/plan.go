// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Descriptors of the bwrap process, beside 0 to 2. It closes them before the command starts.
const (
	argsFD      = 3 // its options, so that neither ps nor the jail shows them
	statusFD    = 4 // where it reports the child's pid and the exit status
	gateFD      = 5 // see gate
	firstMaskFD = 6 // one for each masked file: an empty file to copy
)

// Plan is a command with its surroundings, checked and ready to be started. It may be started more
// than once.
type Plan struct {
	user    User
	view    view
	env     environ
	command []string
	dir     string
	network bool // of its own
	setsid  error
}

// NewPlan decides what the jail will look like, and whether the command can run in it. Errors that
// the user can fix have a hint. A command that isn't visible or can't be executed is ErrNotFound or
// ErrNotExecutable; a path of the policy that can't be used is ErrPath.
func NewPlan(spec Spec) (*Plan, error) {
	if len(spec.Command) == 0 {
		return nil, errors.New("plan the jail: there is no command")
	}
	if !filepath.IsAbs(spec.Dir) {
		return nil, fmt.Errorf("plan the jail: the current directory %q is not absolute", spec.Dir)
	}
	p := &Plan{user: spec.User, command: slices.Clone(spec.Command), network: spec.NewNetwork}
	caller := parseEnviron(spec.Environ)
	path := callerPath(&spec.User, caller)
	if set, found := spec.Set["PATH"]; found {
		path = set
	}
	p.env = newEnviron(&spec, caller, path)
	if err := checkText(p.command, p.env); err != nil {
		return nil, err
	}

	v := &p.view
	v.addSystem(&spec.User)
	v.maskSecrets(&spec.User)
	home, err := v.addHome(&spec.User)
	if err != nil {
		return nil, err
	}
	shown, err := policyPaths(&spec, home)
	if err != nil {
		return nil, err
	}
	workspace := ""
	if len(shown) > 0 && shown[0].field == fieldWorkspace {
		workspace = shown[0].real
	}
	writable := writableTrees(shown)
	toolEnv := environ{}
	for name, value := range caller {
		toolEnv[name] = value
	}
	toolEnv["PATH"] = path
	v.addTools(home, toolEnv, writable)
	v.addCertificates(p.env, home, writable)
	v.addPathLinks(path)
	v.addAll(shown)
	if err := v.hide(&spec, home, workspace); err != nil {
		return nil, err
	}
	p.dir = v.workDir(&spec, home, workspace)
	if err := v.findCommand(p.command[0], p.dir, p.env["PATH"], &p.user); err != nil {
		return nil, err
	}
	// Only a terminal needs it: see terminal.go.
	p.setsid = v.findCommand(setsidProgram, p.dir, p.env["PATH"], &p.user)
	return p, nil
}

// checkText refuses what can't be handed to a program.
func checkText(command []string, env environ) error {
	for _, text := range slices.Concat(command, env.list()) {
		if strings.ContainsRune(text, 0) {
			return fmt.Errorf("plan the jail: a zero byte in %q", text)
		}
	}
	for name := range env {
		if name == "" || strings.Contains(name, "=") {
			return fmt.Errorf("plan the jail: %q is no name for a variable", name)
		}
	}
	return nil
}

// Args returns bwrap's arguments, without its own name, the environment, and what depends on
// how it is started. Descriptors from 5 on are to be empty files. The same plan always gives
// the same arguments.
func (p *Plan) Args() []string {
	args, _ := p.options()
	return slices.Concat(args, []string{"--"}, p.command)
}

// Env returns the environment of the command as sorted NAME=VALUE.
func (p *Plan) Env() []string { return p.env.list() }

// Dir is the directory that the command starts in.
func (p *Plan) Dir() string { return p.dir }

// options returns bwrap's options and the number of empty files that it needs.
func (p *Plan) options() (args []string, masks int) {
	args = []string{
		"--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try",
		"--cap-drop", "ALL",
	}
	if p.network {
		args = append(args, "--unshare-net")
	}
	for i, m := range p.view.mounts {
		if m.kind == emptyFile && p.view.covered(i) {
			continue // bubblewrap removes the file's name, and then nothing can be mounted on it
		}
		switch m.kind {
		case readOnly:
			args = append(args, "--ro-bind", m.at, m.at)
		case readWrite:
			args = append(args, "--bind", m.at, m.at)
		case device:
			args = append(args, "--dev-bind", m.at, m.at)
		case private:
			args = append(args, "--tmpfs", m.at)
		case symlink:
			args = append(args, "--symlink", m.text, m.at)
		case plainDir:
			args = append(args, "--dir", m.at)
		case devices:
			args = append(args, "--dev", m.at)
		case processes:
			args = append(args, "--proc", m.at)
		case emptyFile:
			args = append(args, "--ro-bind-data", strconv.Itoa(firstMaskFD+masks), m.at)
			masks++
		case emptyDir:
			args = append(args, "--tmpfs", m.at, "--remount-ro", m.at)
		}
	}
	return append(args, "--file", strconv.Itoa(gateFD), gatePath, "--remount-ro", "/", "--chdir", p.dir), masks
}
