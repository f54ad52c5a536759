// SPDX-License-Identifier: Apache-2.0

package policy

import "net/netip"

// Group is a named set of destinations.
type Group struct {
	Name  string
	About string // what it holds, for people
}

var groups = []Group{
	{"host", "every address that reaches this machine"},
	{"gateway", "next hops of default routes"},
	{"metadata", "instance metadata services of clouds"},
	{"private", "private networks: RFC 1918, unique local IPv6, carrier-grade NAT"},
	{"linklocal", "link-local addresses"},
	{"multicast", "multicast, and the IPv4 broadcast address"},
	{"dns", "the configured resolvers, port 53 only"},
	{"own", "listeners that the jail itself opened; only in allow"},
	{"any", "every address"},
}

var groupNames = func() []string {
	all := make([]string, len(groups))
	for i, g := range groups {
		all[i] = g.Name
	}
	return all
}()

// Groups returns all groups that `block` and `allow` may name.
func Groups() []Group { return append([]Group(nil), groups...) }

// fixedGroups are the groups that are the same on every machine.
var fixedGroups = map[string][]Address{
	"private": {
		fixed("10.0.0.0/8", "private network (RFC 1918)"),
		fixed("172.16.0.0/12", "private network (RFC 1918)"),
		fixed("192.168.0.0/16", "private network (RFC 1918)"),
		fixed("100.64.0.0/10", "carrier-grade NAT (RFC 6598)"),
		fixed("fc00::/7", "unique local IPv6 (RFC 4193)"),
	},
	"linklocal": {
		fixed("169.254.0.0/16", "link-local (RFC 3927)"),
		fixed("fe80::/10", "link-local (RFC 4291)"),
	},
	"multicast": {
		fixed("224.0.0.0/4", "multicast"),
		fixed("ff00::/8", "multicast"),
		fixed("255.255.255.255/32", "limited broadcast"),
	},
	"metadata": {
		fixed("169.254.169.254/32", "cloud metadata service (AWS, Azure, Google Cloud and others)"),
		fixed("169.254.170.2/32", "AWS ECS task metadata and credentials"),
		fixed("169.254.170.23/32", "AWS EKS pod identity credentials"),
		fixed("168.63.129.16/32", "Azure host agent (WireServer)"),
		fixed("100.100.100.200/32", "Alibaba Cloud metadata service"),
		fixed("192.0.0.192/32", "Oracle Cloud metadata service"),
		fixed("fd00:ec2::254/128", "AWS metadata service"),
		fixed("fd00:ec2::23/128", "AWS EKS pod identity credentials"),
		fixed("fd20:ce::254/128", "Google Cloud metadata service"),
	},
	"any": {
		fixed("0.0.0.0/0", "any address"),
		fixed("::/0", "any address"),
	},
}

func fixed(prefix, reason string) Address {
	return Address{Prefix: netip.MustParsePrefix(prefix), Reason: reason, Unicast: true}
}

// Members returns the addresses of a group on a machine, nil for own and for unknown groups. The
// caller must not change them.
func Members(group string, m Machine) []Address {
	switch group {
	case "host":
		return m.Host
	case "gateway":
		return m.Gateway
	case "dns":
		return m.Resolvers
	}
	return fixedGroups[group]
}
