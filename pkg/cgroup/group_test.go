// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newGroup makes a group that goes with the test.
func newGroup(t *testing.T) *Group {
	t.Helper()
	if os.Geteuid() != 0 && os.Getenv("JAIL_AI_REQUIRE_BPF") != "1" {
		t.Skip("making cgroups takes root")
	}
	g, err := create(testRoot(t), testID(t))
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

// testRoot makes a group that stands for the root of the hierarchy. In the real one, a garbage
// collector that a test of another package runs would take these groups for dead jails.
func testRoot(t *testing.T) string {
	t.Helper()
	mount, err := Mount()
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.MkdirTemp(mount, "test-cgroup-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Rmdir(root); err != nil {
			t.Errorf("something is left: %v", err)
		}
	})
	return root
}

func testID(t *testing.T) string {
	return fmt.Sprintf("test-cgroup-%s-%d", strings.ReplaceAll(t.Name(), "/", "-"), os.Getpid())
}

// start runs a command inside of the group from its first instruction on.
func start(t *testing.T, file *os.File, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(file.Fd())}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { cmd.Wait(); close(done) }()
	t.Cleanup(func() { cmd.Process.Kill(); <-done })
	return cmd
}

func TestLife(t *testing.T) {
	g := newGroup(t)
	id := testID(t)

	root := g.root
	if _, err := create(root, id); !errors.Is(err, ErrExists) {
		t.Errorf("second Create: %v, want ErrExists", err)
	}
	if ids, err := list(root); err != nil || !slices.Contains(ids, id) {
		t.Errorf("List: %v, %v: without %s", ids, err, id)
	}
	again, err := open(root, id)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	kernelID, err := g.ID()
	if err != nil {
		t.Fatal(err)
	}
	if other, err := again.ID(); err != nil || other != kernelID || kernelID == 0 {
		t.Errorf("ids %d and %d (%v)", kernelID, other, err)
	}
	var stat unix.Stat_t
	if err := unix.Stat(g.Path(), &stat); err != nil || stat.Ino != kernelID {
		t.Errorf("id %d, inode %d (%v)", kernelID, stat.Ino, err)
	}
	flags, err := unix.FcntlInt(g.File().Fd(), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("the group's file is not close-on-exec: %#x, %v", flags, err)
	}

	if err := g.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := open(root, id); !errors.Is(err, ErrNotExist) {
		t.Errorf("Open after Remove: %v, want ErrNotExist", err)
	}
	if pids, err := g.PIDs(); err != nil || len(pids) != 0 {
		t.Errorf("PIDs after Remove: %v, %v", pids, err)
	}
	if err := errors.Join(g.Kill(time.Second), g.Remove()); err != nil {
		t.Errorf("Kill and Remove after Remove: %v", err)
	}
}

// TestRealSlice uses the real one, once: three times if a garbage collector is quicker.
func TestRealSlice(t *testing.T) {
	if os.Geteuid() != 0 && os.Getenv("JAIL_AI_REQUIRE_BPF") != "1" {
		t.Skip("making cgroups takes root")
	}
	use := func() error {
		g, err := Create(testID(t))
		if err != nil {
			return err
		}
		defer g.Close()
		defer g.Remove() //nolint:errcheck // the next one tells
		if filepath.Base(filepath.Dir(g.Path())) != Slice {
			t.Errorf("the group is at %s", g.Path())
		}
		ids, err := List()
		if err == nil && !slices.Contains(ids, testID(t)) {
			err = errors.New("not listed")
		}
		for _, open := range []func() (*Group, error){
			func() (*Group, error) { return Open(testID(t)) },
			func() (*Group, error) { return OpenPath(g.Path()) },
		} {
			same, openErr := open()
			if err = errors.Join(err, openErr); err == nil {
				same.Close()
			}
		}
		return err
	}
	var err error
	for range 3 {
		if err = use(); err == nil {
			return
		}
	}
	t.Error(err)
}

func TestOpenPath(t *testing.T) {
	g := newGroup(t)
	same, err := OpenPath(g.Path() + "/.")
	if err != nil {
		t.Fatal(err)
	}
	defer same.Close()
	if same.Path() != g.Path() {
		t.Errorf("%s, want %s", same.Path(), g.Path())
	}
	mount, err := Mount()
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		t.TempDir(): ErrNoCgroup2, "/sys": ErrNoCgroup2, g.Path() + "/missing": ErrNotExist, mount: ErrBadID,
		g.Path() + "/cgroup.procs": ErrNotExist,
	} {
		if _, err := OpenPath(path); !errors.Is(err, want) {
			t.Errorf("OpenPath(%s): %v, want %v", path, err, want)
		}
	}
}

