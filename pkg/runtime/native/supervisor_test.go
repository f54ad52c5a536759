// SPDX-License-Identifier: Apache-2.0

package native

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"testing"
	"time"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
)

// superviseArg makes the test binary a supervisor: superviseArg CGROUP UID DIR COMMAND…
const superviseArg = "-supervise-a-jail"

// supervise is what pkg/jail does, in short: it starts the command and waits for it.
func supervise(args []string) int {
	fail := func(err error) int { fmt.Fprintln(os.Stderr, "supervisor:", err); return StatusSetup }
	g, err := cgroup.OpenPath(args[0])
	if err != nil {
		return fail(err)
	}
	uid, err := strconv.Atoi(args[1])
	if err != nil {
		return fail(err)
	}
	id := uint32(uid)
	plan, err := NewPlan(Spec{
		Command: args[3:], Dir: args[2], Workspace: args[2],
		User: User{UID: id, GID: id, Groups: []uint32{id}, Name: "tester", Home: args[2] + "/../nowhere"},
	})
	if err != nil {
		return fail(err)
	}
	process, err := plan.Start(g.File(), Stdio{os.Stdin, os.Stdout, os.Stderr})
	if err != nil {
		return fail(err)
	}
	defer process.Close()
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, Forwarded...)
	go func() {
		for sig := range signals {
			_ = process.Signal(sig) // a command that is gone needs no signal any more
		}
	}()
	status, err := process.Wait()
	if err != nil {
		return fail(err)
	}
	return status
}

// supervisor returns the command of a supervisor process, to be started.
func supervisor(t *testing.T, g *cgroup.Group, p *place, command ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exec.Command(self, append([]string{superviseArg, g.Path(), strconv.Itoa(int(p.user.UID)), p.workspace}, command...)...)
}

func TestKilledSupervisorLeavesNothing(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		for _, delay := range []time.Duration{-1, 0, 5 * time.Millisecond, 15 * time.Millisecond, 25 * time.Millisecond} {
			t.Run(delay.String(), func(t *testing.T) {
				g := newCgroup(t)
				// Processes in sessions and process groups of their own, deaf to everything.
				cmd := supervisor(t, g, p, "bash", "-c",
					`trap "" TERM HUP INT; setsid sleep 60 & (setsid setsid sleep 60 &) ; touch ready; sleep 60; sleep 60`)
				cmd.Stderr = os.Stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if delay < 0 {
					eventually(t, "the command runs", func() bool {
						_, err := os.Stat(p.workspace + "/ready")
						return err == nil
					})
					if pids, err := g.PIDs(); err != nil || len(pids) < 4 {
						t.Errorf("processes before: %v, %v", pids, err)
					}
				} else {
					time.Sleep(delay)
				}
				if err := cmd.Process.Kill(); err != nil {
					t.Fatal(err)
				}
				cmd.Wait()
				eventually(t, "all processes are gone", func() bool {
					pids, err := g.PIDs()
					return err == nil && len(pids) == 0
				})
			})
		}
	})
}

func TestForward(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		g := newCgroup(t)
		cmd := supervisor(t, g, p, "bash", "-c",
			`trap 'echo usr1 >> got' USR1; trap 'echo int >> got' INT; trap 'echo hup >> got; exit 9' HUP; touch ready; while :; do sleep 0.02; done`)
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		got := func(want string) func() bool {
			return func() bool {
				data, _ := os.ReadFile(p.workspace + "/got")
				return string(data) == want
			}
		}
		eventually(t, "the command runs", func() bool { _, err := os.Stat(p.workspace + "/ready"); return err == nil })
		cmd.Process.Signal(Forwarded[4])
		eventually(t, "USR1 has come through", got("usr1\n"))
		cmd.Process.Signal(os.Interrupt)
		eventually(t, "INT has come through", got("usr1\nint\n"))
		cmd.Process.Signal(Forwarded[2])
		if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 9 {
			t.Errorf("the command handled HUP and exited with 9; the supervisor: %v", cmd.ProcessState)
		}
	})
}
