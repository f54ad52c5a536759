// SPDX-License-Identifier: Apache-2.0

package native

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

const sysctlDir = "/proc/sys"

const apparmorHint = "AppArmor keeps unprivileged programs from making user namespaces here; install a profile that allows " +
	"bwrap to (apparmor-profiles has bwrap-userns-restrict), or set kernel.apparmor_restrict_unprivileged_userns=0"

// checkNamespaces says what is known to keep bubblewrap from working for the user, before it says
// so less clearly. Root, and a bwrap that is setuid root, need no user namespace.
func (u *User) checkNamespaces(sysctls, bwrap string) error {
	if u.UID == 0 {
		return nil
	}
	if info, err := os.Stat(bwrap); err == nil && info.Mode()&fs.ModeSetuid != 0 {
		return nil
	}
	switch {
	case readSysctl(sysctls, "user/max_user_namespaces") == "0":
		return hint.Wrap(ErrNoUserNamespaces, "sysctl user.max_user_namespaces=15000")
	case readSysctl(sysctls, "kernel/unprivileged_userns_clone") == "0":
		return hint.Wrap(ErrNoUserNamespaces, "sysctl kernel.unprivileged_userns_clone=1")
	}
	return nil
}

// readSysctl returns a kernel setting; "" if this kernel doesn't have it.
func readSysctl(dir, name string) string {
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
