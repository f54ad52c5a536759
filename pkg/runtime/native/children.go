// SPDX-License-Identifier: Apache-2.0

package native

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// jailedCommand returns the command that the bwrap process with this pid runs: its child is number
// 1 in the jail's PID namespace, and number 2, which that one starts, is the command. Nil without
// an error means that it isn't there yet.
func jailedCommand(bwrap int) (*os.Process, error) {
	inits, err := childrenOf(bwrap)
	if err != nil {
		return nil, err
	}
	for _, init := range inits {
		children, err := childrenOf(init)
		if err != nil {
			return nil, err
		}
		for _, pid := range children {
			if innerPID(pid) != 2 {
				continue
			}
			process, err := os.FindProcess(pid) // by pidfd where the kernel has them
			if err != nil {
				return nil, err
			}
			if innerPID(pid) == 2 { // still the same one, so the handle is the right one
				return process, nil
			}
			process.Release() //nolint:errcheck // closes a descriptor
		}
	}
	return nil, nil
}

// childrenOf lists the children of a process, also on kernels without CONFIG_PROC_CHILDREN.
func childrenOf(pid int) ([]int, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err == nil {
		return numbers(strings.Fields(string(data))), nil
	}
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	proc, err := os.Open("/proc")
	if err != nil {
		return nil, err
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(numbers(names), func(child int) bool {
		return statusField(child, "PPid:") != strconv.Itoa(pid)
	}), nil
}

// innerPID is the number of a process in the innermost PID namespace that it is in; 0 if it is gone.
func innerPID(pid int) int {
	fields := strings.Fields(statusField(pid, "NSpid:"))
	if len(fields) < 2 {
		return 0
	}
	n, _ := strconv.Atoi(fields[len(fields)-1])
	return n
}

// statusField returns what /proc/PID/status has after the name; "" if the process is gone.
func statusField(pid int, name string) string {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return ""
	}
	defer f.Close()
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		if value, found := strings.CutPrefix(scanner.Text(), name); found {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// numbers keeps the strings that are numbers.
func numbers(list []string) []int {
	var all []int
	for _, s := range list {
		if n, err := strconv.Atoi(s); err == nil {
			all = append(all, n)
		}
	}
	return all
}
