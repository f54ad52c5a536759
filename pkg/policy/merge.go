// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"slices"
	"syscall"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// builtinAt is the position of what no file says.
var builtinAt = Position{File: "built in"}

// builtin returns the terms of a jail whose policy doesn't say any.
func builtin(groups ...string) opt[[]Term] {
	terms := make([]Term, len(groups))
	for i, g := range groups {
		terms[i] = Term{Position: builtinAt, Text: g, Group: g}
	}
	return opt[[]Term]{value: terms, at: builtinAt}
}

func said[T any](v T) opt[T] { return opt[T]{value: v, at: builtinAt} }

// merge makes a jail of what it says itself, what `defaults` say, and what is built in.
func merge(name string, defaults, b *body) *Jail {
	action := b.netDefault.or(defaults.netDefault).or(said("allow"))
	set := maps.Clone(defaults.set)
	if set == nil {
		set = make(map[string]string)
	}
	maps.Copy(set, b.set)
	return &Jail{
		Name:      name,
		Command:   slices.Clone(b.command.or(defaults.command).value),
		Runtime:   b.runtime.or(defaults.runtime).or(said(RuntimeNative)).value,
		Image:     b.image.or(defaults.image).value,
		Workspace: b.workspace.or(defaults.workspace).or(said(".")).value,
		Env:       Env{Pass: mergeLists(defaults.pass, b.pass).value, Set: set},
		Filesystem: Filesystem{
			Read:  mergeLists(defaults.read, b.read).value,
			Write: mergeLists(defaults.write, b.write).value,
			Hide:  mergeLists(defaults.hide, b.hide).value,
		},
		Resources: Resources{
			Memory: b.memory.or(defaults.memory).value,
			CPUs:   b.cpus.or(defaults.cpus).value,
			PIDs:   b.pids.or(defaults.pids).value,
		},
		Network: Network{
			Mode:      b.netMode.or(defaults.netMode).or(said(NetworkHost)).value,
			Default:   actionOf(action.value),
			Block:     mergeTerms(defaults.block, b.block, builtin("host", "gateway", "linklocal", "metadata", "multicast")),
			Allow:     mergeTerms(defaults.allow, b.allow, builtin("dns", "own")),
			Errno:     b.errno.or(defaults.errno).or(said(syscall.EPERM)).value,
			defaultAt: action.at,
		},
		Mode:  b.mode.or(defaults.mode).or(said(ModeEnforce)).value,
		Watch: b.watch.or(defaults.watch).value,
	}
}

func actionOf(s string) ruleset.Action {
	if s == "allow" {
		return ruleset.Allow
	}
	return ruleset.Block
}

// mergeLists appends a jail's list to that of the defaults; an empty one drops those.
func mergeLists[T any](defaults, own opt[[]T]) opt[[]T] {
	switch {
	case !own.set:
		own = defaults
	case len(own.value) > 0:
		own.value = slices.Concat(defaults.value, own.value)
	}
	own.value = slices.Clone(own.value)
	return own
}

func mergeTerms(defaults, own, otherwise opt[[]Term]) []Term {
	merged := mergeLists(defaults, own)
	if !merged.set {
		merged = otherwise
	}
	for i, t := range merged.value {
		merged.value[i] = t.clone()
	}
	return merged.value
}
