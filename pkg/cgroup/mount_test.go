// SPDX-License-Identifier: Apache-2.0

package cgroup

import (
	"errors"
	"strings"
	"testing"
)

func TestFindV2(t *testing.T) {
	const (
		hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
36 31 0:33 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:7 - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw,nsdelegate
`
		unified = "25 24 0:23 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
		escaped = `25 24 0:23 / /mnt/a\040b\134c rw - cgroup2 none rw` + "\n"
		part    = "25 24 0:23 /../jail /part rw - cgroup2 none rw\n"
	)
	cases := []struct{ name, info, want string }{
		{"unified", unified, "/sys/fs/cgroup"},
		{"hybrid", hybrid, "/sys/fs/cgroup/unified"},
		{"escaped path", escaped, `/mnt/a b\c`},
		{"a part only", part, "/part"},
		{"the whole before a part", part + unified, "/sys/fs/cgroup"},
		{"v1 only", strings.Join(strings.SplitAfter(hybrid, "\n")[:3], ""), ""},
		{"named like it", "1 2 0:3 / /cgroup2 rw - tmpfs cgroup2 rw\n", ""},
		{"garbage", "\n - \nx y z - cgroup2\n", ""},
		{"empty", "", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			mounts, err := readMounts(strings.NewReader(c.info))
			if err != nil {
				t.Fatal(err)
			}
			got, err := findV2(mounts)
			if got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
			if c.want != "" {
				return
			}
			var hint interface{ Hint() string }
			if !errors.Is(err, ErrNoCgroup2) || !errors.As(err, &hint) || hint.Hint() == "" {
				t.Errorf("error %v, want ErrNoCgroup2 with a hint", err)
			}
		})
	}
	mounts, err := readMounts(strings.NewReader(hybrid))
	if err != nil {
		t.Fatal(err)
	}
	if got := boundToV1(mounts, "cpu"); got != "/sys/fs/cgroup/cpu,cpuacct" {
		t.Errorf("cpu is bound to %q", got)
	}
	if got := boundToV1(mounts, "pids"); got != "" {
		t.Errorf("pids is bound to %q", got)
	}
}
