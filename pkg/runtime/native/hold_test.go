// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"io/fs"
	"os"
	"testing"
	"time"
)

// TestHold looks whether a command waits until it is let go, and never runs if it isn't.
func TestHold(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		marker := p.workspace + "/was-run"
		prepare := func() *Process {
			t.Helper()
			plan, err := NewPlan(p.spec("touch", marker))
			if err != nil {
				t.Fatal(err)
			}
			process, err := plan.Prepare(newCgroup(t).File(), Stdio{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { process.Close() })
			time.Sleep(100 * time.Millisecond) // several times what bubblewrap needs
			if _, err := os.Stat(marker); !errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("the command did not wait: %v", err)
			}
			return process
		}
		if err := prepare().Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
		if _, err := os.Stat(marker); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("the command ran after Close: %v", err)
		}
		process := prepare()
		process.Go()
		if status, err := process.Wait(); status != 0 || err != nil {
			t.Errorf("status %d, %v", status, err)
		}
		if _, err := os.Stat(marker); err != nil {
			t.Errorf("the command did not run when it was let go: %v", err)
		}
	})
}

// TestHoldEndsWithTheHolder closes the gate as the kernel does when the supervisor dies: bubblewrap
// gives up.
func TestHoldEndsWithTheHolder(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		marker := p.workspace + "/was-run"
		plan, err := NewPlan(p.spec("touch", marker))
		if err != nil {
			t.Fatal(err)
		}
		process, err := plan.Prepare(newCgroup(t).File(), Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		defer process.Close()
		process.gate.close()
		if status, err := process.Wait(); status != StatusSetup || !errors.Is(err, ErrSetup) {
			t.Errorf("status %d, %v", status, err)
		}
		if _, err := os.Stat(marker); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the command ran: %v", err)
		}
	})
}
