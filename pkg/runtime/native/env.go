// SPDX-License-Identifier: Apache-2.0

package native

import (
	"cmp"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// environ are variables by name.
type environ map[string]string

// harmless are the variables of the caller that a command gets unasked: how to talk to the person
// at the terminal, the way to the network, and where the visible tools are. LC_* is handled apart.
var harmless = append([]string{
	"TERM", "COLORTERM", "LANG", "LANGUAGE", "TZ", "EDITOR", "VISUAL", "PAGER", "NO_COLOR",
	"http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
}, append(slices.Clone(toolVariables), certificates...)...)

// certificates name files with the certificates to trust, or a directory of them.
var certificates = []string{"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"}

// systemPath is for callers without a PATH.
const systemPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func parseEnviron(list []string) environ {
	if list == nil {
		list = os.Environ()
	}
	env := environ{}
	for _, entry := range list {
		if name, value, found := strings.Cut(entry, "="); found && name != "" {
			env[name] = value
		}
	}
	return env
}

// list returns the variables as NAME=VALUE, sorted.
func (e environ) list() []string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(e)) {
		list = append(list, name+"="+e[name])
	}
	return list
}

// newEnviron builds the command's environment: the harmless variables, then what the policy
// passes, then what it sets.
func newEnviron(spec *Spec, caller environ, path string) environ {
	env := environ{}
	for name, value := range caller {
		if slices.Contains(harmless, name) || strings.HasPrefix(name, "LC_") {
			env[name] = value
		}
	}
	env["PATH"] = path
	env["HOME"] = spec.User.Home
	env["USER"] = spec.User.Name
	env["LOGNAME"] = spec.User.Name
	env["SHELL"] = cmp.Or(spec.User.Shell, "/bin/sh")
	if shell := caller["SHELL"]; shell != "" && !spec.User.Sudo {
		env["SHELL"] = shell
	}
	for _, pattern := range spec.Pass {
		prefix, isPrefix := strings.CutSuffix(pattern, "*")
		if !isPrefix {
			if value, found := caller[pattern]; found {
				env[pattern] = value
			}
			continue
		}
		for name, value := range caller {
			if strings.HasPrefix(name, prefix) {
				env[name] = value
			}
		}
	}
	maps.Copy(env, spec.Set)
	env["JAIL_AI"] = "1"
	return env
}

// callerPath is the PATH that the command gets. Under sudo, which replaces the user's, their tools
// are put in front of it.
func callerPath(u *User, caller environ) string {
	path := cmp.Or(caller["PATH"], systemPath)
	if !u.Sudo {
		return path
	}
	var entries []string
	for _, name := range []string{
		".local/bin", "bin", ".cargo/bin", "go/bin", ".bun/bin", ".deno/bin", ".volta/bin", ".asdf/shims",
		".local/share/mise/shims", ".local/share/pnpm", ".npm-global/bin", ".pyenv/shims", ".pyenv/bin",
		".rbenv/shims", ".opencode/bin", ".claude/local",
	} {
		entries = append(entries, filepath.Join(u.Home, name))
	}
	if node := nvmNode(filepath.Join(u.Home, ".nvm")); node != "" {
		entries = append(entries, node)
	}
	entries = slices.DeleteFunc(entries, func(entry string) bool {
		info, err := os.Stat(entry)
		return err != nil || !info.IsDir()
	})
	return strings.Join(append(entries, path), ":")
}

// nvmNode returns the directory of the newest Node.js that nvm has and that its default alias
// allows (an alias like "node" or "lts/*" allows all), or "".
func nvmNode(root string) string {
	prefix := "v"
	if alias, err := os.ReadFile(filepath.Join(root, "alias", "default")); err == nil {
		version := strings.TrimPrefix(strings.TrimSpace(string(alias)), "v")
		if version != "" && strings.Trim(version, "0123456789.") == "" {
			prefix = "v" + version
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, "versions", "node"))
	if err != nil {
		return ""
	}
	best := ""
	for _, entry := range entries {
		name := entry.Name()
		if (name == prefix || prefix == "v" || strings.HasPrefix(name, prefix+".")) &&
			(best == "" || slices.Compare(version(name), version(best)) > 0) {
			best = name
		}
	}
	if best == "" {
		return ""
	}
	return filepath.Join(root, "versions", "node", best, "bin")
}

func version(name string) []int {
	var numbers []int
	for _, part := range strings.Split(strings.TrimPrefix(name, "v"), ".") {
		n, _ := strconv.Atoi(part) // what isn't a number sorts first
		numbers = append(numbers, n)
	}
	return numbers
}

// addCertificates makes the certificates that variables name visible. They are public.
func (v *view) addCertificates(env environ, home homes, writable []string) {
	for _, name := range certificates {
		path := env[name]
		if !filepath.IsAbs(path) {
			continue
		}
		f, err := resolve(want{kind: readOnly, path: filepath.Clean(path)})
		if err != nil || within(home.real, f.real) || kernelPath(f.real) || linkIn(f.links, writable) != "" {
			continue
		}
		if f.info.Mode().IsRegular() || f.info.IsDir() && name == "SSL_CERT_DIR" && !within("/run", f.real) {
			v.reveal(path)
		}
	}
}
