// SPDX-License-Identifier: Apache-2.0

package native

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
)

// TestMain lets the test binary be a supervisor that can be killed: see supervisor_test.go.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == superviseArg {
		os.Exit(supervise(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// requireJails skips on machines where no jail can be started, unless they must be.
func requireJails(t *testing.T) {
	t.Helper()
	if os.Getenv("JAIL_AI_REQUIRE_BPF") == "1" {
		return
	}
	if os.Geteuid() != 0 {
		t.Skip("making cgroups takes root")
	}
	if _, err := exec.LookPath("bwrap"); err != nil {
		t.Skip("bubblewrap is not installed")
	}
}

// newCgroup makes a cgroup that goes with the test. It is not in the slice of the jails: a garbage
// collector that a test of another package runs would take it for a dead one.
func newCgroup(t *testing.T) *cgroup.Group {
	t.Helper()
	requireJails(t)
	mount, err := cgroup.Mount()
	if err != nil {
		t.Fatal(err)
	}
	path, err := os.MkdirTemp(mount, "test-native-")
	if err != nil {
		t.Fatal(err)
	}
	g, err := cgroup.OpenPath(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Kill(5*time.Second), g.Remove(), g.Close()); err != nil {
			t.Error(err)
		}
	})
	return g
}

// ordinaryID is the uid and gid of the made-up ordinary user.
const ordinaryID = 48_211

// place is a made-up user's home with a workspace in it.
type place struct {
	home, workspace string
	user            User
	env             []string
}

// newPlace makes a home directory, owned by the user, who is root or an ordinary one.
func newPlace(t *testing.T, uid uint32) *place {
	t.Helper()
	base := t.TempDir()
	for dir := base; dir != "/" && dir != os.TempDir(); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	p := &place{home: filepath.Join(base, "home"), workspace: filepath.Join(base, "home", "project")}
	p.user = User{UID: uid, GID: uid, Groups: []uint32{uid}, Name: "tester", Home: p.home, Shell: "/bin/bash"}
	p.env = []string{"PATH=/usr/local/bin:/usr/bin:/bin", "TERM=dumb"}
	p.mkdir(t, p.home)
	p.mkdir(t, p.workspace)
	return p
}

// everyone runs a test as root and as an ordinary user.
func everyone(t *testing.T, test func(t *testing.T, p *place)) {
	requireJails(t)
	for name, uid := range map[string]uint32{"root": 0, "user": ordinaryID} {
		t.Run(name, func(t *testing.T) { test(t, newPlace(t, uid)) })
	}
}

func (p *place) own(t *testing.T, path string) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Lchown(path, int(p.user.UID), int(p.user.GID)); err != nil {
		t.Fatal(err)
	}
}

func (p *place) mkdir(t *testing.T, path string) string {
	t.Helper()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	p.mkdirParent(t, path)
	if err := os.Mkdir(path, 0o755); err != nil {
		t.Fatal(err)
	}
	p.own(t, path)
	return path
}

func (p *place) mkdirParent(t *testing.T, path string) {
	t.Helper()
	if parent := filepath.Dir(path); parent != path {
		p.mkdir(t, parent)
	}
}

// file writes a file; one that starts with #! can be executed. A relative path is in the home.
func (p *place) file(t *testing.T, path, content string) string {
	t.Helper()
	path = ResolvePath(path, p.home, p.home)
	p.mkdirParent(t, path)
	mode := os.FileMode(0o600)
	if strings.HasPrefix(content, "#!") {
		mode = 0o755
	}
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	p.own(t, path)
	return path
}

func (p *place) link(t *testing.T, target, path string) string {
	t.Helper()
	path = ResolvePath(path, p.home, p.home)
	p.mkdirParent(t, path)
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
	p.own(t, path)
	return path
}

// spec is a command in the workspace.
func (p *place) spec(command ...string) Spec {
	return Spec{Command: command, Dir: p.workspace, Workspace: p.workspace, Environ: p.env, User: p.user}
}

// result is what a jailed command left.
type result struct {
	status   int
	out, err string
}

// run plans, starts and waits for a command.
func run(t *testing.T, spec Spec) result {
	t.Helper()
	plan, err := NewPlan(spec)
	if err != nil {
		t.Fatalf("plan: %v", err)
	}
	return runPlan(t, plan, nil)
}

func runPlan(t *testing.T, plan *Plan, in *os.File) result {
	t.Helper()
	out, errs := capture(t), capture(t)
	process, err := plan.Start(newCgroup(t).File(), Stdio{In: in, Out: out.writer, Err: errs.writer})
	out.writer.Close()
	errs.writer.Close()
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	defer process.Close()
	status, err := process.Wait()
	r := result{status, out.text(t), errs.text(t)}
	if err != nil {
		t.Fatalf("wait: %v\n%s", err, r.err)
	}
	return r
}

// script runs a bash script in the workspace and returns what it wrote; it must succeed.
func script(t *testing.T, spec Spec, text string) string {
	t.Helper()
	spec.Command = []string{"bash", "-c", text}
	r := run(t, spec)
	if r.status != 0 {
		t.Fatalf("status %d of:\n%s\n%s%s", r.status, text, r.out, r.err)
	}
	return strings.TrimSpace(r.out)
}

// captured collects what is written to a pipe.
type captured struct {
	writer *os.File
	buffer bytes.Buffer
	ended  chan error
}

func capture(t *testing.T) *captured {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c := &captured{writer: writer, ended: make(chan error, 1)}
	go func() {
		_, err := c.buffer.ReadFrom(reader)
		reader.Close()
		c.ended <- err
	}()
	return c
}

func (c *captured) text(t *testing.T) string {
	t.Helper()
	if err := <-c.ended; err != nil {
		t.Fatal(err)
	}
	return c.buffer.String()
}

// wantHint fails the test unless the error is the kind wanted and has a hint with the text in it.
func wantHint(t *testing.T, err, kind error, text string) {
	t.Helper()
	var hint interface{ Hint() string }
	if !errors.Is(err, kind) {
		t.Errorf("error %v, want %v", err, kind)
	} else if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), text) {
		t.Errorf("error %v: no hint with %q", err, text)
	}
}

// eventually waits for a condition, for a few seconds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("timed out waiting until %s", what)
		}
	}
}
