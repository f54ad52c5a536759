// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// setup says how a jail is started. The zero value is `jail-ai run` without a policy, by root.
type setup struct {
	policy string            // text of the policy file; empty: none
	args   []string          // further arguments of run
	user   bool              // by sudo of the ordinary user
	env    map[string]string // added to the environment
}

// systemPath is the PATH of whoever starts a jail.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// jail is a jail with an agent in it.
type jail struct {
	*agent
	id string
}

var jailNumber atomic.Int64

// newID returns an id that no other jail of the machine has.
func newID() string {
	return idPrefix() + strconv.FormatInt(jailNumber.Add(1), 10)
}

// idPrefix begins the ids of all jails of this process.
func idPrefix() string {
	return fmt.Sprintf("e2e-%d-", os.Getpid())
}

// network is a policy of one jail with these lines in its network section.
func network(lines ...string) string {
	return "version: 1\njails:\n  e2e:\n    network:\n      " + strings.Join(lines, "\n      ") + "\n"
}

// jail starts a jail with an agent in it.
func (w *world) jail(t *testing.T, s setup) *jail {
	t.Helper()
	id := newID()
	cmd := w.command(t, id, s, w.probe(), "agent")
	// Runs last, when the agent has been stopped.
	t.Cleanup(func() { wantNoTraces(t, id) })
	return &jail{startAgent(t, "in the jail", w.host, cmd), id}
}

// finish ends the jail's command and returns what jail-ai wrote to standard error.
func (j *jail) finish(t *testing.T) string {
	t.Helper()
	j.stop(t)
	if code := j.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("jail-ai run ended with status %d, want 0: %v\n%s", code, j.cmd.ProcessState, j.text)
	}
	return j.text.String()
}

// env is the environment of whoever starts a jail.
func (w *world) env(more map[string]string) []string {
	env := map[string]string{"PATH": systemPath, "HOME": w.home, "LANG": "C.UTF-8"}
	for name, value := range more {
		env[name] = value
	}
	var list []string
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return list
}

// command makes a `jail-ai run` of a command.
func (w *world) command(t *testing.T, id string, s setup, command ...string) *exec.Cmd {
	t.Helper()
	args := []string{"run", "--name", id}
	if s.policy != "" {
		file := filepath.Join(w.dir, id+".yaml")
		if err := os.WriteFile(file, []byte(s.policy), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-c", file)
	}
	args = append(args, s.args...)
	args = append(args, "--")
	cmd := w.jailAI(append(args, command...)...)
	more := map[string]string{}
	if s.user {
		more = map[string]string{
			"SUDO_UID": strconv.Itoa(devID), "SUDO_GID": strconv.Itoa(devID), "SUDO_USER": devUser,
		}
	}
	for name, value := range s.env {
		more[name] = value
	}
	cmd.Env = w.env(more)
	return cmd
}

// jailAI makes a command line of jail-ai.
func (w *world) jailAI(args ...string) *exec.Cmd {
	cmd := exec.Command(jailBin, args...)
	cmd.Dir, cmd.Env = w.work, w.env(nil)
	return cmd
}

// outcome is how a command ended.
type outcome struct {
	code           int // 128+n: a signal ended jail-ai itself
	stdout, stderr string
}

// run runs a command in the host space to its end.
func (w *world) run(t *testing.T, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := w.host.start(cmd); err != nil {
		t.Fatalf("start %q: %v", cmd.Args, err)
	}
	late := time.AfterFunc(2*startLimit, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %q: %v", cmd.Args, err)
	}
	o := outcome{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	if status, ok := cmd.ProcessState.Sys().(unix.WaitStatus); ok && status.Signaled() {
		o.code = 128 + int(status.Signal())
		o.stderr += fmt.Sprintf("(%q died of %v)\n", cmd.Args, status.Signal())
	}
	return o
}

// runJail runs a command in a jail of its own, and checks that nothing of the jail is left.
func (w *world) runJail(t *testing.T, s setup, command ...string) outcome {
	t.Helper()
	id := newID()
	o := w.run(t, w.command(t, id, s, command...))
	wantNoTraces(t, id)
	return o
}

// traces lists what there is of a jail on this machine.
func traces(t *testing.T, id string) []string {
	t.Helper()
	var found []string
	for _, path := range []string{
		filepath.Join("/sys/fs/bpf/jail-ai", id),
		filepath.Join("/run/jail-ai", id),
		cgroupOf(t, id),
	} {
		if _, err := os.Lstat(path); err == nil {
			found = append(found, path)
		}
	}
	return found
}

// wantNoTraces fails the test if anything of a jail is left.
func wantNoTraces(t *testing.T, id string) {
	t.Helper()
	if left := traces(t, id); left != nil {
		t.Errorf("left behind by jail %s: %q", id, left)
	}
}

// cgroupOf is where a jail's cgroup is, if it is.
func cgroupOf(t *testing.T, id string) string {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		// ... mount point, options, any fields, "-", type, source, options (proc_pid_mountinfo(5))
		before, after, _ := strings.Cut(line, " - ")
		if fields := strings.Fields(before); strings.HasPrefix(after, "cgroup2 ") {
			found, err := filepath.Glob(filepath.Join(fields[4], "jail-ai.slice", id+"*"))
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range found {
				if name := filepath.Base(path); name == id || name == id+".scope" {
					return path
				}
			}
			return filepath.Join(fields[4], "jail-ai.slice", id)
		}
	}
	t.Fatal("no cgroup v2 is mounted on this machine")
	return ""
}

// plain makes a command that runs in no jail.
func (w *world) plain(command ...string) *exec.Cmd {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = w.work, w.env(nil)
	return cmd
}
