// SPDX-License-Identifier: Apache-2.0

package native

import (
	"os"
	"os/exec"
	"slices"
	"testing"
	"time"
)

// TestStartCost shows what starting a command costs over plain bwrap with the same options, in one
// interleaved run. It fails only on something gross: machines are shared.
func TestStartCost(t *testing.T) {
	p := newPlace(t, 0)
	g := newCgroup(t)
	plan, err := NewPlan(p.spec("true"))
	if err != nil {
		t.Fatal(err)
	}
	_, masks := plan.options()
	plain := func() {
		cmd := exec.Command("bwrap", plan.Args()...)
		for range masks + firstMaskFD - argsFD {
			null, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			defer null.Close()
			cmd.ExtraFiles = append(cmd.ExtraFiles, null)
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("plain bwrap: %v\n%s", err, out)
		}
	}
	var planning time.Duration
	ours := func() {
		begin := time.Now()
		plan, err := NewPlan(p.spec("true"))
		planning = time.Since(begin)
		if err != nil {
			t.Fatal(err)
		}
		process, err := plan.Start(g.File(), Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		if status, err := process.Wait(); status != 0 || err != nil {
			t.Fatalf("status %d, %v", status, err)
		}
	}
	var plains, our, plans []time.Duration
	for range 25 {
		for run, times := range map[*func()]*[]time.Duration{&plain: &plains, &ours: &our} {
			begin := time.Now()
			(*run)()
			*times = append(*times, time.Since(begin))
		}
		plans = append(plans, planning)
	}
	median := func(times []time.Duration) time.Duration { slices.Sort(times); return times[len(times)/2] }
	a, b := median(plains), median(our)
	t.Logf("plain bwrap %v; plan, start and wait %v (plan %v): %+.1f ms", a, b, median(plans), float64(b-a)/1e6)
	// A ratio, since a busy machine is slow at both; it is about 2.
	if b > 8*a {
		t.Errorf("starting takes %.1f times as long as plain bwrap", float64(b)/float64(a))
	}
}
