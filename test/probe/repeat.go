// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"sort"
	"strconv"
	"strings"
)

// repeat takes a step COUNT times and yields how often which outcome came, as ok=3 EPERM=5.
func repeat(s *script, args []string) (string, error) {
	count, err := strconv.Atoi(args[0])
	if err != nil {
		return "", err
	}
	outcomes := map[string]int{}
	for range count {
		r := s.all.run([][]string{args[1:]})
		switch {
		case r.OK:
			outcomes["ok"]++
		case r.Errno != "":
			outcomes[r.Errno]++
		default:
			return "", fmt.Errorf("%s: %s", r.Step, r.Err)
		}
	}
	var out []string
	for name, n := range outcomes {
		out = append(out, fmt.Sprintf("%s=%d", name, n))
	}
	sort.Strings(out)
	return strings.Join(out, " "), nil
}

// hammer takes steps, divided by a comma, over and over until it is killed.
func hammer(s *script, args []string) (string, error) {
	var steps [][]string
	for step := range strings.SplitSeq(strings.Join(args, " "), ",") {
		steps = append(steps, strings.Fields(step))
	}
	for {
		for _, step := range steps {
			s.all.run([][]string{step})
		}
	}
}
