// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// aliasNames are the names under which container engines enter the host into /etc/hosts.
var aliasNames = []string{"host.containers.internal", "host.docker.internal", "gateway.docker.internal"}

// readHosts returns the addresses of the container engines' names for the host; none if the file
// does not exist.
func readHosts(path string) ([]policy.Address, error) {
	text, err := readOptional(path)
	if err != nil {
		return nil, err
	}
	return parseHosts(text, path), nil
}

// parseHosts reads hosts(5): an address, then its names, which are compared without case; "#"
// starts a comment. Lines that the C library would ignore are ignored.
func parseHosts(text, path string) []policy.Address {
	text = strings.ToLower(text)
	if !strings.Contains(text, ".internal") {
		return nil // spares the parsing of lists of a hundred thousand blocked names
	}
	var list []policy.Address
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		addr, err := netip.ParseAddr(fields[0])
		if err != nil {
			continue
		}
		for _, name := range fields[1:] {
			if slices.Contains(aliasNames, name) {
				list = append(list, single(addr, name+" in "+path))
			}
		}
	}
	return list
}
