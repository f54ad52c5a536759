// SPDX-License-Identifier: Apache-2.0

package main

import "testing"

func TestLastDescriptor(t *testing.T) {
	args := []string{"--file", "5", "/run/x", "--ro-bind-data", "7", "/etc/shadow", "--ro-bind", "9", "9"}
	if got := lastDescriptor(args); got != 7 {
		t.Errorf("last descriptor of %q: %d, want 7", args, got)
	}
	if got := lastDescriptor([]string{"--tmpfs", "/run"}); got != 0 {
		t.Errorf("last descriptor where there is none: %d", got)
	}
}
