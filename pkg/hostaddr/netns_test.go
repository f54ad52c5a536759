// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// world is a fresh network namespace with its loopback up, and files that say little. The test's
// goroutine lives in it, on a thread that ends with the test.
type world struct {
	tb testing.TB
	*netlink.Handle
	Source
	lo int // index of the loopback interface
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	if os.Geteuid() != 0 {
		if os.Getenv("JAIL_AI_REQUIRE_BPF") == "1" {
			tb.Fatal("network namespaces need root")
		}
		tb.Skip("network namespaces need root")
	}
	runtime.LockOSThread() // and never unlocked: the thread must not be used again
	check(tb, unix.Unshare(unix.CLONE_NEWNET))
	handle, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	check(tb, err)
	tb.Cleanup(handle.Close)

	dir := tb.TempDir()
	w := &world{tb: tb, Handle: handle, Source: Source{ResolvConf: dir + "/resolv.conf", Hosts: dir + "/hosts"}}
	check(tb, os.WriteFile(w.ResolvConf, []byte("nameserver 192.0.2.53\n"), 0o600))
	check(tb, os.WriteFile(w.Hosts, []byte("127.0.0.1 localhost\n"), 0o600))
	// Link-local addresses appear some time after their interface, too late for a test that waits
	// for something else.
	check(tb, os.WriteFile("/proc/sys/net/ipv6/conf/default/addr_gen_mode", []byte("1"), 0o644))
	w.lo = w.up("lo")
	return w
}

// up sets an interface up and returns its index.
func (w *world) up(name string) int {
	w.tb.Helper()
	link, err := w.LinkByName(name)
	check(w.tb, err)
	check(w.tb, w.LinkSetUp(link))
	return link.Attrs().Index
}

// veth makes a pair of interfaces and returns the first one's index.
func (w *world) veth(name, peer string) int {
	w.tb.Helper()
	check(w.tb, w.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: peer}))
	w.up(peer)
	return w.up(name)
}

// address makes what `ip addr add` makes of the same words.
func (w *world) address(cidr string) *netlink.Addr {
	w.tb.Helper()
	addr, err := netlink.ParseAddr(cidr)
	check(w.tb, err)
	if addr.IP.To4() == nil {
		addr.Flags = unix.IFA_F_NODAD
	}
	return addr
}

func (w *world) addAddr(index int, cidr string) {
	w.tb.Helper()
	check(w.tb, w.AddrAdd(onLink(index), w.address(cidr)))
}

func (w *world) delAddr(index int, cidr string) {
	w.tb.Helper()
	check(w.tb, w.AddrDel(onLink(index), w.address(cidr)))
}

// churn adds the addresses to the loopback interface, one by one, and then deletes the first ones
// again. It may run on any goroutine: the handle's socket is what is in the namespace.
func (w *world) churn(add, del int) error {
	address := func(i int) *netlink.Addr { return w.address(fmt.Sprintf("198.18.%d.%d/32", i/250, i%250)) }
	for i := range add {
		if err := w.AddrAdd(onLink(w.lo), address(i)); err != nil {
			return fmt.Errorf("add %v: %w", address(i), err)
		}
	}
	for i := range del {
		if err := w.AddrDel(onLink(w.lo), address(i)); err != nil {
			return fmt.Errorf("delete %v: %w", address(i), err)
		}
	}
	return nil
}

func (w *world) addRoute(r netlink.Route) {
	w.tb.Helper()
	if err := w.RouteAdd(&r); err != nil {
		w.tb.Fatalf("add route %v: %v", r, err)
	}
}

func (w *world) read() policy.Machine {
	w.tb.Helper()
	m, err := w.Read()
	check(w.tb, err)
	return m
}

func onLink(index int) netlink.Link {
	return &netlink.GenericLink{LinkAttrs: netlink.LinkAttrs{Index: index}}
}

// find returns the entry for a prefix.
func find(list []policy.Address, prefix string) (policy.Address, bool) {
	for _, a := range list {
		if a.Prefix == netip.MustParsePrefix(prefix) {
			return a, true
		}
	}
	return policy.Address{}, false
}

// expect checks entries for their reason, and that reasons of nothing are absent. A reason that
// starts with an exclamation mark is one of broadcast or multicast.
func expect(t *testing.T, list []policy.Address, want map[string]string) {
	t.Helper()
	for prefix, reason := range want {
		got, found := find(list, prefix)
		if reason == "" {
			if found {
				t.Errorf("%s is listed: %q", prefix, got.Reason)
			}
			continue
		}
		unicast := reason[0] != '!'
		if !unicast {
			reason = reason[1:]
		}
		if !found || got.Reason != reason || got.Unicast != unicast {
			t.Errorf("%s: got %+v, found %v, want %q, unicast %v", prefix, got, found, reason, unicast)
		}
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
