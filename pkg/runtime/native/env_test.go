// SPDX-License-Identifier: Apache-2.0

package native

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvironment(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		p.env = []string{
			"PATH=/usr/bin:/bin", "TERM=xterm", "LANG=C.UTF-8", "LC_TIME=C", "HTTPS_PROXY=http://192.0.2.1", "no_proxy=x",
			"HOME=/elsewhere", "USER=somebody", "SHELL=/bin/sh", "TZ=UTC",
			"LD_PRELOAD=/nowhere.so", "LD_LIBRARY_PATH=/nowhere", "SSH_AUTH_SOCK=/tmp/agent", "DBUS_SESSION_BUS_ADDRESS=x",
			"XDG_RUNTIME_DIR=/run/user/0", "AWS_SECRET_ACCESS_KEY=x", "SUDO_UID=0", "BASH_ENV=/x", "MALFORMED",
			"API_KEY=k", "APP_ONE=1", "APP_TWO=a=b\nc", "APPENDIX=no", "JAIL_AI=0",
		}
		spec := p.spec("env", "-0")
		spec.Pass = []string{"API_KEY", "APP_*", "UNSET"}
		spec.Set = map[string]string{"CI": "1", "APP_ONE": "one", "EMPTY": ""}
		r := run(t, spec)
		got := strings.Split(strings.TrimSuffix(r.out, "\x00"), "\x00")
		want := []string{
			"API_KEY=k", "APP_ONE=one", "APP_TWO=a=b\nc", "CI=1", "EMPTY=", "HOME=" + p.home, "HTTPS_PROXY=http://192.0.2.1",
			"JAIL_AI=1", "LANG=C.UTF-8", "LC_TIME=C", "LOGNAME=tester", "PATH=/usr/bin:/bin", "PWD=" + p.workspace,
			"SHELL=/bin/sh", "TERM=xterm", "TZ=UTC", "USER=tester", "no_proxy=x",
		}
		if diff := cmp.Diff(want, sorted(got)); diff != "" {
			t.Errorf("environment (-want +got):\n%s", diff)
		}
	})
}

// TestLoaderVariables: what the policy sets is the command's, and nothing of bubblewrap's, which
// starts outside of the jail.
func TestLoaderVariables(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		spec := p.spec("sh", "-c", "echo $LD_DEBUG_OUTPUT; tr '\\0' '\\n' < /proc/1/environ; tr '\\0' ' ' < /proc/1/cmdline")
		spec.Set = map[string]string{"LD_DEBUG_OUTPUT": p.workspace + "/trace", "LD_DEBUG": "libs", "SECRET": "s3cret"}
		r := run(t, spec)
		want := p.workspace + "/trace\nbwrap --args 3 -- " + strings.Join(spec.Command, " ")
		if got := strings.TrimSpace(r.out); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		traces, err := os.ReadDir(p.workspace)
		if err != nil || len(traces) == 0 {
			t.Fatalf("the command's own loader left no trace: %v", err)
		}
		for _, trace := range traces {
			data, err := os.ReadFile(p.workspace + "/" + trace.Name())
			if err != nil || strings.Contains(string(data), "bwrap") {
				t.Errorf("%s: %v, or it is of bwrap", trace.Name(), err)
			}
		}
	})
}

func TestSudoPath(t *testing.T) {
	p := newPlace(t, ordinaryID)
	p.mkdir(t, p.home+"/.local/bin")
	p.mkdir(t, p.home+"/.cargo/bin")
	p.file(t, "bin", "not a directory")
	p.mkdir(t, p.home+"/.nvm/versions/node/v20.1.0/bin")
	p.user.Sudo = true
	spec := p.spec("true")
	spec.Environ = []string{"PATH=/usr/sbin:/usr/bin:/bin", "SHELL=/root/shell", "HOME=/root"}
	plan, err := NewPlan(spec)
	if err != nil {
		t.Fatal(err)
	}
	want := p.home + "/.local/bin:" + p.home + "/.cargo/bin:" + p.home + "/.nvm/versions/node/v20.1.0/bin:/usr/sbin:/usr/bin:/bin"
	for _, entry := range []string{"PATH=" + want, "SHELL=/bin/bash", "HOME=" + p.home} {
		if !contains(plan.Env(), entry) {
			t.Errorf("no %s in %q", entry, plan.Env())
		}
	}
}

func TestArgsAreDeterministic(t *testing.T) {
	p := newPlace(t, 0)
	for _, name := range []string{"c", "a", "b", "d"} {
		p.mkdir(t, p.home+"/"+name)
	}
	spec := p.spec("true", "--", "-x")
	spec.Read, spec.Write, spec.Hide = []string{"~/c", "~/a"}, []string{"~/d", "~/b"}, []string{"~/c", "~/b"}
	var first []string
	for range 10 {
		plan, err := NewPlan(spec)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = plan.Args()
		} else if diff := cmp.Diff(first, plan.Args()); diff != "" {
			t.Fatal(diff)
		}
	}
	if tail := first[len(first)-4:]; !cmp.Equal(tail, []string{"--", "true", "--", "-x"}) {
		t.Errorf("the arguments end in %q", tail)
	}
}
