// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// cpuPeriod is the period of cpu.max in microseconds, the kernel's default.
const cpuPeriod = 100_000

// minCPUQuota is the least quota in microseconds that the kernel takes.
const minCPUQuota = 1000

// Resources are a group's limits; a zero is no limit.
type Resources struct {
	Memory uint64  // bytes
	CPUs   float64 // processors' worth of time: 0.5 is half of one
	PIDs   uint64  // processes and threads
}

// limit is one control file to write.
type limit struct {
	controller, file, value string
}

// Apply sets the limits. The controllers that they need are enabled in the groups above. One that
// is asked for and not there is ErrNoController, which says why, and nothing is set.
func (g *Group) Apply(resources Resources) error {
	limits, err := resources.limits()
	if err != nil {
		return fmt.Errorf("limit cgroup %s: %w", g.path, err)
	}
	for _, l := range limits {
		if err := g.enable(l.controller); err != nil {
			return fmt.Errorf("limit cgroup %s: %w", g.path, err)
		}
	}
	for _, l := range limits {
		if err := g.write(l.file, l.value); err != nil {
			return fmt.Errorf("limit cgroup %s: write %s: %w", g.path, l.file, err)
		}
	}
	return nil
}

func (r Resources) limits() ([]limit, error) {
	var limits []limit
	if r.Memory > 0 {
		limits = append(limits, limit{"memory", "memory.max", strconv.FormatUint(r.Memory, 10)})
	}
	if math.IsNaN(r.CPUs) || r.CPUs < 0 || r.CPUs > 1<<20 {
		return nil, fmt.Errorf("%w: cpus %v", ErrBadLimit, r.CPUs)
	}
	if r.CPUs > 0 {
		quota := int64(math.Round(r.CPUs * cpuPeriod))
		if quota < minCPUQuota {
			return nil, fmt.Errorf("%w: cpus %v, the least is %v", ErrBadLimit, r.CPUs, float64(minCPUQuota)/cpuPeriod)
		}
		limits = append(limits, limit{"cpu", "cpu.max", fmt.Sprintf("%d %d", quota, cpuPeriod)})
	}
	if r.PIDs > 0 {
		limits = append(limits, limit{"pids", "pids.max", strconv.FormatUint(r.PIDs, 10)})
	}
	return limits, nil
}

// enable makes a controller available to the group: cgroup.subtree_control of every group above
// it, from the root down.
func (g *Group) enable(controller string) error {
	for _, dir := range g.parents() {
		available, err := readWords(filepath.Join(dir, "cgroup.controllers"))
		if err != nil {
			return err
		}
		if !slices.Contains(available, controller) {
			return missing(controller)
		}
		enabled, err := readWords(filepath.Join(dir, "cgroup.subtree_control"))
		if err != nil {
			return err
		}
		if slices.Contains(enabled, controller) {
			continue
		}
		if err := writeControl(filepath.Join(dir, "cgroup.subtree_control"), "+"+controller); err != nil {
			return fmt.Errorf("enable controller %s: %w", controller, err)
		}
	}
	return nil
}

// parents lists the groups above this one, from the root down.
func (g *Group) parents() []string {
	var dirs []string
	for dir := filepath.Dir(g.path); dir != g.root; dir = filepath.Dir(dir) {
		dirs = append(dirs, dir)
	}
	dirs = append(dirs, g.root)
	slices.Reverse(dirs)
	return dirs
}

// missing says why cgroup v2 has no such controller.
func missing(controller string) error {
	if f, err := os.Open(mountinfo); err == nil {
		defer f.Close()
		if mounts, err := readMounts(f); err == nil {
			if point := boundToV1(mounts, controller); point != "" {
				return hint.Wrap(
					fmt.Errorf("%w: %s is bound to cgroup v1 at %s", ErrNoController, controller, point),
					"boot with systemd.unified_cgroup_hierarchy=1, or leave this limit out of `resources`",
				)
			}
		}
	}
	return hint.Wrap(
		fmt.Errorf("%w: %s", ErrNoController, controller),
		"the kernel has it disabled, or the groups above don't pass it on (cgroup.subtree_control); "+
			"or leave this limit out of `resources`",
	)
}

// boundToV1 returns where a v1 hierarchy with this controller is mounted, or "".
func boundToV1(mounts []mount, controller string) string {
	for _, m := range mounts {
		if m.fsType == "cgroup" && slices.Contains(strings.Split(m.super, ","), controller) {
			return m.point
		}
	}
	return ""
}

func readWords(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("not a cgroup v2 directory: %w", err)
	} else if err != nil {
		return nil, err
	}
	return strings.Fields(string(data)), nil
}
