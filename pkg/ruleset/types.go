// SPDX-License-Identifier: Apache-2.0

// Package ruleset compiles address and port rules into the image that the eBPF programs search:
// sorted disjoint ranges with final verdicts, laid out as static B+ trees of 64-byte lines.
// The layout is described in bpf/types.h. The package is pure: no I/O, no BPF.
//
// The way of a rule: its prefixes and holes become sortable events (keys.go); one sweep over all
// events of a family keeps a stack of the prefixes around the present address (sweep.go) and
// knows from it which rules decide there and by what word (verdict.go); equal neighbours merge,
// and IPv6 ranges that begin or end inside a /64 go to sub-trees (ranges.go); the ranges are laid
// out as trees (tree.go). Lookup reads the image as the kernel does (lookup.go).
package ruleset

import "net/netip"

// Action is what a rule does with a destination that it matches.
type Action uint8

// The actions of a rule.
const (
	Allow Action = iota + 1
	Block
)

// Protocol numbers (IANA) of the protocols that have ports.
const (
	ProtoAny uint8 = 0 // in a PortRange: TCP and UDP
	ProtoTCP uint8 = 6
	ProtoUDP uint8 = 17
)

// PortRange is the ports First to Last, both included, of a protocol.
type PortRange struct {
	Proto       uint8 // ProtoAny, ProtoTCP or ProtoUDP
	First, Last uint16
}

// Rule is one entry of a policy: its action for every destination in Prefixes and not in Except.
// A rule without prefixes matches nothing.
type Rule struct {
	ID     uint32 // FirstRule <= ID < 1<<24; what counters, events and verdict words carry
	Action Action
	// Prefixes are masked (no host bits); IPv4 ones are 4-byte addresses, never IPv4-mapped.
	Prefixes []netip.Prefix
	// Except are holes in this rule only: in them, the other rules decide as if this one weren't
	// there. Around them its prefixes are as specific as ever.
	Except []netip.Prefix
	// Ports restricts the rule to these; none means every port and every protocol. A rule with
	// ports never matches a protocol other than TCP and UDP.
	Ports []PortRange
}

// Input is everything a set is compiled from.
//
// The most specific prefix wins; at the same prefix a rule with ports that match beats one
// without; at a tie block beats allow, then the lower ID wins. Where no rule matches, Default
// decides, as RuleDefault.
type Input struct {
	Default Action
	Rules   []Rule

	// Host holds the prefixes that reach this machine itself. Of those around an address the most
	// specific says whether it is unicast; if one is listed as both, it is not.
	Host []HostPrefix
	// Own allows destinations in unicast Host prefixes whose listener the jail opened, unless a
	// rule with ports blocks them: such block verdicts get FlagOwn.
	Own bool
	// HostRule is the ID of the rule without ports, one of Rules, that blocks the host; 0 if the
	// host isn't blocked. It decides for addresses that turn out to be the host's before any list
	// knows them, unless the verdict has FlagHostOK.
	HostRule uint32
	// HostNetwork says that the jail shares the host's network namespace.
	HostNetwork bool

	Errno uint32 // positive errno of a refused call, 1 to 4095
	Audit bool   // report what would be refused, refuse nothing
}

// HostPrefix is a prefix that reaches this machine.
type HostPrefix struct {
	Prefix netip.Prefix
	// Unicast says that a listener of the jail can own a destination here; false for broadcast
	// and multicast, which several sockets may receive.
	Unicast bool
}

// Word is a verdict word: a kind, flags, and a rule id or the head line of another tree; see
// bpf/types.h.
type Word uint32

// Kind is the kind of a verdict word.
type Kind uint8

// Kinds, flags and reserved rule ids, as in bpf/types.h.
const (
	KindNone  Kind = 0 // never in an image: refuses
	KindAllow Kind = 1
	KindBlock Kind = 2
	KindLow64 Kind = 3 // go on in a tree of the low 64 bits of the address
	KindPorts Kind = 4 // go on in a tree of protocol << 16 | port

	// FlagOwn, with KindBlock: allowed all the same if the listener is a socket of the jail.
	FlagOwn Word = 1 << 24
	// FlagHostOK, with KindAllow: holds even if the address turns out to be the host's.
	FlagHostOK Word = 1 << 25

	RuleDefault  uint32 = 0 // the policy's default decided
	RuleProtocol uint32 = 1 // a protocol or header that a jail does not get
	RuleFault    uint32 = 2 // the set could not be read
	FirstRule    uint32 = 3 // first id of a policy's own rules
)

// Kind returns the word's kind.
func (w Word) Kind() Kind { return Kind(w >> 28) }

// Arg returns the rule id of a final word, the head line of the next tree of another.
func (w Word) Arg() uint32 { return uint32(w) & 0xffffff }

// Line is one 64-byte line of the image, words in the machine's byte order.
type Line [16]uint32

// Set is a compiled rule set: the image, ready to be copied into the kernel's array. Compile makes
// it; nothing changes it afterwards, so that it may be read from several goroutines.
type Set struct {
	Lines []Line
}
