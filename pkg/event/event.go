// SPDX-License-Identifier: Apache-2.0

// Package event turns the kernel's decisions into what people and programs read: JSON lines and
// the summary at the end of a run.
package event

import (
	"net/netip"
	"strconv"
	"time"
)

// Decision is one report of the kernel: a call or packet that was refused, or would have been.
type Decision struct {
	Time    time.Time
	Audit   bool       // let pass: the jail is in audit mode
	Dst     netip.Addr // invalid: there is no destination, as when a socket is made
	Port    uint16
	Proto   uint16 // IPPROTO_*
	PID     int    // in the initial pid namespace; 0: unknown
	Comm    string
	Rule    uint32 // rule id
	Hook    Hook
	Skipped uint64 // equal decisions since the report before this one, left out by the rate limit
}

// Hook says which program decided; the values are those of enum hook in bpf/types.h.
type Hook uint8

var hookNames = [...]string{"", "connect4", "connect6", "sendmsg4", "sendmsg6", "sock_create", "setsockopt", "egress"}

// String returns the program's name.
func (h Hook) String() string {
	if int(h) < len(hookNames) {
		return hookNames[h]
	}
	return "hook " + strconv.Itoa(int(h))
}

// protoNames are the protocols that a jail is likely to be seen with (IANA protocol numbers;
// 262 is Linux's IPPROTO_MPTCP).
var protoNames = map[uint16]string{
	1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 41: "ipv6", 47: "gre", 50: "esp", 51: "ah",
	58: "icmpv6", 132: "sctp", 136: "udplite", 255: "raw", 262: "mptcp",
}

// ProtoName returns the name of a protocol number.
func ProtoName(proto uint16) string {
	if name, ok := protoNames[proto]; ok {
		return name
	}
	return "proto-" + strconv.Itoa(int(proto))
}

// Event is a decision as events.jsonl holds it, one object a line.
type Event struct {
	Time   time.Time `json:"time"`
	Jail   string    `json:"jail"`
	Action string    `json:"action"`
	Proto  string    `json:"proto"`
	Dst    string    `json:"dst"`
	Port   uint16    `json:"port"`
	PID    int       `json:"pid"`
	Comm   string    `json:"comm"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	Hook   string    `json:"hook"`
	Count  uint64    `json:"count"`
}

// Rules tells what a rule id stands for: the policy's own words, and why it covers an address.
type Rules interface {
	Describe(id uint32, dst netip.Addr) (rule, reason string)
}

// New describes a decision of the jail named jail.
func New(jail string, d Decision, rules Rules) Event {
	e := Event{
		Time: d.Time, Jail: jail, Action: "block", Proto: ProtoName(d.Proto), Port: d.Port,
		PID: d.PID, Comm: d.Comm, Hook: d.Hook.String(), Count: 1 + d.Skipped,
	}
	if d.Audit {
		e.Action = "audit"
	}
	if d.Dst.IsValid() {
		e.Dst = d.Dst.String()
	}
	e.Rule, e.Reason = rules.Describe(d.Rule, d.Dst)
	return e
}
