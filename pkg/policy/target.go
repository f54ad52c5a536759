// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// synonyms are words for groups that people try first.
var synonyms = map[string]string{
	"localhost": "host", "loopback": "host", "self": "host", "local": "host",
	"link-local": "linklocal", "link_local": "linklocal",
	"lan": "private", "rfc1918": "private", "internal": "private",
	"all": "any", "internet": "any", "world": "any",
	"router": "gateway", "gateways": "gateway", "resolver": "dns", "resolvers": "dns", "nameserver": "dns",
}

// parseTarget reads what a term may say in one word: a group, an address, a CIDR, ADDRESS:PORT.
func parseTarget(s string) (Term, *problem) {
	t := Term{Text: s}
	if slices.Contains(groupNames, s) {
		t.Group = s
		return t, nil
	}
	if isWord(s) {
		return t, unknownGroup(s)
	}
	if prefix, port, ok, p := parseAddrPort(s); ok && !strings.Contains(s, "://") {
		if p != nil {
			return t, p
		}
		t.Prefix, t.Ports = prefix, []ruleset.PortRange{{Proto: ruleset.ProtoAny, First: port, Last: port}}
		return t, nil
	}
	var p *problem
	t.Prefix, p = parsePrefix(s)
	return t, p
}

// isWord says that s can only be meant as the name of a group.
func isWord(s string) bool {
	return s != "" && (s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z') && !strings.ContainsAny(s, ".:/ ")
}

func unknownGroup(s string) *problem {
	if g := synonyms[strings.ToLower(s)]; g != "" {
		return problemf("write "+g+". Known: "+strings.Join(groupNames, ", "), "unknown group %q", short(s))
	}
	return problemf(chooseFix(s, groupNames), "unknown group %q", short(s))
}

// parseKeyed reads the value of one of targetKeys.
func parseKeyed(key, s string) (Term, *problem) {
	switch {
	case key == "file":
		return parseFile(s)
	case key == "group" && !slices.Contains(groupNames, s):
		return Term{}, unknownGroup(s)
	case key == "group":
		return Term{Text: s, Group: s}, nil
	case slices.Contains(groupNames, s):
		return Term{}, problemf("write group: "+s, "%s is a group, not an address", s)
	case key == "cidr":
		t := Term{Text: s}
		var p *problem
		t.Prefix, p = parsePrefix(s)
		return t, p
	}
	return parseTarget(s)
}

// parseFile reads the pattern of a `file:` term.
func parseFile(s string) (Term, *problem) {
	if s == "" {
		return Term{}, problemf("name a file, or a pattern such as blocklists/*.txt", "file is empty")
	}
	if strings.ContainsFunc(s, unicode.IsControl) {
		return Term{}, problemf("rename the file", "%q contains control characters", short(s))
	}
	if _, err := filepath.Match(s, ""); err != nil {
		return Term{}, problemf(`close the bracket, or write \[`, "%q is no valid pattern", short(s))
	}
	return Term{Text: "file " + s, File: s}, nil
}

// parsePortRange reads PORT or FIRST-LAST, with tcp/ or udp/ in front or not.
func parsePortRange(s string) (r ruleset.PortRange, p *problem) {
	proto, numbers, ok := strings.Cut(s, "/")
	switch {
	case !ok:
		numbers = s
	case proto == "tcp":
		r.Proto = ruleset.ProtoTCP
	case proto == "udp":
		r.Proto = ruleset.ProtoUDP
	case numbers == "tcp" || numbers == "udp":
		return r, problemf("write "+numbers+"/"+short(proto), "%q has the protocol behind the port", short(s))
	default:
		return r, problemf("write tcp/"+short(numbers)+", udp/"+short(numbers)+", or the number alone for both", "unknown protocol %q", short(proto))
	}
	first, last, isRange := strings.Cut(numbers, "-")
	if r.First, p = parsePort(first); p != nil {
		return r, p
	}
	r.Last = r.First
	if isRange {
		if r.Last, p = parsePort(last); p != nil {
			return r, p
		}
	}
	if r.First > r.Last {
		return r, problemf(fmt.Sprintf("write %d-%d", r.Last, r.First), "the range %s ends before it begins", short(numbers))
	}
	return r, nil
}

// formatPort is the inverse of parsePortRange.
func formatPort(r ruleset.PortRange) string {
	s := fmt.Sprint(r.First)
	if r.First != r.Last {
		s = fmt.Sprintf("%d-%d", r.First, r.Last)
	}
	switch r.Proto {
	case ruleset.ProtoTCP:
		return "tcp/" + s
	case ruleset.ProtoUDP:
		return "udp/" + s
	}
	return s
}

// formatPrefix writes a single address without its length.
func formatPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// samePorts says that two terms match the same ports.
func samePorts(a, b []ruleset.PortRange) bool {
	return slices.Equal(portSet(a), portSet(b))
}

// portSet returns ports as sorted disjoint ranges, each of one protocol.
func portSet(ports []ruleset.PortRange) []ruleset.PortRange {
	var flat, set []ruleset.PortRange
	for _, proto := range []uint8{ruleset.ProtoTCP, ruleset.ProtoUDP} {
		for _, r := range ports {
			if r.Proto == proto || r.Proto == ruleset.ProtoAny {
				flat = append(flat, ruleset.PortRange{Proto: proto, First: r.First, Last: r.Last})
			}
		}
	}
	slices.SortFunc(flat, func(a, b ruleset.PortRange) int {
		return (int(a.Proto)-int(b.Proto))<<16 + int(a.First) - int(b.First)
	})
	for _, r := range flat {
		if n := len(set) - 1; n >= 0 && set[n].Proto == r.Proto && int(r.First) <= int(set[n].Last)+1 {
			set[n].Last = max(set[n].Last, r.Last)
			continue
		}
		set = append(set, r)
	}
	return set
}

// coversPorts says that the ports of a include those of b.
func coversPorts(a, b []ruleset.PortRange) bool {
	return samePorts(slices.Concat(a, b), a)
}
