// SPDX-License-Identifier: Apache-2.0

package policy

import "net/netip"

// Machine is what a machine's present state contributes to a rule set: the members of the groups
// that differ from machine to machine. pkg/hostaddr fills it.
type Machine struct {
	Host      []Address // every prefix that reaches this machine
	Gateway   []Address // next hops of default routes
	Resolvers []Address // configured DNS servers, as full-length prefixes
}

// Address is a prefix with the reason why it is in its group.
type Address struct {
	Prefix netip.Prefix
	Reason string // short, for people: "loopback", "address of eth0", …
	// Unicast says that one listener receives what is sent here: false for broadcast and
	// multicast.
	Unicast bool
}
