// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// Under sudo the command runs as the user who called it, as well protected as root's.
func TestSudoUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j, out := w.jail(t, setup{user: true}), w.outside(t, true)
	for _, a := range []*agent{j.agent, out} {
		if got := a.must(t, do("identity")); !strings.Contains(got, fmt.Sprintf("uid:%d gid:%d", devID, devID)) {
			t.Errorf("%s: %s, want uid and gid %d", a.where, got, devID)
		}
	}
	wantRefused(t, j, out, "EPERM", hostTargets(t, w))
	for _, g := range webTargets(t, w) {
		wantArrival(t, j.agent, g)
	}
	wantOwnListeners(t, j)
	wantInbound(t, w, j, out)
	for _, server := range resolvers {
		j.must(t, do("dns", "udp", server+":53", webName))
		j.must(t, do("dns", "tcp", server+":53", webName))
	}
	summary := j.finish(t)
	if !strings.Contains(summary, "127.0.0.1:7000") {
		t.Errorf("the summary does not have 127.0.0.1:7000:\n%s", summary)
	}
}

// What the user's command writes is the user's.
func TestSudoUserFiles(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.runJail(t, setup{user: true}, "sh", "-c", `echo mine > made && id -u && cd && pwd && echo "$HOME"`)
	if want := fmt.Sprintf("%d\n%s\n%[2]s\n", devID, w.home); o.code != 0 || o.stdout != want {
		t.Errorf("status %d, output %q, want %q\n%s", o.code, o.stdout, want, o.stderr)
	}
	var st unix.Stat_t
	if err := unix.Stat(filepath.Join(w.work, "made"), &st); err != nil || st.Uid != devID || st.Gid != devID {
		t.Errorf("the file made in the jail: %v, owner %d:%d, want %d", err, st.Uid, st.Gid, devID)
	}
	if o := w.runJail(t, setup{user: true}, "sh", "-c", "exit 7"); o.code != 7 {
		t.Errorf("status %d, want 7\n%s", o.code, o.stderr)
	}
	secret := filepath.Join(w.home, ".ssh")
	if err := os.Mkdir(secret, 0o755); err != nil {
		t.Fatal(err)
	}
	if o := w.runJail(t, setup{user: true}, "test", "-e", secret); o.code != 1 {
		t.Errorf("test -e %s in the jail: status %d, want 1\n%s", secret, o.code, o.stderr)
	}
}
