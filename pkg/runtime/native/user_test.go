// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
)

func TestCurrentUser(t *testing.T) {
	t.Setenv("SUDO_UID", "")
	t.Setenv("HOME", "/home/../home/somebody")
	u, err := CurrentUser()
	if err != nil {
		t.Fatal(err)
	}
	if u.UID != uint32(os.Getuid()) || u.GID != uint32(os.Getgid()) || u.Home != "/home/somebody" || u.Sudo || u.Shell == "" {
		t.Errorf("user %+v", u)
	}
}

// TestSudo: under sudo the command is the caller's, whatever the environment says besides.
func TestSudo(t *testing.T) {
	requireJails(t)
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("SUDO_UID", nobody.Uid)
	t.Setenv("SUDO_GID", "0")
	t.Setenv("SUDO_USER", "root")
	t.Setenv("HOME", "/root")
	u, err := CurrentUser()
	if err != nil {
		t.Fatal(err)
	}
	if strconv.Itoa(int(u.UID)) != nobody.Uid || strconv.Itoa(int(u.GID)) != nobody.Gid || u.Name != "nobody" || u.Home != nobody.HomeDir || !u.Sudo {
		t.Errorf("user %+v", u)
	}
	p := newPlace(t, u.UID)
	p.user = u
	if got := script(t, p.spec(), `id -u; id -g; id -G; echo $USER $HOME; touch made ~/made; cat /etc/shadow 2>&1 | wc -c`); got !=
		nobody.Uid+"\n"+nobody.Gid+"\n"+nobody.Gid+"\nnobody "+nobody.HomeDir+"\n"+shadowError {
		t.Errorf("got %q", got)
	}
	if info, err := os.Stat(p.workspace + "/made"); err != nil {
		t.Error(err)
	} else if uid, _ := owner(info); uid != u.UID {
		t.Errorf("the file belongs to %d", uid)
	}

	t.Setenv("SUDO_UID", "0")
	if u, err := CurrentUser(); err != nil || u.UID != 0 || u.Sudo {
		t.Errorf("sudo by root: %+v, %v", u, err)
	}
	for _, bad := range []string{"x", "-1", "4294967296", "4000000000"} {
		t.Setenv("SUDO_UID", bad)
		if u, err := CurrentUser(); err == nil {
			t.Errorf("SUDO_UID=%s: %+v", bad, u)
		}
	}
}

// shadowError is the size of "cat: /etc/shadow: Permission denied\n".
const shadowError = "36"

func TestHarmlessGroups(t *testing.T) {
	id := func(name string) uint32 {
		group, err := user.LookupGroup(name)
		if err != nil {
			t.Skipf("this system has no group %s", name)
		}
		gid, err := strconv.ParseUint(group.Gid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		return uint32(gid)
	}
	harmless := id("games")
	got := harmlessGroups([]uint32{0, id("disk"), id("shadow"), harmless, 4_000_000, 1234}, 1234)
	if want := []uint32{harmless, 1234}; !slices.Equal(got, want) {
		t.Errorf("groups %v, want %v", got, want)
	}
}

func TestLoginShell(t *testing.T) {
	passwd := filepath.Join(t.TempDir(), "passwd")
	content := "root:x:0:0:root:/root:/bin/bash\n# comment\nshort:x\nnone:x:1:1::/:\nu:x:2:2:a,b:/home/u:/usr/bin/zsh\n"
	if err := os.WriteFile(passwd, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"root": "/bin/bash", "u": "/usr/bin/zsh", "none": "/bin/sh", "short": "/bin/sh", "x": "/bin/sh"} {
		if got := loginShell(passwd, name); got != want {
			t.Errorf("shell of %s: %s, want %s", name, got, want)
		}
	}
	if got := loginShell(passwd+"-missing", "root"); got != "/bin/sh" {
		t.Errorf("without a list of users: %s", got)
	}
}

func TestForbiddenNamespaces(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"user", "kernel"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	bwrap := filepath.Join(dir, "bwrap")
	set := func(name, value string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(value), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	set("bwrap", "")
	ordinary, root := User{UID: ordinaryID}, User{}
	check := func(u User) error { return u.checkNamespaces(dir, bwrap) }
	if err := check(ordinary); err != nil {
		t.Errorf("nothing forbids: %v", err)
	}
	for _, name := range []string{"user/max_user_namespaces", "kernel/unprivileged_userns_clone"} {
		set(name, "0\n")
		wantHint(t, check(ordinary), ErrNoUserNamespaces, "sysctl")
		if err := check(root); err != nil {
			t.Errorf("root needs none: %v", err)
		}
		if err := os.Chmod(bwrap, os.ModeSetuid|0o755); err != nil {
			t.Fatal(err)
		}
		if err := check(ordinary); err != nil {
			t.Errorf("a setuid bwrap needs none: %v", err)
		}
		if err := os.Chmod(bwrap, 0o755); err != nil {
			t.Fatal(err)
		}
		set(name, "1\n")
	}
	if err := check(ordinary); err != nil {
		t.Errorf("nothing forbids any more: %v", err)
	}
}

func TestNoBubblewrap(t *testing.T) {
	p := newPlace(t, 0)
	plan, err := NewPlan(p.spec("true"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", p.home)
	if _, err := exec.LookPath("bwrap"); err == nil {
		t.Fatal("bwrap is still found")
	}
	_, err = plan.Start(os.Stdin, Stdio{})
	wantHint(t, err, ErrNoBubblewrap, "apt install")
	if errors.Is(err, ErrSetup) {
		t.Errorf("error %v", err)
	}
}
