// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

const mountinfo = "/proc/self/mountinfo"

// Mount returns where the cgroup v2 hierarchy is mounted: /sys/fs/cgroup on most machines,
// /sys/fs/cgroup/unified on hybrid ones. It goes by the type of the file system, never by the path.
// Without such a mount the error is ErrNoCgroup2, with a hint.
func Mount() (string, error) {
	f, err := os.Open(mountinfo)
	if err != nil {
		return "", fmt.Errorf("find the cgroup v2 mount: %w", err)
	}
	defer f.Close()
	mounts, err := readMounts(f)
	if err != nil {
		return "", fmt.Errorf("find the cgroup v2 mount: read %s: %w", mountinfo, err)
	}
	return findV2(mounts)
}

// mount is one line of mountinfo, as far as it matters here.
type mount struct {
	root   string // the directory of the file system that is mounted
	point  string // where it is mounted
	fsType string
	super  string // options of the file system: for v1 the controllers
}

// readMounts parses mountinfo (proc(5)): "ID PARENT MAJOR:MINOR ROOT POINT OPTIONS [TAG…] - TYPE
// SOURCE SUPER". Lines that don't look like that are passed over.
func readMounts(r io.Reader) ([]mount, error) {
	var mounts []mount
	scanner := bufio.NewScanner(r)
	scanner.Buffer(nil, 1<<20) // overlay mounts of container engines have very long lines
	for scanner.Scan() {
		before, after, found := strings.Cut(scanner.Text(), " - ")
		left, right := strings.Fields(before), strings.Fields(after)
		if !found || len(left) < 6 || len(right) < 1 {
			continue
		}
		m := mount{root: unescape(left[3]), point: unescape(left[4]), fsType: right[0]}
		if len(right) > 2 {
			m.super = right[2]
		}
		mounts = append(mounts, m)
	}
	return mounts, scanner.Err()
}

// findV2 picks the mount that shows the most: one of the root, else (in some containers only a
// part is mounted) the first.
func findV2(mounts []mount) (string, error) {
	part := ""
	for _, m := range mounts {
		switch {
		case m.fsType != "cgroup2":
		case m.root == "/":
			return m.point, nil
		case part == "":
			part = m.point
		}
	}
	if part != "" {
		return part, nil
	}
	return "", hint.Wrap(
		ErrNoCgroup2,
		"mount it with `mount -t cgroup2 none /sys/fs/cgroup/unified` (make the directory first), "+
			"or boot with systemd.unified_cgroup_hierarchy=1",
	)
}

// unescape undoes the octal escapes (\040 for a space) that mountinfo has in its paths.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) && octal(s[i+1]) && octal(s[i+2]) && octal(s[i+3]) {
			b.WriteByte((s[i+1]-'0')<<6 | (s[i+2]-'0')<<3 | (s[i+3] - '0'))
			i += 3
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func octal(c byte) bool { return c >= '0' && c <= '7' }
