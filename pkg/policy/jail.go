// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"net/netip"
	"syscall"
	"time"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// What the enumerated settings may say.
const (
	RuntimeNative = "native"
	RuntimePodman = "podman"

	NetworkHost    = "host"    // the host's network namespace
	NetworkPrivate = "private" // one of the jail's own, with a way out
	NetworkNone    = "none"    // one of the jail's own, with loopback alone

	ModeEnforce = "enforce"
	ModeAudit   = "audit" // report what would be refused, refuse nothing
)

// Jail is one jail of a policy, merged with all defaults. Paths are as written: relative to the
// current directory, "~" being the invoking user's home. Its slices and maps are the caller's.
type Jail struct {
	Name       string
	Command    []string // nil: none given
	Runtime    string
	Image      string // podman only
	Workspace  string
	Env        Env
	Filesystem Filesystem
	Resources  Resources
	Network    Network
	Mode       string
	Watch      bool // reload when the policy changes
}

// Env is the environment of a jail's command. Where both name a variable, Set wins.
type Env struct {
	Pass []string          // names taken over from the caller
	Set  map[string]string // never nil
}

// Filesystem is what a jail sees of the file system beside its workspace and the system.
type Filesystem struct {
	Read, Write, Hide []string
}

// Resources are a jail's limits; 0 is no limit.
type Resources struct {
	Memory uint64  // bytes
	CPUs   float64 // CPU seconds per second
	PIDs   uint64  // processes and threads
}

// Network is what a jail may reach.
type Network struct {
	Mode    string
	Default ruleset.Action // where no entry matches
	Block   []Term
	Allow   []Term
	Errno   syscall.Errno // what a refused call returns

	defaultAt Position
}

// Term is one entry of `block` or `allow`. Exactly one of Group, Prefix and File says where to.
type Term struct {
	Position Position
	Text     string       // the entry for people, in one line
	Group    string       // name of a group
	Prefix   netip.Prefix // a literal address or CIDR, masked; never IPv4-mapped
	File     string       // pattern of list files, as written
	Except   []netip.Prefix
	Ports    []ruleset.PortRange // none: every port and protocol
	Reason   string              // as written, "" if none
	Expires  time.Time           // zero: never

	lists  []*list // what File stands for
	loaded bool    // the lists were read
}

// expired says that the term no longer holds at now.
func (t *Term) expired(now time.Time) bool {
	return !t.Expires.IsZero() && !t.Expires.After(now)
}

// Default returns the jail of someone who says nothing: the whole web, nothing of this machine or
// its surroundings but what the jail itself serves.
func Default() *Jail {
	return merge("default", &body{}, &body{})
}
