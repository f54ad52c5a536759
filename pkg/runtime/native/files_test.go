// SPDX-License-Identifier: Apache-2.0

package native

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// probe has bash tell for each path: "-" not there, "r" readable, "w" writable, "n" neither.
const probe = `for f; do
	if [ ! -e "$f" ]; then echo -n "- "; continue; fi
	state=n
	if [ -d "$f" ]; then ls "$f" > /dev/null 2>&1 && state=r; mkdir "$f/.probe" 2> /dev/null && rmdir "$f/.probe" && state=w
	else head -c 1 "$f" > /dev/null 2>&1 && state=r; (echo probe >> "$f") 2> /dev/null && state=w
	fi
	echo -n "$state "
done`

// access returns the states of the paths in a jail, in order.
func access(t *testing.T, spec Spec, paths ...string) string {
	t.Helper()
	spec.Command = append([]string{"bash", "-c", probe, "probe"}, paths...)
	r := run(t, spec)
	if r.status != 0 {
		t.Fatalf("probe: status %d: %s", r.status, r.err)
	}
	return strings.TrimSpace(r.out)
}

func TestSystemView(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		host := filepath.Join(t.TempDir(), "host-file") // in the host's /tmp
		p.file(t, host, "x")
		cases := []struct{ path, want string }{
			{"/", "r"},
			{"/usr/bin/env", "r"},
			{"/usr", "r"},
			{"/bin/sh", "r"},
			{"/etc", "r"},
			{"/etc/passwd", "r"},
			{"/etc/resolv.conf", "r"},
			{"/etc/localtime", "r"},
			{"/etc/os-release", "r"},
			{"/sys/class/net", "r"},
			{"/sys/devices/system/cpu/online", "r"},
			{"/sys/fs", "-"},
			{"/sys/kernel", "-"},
			{"/boot", "-"},
			{"/work", "-"},
			{"/var/lib/dpkg/status", "r"},
			{"/var/log", "-"},
			{"/var/backups", "-"},
			{"/var/tmp", "w"},
			{"/tmp", "w"},
			{"/run", "w"},
			{"/var/run/lock", "-"},
			{"/dev/null", "w"},
			{"/dev/shm", "w"},
			{"/dev/vda", "-"},
			{"/dev/kmsg", "-"},
			{"/proc/self/status", "r"},
			{"/proc/sys/kernel/hostname", "r"},
			{"/proc/sys/kernel/core_pattern", "r"},
			{host, "-"},
			{p.home, "w"},
			{p.workspace, "w"},
		}
		var paths, want []string
		for _, c := range cases {
			paths, want = append(paths, c.path), append(want, c.want)
		}
		got := strings.Fields(access(t, p.spec(), paths...))
		for i := range cases {
			if got[i] != want[i] {
				t.Errorf("%s: %s, want %s", paths[i], got[i], want[i])
			}
		}
	})
}

// TestSecrets: what only root can read on the host, root in a jail can't.
func TestSecrets(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		got := script(t, p.spec(), `cat /etc/shadow /etc/gshadow /etc/shadow- /etc/ssl/private/* /etc/security/opasswd 2>/dev/null | wc -c
			find /etc -type f ! -perm -o=r ! -size 0 -readable 2>/dev/null | wc -l; grep -c root /etc/passwd`)
		if got != "0\n0\n1" {
			t.Errorf("secret bytes, readable secret files, lines of passwd: %q", got)
		}
	})
}

func TestHomeIsPrivate(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		p.file(t, ".ssh/id_ed25519", "key")
		p.file(t, ".bashrc", "secret")
		p.file(t, "other/file", "x")
		if got := script(t, p.spec(), `ls -A ~; echo new > ~/.cache-file; cat ~/.cache-file; echo made > made`); got != "project\nnew" {
			t.Errorf("home in the jail: %q", got)
		}
		if _, err := os.Stat(p.home + "/.cache-file"); err == nil {
			t.Error("what the jail wrote to the home directory is on the host")
		}
		info, err := os.Stat(p.workspace + "/made")
		if err != nil {
			t.Fatal(err)
		}
		if uid, _ := owner(info); uid != p.user.UID {
			t.Errorf("a file made in the workspace belongs to %d, want %d", uid, p.user.UID)
		}
	})
}

