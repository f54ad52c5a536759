// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// network is what the kernel says about one network namespace, in the order in which it said it.
type network struct {
	addresses []policy.Address // of interfaces
	routes    []policy.Address // local, broadcast and anycast routes of every table
	gateways  []policy.Address // next hops of the default routes of every table
	hidden    bool             // a default route's next hop is an object that the route only refers to
}

const (
	listAttempts = 8                       // with pauses that double, 127 ms in all
	listPause    = time.Millisecond        // before the second attempt
	listTimeout  = 5 * time.Second         // for each of the kernel's answers
	tableFilter  = netlink.RT_FILTER_TABLE // with table 0: all tables
)

var families = []int{netlink.FAMILY_V4, netlink.FAMILY_V6}

// listNetwork reads the network namespace of the calling thread. Addresses come before routes: one
// that is added in between shows up as a local route at least.
func listNetwork() (network, error) {
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return network{}, fmt.Errorf("open netlink socket: %w", err)
	}
	defer handle.Close()
	if err := handle.SetSocketTimeout(listTimeout); err != nil {
		return network{}, fmt.Errorf("set up netlink socket: %w", err)
	}
	links, err := listLinks(handle)
	if err != nil {
		return network{}, fmt.Errorf("list network interfaces: %w", err)
	}
	var n network
	for _, family := range families {
		addresses, err := listAddresses(handle, links, family)
		if err != nil {
			return network{}, fmt.Errorf("list addresses: %w", err)
		}
		n.addresses = append(n.addresses, addresses...)
	}
	for _, family := range families {
		of, err := whole(func() (network, error) { return listRoutes(handle, links, family) })
		if err != nil {
			return network{}, fmt.Errorf("list routes: %w", err)
		}
		n.routes = append(n.routes, of.routes...)
		n.gateways = append(n.gateways, of.gateways...)
		n.hidden = n.hidden || of.hidden
	}
	if n.hidden {
		gateways, err := listNextHops()
		if err != nil {
			return network{}, fmt.Errorf("list next hops: %w", err)
		}
		n.gateways = append(n.gateways, gateways...)
	}
	return n, nil
}

// whole repeats a dump that a change interrupted: what such a dump returned may lack entries and is
// thrown away. Each dump is repeated by itself, because several together would hardly ever get
// through uninterrupted where addresses come and go all the time.
func whole[T any](dump func() (T, error)) (T, error) {
	var none T
	pause := listPause
	for attempt := 1; ; attempt++ {
		result, err := dump()
		if err == nil {
			return result, nil
		}
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return none, err
		}
		if attempt == listAttempts {
			return none, fmt.Errorf("the list kept changing in %d attempts to read it: %w", attempt, err)
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// listAddresses returns the addresses of all interfaces, those that are down included.
func listAddresses(handle *netlink.Handle, links links, family int) ([]policy.Address, error) {
	addrs, err := whole(func() ([]netlink.Addr, error) { return handle.AddrList(nil, family) })
	if err != nil {
		return nil, err
	}
	var list []policy.Address
	for _, a := range addrs {
		if a.IPNet == nil {
			return nil, errors.New("the kernel named an interface address without the address")
		}
		// IPNet is this machine's side of a point-to-point link; Peer is the other's.
		addr, err := toAddr(a.IP)
		if err != nil {
			return nil, err
		}
		list = append(list, single(addr, "address of "+links.describe(a.LinkIndex)))
	}
	return list, nil
}

// listRoutes returns what the family's routes of all tables say, in a network without addresses.
func listRoutes(handle *netlink.Handle, links links, family int) (network, error) {
	var n network
	var routeErr error
	err := handle.RouteListFilteredIter(family, &netlink.Route{}, tableFilter, func(r netlink.Route) bool {
		routeErr = n.addRoute(&r, links)
		return routeErr == nil
	})
	return n, errors.Join(routeErr, err)
}

// addRoute takes in a route that leads to this machine, or a default route.
func (n *network) addRoute(r *netlink.Route, links links) error {
	if r.Dst == nil {
		return errors.New("the kernel named a route without a destination")
	}
	addr, err := toAddr(r.Dst.IP)
	if err != nil {
		return err
	}
	if r.Family == netlink.FAMILY_V4 {
		addr = addr.Unmap() // the library's 0.0.0.0 of a default route has 16 bytes
	}
	bits, _ := r.Dst.Mask.Size()
	switch r.Type {
	case unix.RTN_LOCAL, unix.RTN_BROADCAST, unix.RTN_ANYCAST:
		if bits == 0 && r.Table != unix.RT_TABLE_LOCAL {
			// The habit of transparent proxies: everything that a rule picks out (by firewall
			// mark, mostly) is delivered here. It does not make every address the host's.
			return nil
		}
		n.routes = append(n.routes, policy.Address{
			Prefix:  toPrefix(addr, bits),
			Reason:  routeKind(r.Type) + " route dev " + links.name(r.LinkIndex),
			Unicast: r.Type != unix.RTN_BROADCAST,
		})
	case unix.RTN_UNICAST:
		if bits == 0 {
			return n.addGateways(r, links)
		}
	}
	return nil
}

// addGateways adds the next hops of one default route: its only one, or each of a multipath
// route's, of the route's own family or of the other (via).
func (n *network) addGateways(r *netlink.Route, links links) error {
	if err := n.addGateway(r.Gw, r.Via, links.name(r.LinkIndex)); err != nil {
		return err
	}
	for _, hop := range r.MultiPath {
		if err := n.addGateway(hop.Gw, hop.Via, links.name(hop.LinkIndex)); err != nil {
			return err
		}
	}
	// Even a route without a gateway names its interface, unless it only refers to a next hop
	// object (sysctl net.ipv4.nexthop_compat_mode=0).
	if r.LinkIndex == 0 && len(r.MultiPath) == 0 && r.Gw == nil && r.Via == nil {
		n.hidden = true
	}
	return nil
}

func (n *network) addGateway(gw net.IP, via netlink.Destination, dev string) error {
	if v, ok := via.(*netlink.Via); ok {
		gw = v.Addr
	}
	if gw == nil {
		return nil
	}
	addr, err := toAddr(gw)
	if err != nil {
		return err
	}
	n.gateways = append(n.gateways, single(addr, "next hop of the default route dev "+dev))
	return nil
}

func routeKind(routeType int) string {
	switch routeType {
	case unix.RTN_BROADCAST:
		return "broadcast"
	case unix.RTN_ANYCAST:
		return "anycast"
	default:
		return "local"
	}
}

// toAddr keeps an IPv4-mapped IPv6 address as it is: its prefix length still counts 128 bits.
func toAddr(ip net.IP) (netip.Addr, error) {
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return netip.Addr{}, errors.New("the kernel named an address of " + strconv.Itoa(len(ip)) + " bytes")
	}
	return addr, nil
}

// toPrefix turns prefixes inside ::ffff:0:0/96 into the IPv4 prefix that they mean.
func toPrefix(addr netip.Addr, bits int) netip.Prefix {
	if addr.Is4In6() && bits >= 96 {
		addr, bits = addr.Unmap(), bits-96
	}
	return netip.PrefixFrom(addr, bits).Masked()
}
