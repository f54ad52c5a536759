// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"net/netip"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

var loopback4, loopback6 = netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()

// readResolvConf returns the configured DNS servers. Without any, and without the file, it is what
// the C libraries and Go's resolver then ask: port 53 of this machine itself.
//
// A local stub such as 127.0.0.53 stands for itself: the jail speaks to it, and only it, outside of
// the jail, speaks to the servers upstream.
func readResolvConf(path string) ([]policy.Address, error) {
	text, err := readOptional(path)
	if err != nil {
		return nil, err
	}
	addrs, reason := parseResolvConf(text), "nameserver in "+path
	if len(addrs) == 0 {
		addrs, reason = []netip.Addr{loopback4, loopback6}, "default resolver: no nameserver in "+path
	}
	var list []policy.Address
	for _, addr := range addrs {
		list = append(list, single(addr, reason))
	}
	return list, nil
}

// parseResolvConf returns the name servers of a resolv.conf(5): lines that start, in their first
// column, with the word nameserver; ";" and "#" start comments, and what is not an address is
// ignored, all as the C library has it. The C library asks only the first three; more are taken
// because other resolvers ask them too. A server given as 0.0.0.0 or :: is asked on loopback, where
// the kernel sends what is for these addresses, so loopback is listed beside it.
func parseResolvConf(text string) []netip.Addr {
	var addrs []netip.Addr
	for line := range strings.Lines(text) {
		value, ok := strings.CutPrefix(line, "nameserver")
		if !ok || !strings.HasPrefix(value, " ") && !strings.HasPrefix(value, "\t") {
			continue
		}
		if i := strings.IndexAny(value, ";#"); i >= 0 {
			value = value[:i]
		}
		fields := strings.Fields(value)
		if len(fields) == 0 {
			continue
		}
		// The zone may name an interface that netip has no opinion on, or be empty.
		literal, _, _ := strings.Cut(fields[0], "%")
		addr, err := netip.ParseAddr(literal)
		if err != nil {
			continue
		}
		addr = addr.Unmap()
		addrs = append(addrs, addr)
		switch {
		case addr == netip.IPv4Unspecified():
			addrs = append(addrs, loopback4)
		case addr == netip.IPv6Unspecified():
			addrs = append(addrs, loopback6)
		}
	}
	return addrs
}
