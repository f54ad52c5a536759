// SPDX-License-Identifier: Apache-2.0

package native

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/hint"
)

// tools are the places below a home directory where programs and version managers put
// executables and what those need to run. Caches and settings next to them are left out: they are
// to be written to, or hold tokens. (So it is of ~/.cargo and ~/go only the programs: a read-only
// registry or module cache would keep cargo and go from fetching.)
var tools = []string{
	"bin", ".local/bin", ".local/lib", ".local/pipx",
	".local/share/mise", ".local/share/uv", ".local/share/pipx", ".local/share/pnpm",
	".local/share/claude", ".local/share/fnm", ".local/state/nix/profiles", ".nix-profile",
	".nvm", ".fnm", ".n", ".volta", ".bun/bin", ".bun/install/global", ".deno/bin",
	".npm-global", ".npm-packages", ".yarn/bin",
	".pyenv", ".rye/shims", ".rye/py", ".pixi/bin", ".pixi/envs", "miniconda3", "miniforge3", "anaconda3",
	".cargo/bin", ".cargo/env", ".rustup", "go/bin", "sdk/go*", ".goenv", ".gvm",
	".rbenv", ".rvm", ".nodenv", ".jenv", ".sdkman/candidates", ".asdf", ".phpenv",
	".ghcup/bin", ".juliaup", ".dotnet", ".krew/bin", ".krew/store", ".foundry/bin", ".linuxbrew",
	".claude/local", ".opencode/bin",
}

// toolVariables name a tool's root that is not where it usually is.
var toolVariables = []string{
	"NVM_DIR", "FNM_DIR", "VOLTA_HOME", "BUN_INSTALL", "DENO_INSTALL", "PNPM_HOME", "PYENV_ROOT", "RBENV_ROOT",
	"NODENV_ROOT", "GOENV_ROOT", "JENV_ROOT", "RUSTUP_HOME", "ASDF_DIR", "ASDF_DATA_DIR", "MISE_DATA_DIR",
	"GOROOT", "GOBIN", "JAVA_HOME",
}

// neverTools are directories that no tool's path makes visible as a whole.
var neverTools = []string{
	".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config", ".local", ".local/share", ".local/state",
	".cache", ".cargo", "go", ".bun", ".claude", ".codex", ".gemini", ".mozilla", ".password-store",
}

// credentials are files that are masked wherever a tool's directory has them.
var credentials = []string{
	".npmrc", "npmrc", ".yarnrc", ".yarnrc.yml", ".netrc", "_netrc", ".pypirc", "pip.conf", ".condarc",
	".git-credentials", ".env", ".pgpass", ".my.cnf", ".dockercfg", "auth.json",
	"credentials", "credentials.toml", "credentials.json", ".credentials", ".credentials.json",
}

// deepCredentials are those that lie deeper in it.
var deepCredentials = []string{
	"etc/npmrc", "versions/node/*/etc/npmrc", "installs/*/*/etc/npmrc", "tools/image/node/*/etc/npmrc",
	"versions/*/pip.conf", "versions/*/etc/npmrc", "*/pip.conf",
}

// homes is the user's home directory: as it is named, and as it is without links.
type homes struct {
	named, real string
}

// addHome puts an empty directory in the home's place.
func (v *view) addHome(u *User) (homes, error) {
	named := filepath.Clean(u.Home)
	if !filepath.IsAbs(u.Home) || named == "/" {
		return homes{}, hint.Wrap(fmt.Errorf("the home directory is %q", u.Home), "set HOME to the user's own directory")
	}
	real, links, err := follow(named)
	if missing(err) {
		real, links, err = named, nil, nil
	}
	if err != nil {
		return homes{}, fmt.Errorf("find the home directory: %w", err)
	}
	for _, path := range append([]string{"/tmp", "/run", "/proc", "/dev", "/sys", "/var"}, systemDirs...) {
		if within(path, real) && !within(path, "/home") {
			return homes{}, hint.Wrap(fmt.Errorf("the home directory is %s, which the system needs", real),
				"set HOME to the user's own directory")
		}
	}
	v.add(private, real)
	v.addLinks(links)
	return homes{named, real}, nil
}

