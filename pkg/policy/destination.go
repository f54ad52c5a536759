// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// ParseDestination reads ADDRESS[:PORT][/tcp|udp], an IPv6 address before a port in brackets. A
// port without a protocol is TCP's; without a port it is 0. Without either the protocol is 0.
func ParseDestination(text string) (addr netip.Addr, proto, port uint16, err error) {
	where, name, found := strings.Cut(text, "/")
	switch {
	case !found:
	case name == "tcp":
		proto = uint16(ruleset.ProtoTCP)
	case name == "udp":
		proto = uint16(ruleset.ProtoUDP)
	default:
		return addr, 0, 0, fmt.Errorf("parse destination %q: protocol %q is neither tcp nor udp", text, name)
	}
	if addr, err = netip.ParseAddr(strings.Trim(where, "[]")); err == nil {
		return addr.WithZone(""), proto, 0, nil
	}
	i := strings.LastIndexByte(where, ':')
	if i < 0 {
		return addr, 0, 0, fmt.Errorf("parse destination %q: not an address", text)
	}
	if addr, err = netip.ParseAddr(strings.Trim(where[:i], "[]")); err != nil {
		return addr, 0, 0, fmt.Errorf("parse destination %q: %w", text, err)
	}
	n, err := strconv.ParseUint(where[i+1:], 10, 16)
	if err != nil || n == 0 {
		return addr, 0, 0, fmt.Errorf("parse destination %q: %q is no port", text, where[i+1:])
	}
	if proto == 0 {
		proto = uint16(ruleset.ProtoTCP)
	}
	return addr.WithZone(""), proto, uint16(n), nil
}
