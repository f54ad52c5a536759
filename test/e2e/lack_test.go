// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
)

// What the machine lacks, or jail-ai is not allowed to use, has a message and a hint of its own, and
// nothing is run.
func TestMachineLacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	group, err := cgroup.Mount()
	if err != nil {
		t.Fatal(err)
	}
	marker := filepath.Join(w.work, "was-run")
	start := func(prepare ...string) outcome {
		t.Helper()
		run := w.command(t, newID(), setup{}, "/usr/bin/touch", marker)
		// In a mount namespace of its own, so that the machine keeps what the test takes away.
		cmd := exec.Command("unshare", "--mount", "sh", "-c", strings.Join(prepare, "\n")+` "$@"`, "sh")
		cmd.Args = append(cmd.Args, run.Args...)
		cmd.Env, cmd.Dir = run.Env, run.Dir
		return w.run(t, cmd)
	}
	for _, c := range []struct {
		name    string
		prepare []string
		says    []string
	}{
		{"cgroup v2", []string{"umount -l " + group, "exec"}, []string{"cgroup v2", "hint: "}},
		{"capability", []string{"exec setpriv --bounding-set=-bpf,-sys_admin,-perfmon,-net_admin"}, []string{"not permitted", "hint: ", "CAP_BPF"}},
		{"bpffs", []string{"umount -l /sys/fs/bpf", "exec setpriv --bounding-set=-sys_admin"}, []string{"bpffs", "hint: ", "mount -t bpf"}},
		{"root", []string{"exec setpriv --reuid=65534 --clear-groups"}, []string{"needs root", "hint: ", "sudo"}},
	} {
		o := start(c.prepare...)
		if o.code != statusSetUp || o.stdout != "" {
			t.Errorf("without %s: status %d, output %q, want %d and none\n%s", c.name, o.code, o.stdout, statusSetUp, o.stderr)
		}
		for _, text := range c.says {
			if !strings.Contains(o.stderr, text) {
				t.Errorf("without %s: the message does not have %q:\n%s", c.name, text, o.stderr)
			}
		}
		if _, err := os.Stat(marker); err == nil {
			t.Fatalf("without %s: the command was run", c.name)
		}
	}
	if o := start("exec"); o.code != 0 {
		t.Errorf("control: status %d\n%s", o.code, o.stderr)
	}
	if _, err := os.Stat(marker); err != nil {
		t.Errorf("control: %v", err)
	}
}