func TestBadIDs(t *testing.T) {
	for _, id := range []string{"", ".", "..", "a/b", "../x", "-x", ".x", "cgroup.procs", "a b", "a\nb", strings.Repeat("x", 129)} {
		if _, err := create(t.TempDir(), id); !errors.Is(err, ErrBadID) {
			t.Errorf("create %q: %v, want ErrBadID", id, err)
		}
		if _, err := open(t.TempDir(), id); !errors.Is(err, ErrBadID) {
			t.Errorf("open %q: %v, want ErrBadID", id, err)
		}
	}
}

// tree starts processes in the group, and in one two levels below it, and returns their number.
func tree(t *testing.T, g *Group) int {
	t.Helper()
	deep := filepath.Join(g.Path(), "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(deep)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	start(t, g.File(), "sleep", "60")
	start(t, file, "sleep", "60")
	start(t, file, "sh", "-c", `trap "" TERM INT HUP; while :; do sleep 0.05; done`)
	return 3
}

func TestKill(t *testing.T) {
	kills := map[string]func(*Group) error{
		"cgroup.kill": func(g *Group) error { return g.Kill(5 * time.Second) },
		"one by one":  func(g *Group) error { return g.killOneByOne(time.Now().Add(5 * time.Second)) },
		"frozen": func(g *Group) error {
			if err := g.Freeze(); err != nil {
				return err
			}
			return g.Kill(5 * time.Second)
		},
	}
	for name, kill := range kills {
		t.Run(name, func(t *testing.T) {
			g := newGroup(t)
			started := tree(t, g)
			pids, err := g.PIDs()
			if err != nil || len(pids) < started {
				t.Fatalf("PIDs: %v, %v; want at least %d", pids, err, started)
			}
			if err := g.Remove(); !errors.Is(err, unix.EBUSY) {
				t.Errorf("Remove with processes: %v, want EBUSY", err)
			}
			if err := kill(g); err != nil {
				t.Fatal(err)
			}
			if pids, err := g.PIDs(); err != nil || len(pids) != 0 {
				t.Errorf("PIDs after the kill: %v, %v", pids, err)
			}
			if err := g.Remove(); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Stat(g.Path()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("after Remove: %v", err)
			}
		})
	}
}

func TestFreeze(t *testing.T) {
	g := newGroup(t)
	beats := filepath.Join(t.TempDir(), "beats")
	start(t, g.File(), "sh", "-c", `while :; do echo >> "$0"; sleep 0.005; done`, beats)
	size := func() int64 {
		info, err := os.Stat(beats)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	grows := func(after int64) bool {
		for range 400 {
			if size() > after {
				return true
			}
			time.Sleep(5 * time.Millisecond)
		}
		return false
	}
	if !grows(0) {
		t.Fatal("the process does not run")
	}
	if err := g.Freeze(); err != nil {
		t.Fatal(err)
	}
	before := size()
	time.Sleep(60 * time.Millisecond)
	if after := size(); after != before {
		t.Errorf("frozen, it went on: %d, then %d bytes", before, after)
	}
	if err := g.Thaw(); err != nil {
		t.Fatal(err)
	}
	if !grows(before) {
		t.Error("thawed, it does not go on")
	}
}

func TestSliceStaysWhileInUse(t *testing.T) {
	g := newGroup(t)
	second, err := create(g.root, testID(t)+"-2")
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	if err := second.Remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(g.Path()); err != nil {
		t.Errorf("another jail's group after Remove: %v", err)
	}
}

// TestCreateAgainstRemove has jails come and go at once: the slice vanishes between the two mkdirs.
func TestCreateAgainstRemove(t *testing.T) {
	if os.Geteuid() != 0 && os.Getenv("JAIL_AI_REQUIRE_BPF") != "1" {
		t.Skip("making cgroups takes root")
	}
	root, done := testRoot(t), make(chan error)
	for worker := range 4 {
		go func() {
			for i := range 20 {
				g, err := create(root, fmt.Sprintf("%s-%d-%d", testID(t), worker, i))
				if err == nil {
					err = errors.Join(g.Remove(), g.Close())
				}
				if err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
