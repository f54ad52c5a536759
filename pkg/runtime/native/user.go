// SPDX-License-Identifier: Apache-2.0

package native

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// User is who a jailed command runs as.
type User struct {
	UID, GID uint32
	// Groups are the supplementary groups. (Only root can change its own; for others the kernel
	// keeps those of this process.)
	Groups []uint32
	Name   string
	Home   string // absolute
	Shell  string
	// Sudo says that this process runs as root on behalf of the user, so that the environment
	// may be root's rather than theirs.
	Sudo bool
}

// rootEquivalent are groups whose members can become root, or read anything, by a file or socket
// of the host. A jailed command is in none of them.
var rootEquivalent = []string{
	"root", "sudo", "wheel", "admin", "adm", "shadow", "disk", "kmem", "mem", "docker", "podman",
	"lxd", "lxc", "incus", "incus-admin", "libvirt", "libvirt-qemu", "libvirtd", "kvm", "qemu", "vboxusers", "systemd-journal",
	"ssl-cert", "staff", "utmp", "backup", "operator", "sys", "bin", "daemon", "tty", "wireshark",
}

// CurrentUser is the user who started this process: the real one or, under sudo, the one who
// called sudo, with the home directory and the groups that the system has for them.
func CurrentUser() (User, error) {
	uid := os.Getuid()
	var sudo bool
	if os.Geteuid() == 0 {
		if s := os.Getenv("SUDO_UID"); s != "" {
			id, err := strconv.ParseUint(s, 10, 32)
			if err != nil {
				return User{}, fmt.Errorf("find the user who called sudo: SUDO_UID is %q", s)
			}
			uid, sudo = int(id), id != 0
		}
	}
	if !sudo {
		return realUser()
	}
	entry, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return User{}, hint.Wrap(fmt.Errorf("find the user who called sudo: %w", err),
			"unset SUDO_UID to run the command as root")
	}
	return newUser(entry, true)
}

// realUser is the user of this process. Somebody without an entry in the system's list of users,
// as in many containers, has their environment for it.
func realUser() (User, error) {
	entry, err := user.LookupId(strconv.Itoa(os.Getuid()))
	if err != nil {
		id := strconv.Itoa(os.Getuid())
		entry = &user.User{Uid: id, Gid: strconv.Itoa(os.Getgid()), Username: os.Getenv("USER"), HomeDir: os.Getenv("HOME")}
		if entry.Username == "" {
			entry.Username = id
		}
	}
	u, err := newUser(entry, false)
	if err != nil {
		return User{}, err
	}
	u.GID = uint32(os.Getgid())
	if home := os.Getenv("HOME"); filepath.IsAbs(home) {
		u.Home = filepath.Clean(home)
	}
	groups, err := os.Getgroups()
	if err != nil {
		return User{}, fmt.Errorf("list the groups of this process: %w", err)
	}
	u.Groups = nil
	for _, g := range groups {
		u.Groups = append(u.Groups, uint32(g))
	}
	u.Groups = harmlessGroups(u.Groups, u.GID)
	return u, nil
}

func newUser(entry *user.User, sudo bool) (User, error) {
	uid, err := strconv.ParseUint(entry.Uid, 10, 32)
	if err != nil {
		return User{}, fmt.Errorf("user %s: uid %q: %w", entry.Username, entry.Uid, err)
	}
	gid, err := strconv.ParseUint(entry.Gid, 10, 32)
	if err != nil {
		return User{}, fmt.Errorf("user %s: gid %q: %w", entry.Username, entry.Gid, err)
	}
	u := User{
		UID: uint32(uid), GID: uint32(gid), Name: entry.Username, Home: entry.HomeDir,
		Shell: loginShell("/etc/passwd", entry.Username), Sudo: sudo,
	}
	if !sudo {
		return u, nil
	}
	ids, err := entry.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("list the groups of user %s: %w", entry.Username, err)
	}
	for _, id := range ids {
		if gid, err := strconv.ParseUint(id, 10, 32); err == nil {
			u.Groups = append(u.Groups, uint32(gid))
		}
	}
	u.Groups = harmlessGroups(u.Groups, u.GID)
	return u, nil
}

// harmlessGroups returns the primary group and those that are not known to make a user root. A
// group without a name can't be judged and is left out.
func harmlessGroups(groups []uint32, primary uint32) []uint32 {
	kept := []uint32{primary}
	for _, gid := range groups {
		if gid == primary || gid == 0 {
			continue
		}
		group, err := user.LookupGroupId(strconv.FormatUint(uint64(gid), 10))
		if err == nil && !slices.Contains(rootEquivalent, group.Name) {
			kept = append(kept, gid)
		}
	}
	slices.Sort(kept)
	return slices.Compact(kept)
}

// loginShell reads a user's shell from a passwd file; without one it is /bin/sh.
func loginShell(passwd, name string) string {
	const fallback = "/bin/sh"
	f, err := os.Open(passwd)
	if err != nil {
		return fallback
	}
	defer f.Close()
	for scanner := bufio.NewScanner(f); scanner.Scan(); {
		fields := strings.Split(scanner.Text(), ":")
		if len(fields) == 7 && fields[0] == name && fields[6] != "" {
			return fields[6]
		}
	}
	return fallback
}

// may says whether the user has all of the permission bits want (r=4, w=2, x=1) on a file, without
// any capability. Access lists are not looked at: the kernel does that.
func (u *User) may(info fs.FileInfo, want fs.FileMode) bool {
	uid, gid := owner(info)
	mode := info.Mode().Perm()
	switch {
	case uid == u.UID:
		mode >>= 6
	case gid == u.GID || slices.Contains(u.Groups, gid):
		mode >>= 3
	}
	return mode&want == want
}
