// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

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

func TestLoadTime(t *testing.T) {
	set := compile(t, "192.0.2.0/24")
	for range 5 {
		start := time.Now()
		o, err := Load(set, 4)
		if err != nil {
			t.Fatal(err)
		}
		loaded := time.Since(start)
		if err := o.sets.wait(); err != nil {
			t.Fatal(err)
		}
		t.Logf("load %v, stored %v", loaded, time.Since(start))
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	}
	_ = filepath.Join
}
