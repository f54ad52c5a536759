// SPDX-License-Identifier: Apache-2.0

package native

import (
	"path/filepath"
	"testing"
)

func TestRefusedWorkspaces(t *testing.T) {
	p := newPlace(t, 0)
	file := p.file(t, "file", "x")
	for _, workspace := range []string{
		"/", "~", p.home, filepath.Dir(p.home), "/tmp", "/usr", "/etc", "/proc", "/proc/self", "/sys/fs", "/dev",
		"/run", "/var", "/home", file, "missing",
	} {
		spec := p.spec("true")
		spec.Workspace = workspace
		_, err := NewPlan(spec)
		wantHint(t, err, ErrPath, "")
	}
}

func TestRefusedPaths(t *testing.T) {
	p := newPlace(t, 0)
	p.file(t, "project/file", "x")
	p.file(t, "private/key", "x")
	trap := p.link(t, p.home+"/private", "project/innocent") // as a command in a jail can make it
	cases := []struct {
		name, hint string
		change     func(*Spec)
	}{
		{"missing read", "create it", func(s *Spec) { s.Read = []string{"~/missing"} }},
		{"missing write", "create it", func(s *Spec) { s.Write = []string{p.workspace + "/file/below"} }},
		{"everything", "", func(s *Spec) { s.Read = []string{"/"} }},
		{"proc", "", func(s *Spec) { s.Read = []string{"/proc"} }},
		{"cgroups", "", func(s *Spec) { s.Write = []string{"/sys/fs/cgroup"} }},
		{"devices", "", func(s *Spec) { s.Write = []string{"/dev"} }},
		{"a device to read", "write: [/dev/zero]", func(s *Spec) { s.Read = []string{"/dev/zero"} }},
		{"all services", "", func(s *Spec) { s.Read = []string{"/var/run"} }},
		{"a link of the jail's", "name what it points to", func(s *Spec) { s.Read = []string{trap} }},
		{"the same to write", "name what it points to", func(s *Spec) { s.Write = []string{"innocent/key"} }},
		{"hidden workspace", "name the files", func(s *Spec) { s.Hide = []string{"."} }},
		{"hidden home above it", "name the files", func(s *Spec) { s.Hide = []string{"~"} }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			spec := p.spec("true")
			c.change(&spec)
			_, err := NewPlan(spec)
			wantHint(t, err, ErrPath, c.hint)
		})
	}
}

func TestRefusedSpecs(t *testing.T) {
	p := newPlace(t, 0)
	cases := map[string]func(*Spec){
		"no command":         func(s *Spec) { s.Command = nil },
		"relative directory": func(s *Spec) { s.Dir = "here" },
		"empty path":         func(s *Spec) { s.Read = []string{""} },
		"empty hidden path":  func(s *Spec) { s.Hide = []string{""} },
		"no home":            func(s *Spec) { s.User.Home = "" },
		"home is all":        func(s *Spec) { s.User.Home = "/" },
		"home is /usr":       func(s *Spec) { s.User.Home = "/usr" },
		"zero byte":          func(s *Spec) { s.Command = []string{"true", "a\x00--bind"} },
		"zero byte set":      func(s *Spec) { s.Set = map[string]string{"A": "\x00--bind\x00/\x00/"} },
		"bad name":           func(s *Spec) { s.Set = map[string]string{"A=B": ""} },
	}
	for name, change := range cases {
		spec := p.spec("true")
		change(&spec)
		if _, err := NewPlan(spec); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestResolvePath(t *testing.T) {
	for _, c := range [][2]string{
		{"~", "/home/u"},
		{"~/a/../b", "/home/u/b"},
		{"~user/x", "/dir/~user/x"},
		{".", "/dir"},
		{"a//b/", "/dir/a/b"},
		{"../x", "/x"},
		{"/a/./b", "/a/b"},
	} {
		if got := ResolvePath(c[0], "/dir", "/home/u"); got != c[1] {
			t.Errorf("ResolvePath(%q) = %q, want %q", c[0], got, c[1])
		}
	}
}