// toolPaths lists what the user's tools need of the home directory, most of which won't be there.
func toolPaths(home homes, env environ) []string {
	var paths []string
	for _, tool := range tools {
		path := filepath.Join(home.named, tool)
		if matches, err := filepath.Glob(path); err == nil && filepath.Base(tool) == "go*" {
			paths = append(paths, matches...)
			continue
		}
		paths = append(paths, path)
	}
	for _, name := range toolVariables {
		paths = append(paths, env[name])
	}
	for _, path := range filepath.SplitList(env["PATH"]) {
		paths = append(paths, path)
		// PREFIX/bin/x looks for its libraries in PREFIX/lib.
		if prefix := filepath.Dir(path); filepath.Base(path) == "bin" && prefix != home.named && prefix != home.real {
			for _, sibling := range []string{"lib", "lib64", "libexec"} {
				paths = append(paths, filepath.Join(prefix, sibling))
			}
		}
	}
	return slices.DeleteFunc(paths, func(path string) bool {
		return !filepath.IsAbs(path) || !below(path, home.named) && !below(path, home.real)
	})
}

// addTools makes the tools visible, read-only and without the credentials in them. Whatever goes
// through a link in a tree that a jail may write to is left out: the link may be a jail's.
func (v *view) addTools(home homes, env environ, writable []string) {
	var all []found
	for _, path := range toolPaths(home, env) {
		f, err := resolve(want{kind: readOnly, path: filepath.Clean(path)})
		if err != nil || within(home.real, f.real) || kernelPath(f.real) || linkIn(f.links, writable) != "" {
			continue
		}
		if relative, err := filepath.Rel(home.real, f.real); err == nil && slices.Contains(neverTools, relative) {
			continue
		}
		all = append(all, f)
	}
	// A tree is mounted once, however many of its directories were named.
	slices.SortStableFunc(all, func(a, b found) int { return comparePaths(a.real, b.real) })
	var roots []found
	var links []link
	for _, f := range all {
		links = append(links, f.links...)
		if n := len(roots); (n == 0 || !within(f.real, roots[n-1].real)) && !v.shows(f.real, f.real) {
			roots = append(roots, f)
		}
	}
	v.addAll(roots)
	v.addLinks(links)
	for _, f := range all {
		if f.info.IsDir() {
			v.maskCredentials(f.real)
		}
	}
}

// maskCredentials looks only for what the directory has: most have none of it, and looking for
// each name in each directory would be the longest part of a plan.
func (v *view) maskCredentials(root string) {
	mask := func(path string) {
		if real, _, err := follow(path); err == nil {
			v.mask(real)
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return // what this process can't list, it doesn't show either
	}
	for _, entry := range entries {
		name := entry.Name()
		if slices.Contains(credentials, name) {
			mask(filepath.Join(root, name))
		}
		if entry.Type().IsRegular() {
			continue
		}
		for _, pattern := range deepCredentials {
			first, rest, _ := strings.Cut(pattern, "/")
			if first != "*" && first != name {
				continue
			}
			paths, _ := filepath.Glob(filepath.Join(root, name, rest)) // the only error is a bad pattern
			for _, path := range paths {
				mask(path)
			}
		}
	}
}

// addPathLinks makes the directories of PATH outside of the home directory work that are links to
// what is visible, as on NixOS.
func (v *view) addPathLinks(path string) {
	for _, entry := range filepath.SplitList(path) {
		if !filepath.IsAbs(entry) {
			continue
		}
		if real, links, err := follow(entry); err == nil && len(links) > 0 && v.shows(real, real) {
			v.addLinks(links)
		}
	}
}

// resolve finds what a want stands for.
func resolve(w want) (found, error) {
	real, links, err := follow(w.path)
	if err != nil {
		return found{}, err
	}
	info, err := os.Lstat(real)
	if err != nil {
		return found{}, err
	}
	return found{want: w, real: real, links: links, info: info}, nil
}

// linkIn returns the first link that lies in one of the trees, or "".
func linkIn(links []link, trees []string) string {
	for _, l := range links {
		for _, tree := range trees {
			if below(l.at, tree) {
				return l.at
			}
		}
	}
	return ""
}
