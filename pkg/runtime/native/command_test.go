// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestFindCommand(t *testing.T) {
	p := newPlace(t, 0)
	hidden := p.file(t, "hidden/bin/tool", "#!/bin/sh\n")
	p.link(t, hidden, "bin/linked")
	p.file(t, "project/plain", "text")
	p.file(t, "project/script", "#!/bin/sh\nexit 3\n")
	p.file(t, "project/lost", "#!/nowhere/python3 -u\n")
	p.file(t, "project/far", "#!"+hidden+"\n")
	p.file(t, "project/.env", "#!/bin/sh\n")
	p.mkdir(t, p.workspace+"/folder")
	p.env = []string{"PATH=" + p.home + "/bin:" + p.home + "/hidden/../missing:/usr/bin:/bin"}
	outside := p.file(t, filepath.Join(t.TempDir(), "outside"), "#!/bin/sh\n")
	cases := []struct {
		command string
		kind    error
		hint    string
	}{
		{"sh", nil, ""},
		{"/bin/sh", nil, ""},
		{"./script", nil, ""},
		{"../project/script", nil, ""},
		{"", ErrNotFound, ""},
		{"no-such-command", ErrNotFound, ""},
		{"./no-such-command", ErrNotFound, ""},
		{"far", ErrNotFound, ""}, // not in PATH
		{"linked", ErrNotFound, "filesystem: {read: [" + hidden + "]}"},
		{hidden, ErrNotFound, "filesystem: {read: [" + hidden + "]}"},
		{outside, ErrNotFound, "filesystem: {read: [" + outside + "]}"},
		{"./plain", ErrNotExecutable, "chmod +x"},
		{"./folder", ErrNotExecutable, ""},
		{"/", ErrNotExecutable, ""},
		{"/tmp", ErrNotExecutable, ""},
		{"./lost", ErrNotExecutable, ""},
		{"./far", ErrNotExecutable, "filesystem: {read: [" + hidden + "]}"},
		{"./.env", ErrNotExecutable, "hide"},
	}
	for _, c := range cases {
		t.Run(c.command, func(t *testing.T) {
			spec := p.spec(c.command)
			spec.Hide = []string{".env"}
			_, err := NewPlan(spec)
			if c.hint != "" {
				wantHint(t, err, c.kind, c.hint)
			} else if !errors.Is(err, c.kind) {
				t.Errorf("error %v, want %v", err, c.kind)
			}
		})
	}
	// What the hint says works.
	spec := p.spec("linked")
	spec.Read = []string{hidden}
	if _, err := NewPlan(spec); err != nil {
		t.Errorf("with the hint followed: %v", err)
	}
}

func TestExecutePermissionOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("giving files to others takes root")
	}
	p := newPlace(t, ordinaryID)
	mine := p.file(t, "project/mine", "#!/bin/sh\n")
	if err := errors.Join(os.Chmod(mine, 0o070), os.Chown(mine, 1, ordinaryID)); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(p.spec("./mine")); err != nil {
		t.Errorf("executable for the group: %v", err)
	}
	if err := os.Chown(mine, ordinaryID, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := NewPlan(p.spec("./mine")); !errors.Is(err, ErrNotExecutable) {
		t.Errorf("not executable for the owner: %v", err)
	}
}

func TestSymlinkLoops(t *testing.T) {
	p := newPlace(t, 0)
	p.link(t, "b", "project/a")
	p.link(t, "a", "project/b")
	if _, err := NewPlan(p.spec("./a")); !errors.Is(err, ErrNotFound) {
		t.Errorf("a command that is a loop: %v", err)
	}
	spec := p.spec("true")
	spec.Read = []string{"a"}
	if _, err := NewPlan(spec); !errors.Is(err, ErrPath) {
		t.Errorf("a path that is a loop: %v", err)
	}
}
