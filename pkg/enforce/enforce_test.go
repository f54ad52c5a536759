// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/bpf/object"
	"github.com/jail-ai/jail-ai/libbpf"
	"github.com/jail-ai/jail-ai/pkg/cgroup"
	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 && os.Getenv("JAIL_AI_REQUIRE_BPF") == "" {
		println("skipped: loading eBPF needs root")
		return
	}
	os.Exit(m.Run())
}

// tempBPFFS mounts a bpffs for the test.
func tempBPFFS(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("bpf", dir, "bpf", 0, "mode=0700"); err != nil {
		t.Fatalf("mount bpffs: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmount bpffs: %v", err)
		}
	})
	return dir
}

// compile makes a set that blocks the given prefixes as rule 3 and allows the rest.
func compile(t testing.TB, prefixes ...string) *ruleset.Set {
	t.Helper()
	in := ruleset.Input{Default: ruleset.Allow, Errno: uint32(unix.EPERM)}
	r := ruleset.Rule{ID: ruleset.FirstRule, Action: ruleset.Block}
	for _, p := range prefixes {
		r.Prefixes = append(r.Prefixes, netip.MustParsePrefix(p))
	}
	if len(prefixes) > 0 {
		in.Rules = []ruleset.Rule{r}
	}
	set, err := ruleset.Compile(in)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// tempCgroup makes a cgroup for the test and opens its directory.
func tempCgroup(t testing.TB) *os.File {
	t.Helper()
	root, err := cgroup.Mount()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(root, "jail-ai-test-")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		if err := os.Remove(dir); err != nil {
			t.Errorf("remove cgroup: %v", err)
		}
	})
	return f
}

// attachTemp attaches to a cgroup made for the test, with pins in a bpffs made for it.
func (o *Object) attachTemp(t testing.TB) error {
	return o.Attach(tempCgroup(t), filepath.Join(tempBPFFS(t), "pins"))
}

func TestAttach(t *testing.T) {
	o := load0(t, compile(t, "192.0.2.0/24"), 4)
	group := tempCgroup(t)
	pins := filepath.Join(tempBPFFS(t), "pins")
	if err := o.Attach(group, pins); err != nil {
		t.Fatal(err)
	}
	for _, p := range programs {
		fd, err := libbpf.OpenPinned(filepath.Join(pins, p.name))
		if err != nil {
			t.Fatal(err)
		}
		info, err := libbpf.GetLinkInfo(fd)
		if err != nil {
			t.Fatal(err)
		}
		id, err := libbpf.ProgID(o.progs[p.name])
		if err != nil {
			t.Fatal(err)
		}
		if info.ProgID != id || info.Attach != p.attach || info.CgroupID == 0 {
			t.Errorf("%s: link %+v, want program %d, attach type %d", p.name, info, id, p.attach)
		}
		unix.Close(fd)
	}
	if err := o.verify(group); err != nil {
		t.Error(err)
	}
	if st, err := os.Stat(pins); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("pins: %v, %v", st, err)
	}
}

// TestPinsHold closes everything but the pins, as a killed supervisor does.
func TestPinsHold(t *testing.T) {
	o, err := Load(compile(t), 4)
	if err != nil {
		t.Fatal(err)
	}
	group, pins := tempCgroup(t), filepath.Join(tempBPFFS(t), "pins")
	if err := o.Attach(group, pins); err != nil {
		t.Fatal(err)
	}
	inEffect := func() (n int) {
		for _, p := range programs {
			ids, err := libbpf.QueryEffective(int(group.Fd()), p.attach)
			if err != nil {
				t.Fatal(err)
			}
			n += len(ids)
		}
		return n
	}
	before := inEffect()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if after := inEffect(); after != before {
		t.Errorf("%d programs in effect after Close, %d before", after, before)
	}
	if err := Unpin(pins); err != nil {
		t.Fatal(err)
	}
	for range 100 { // links go when the kernel gets to it
		if inEffect() <= before-len(programs) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d programs in effect after Unpin, want %d", inEffect(), before-len(programs))
}

// TestVerifyFindsMissing takes one program off behind the object's back.
func TestVerifyFindsMissing(t *testing.T) {
	for _, missing := range programs {
		o := load0(t, compile(t), 4)
		group, pins := tempCgroup(t), filepath.Join(tempBPFFS(t), "pins")
		if err := o.Attach(group, pins); err != nil {
			t.Fatal(err)
		}
		if err := libbpf.UpdateLink(o.links[missing.name], otherProgram(t, missing)); err != nil {
			t.Fatal(err)
		}
		if err := o.verify(group); err == nil {
			t.Errorf("%s is not in effect, and nobody noticed", missing.name)
		}
	}
}

// otherProgram is a program of the same kind from another object.
func otherProgram(t *testing.T, p program) int {
	return load0(t, compile(t), 4).progs[p.name]
}

// TestAttachFailsWhole makes one attachment impossible and finds nothing left.
func TestAttachFailsWhole(t *testing.T) {
	o := load0(t, compile(t), 4)
	group, pins := tempCgroup(t), filepath.Join(tempBPFFS(t), "pins")
	last := programs[len(programs)-1].name
	good := o.progs[last]
	o.progs[last] = -1
	if err := o.Attach(group, pins); err == nil {
		t.Fatal("attached without one of the programs")
	}
	o.progs[last] = good
	if _, err := os.Stat(pins); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pins are left: %v", err)
	}
	if err := o.verify(group); err == nil {
		t.Error("programs are left")
	}
	// Nothing stands in the way of another attempt.
	if err := o.Attach(group, pins); err != nil {
		t.Error(err)
	}
}

func TestAttachNeedsCgroup2(t *testing.T) {
	o := load0(t, compile(t), 4)
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	err = o.Attach(dir, filepath.Join(tempBPFFS(t), "pins"))
	var hint interface{ Hint() string }
	if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "cgroup2") {
		t.Errorf("attached to a directory that is no cgroup: %v", err)
	}
}

// TestLoadErrorShowsLog gives the kernel programs that it has to refuse.
func TestLoadErrorShowsLog(t *testing.T) {
	good := object.ELF
	defer func() { object.ELF = good }()
	// The helper bpf_get_current_pid_tgid (14) becomes one that does not exist.
	call := []byte{0x85, 0, 0, 0, 14, 0, 0, 0}
	if !bytes.Contains(good, call) {
		t.Fatal("the object does not call the helper")
	}
	object.ELF = bytes.ReplaceAll(good, call, []byte{0x85, 0, 0, 0, 0xff, 0xff, 0, 0})
	_, err := Load(compile(t), 4)
	var loadErr *LoadError
	if !errors.As(err, &loadErr) {
		t.Fatalf("got %v, want a LoadError", err)
	}
	if text := err.Error(); !strings.Contains(text, "invalid func unknown#65535") || loadErr.Hint() == "" {
		t.Errorf("the error does not show the verifier's reason:\n%s", text)
	}
}

func TestLoadErrorIsShort(t *testing.T) {
	err := &LoadError{Err: errors.New("load"), Log: strings.Repeat("line\n", 100)}
	if n := strings.Count(err.Error(), "\n"); n != logTail {
		t.Errorf("%d lines of log, want %d", n, logTail)
	}
	if !strings.Contains(err.Error(), "70 lines omitted") {
		t.Error("it does not say what is left out")
	}
}

func BenchmarkLoad(b *testing.B) {
	set := compile(b, "192.0.2.0/24")
	for b.Loop() {
		o, err := Load(set, 16)
		if err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		if err := o.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
