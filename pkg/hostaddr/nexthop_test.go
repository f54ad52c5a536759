// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"net/netip"
	"os"
	"strconv"
	"testing"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

func itoa(fd uintptr) string { return strconv.Itoa(int(fd)) }

func (s Source) must(t *testing.T) policy.Machine {
	t.Helper()
	m, err := s.Read()
	check(t, err)
	return m
}

// header is a netlink message's fixed part, byte by byte.
type header []byte

func (h header) Len() int          { return len(h) }
func (h header) Serialize() []byte { return h }

func send(t *testing.T, kind int, h header, attrs ...*nl.RtAttr) {
	t.Helper()
	r := nl.NewNetlinkRequest(kind, unix.NLM_F_CREATE|unix.NLM_F_EXCL|unix.NLM_F_ACK)
	r.AddData(h)
	for _, a := range attrs {
		r.AddData(a)
	}
	_, err := r.Execute(unix.NETLINK_ROUTE, 0)
	check(t, err)
}

// Default routes that refer to next hop objects, as the routing daemons make them, with the
// kernel's description of the object inside the route and without.
func TestReadNextHopObjects(t *testing.T) {
	const routeNextHopID = 30 // RTA_NH_ID
	w := newWorld(t)
	index := w.veth("e0", "e1")
	w.addAddr(index, "192.0.2.1/24")
	w.addAddr(index, "2001:db8::1/64")
	w.addAddr(index, "198.51.100.1/24")
	for i, gateway := range []string{"192.0.2.254", "2001:db8::fe"} {
		addr := netip.MustParseAddr(gateway)
		family := byte(unix.AF_INET)
		if addr.Is6() {
			family = unix.AF_INET6
		}
		id := nl.NewRtAttr(unix.NHA_ID, nl.Uint32Attr(uint32(i+1)))
		send(t, unix.RTM_NEWNEXTHOP, header{family, 0, unix.RTPROT_STATIC, 0, 0, 0, 0, 0}, id,
			nl.NewRtAttr(unix.NHA_OIF, nl.Uint32Attr(uint32(index))), nl.NewRtAttr(unix.NHA_GATEWAY, addr.AsSlice()))
		send(t, unix.RTM_NEWROUTE,
			header{family, 0, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_STATIC, unix.RT_SCOPE_UNIVERSE, unix.RTN_UNICAST, 0, 0, 0, 0},
			nl.NewRtAttr(routeNextHopID, nl.Uint32Attr(uint32(i+1))))
	}
	for mode, reason := range map[string]string{
		"1": "next hop of the default route dev e0",
		"0": "gateway of a next hop object",
	} {
		check(t, os.WriteFile("/proc/sys/net/ipv4/nexthop_compat_mode", []byte(mode), 0o644))
		m := w.read()
		expect(t, m.Gateway, map[string]string{"192.0.2.254/32": reason, "2001:db8::fe/128": reason})
		if len(m.Gateway) != 2 {
			t.Errorf("mode %s: %v", mode, m.Gateway)
		}
	}
}