func TestPolicyPaths(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		outside := p.mkdir(t, filepath.Join(filepath.Dir(p.home), "outside"))
		p.file(t, ".gitconfig", "x")
		p.file(t, "docs/a", "x")
		p.file(t, "docs/out/b", "x")
		p.file(t, "docs/secret/c", "x")
		p.file(t, outside+"/d", "x")
		p.link(t, outside, "link")
		p.file(t, "project/.env", "x")
		p.file(t, "project/keys/k", "x")
		p.file(t, "project/vendor/v", "x")
		p.file(t, "project/src/s", "x")
		spec := p.spec()
		spec.Read = []string{"~/docs", "~/.gitconfig", "vendor"}
		spec.Write = []string{"~/docs/out", "~/link"}
		spec.Hide = []string{"~/docs/secret", ".env", "keys", "~/not-there", "~/.ssh"}
		got := access(t, spec,
			p.home+"/.gitconfig", p.home+"/docs", p.home+"/docs/a", p.home+"/docs/out", p.home+"/docs/out/b",
			p.home+"/link/d", outside+"/d", p.home+"/docs/secret", p.home+"/docs/secret/c",
			".env", "keys", "keys/k", "vendor/v", "vendor", "src/s", ".")
		if want := "r r r w w w w r - r r - r r w w"; got != want {
			t.Errorf("access\n%s, want\n%s", got, want)
		}
		got = script(t, spec, `wc -c < .env; ls -A keys ~/docs/secret | wc -w; readlink ~/link; rm -f .env; mv keys k 2>&1 | grep -c busy; stat -c %F .env`)
		if want := "0\n2\n" + outside + "\n1\nregular empty file"; got != want {
			t.Errorf("hidden things: %q, want %q", got, want)
		}
		if data, err := os.ReadFile(p.workspace + "/.env"); err != nil || string(data) != "x" {
			t.Errorf("the hidden file on the host: %q, %v", data, err)
		}
	})
}

// TestDevices: a device that the policy names can be used, others can't be seen.
func TestDevices(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		spec := p.spec()
		spec.Write = []string{"/dev/zero"}
		extra := "/dev/kmsg"
		if _, err := os.Stat(extra); err == nil { // containers may not have it
			spec.Write = append(spec.Write, extra)
		} else {
			extra = "/dev/zero"
		}
		if got := script(t, spec, `stat -c %F `+extra+`; head -c 3 /dev/zero | wc -c`); got != "character special file\n3" {
			t.Errorf("got %q", got)
		}
	})
}

// TestPathsOrder: whatever order the paths come in, the more specific one holds; for one path
// write beats read, and read beats the workspace.
func TestPathsOrder(t *testing.T) {
	p := newPlace(t, 0)
	p.file(t, "a/b/c/f", "x")
	spec := p.spec()
	spec.Write = []string{"~/a/b/c", "~/a/b"}
	spec.Read = []string{"~/a/b/", "~/a", "."}
	requireJails(t)
	if got := access(t, spec, p.home+"/a", p.home+"/a/b", p.home+"/a/b/c/f", p.workspace); got != "r w w r" {
		t.Errorf("access %s", got)
	}
}

func TestSymlinkedHomeAndWorkspace(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		named := p.link(t, p.home, filepath.Join(filepath.Dir(p.home), "named"))
		p.link(t, "project", "current")
		p.file(t, "project/file", "x")
		p.user.Home = named
		spec := p.spec("true")
		spec.Workspace, spec.Dir = named+"/current", named+"/current"
		got := script(t, spec, `pwd -P; cat ~/current/file "`+named+`/project/file"; echo; echo $HOME; ls -A ~`)
		if want := p.workspace + "\nxx\n" + named + "\ncurrent\nproject"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	})
}

// TestForeignResolvConf: a file of /etc that is a link to a private place is visible, alone.
func TestForeignResolvConf(t *testing.T) {
	requireJails(t)
	p := newPlace(t, 0)
	target := p.file(t, filepath.Join(t.TempDir(), "a", "resolv.conf"), "nameserver 192.0.2.1\n")
	p.file(t, filepath.Dir(target)+"/neighbour", "x")
	middle := p.link(t, target, filepath.Join(t.TempDir(), "middle"))
	var v view
	v.addSystem(&p.user)
	v.reveal(middle) // as addSystem does for /etc/resolv.conf
	plan := &Plan{user: p.user, view: v, env: environ{"PATH": systemPath}, dir: "/", command: []string{
		"bash", "-c", `cat "$0"; ls -A "$1"; echo x >> "$0"`, middle, filepath.Dir(target),
	}}
	r := runPlan(t, plan, nil)
	if r.out != "nameserver 192.0.2.1\nresolv.conf\n" || r.status == 0 || !strings.Contains(r.err, "Read-only") {
		t.Errorf("got %+v", r)
	}
}

func TestHostSocketsAreInvisible(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		paths := []string{filepath.Join(t.TempDir(), "agent.sock"), "/run/jail-ai-test.sock", filepath.Join(p.home, "s.sock")}
		for _, path := range paths {
			listener, err := net.Listen("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer listener.Close()
		}
		if got := access(t, p.spec(), paths...); got != "- - -" {
			t.Errorf("sockets of the host: %s", got)
		}
		if got := script(t, p.spec(), `find / -xdev -type s 2>/dev/null; find /run /tmp /var -type s`); got != "" {
			t.Errorf("sockets in the jail: %s", got)
		}
	})
}
