// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The statuses of run beside the command's own (DESIGN.md, Contracts).
const (
	statusSetUp      = 125 // nothing was run
	statusNotRunning = 126 // the command could not be executed
	statusNotFound   = 127
	statusSignal     = 128 // + the signal's number
)

// The status of run is the command's, and standard output is the command's alone.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if err := os.WriteFile(filepath.Join(w.work, "data"), []byte("not a program\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		command []string
		status  int
		stdout  string
	}{
		{[]string{"true"}, 0, ""},
		{[]string{"echo", "hello"}, 0, "hello\n"},
		{[]string{"sh", "-c", "echo out; echo err >&2; exit 7"}, 7, "out\n"},
		{[]string{"sh", "-c", "exit 125"}, 125, ""},
		{[]string{"sh", "-c", "exit 255"}, 255, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, statusSignal + 15, ""},
		{[]string{"sh", "-c", "kill -KILL $$"}, statusSignal + 9, ""},
		{[]string{"sh", "-c", "kill -SEGV $$"}, statusSignal + 11, ""},
		{[]string{"./data"}, statusNotRunning, ""},
		{[]string{"."}, statusNotRunning, ""},
		{[]string{"no-such-program"}, statusNotFound, ""},
		{[]string{"./no-such-program"}, statusNotFound, ""},
		{[]string{"/no/such/program"}, statusNotFound, ""},
		{[]string{"cat", "data"}, 0, "not a program\n"},
	} {
		o := w.runJail(t, setup{}, c.command...)
		if o.code != c.status || o.stdout != c.stdout {
			t.Errorf("%q: status %d, output %q, want %d, %q\n%s", c.command, o.code, o.stdout, c.status, c.stdout, o.stderr)
		}
		if o.code > statusSetUp && o.code < statusSignal && !strings.Contains(o.stderr, c.command[0]) {
			t.Errorf("%q: the message does not name the command:\n%s", c.command, o.stderr)
		}
	}
}

// What can't be set up runs nothing and says why, and how to mend it.
func TestSetUpFailures(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	marker := filepath.Join(w.work, "was-run")
	for _, c := range []struct {
		name  string
		setup setup
		says  []string
	}{
		{"unknown key", setup{policy: "version: 1\njails:\n  e2e:\n    netwrok: {}\n"}, []string{".yaml:4:5", "netwrok"}},
		{"host bits set", setup{policy: network("block: [198.51.100.7/24]")}, []string{".yaml:5:15", "198.51.100.0/24"}},
		{"unknown group", setup{policy: network("block: [hosts]")}, []string{".yaml:5:15", "hosts"}},
		{"not YAML", setup{policy: "version: [1\n"}, []string{".yaml:"}},
		{"no policy file", setup{args: []string{"-c", "missing.yaml"}}, []string{"missing.yaml"}},
		{"no such jail", setup{policy: network("block: [host]"), args: []string{"--jail", "other"}}, []string{"other", "e2e"}},
		{"bad --block", setup{args: []string{"--block", "198.51.100.7/24"}}, []string{"198.51.100"}},
		{"bad --allow", setup{args: []string{"--allow", "nowhere"}}, []string{"nowhere"}},
		{"no bwrap", setup{env: map[string]string{"PATH": w.home}}, []string{"bwrap", "hint: "}},
		{"no workspace", setup{policy: "version: 1\njails:\n  e2e: {workspace: gone}\n"}, []string{"gone"}},
	} {
		o := w.runJail(t, c.setup, "/usr/bin/touch", marker)
		if o.code != statusSetUp || o.stdout != "" {
			t.Errorf("%s: status %d, output %q, want %d and none\n%s", c.name, o.code, o.stdout, statusSetUp, o.stderr)
		}
		for _, text := range append(c.says, "jail-ai: ") {
			if !strings.Contains(o.stderr, text) {
				t.Errorf("%s: the message does not have %q:\n%s", c.name, text, o.stderr)
			}
		}
		if strings.Contains(o.stderr, "goroutine ") {
			t.Errorf("%s: a stack trace:\n%s", c.name, o.stderr)
		}
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("%s: the command was run", c.name)
		}
	}
	// It would have been.
	if o := w.runJail(t, setup{}, "/usr/bin/touch", marker); o.code != 0 {
		t.Errorf("control: status %d\n%s", o.code, o.stderr)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("control: %v", err)
	}
}

// In a directory that is not to be shared, as the home directory, the command runs without it.
func TestUnsuitableDirectory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	secret := filepath.Join(w.home, "secret")
	if err := os.WriteFile(secret, []byte("s"), 0o644); err != nil {
		t.Fatal(err)
	}
	start := func(command ...string) outcome {
		t.Helper()
		cmd := w.command(t, newID(), setup{user: true}, command...)
		cmd.Dir = w.home
		return w.run(t, cmd)
	}
	o := start("sh", "-c", "pwd; ls -A; echo x > new")
	if o.code != 0 || strings.Contains(o.stdout, "secret") || !strings.HasPrefix(o.stdout, w.home+"\n") {
		t.Errorf("status %d, output %q\n%s", o.code, o.stdout, o.stderr)
	}
	if !strings.Contains(o.stderr, "does not get the current directory") {
		t.Errorf("it is not told:\n%s", o.stderr)
	}
	if _, err := os.Stat(filepath.Join(w.home, "new")); err == nil {
		t.Error("the command wrote to the home directory")
	}
	if o := start("no-such-command"); o.code != 127 {
		t.Errorf("a command that is not there: status %d\n%s", o.code, o.stderr)
	}
}
