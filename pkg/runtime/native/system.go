// SPDX-License-Identifier: Apache-2.0

package native

import (
	"io/fs"
	"os"
	"path/filepath"
)

// systemDirs hold what the distribution and the administrator installed. (/home/linuxbrew belongs
// to a package manager, not to a person.)
var systemDirs = []string{
	"/usr", "/etc", "/opt", "/nix/store", "/gnu/store", "/snap", "/home/linuxbrew/.linuxbrew",
	"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", // links into /usr on most machines
	// Not /sys/fs, where cgroups and pinned BPF objects are, nor /sys/kernel.
	"/sys/block", "/sys/bus", "/sys/class", "/sys/dev", "/sys/devices",
}

// varDirs are the parts of /var that programs read and that hold nobody's data.
var varDirs = []string{
	"/var/lib/dpkg", "/var/lib/rpm", "/var/lib/pacman/local", "/var/lib/ca-certificates",
	"/var/lib/texmf", "/var/cache/fontconfig", "/var/cache/man",
}

// rootProc are the parts of /proc where root changes the whole machine (/proc/sys/kernel/core_pattern
// runs programs outside of the jail), by owning the files: it takes no capability. bubblewrap means
// to make the most dangerous ones read-only and misses some, as /proc/sys.
var rootProc = []string{
	"/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus", "/proc/fs", "/proc/acpi", "/proc/scsi",
	"/proc/asound", "/proc/mtrr", "/proc/driver", "/proc/dynamic_debug", "/proc/pressure",
}

// etcLinks are files that programs need and that some distributions keep outside of /etc, such as
// systemd-resolved's /etc/resolv.conf -> /run/systemd/resolve/stub-resolv.conf.
var etcLinks = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/hostname", "/etc/localtime", "/etc/timezone",
	"/etc/machine-id", "/etc/nsswitch.conf", "/etc/passwd", "/etc/group", "/etc/os-release",
	"/etc/services", "/etc/protocols", "/etc/mime.types", "/etc/profile", "/etc/environment",
	"/etc/gitconfig", "/etc/ld.so.cache", "/etc/ssl/cert.pem", "/etc/ssl/openssl.cnf",
	"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
}

// addSystem lays out everything outside of the home directory.
func (v *view) addSystem(u *User) {
	for _, path := range systemDirs {
		v.reveal(path)
	}
	for _, path := range []string{"/var", "/tmp", "/run"} {
		v.add(private, path)
	}
	v.add(plainDir, "/var/tmp")
	v.addLinks([]link{{"/var/run", "/run"}})
	for _, path := range varDirs {
		v.reveal(path)
	}
	v.add(devices, "/dev")
	v.add(processes, "/proc")
	for _, path := range rootProc {
		if _, err := os.Lstat(path); err == nil && u.UID == 0 {
			v.add(readOnly, path)
		}
	}
	for _, path := range etcLinks {
		if info, err := os.Lstat(path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			v.reveal(path)
		}
	}
}

// reveal makes a path visible, read-only, if the host has it and the view lacks it.
func (v *view) reveal(path string) {
	real, links, err := follow(path)
	if err != nil || v.shows(path, real) {
		return
	}
	if !v.shows(real, real) && !kernelPath(real) {
		v.add(readOnly, real)
	}
	v.addLinks(links)
}

// kernelPath says whether a path is the kernel's own, where a bind mount would undo what
// bubblewrap's private one gives, or the root of everything.
func kernelPath(real string) bool {
	if real == "/" || within(real, "/proc") || within(real, "/dev") {
		return true
	}
	if !within(real, "/sys") {
		return false
	}
	for _, visible := range systemDirs {
		if below(visible, "/sys") && within(real, visible) {
			return false
		}
	}
	return true
}

// secretDirs and secretFiles are masked for a user who could read them. (The walk in maskSecrets
// finds most of them by their modes; these are for those that were left too open.)
var (
	secretDirs  = []string{"/etc/ssl/private", "/etc/pki/tls/private", "/etc/sudoers.d", "/etc/letsencrypt", "/etc/wireguard", "/etc/NetworkManager/system-connections", "/etc/kubernetes", "/etc/rancher"}
	secretGlobs = []string{
		"/etc/shadow*", "/etc/gshadow*", "/etc/security/opasswd", "/etc/sudoers", "/etc/ssh/ssh_host_*_key",
		"/etc/krb5.keytab", "/etc/ppp/*-secrets", "/etc/docker/key.json",
	}
)

// maskSecrets hides what the user could read in /etc and others could not. For ordinary users
// that is next to nothing; root's own files are readable to root without any capability.
func (v *view) maskSecrets(u *User) {
	masked := map[string]bool{}
	mask := func(path string) {
		real, _, err := follow(path)
		if err != nil || masked[real] {
			return
		}
		masked[real] = true
		v.mask(real)
	}
	check := func(path string) {
		if info, err := os.Stat(path); err == nil && (u.may(info, 4) || info.IsDir() && u.may(info, 1)) {
			mask(path)
		}
	}
	for _, path := range secretDirs {
		check(path)
	}
	for _, pattern := range secretGlobs {
		paths, _ := filepath.Glob(pattern) // the only error is a bad pattern
		for _, path := range paths {
			if !masked[filepath.Dir(path)] {
				check(path)
			}
		}
	}
	if u.UID != 0 {
		return
	}
	// An unreadable corner of /etc stays one: its error is skipped with it.
	_ = filepath.WalkDir("/etc", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || masked[path] {
			if entry != nil && entry.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if !entry.IsDir() && !entry.Type().IsRegular() {
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return nil
		}
		switch mode := info.Mode().Perm(); {
		case entry.IsDir() && mode&0o005 == 0:
			mask(path)
			return fs.SkipDir
		case !entry.IsDir() && mode&0o004 == 0:
			mask(path)
		}
		return nil
	})
}
