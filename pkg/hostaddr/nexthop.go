// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// nhmsg is the header of a request for next hop objects (struct nhmsg): all of them.
type nhmsg struct{}

func (nhmsg) Len() int          { return unix.SizeofNhmsg }
func (nhmsg) Serialize() []byte { return make([]byte, unix.SizeofNhmsg) }

// listNextHops returns the gateways of the calling thread's namespace's next hop objects. The
// netlink library does not know these objects, nor that a route refers to one; so where a default
// route does (see addGateways), the gateways of all objects are taken, rather one too many than
// one too few.
func listNextHops() ([]policy.Address, error) {
	messages, err := whole(func() ([][]byte, error) {
		request := nl.NewNetlinkRequest(unix.RTM_GETNEXTHOP, unix.NLM_F_DUMP)
		request.AddData(nhmsg{})
		return request.Execute(unix.NETLINK_ROUTE, unix.RTM_NEWNEXTHOP)
	})
	if err != nil {
		return nil, err
	}
	var list []policy.Address
	for _, m := range messages {
		if len(m) < unix.SizeofNhmsg {
			return nil, fmt.Errorf("a message of %d bytes", len(m))
		}
		attrs, err := nl.ParseRouteAttr(m[unix.SizeofNhmsg:])
		if err != nil {
			return nil, err
		}
		for _, a := range attrs {
			if a.Attr.Type != unix.NHA_GATEWAY {
				continue
			}
			addr, err := toAddr(a.Value)
			if err != nil {
				return nil, err
			}
			list = append(list, single(addr, "gateway of a next hop object"))
		}
	}
	return list, nil
}
