// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// parsePrefix reads an address, which stands for itself alone, or a CIDR.
func parsePrefix(s string) (netip.Prefix, *problem) {
	if strings.Contains(s, "://") {
		return netip.Prefix{}, problemf("write the addresses that the server has", "%q is a URL", short(s))
	}
	at := strings.IndexByte(s, '/')
	if at < 0 {
		a, p := parseAddr(s)
		if p != nil {
			return netip.Prefix{}, p
		}
		return literal(netip.PrefixFrom(a, a.BitLen()))
	}
	if rest := s[at+1:]; strings.HasPrefix(rest, "tcp") || strings.HasPrefix(rest, "udp") {
		return netip.Prefix{}, problemf("write {to: ADDRESS, ports: ["+rest[:3]+"/PORT]}", "%q names a protocol", short(s))
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		a, p := parseAddr(s[:at])
		if p != nil {
			return netip.Prefix{}, p
		}
		return netip.Prefix{}, problemf(fmt.Sprintf("write a number from 0 to %d after the slash", a.BitLen()), "%q has a bad prefix length", short(s))
	}
	if masked := prefix.Masked(); masked != prefix {
		return netip.Prefix{}, problemf(fmt.Sprintf("write %s, or %s for that one address", masked, prefix.Addr()), "%s has host bits set", prefix)
	}
	return literal(prefix)
}

// parseAddr reads an address.
func parseAddr(s string) (netip.Addr, *problem) {
	a, err := netip.ParseAddr(s)
	switch {
	case err == nil && a.Zone() == "":
		return a, nil
	case err == nil:
		return a, problemf("write "+a.WithZone("").String(), "%q has a zone; a rule holds on every interface", short(s))
	case isHostName(s):
		return a, problemf("write the addresses that it has; names change their addresses", "%q is a host name", short(s))
	}
	if first, last, ok := strings.Cut(s, "-"); ok {
		if _, err := netip.ParseAddr(strings.TrimSpace(first)); err == nil {
			return a, problemf("write the CIDRs that cover it", "%q is a range of addresses", short(first+"-"+last))
		}
	}
	return a, problemf("write an address (192.0.2.1, 2001:db8::1), a CIDR (192.0.2.0/24) or a group ("+strings.Join(groupNames, ", ")+")",
		"%q is no address", short(s))
}

// isHostName says that s looks like a DNS name: labels with a letter beyond hexadecimal digits.
func isHostName(s string) bool {
	letters := false
	for _, c := range []byte(strings.ToLower(s)) {
		switch {
		case c >= 'a' && c <= 'z':
			letters = true
		case c >= '0' && c <= '9', c == '.', c == '-', c == '_', c == '*':
		default:
			return false
		}
	}
	return letters
}

// parseAddrPort reads ADDRESS:PORT or [ADDRESS]:PORT; ok says that s has this form.
func parseAddrPort(s string) (prefix netip.Prefix, port uint16, ok bool, p *problem) {
	host, number := "", ""
	switch {
	case strings.HasPrefix(s, "["):
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return prefix, 0, true, problemf("close it: [ADDRESS]:PORT", "%q has no closing bracket", short(s))
		}
		host = s[1:end]
		if number, ok = strings.CutPrefix(s[end+1:], ":"); !ok {
			return prefix, 0, true, problemf("write "+short(host)+", or ["+short(host)+"]:PORT", "%q has brackets but no port", short(s))
		}
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() {
			return prefix, 0, true, problemf("write "+host+":"+short(number), "%q has brackets around an IPv4 address", short(s))
		}
	case strings.Count(s, ":") == 1:
		host, number, _ = strings.Cut(s, ":")
	default:
		return prefix, 0, false, nil
	}
	a, p := parseAddr(host)
	if p != nil {
		return prefix, 0, true, p
	}
	if port, p = parsePort(number); p != nil {
		return prefix, 0, true, p
	}
	prefix, p = literal(netip.PrefixFrom(a, a.BitLen()))
	return prefix, port, true, p
}

// parsePort reads one port number.
func parsePort(s string) (uint16, *problem) {
	const fix = "write a number from 1 to 65535"
	v, err := strconv.ParseUint(s, 10, 16)
	switch {
	case s == "" || strings.Trim(s, "0123456789") != "":
		return 0, problemf(fix, "%q is no port number", short(s))
	case err != nil:
		return 0, problemf(fix, "port %s is larger than 65535", short(s))
	case v == 0:
		return 0, problemf(fix, "port 0 is no port")
	case s[0] == '0':
		return 0, problemf(fmt.Sprintf("write %d", v), "port %s begins with a zero", short(s))
	}
	return uint16(v), nil
}
