// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// set collects addresses and keeps one entry a prefix. The zero value is empty.
type set struct {
	index map[netip.Prefix]int
	list  []policy.Address
}

// add takes addresses in; of equal prefixes the first reason stays. A prefix is unicast only if
// everything that was said about it is: what one table delivers to a single listener and another
// broadcasts must not be opened for the sake of one listener.
func (s *set) add(addresses ...policy.Address) {
	if s.index == nil {
		s.index = make(map[netip.Prefix]int)
	}
	for _, a := range addresses {
		if i, ok := s.index[a.Prefix]; ok {
			s.list[i].Unicast = s.list[i].Unicast && a.Unicast
			continue
		}
		s.index[a.Prefix] = len(s.list)
		s.list = append(s.list, a)
	}
}

// sorted returns the entries by address, IPv4 first, and shorter prefixes before longer ones. The
// set gives its list away and must not be used again.
func (s *set) sorted() []policy.Address {
	slices.SortFunc(s.list, func(a, b policy.Address) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	return s.list
}

// single is the entry for one address. A zone is dropped and an IPv4-mapped address becomes the
// IPv4 address inside, because that is how destinations are judged.
func single(addr netip.Addr, reason string) policy.Address {
	addr = addr.Unmap().WithZone("")
	return policy.Address{
		Prefix:  netip.PrefixFrom(addr, addr.BitLen()),
		Reason:  reason,
		Unicast: !addr.IsMulticast() && addr != broadcast,
	}
}

var broadcast = netip.AddrFrom4([4]byte{255, 255, 255, 255})
