// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"net/netip"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

var loopback = netip.MustParsePrefix("127.0.0.0/8")

// fixed are the addresses that reach every machine, whatever its configuration.
var fixed = append([]policy.Address{
	{Prefix: loopback, Reason: "loopback", Unicast: true},
	{Prefix: netip.MustParsePrefix("::1/128"), Reason: "loopback", Unicast: true},
	// A connect to the unspecified address goes to loopback.
	{Prefix: netip.MustParsePrefix("0.0.0.0/8"), Reason: "unspecified", Unicast: true},
	{Prefix: netip.MustParsePrefix("::/128"), Reason: "unspecified", Unicast: true},
	{Prefix: netip.PrefixFrom(broadcast, 32), Reason: "broadcast"},
	{Prefix: netip.MustParsePrefix("224.0.0.0/24"), Reason: "link-local multicast"},
}, fixedMulticast6()...)

// engineAliases are the addresses by which the container engines let a container reach the host:
// podman's pasta (169.254.1.1 and .2) and slirp4netns (10.0.2.2).
var engineAliases = []policy.Address{
	single(netip.MustParseAddr("169.254.1.1"), engineAlias),
	single(netip.MustParseAddr("169.254.1.2"), engineAlias),
	single(netip.MustParseAddr("10.0.2.2"), engineAlias),
}

const engineAlias = "container engine's alias of the host"

// fixedMulticast6 lists the node-local (ff?1::) and link-local (ff?2::) IPv6 multicast scopes. The
// nibble in front of the scope holds flags, and a group exists under each of its values.
func fixedMulticast6() []policy.Address {
	var list []policy.Address
	for flags := range 16 {
		for scope, reason := range map[byte]string{1: "node-local multicast", 2: "link-local multicast"} {
			addr := netip.AddrFrom16([16]byte{0xff, byte(flags)<<4 | scope})
			list = append(list, policy.Address{Prefix: netip.PrefixFrom(addr, 16), Reason: reason})
		}
	}
	return list
}
