// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/runtime/native"
)

// startupAim is what a jail may take longer than bubblewrap alone.
const startupAim = 15 * time.Millisecond

// startupFigure compares `jail-ai run -- COMMAND` with bubblewrap and the same mounts. Times are
// milliseconds.
type startupFigure struct {
	Title      string `json:"title"`
	Bubblewrap spread `json:"bwrap_ms"`
	JailAI     spread `json:"jail_ai_ms"`
	More       spread `json:"more_ms"` // of the same round
}

// measureStartup starts both by turns, with a command that tells when it began, and with true(1).
func measureStartup(c *config) ([]startupFigure, error) {
	kinds := []struct {
		title   string
		command []string
		measure func(*exec.Cmd) (float64, error)
	}{
		{"start to the command's first instruction", []string{c.self, "stamp"}, toStamp},
		{"start to end of `true`", []string{"true"}, toEnd},
	}
	var figures []startupFigure
	for _, kind := range kinds {
		var times [2][]float64
		for round := range c.starts + 1 {
			for k := range times {
				which := (k + round) % len(times)
				cmd, err := c.starter(which, kind.command)
				if err != nil {
					return nil, err
				}
				ms, err := kind.measure(cmd)
				if err != nil {
					return nil, err
				}
				if round > 0 { // the first warms up
					times[which] = append(times[which], ms)
				}
			}
		}
		figures = append(figures, startupFigure{
			kind.title, newSpread(times[0]), newSpread(times[1]), newSpread(differences(times[1], times[0])),
		})
	}
	return figures, nil
}

// starter makes a command line of bubblewrap (0) or of jail-ai (1).
func (c *config) starter(which int, command []string) (*exec.Cmd, error) {
	if which == 1 {
		return exec.Command(c.jailAI, slices.Concat([]string{"run", "--"}, command)...), nil
	}
	user, err := native.CurrentUser()
	if err != nil {
		return nil, err
	}
	plan, err := native.NewPlan(native.Spec{Command: command, Dir: c.dir, Workspace: c.dir, User: user})
	if err != nil {
		return nil, fmt.Errorf("plan what jail-ai does: %w", err)
	}
	args := plan.Args()
	cmd := exec.Command("bwrap", slices.Concat([]string{"--new-session"}, args)...)
	cmd.Env = plan.Env()
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user.UID, Gid: user.GID, Groups: user.Groups}}
	for fd := firstFD; fd <= lastDescriptor(args); fd++ {
		empty, err := os.Open(os.DevNull)
		if err != nil {
			return nil, err
		}
		cmd.ExtraFiles = append(cmd.ExtraFiles, empty)
	}
	return cmd, nil
}

// firstFD is the number of the first of exec.Cmd's ExtraFiles.
const firstFD = 3

// lastDescriptor is the highest that bubblewrap's arguments name: each stands for an empty file.
func lastDescriptor(args []string) int {
	last := 0
	for i, arg := range args {
		if (arg == "--ro-bind-data" || arg == "--file") && i+1 < len(args) {
			if fd, err := strconv.Atoi(args[i+1]); err == nil {
				last = max(last, fd)
			}
		}
	}
	return last
}

// toEnd returns the milliseconds until the command has ended.
func toEnd(cmd *exec.Cmd) (float64, error) {
	begin, _, err := runToEnd(cmd)
	return milliseconds(clock() - begin), err
}

// toStamp returns the milliseconds until the command printed its stamp.
func toStamp(cmd *exec.Cmd) (float64, error) {
	begin, out, err := runToEnd(cmd)
	if err != nil {
		return 0, err
	}
	var stamp int64
	if _, err := fmt.Sscan(out, &stamp); err != nil {
		return 0, fmt.Errorf("%s: no stamp but %q", cmd.Path, out)
	}
	return milliseconds(stamp - begin), nil
}

func runToEnd(cmd *exec.Cmd) (begin int64, out string, err error) {
	defer func() {
		for _, f := range cmd.ExtraFiles {
			if f != nil {
				f.Close()
			}
		}
	}()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	begin = clock()
	if err := cmd.Run(); err != nil {
		return 0, "", fmt.Errorf("%s: %w\n%s", cmd.Path, err, strings.TrimSpace(stderr.String()))
	}
	return begin, stdout.String(), nil
}

// clock is the machine's monotonic clock, which is the same for all processes, in nanoseconds.
func clock() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		panic(err) // a kernel without it is none
	}
	return t.Nano()
}

func milliseconds(ns int64) float64 { return float64(ns) / float64(time.Millisecond) }
