// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 && os.Getenv("JAIL_AI_REQUIRE_BPF") == "" {
		println("skipped: jails need root")
		return
	}
	if err := ensureRoots(); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// testID is a name that no jail of somebody else has.
func testID(t *testing.T) string {
	return idFrom("t-" + strings.ToLower(t.Name()) + "-" + time.Now().Format("150405-000000"))
}

func mustClaim(t *testing.T, asked, jail string) *claim {
	t.Helper()
	c, err := claimFor(asked, jail)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.release(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	return c
}

func TestIDFrom(t *testing.T) {
	for name, want := range map[string]string{
		"claude": "claude", "a.b": "a-b", "A_1-x": "A_1-x", strings.Repeat("x", 63): strings.Repeat("x", 56),
	} {
		got := idFrom(name)
		if got != want || !validID.MatchString(got+"-1234567") {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestClaimNumbersNames(t *testing.T) {
	id := testID(t)
	first, second := mustClaim(t, "", id), mustClaim(t, "", id)
	if first.id != id || second.id != id+"-2" {
		t.Errorf("%q and %q", first.id, second.id)
	}
	_, err := claimFor(id, "other")
	if !errors.Is(err, ErrInUse) {
		t.Errorf("a name in use: %v", err)
	}
	if err := first.release(); err != nil {
		t.Fatal(err)
	}
	if again := mustClaim(t, id, "other"); again.id != id {
		t.Errorf("a name that was given back: %q", again.id)
	}
}

func TestClaimRefusesNames(t *testing.T) {
	for _, id := range []string{"a.b", "../x", "-x", "a/b", "a b", strings.Repeat("x", 65)} {
		if _, err := claimFor(id, "j"); err == nil {
			t.Errorf("%q was taken", id)
		}
	}
}

// A dead jail is one whose lock nobody holds: gc takes it away, and leaves those alone that live.
func TestGCTakesTheDead(t *testing.T) {
	id := testID(t)
	dead, live := mustClaim(t, id, ""), mustClaim(t, id+"-live", "")
	group, err := cgroup.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	if err := os.Mkdir(pinDir(id), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := dead.lock.Close(); err != nil { // as the kernel does when the supervisor dies
		t.Fatal(err)
	}
	removed, err := GC()
	if err != nil || !strings.Contains(strings.Join(removed, " "), id) {
		t.Fatalf("removed %q, %v", removed, err)
	}
	for _, path := range []string{stateDir(id), pinDir(id), group.Path()} {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	if _, err := os.Stat(stateDir(live.id)); err != nil {
		t.Errorf("a live jail is gone: %v", err)
	}
}

// What has no state directory belongs to a jail-ai with another /run, whose jails must live on.
func TestGCLeavesStrangers(t *testing.T) {
	id := testID(t)
	group, err := cgroup.Create(id)
	if err != nil {
		t.Fatal(err)
	}
	defer group.Close()
	defer group.Remove()
	if err := os.Mkdir(pinDir(id), 0o700); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(pinDir(id))
	if _, err := GC(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{group.Path(), pinDir(id)} {
		if _, err := os.Stat(path); err != nil {
			t.Errorf("taken from a stranger: %v", err)
		}
	}
	if _, err := claimFor(id, ""); !errors.Is(err, ErrInUse) {
		t.Errorf("a stranger's name: %v", err)
	}
	if c := mustClaim(t, "", id); c.id != id+"-2" {
		t.Errorf("beside a stranger: %q", c.id)
	}
}

func TestStateIsWhole(t *testing.T) {
	c := mustClaim(t, testID(t), "")
	for _, command := range []string{strings.Repeat("x", 10_000), "y"} {
		if err := (State{ID: c.id, Command: []string{command}}).write(); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(filepath.Join(stateDir(c.id), "state.json"))
	if err != nil || !strings.HasSuffix(string(data), "}\n") || strings.Contains(string(data), "xx") {
		t.Errorf("%s, %v", data, err)
	}
}
