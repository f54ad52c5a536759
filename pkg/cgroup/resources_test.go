// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// fakeTree is a directory that looks like a cgroup v2 hierarchy with these controllers. It stands
// in for a machine whose controllers are not bound to v1.
func fakeTree(t *testing.T, controllers string) *Group {
	t.Helper()
	root := t.TempDir()
	path := filepath.Join(root, Slice, "jail")
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{root, filepath.Dir(path)} {
		writeFile(t, filepath.Join(dir, "cgroup.controllers"), controllers)
		writeFile(t, filepath.Join(dir, "cgroup.subtree_control"), "")
	}
	for _, name := range []string{"memory.max", "cpu.max", "pids.max"} {
		writeFile(t, filepath.Join(path, name), "")
	}
	g, err := open(root, "jail")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.Close() })
	return g
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestApplyWrites(t *testing.T) {
	g := fakeTree(t, "cpu io memory pids\n")
	if err := g.Apply(Resources{Memory: 4 << 30, CPUs: 1.5, PIDs: 512}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"memory.max": "4294967296", "cpu.max": "150000 100000", "pids.max": "512"} {
		if got := readFile(t, filepath.Join(g.Path(), name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	// A regular file has the controllers written one over the other; the kernel adds them up.
	for _, dir := range []string{filepath.Dir(g.Path()), filepath.Dir(filepath.Dir(g.Path()))} {
		if got := readFile(t, filepath.Join(dir, "cgroup.subtree_control")); got != "+pidsry" {
			t.Errorf("%s: subtree_control got %q", dir, got)
		}
	}
}

func TestApplyMissingController(t *testing.T) {
	g := fakeTree(t, "pids\n")
	err := g.Apply(Resources{PIDs: 5, Memory: 1 << 20})
	var hint interface{ Hint() string }
	if !errors.Is(err, ErrNoController) || !errors.As(err, &hint) {
		t.Fatalf("error %v, want ErrNoController with a hint", err)
	}
	if got := readFile(t, filepath.Join(g.Path(), "pids.max")); got != "" {
		t.Errorf("pids.max was set to %q all the same", got)
	}
}

func TestApplyBadLimits(t *testing.T) {
	g := fakeTree(t, "cpu\n")
	for _, cpus := range []float64{-1, 0.001, math.NaN(), math.Inf(1)} {
		if err := g.Apply(Resources{CPUs: cpus}); !errors.Is(err, ErrBadLimit) {
			t.Errorf("cpus %v: %v, want ErrBadLimit", cpus, err)
		}
	}
}

// TestApplyHere asks the real kernel: the limit holds, or the error says that there is none.
func TestApplyHere(t *testing.T) {
	g := newGroup(t)
	if err := g.Apply(Resources{}); err != nil {
		t.Fatalf("no limits: %v", err)
	}
	controllers, err := readWords(filepath.Join(g.root, "cgroup.controllers"))
	if err != nil {
		t.Fatal(err)
	}
	for name, r := range map[string]Resources{"memory": {Memory: 64 << 20}, "cpu": {CPUs: 2}, "pids": {PIDs: 64}} {
		err := g.Apply(r)
		if slices.Contains(controllers, name) != (err == nil) {
			t.Errorf("%s (available: %v): %v", name, controllers, err)
		}
		if err != nil && !errors.Is(err, ErrNoController) {
			t.Errorf("%s: %v, want ErrNoController", name, err)
		}
	}
}
