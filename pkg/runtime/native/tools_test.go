// SPDX-License-Identifier: Apache-2.0

package native

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestTools(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		const program = "#!/bin/sh\necho ran $0\n"
		version := p.file(t, ".local/share/claude/versions/1.0", program)
		p.link(t, version, ".local/bin/claude")
		p.file(t, ".local/share/keyrings/login", "x")
		p.file(t, ".nvm/versions/node/v20.1.0/bin/node", program)
		p.file(t, ".nvm/versions/node/v20.1.0/etc/npmrc", "token")
		p.file(t, ".nvm/.npmrc", "token")
		p.file(t, ".cargo/bin/cargo", program)
		p.file(t, ".cargo/credentials.toml", "token")
		p.file(t, ".cargo/config.toml", "x")
		p.file(t, ".local/share/uv/credentials/c", "token")
		p.file(t, ".local/share/uv/tools/x/bin/x", program)
		p.file(t, "apps/thing/bin/thing", program)
		p.file(t, "apps/thing/lib/thing.txt", "x")
		p.file(t, "apps/thing/private", "x")
		p.file(t, ".netrc", "token")
		p.file(t, ".npmrc", "token")
		p.env = []string{"PATH=" + strings.Join([]string{
			p.home, p.home + "/.local/bin", p.home + "/apps/thing/bin", p.home + "/.nvm/versions/node/v20.1.0/bin",
			"/usr/bin:/bin", p.home + "/.cargo/bin", p.home + "/.ssh",
		}, ":")}
		p.file(t, ".ssh/id", "x")
		if got := script(t, p.spec(), "claude; node | cut -c1-3; thing | cut -c1-3; cargo | cut -c1-3"); got != "ran "+p.home+"/.local/bin/claude\nran\nran\nran" {
			t.Errorf("tools: %q", got)
		}
		in := func(path string) string { return filepath.Join(p.home, path) }
		got := access(t, p.spec(), version, in(".local/bin"), in(".local/share/keyrings"), in(".nvm/versions"),
			in("apps/thing/bin"), in("apps/thing/lib/thing.txt"), in("apps/thing/private"),
			in(".cargo/credentials.toml"), in(".cargo/config.toml"), in(".netrc"), in(".npmrc"), in(".ssh"),
			in(".local/share/uv/tools/x/bin/x"))
		if want := "r r - r r r - - - - - - r"; got != want {
			t.Errorf("access %q, want %q", got, want)
		}
		got = script(t, p.spec(), `cat ~/.nvm/.npmrc ~/.nvm/versions/node/*/etc/npmrc; ls -A ~/.local/share/uv/credentials`)
		if got != "" {
			t.Errorf("credentials in the tools: %q", got)
		}
		// Hiding what is masked already is no error.
		spec := p.spec()
		spec.Hide = []string{"~/.nvm/.npmrc", "~/.local/share/uv/credentials"}
		if got := script(t, spec, `cat ~/.nvm/.npmrc`); got != "" {
			t.Errorf("hidden credentials: %q", got)
		}
		// What the policy names by itself is meant.
		spec = p.spec()
		spec.Read = []string{"~/.nvm/.npmrc", "~/.npmrc"}
		if got := script(t, spec, `cat ~/.nvm/.npmrc ~/.npmrc`); got != "tokentoken" {
			t.Errorf("credentials that the policy shows: %q", got)
		}
	})
}

// TestToolsThroughWritableLinks: a jail that may write to its workspace can't make the next one
// see more by a link there.
func TestToolsThroughWritableLinks(t *testing.T) {
	requireJails(t)
	p := newPlace(t, 0)
	p.file(t, "private/key", "x")
	p.link(t, p.home+"/private", "project/bin")
	p.link(t, p.home+"/private", "project/tool")
	p.env = []string{"PATH=" + p.workspace + "/bin:/usr/bin:/bin", "PYENV_ROOT=" + p.workspace + "/tool", "SSL_CERT_FILE=" + p.workspace + "/bin/key"}
	if got := access(t, p.spec(), p.home+"/private", p.home+"/private/key"); got != "- -" {
		t.Errorf("access %s", got)
	}
}

func TestCertificates(t *testing.T) {
	requireJails(t)
	p := newPlace(t, 0)
	certificate := p.file(t, "ca/root.pem", "x")
	p.file(t, "ca/root.key", "x")
	p.env = append(p.env, "SSL_CERT_FILE="+certificate, "SSL_CERT_DIR="+p.home, "NODE_EXTRA_CA_CERTS="+p.home)
	if got := access(t, p.spec(), certificate, p.home+"/ca/root.key", p.home); got != "r - w" {
		t.Errorf("access %s", got)
	}
}

func TestNvmNode(t *testing.T) {
	p := newPlace(t, 0)
	root := p.home + "/.nvm"
	if got := nvmNode(root); got != "" {
		t.Errorf("without nvm: %q", got)
	}
	for _, version := range []string{"v9.1.0", "v20.9.0", "v20.10.0", "v22.1.0"} {
		p.mkdir(t, filepath.Join(root, "versions/node", version, "bin"))
	}
	for alias, want := range map[string]string{"": "v22.1.0", "node\n": "v22.1.0", "lts/*": "v22.1.0", "20\n": "v20.10.0", "v20.9.0": "v20.9.0", "9": "v9.1.0"} {
		p.file(t, ".nvm/alias/default", alias)
		if got := nvmNode(root); got != filepath.Join(root, "versions/node", want, "bin") {
			t.Errorf("alias %q: %s, want %s", alias, got, want)
		}
	}
}
