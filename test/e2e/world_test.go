// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// world is a machine under test and, at the other end of a cable, the rest of the world.
//
//	host: 127.0.0.1 ::1                         web: 192.0.2.254 2001:db8:1::fe (the gateway)
//	      192.0.2.1 2001:db8:1::1 fe80::1 up0 ─── up0 fe80::2
//	      192.0.2.129 on lo, AnyIP 203.0.113.128/28   webAddresses on lo
//
// jail-ai and the programs outside of jails run in host, with the world's own resolv.conf, passwd
// and group files.
type world struct {
	host, web *space
	dir       string // of this world
	home      string // $HOME of whoever runs jail-ai
	work      string // the workspace: current directory, with the probe in it
}

// webAddresses are what answers in the world behind the gateway.
var webAddresses = []string{
	"203.0.113.10", "203.0.113.20", "203.0.113.53", "203.0.113.99",
	"198.51.100.10", "198.51.100.20", "198.51.100.77",
	"169.254.169.254", // metadata
	"2001:db8:2::10", "2001:db8:2::53", "2001:db8:3::10", "2001:db8:3::77", "fd00:ec2::254",
	// IPv6 forms of the host's 192.0.2.1, as a gateway to IPv4 would understand them.
	"64:ff9b::c000:201", "2002:c000:201::1", "::c000:201",
	webNAT64,
}

// webNAT64 is the NAT64 form of webV4.
const webNAT64 = "64:ff9b::cb00:710a"

// resolvers are the world's resolv.conf: on loopback, at the gateway, and far away.
var resolvers = []string{"127.0.0.53", "192.0.2.254", "203.0.113.53"}

// devUser is the ordinary user of a world; only its own passwd knows it.
const devUser, devID = "dev", 4242

func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp(baseDir, "world-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the world's files: %v", err)
		}
	})
	w := &world{dir: dir, home: filepath.Join(dir, "home"), work: filepath.Join(dir, "work")}
	if err := w.makeFiles(); err != nil {
		t.Fatalf("make the world's files: %v", err)
	}
	w.web = newSpace(t, unix.CLONE_NEWNET, func() error { return nil })
	w.host = newSpace(t, unix.CLONE_NEWNET|unix.CLONE_NEWNS, func() error {
		return bindMounts(map[string]string{
			"/etc/resolv.conf": filepath.Join(dir, "resolv.conf"),
			"/etc/passwd":      filepath.Join(dir, "passwd"),
			"/etc/group":       filepath.Join(dir, "group"),
		})
	})
	if err := w.connect(); err != nil {
		t.Fatalf("connect the world: %v", err)
	}
	for _, server := range resolvers {
		at := w.web
		if strings.HasPrefix(server, "127.") {
			at = w.host
		}
		serveDNS(t, at, server+":53")
	}
	return w
}

func (w *world) makeFiles() error {
	if err := os.Chmod(w.dir, 0o755); err != nil {
		return err
	}
	for _, dir := range []string{w.home, w.work} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chown(dir, devID, devID); err != nil {
			return err
		}
	}
	// Root in a jail has no capabilities: other people's directories are closed to it, too.
	if err := os.Chmod(w.work, 0o777); err != nil {
		return err
	}
	if err := os.Link(probeBin, w.probe()); err != nil {
		return err
	}
	text := "nameserver " + strings.Join(resolvers, "\nnameserver ") + "\noptions timeout:1 attempts:1\n"
	if err := os.WriteFile(filepath.Join(w.dir, "resolv.conf"), []byte(text), 0o644); err != nil {
		return err
	}
	for file, entry := range map[string]string{
		"passwd": fmt.Sprintf("%s:x:%d:%d::%s:/bin/sh\n", devUser, devID, devID, w.home),
		"group":  fmt.Sprintf("%s:x:%d:\n", devUser, devID),
	} {
		text, err := os.ReadFile("/etc/" + file)
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(w.dir, file), append(text, entry...), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// probe is the probe's path in the workspace.
func (w *world) probe() string {
	return filepath.Join(w.work, "probe")
}

// connect lays the cable and sets addresses and routes.
func (w *world) connect() error {
	peer, err := w.web.handle()
	if err != nil {
		return err
	}
	defer peer.Close()
	err = w.host.do(func() error {
		return netlink.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: "up0"},
			PeerName:      "up0",
			PeerNamespace: netlink.NsFd(peer.Fd()),
		})
	})
	if err != nil {
		return fmt.Errorf("make veth: %w", err)
	}
	err = w.web.do(func() error {
		if err := configure("192.0.2.254/24", "2001:db8:1::fe/64", "fe80::2/64"); err != nil {
			return err
		}
		for _, addr := range webAddresses {
			if err := addAddress("lo", addr); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("set up web: %w", err)
	}
	err = w.host.do(func() error {
		if err := configure("192.0.2.1/24", "2001:db8:1::1/64", "fe80::1/64"); err != nil {
			return err
		}
		if err := addAddress("lo", "192.0.2.129"); err != nil {
			return err
		}
		for _, gw := range []string{"192.0.2.254", "2001:db8:1::fe"} {
			if err := netlink.RouteAdd(&netlink.Route{Gw: net.ParseIP(gw)}); err != nil {
				return fmt.Errorf("add default route by %s: %w", gw, err)
			}
		}
		return addAnyIP("203.0.113.128/28")
	})
	if err != nil {
		return fmt.Errorf("set up host: %w", err)
	}
	for _, s := range []*space{w.web, w.host} {
		if err := s.do(waitForCable); err != nil {
			return err
		}
	}
	return nil
}

// waitForCable waits until the device sends: the kernel sees that both ends are up a moment later.
func waitForCable() error {
	for end := time.Now().Add(startLimit); time.Now().Before(end); time.Sleep(time.Millisecond) {
		link, err := netlink.LinkByName("up0")
		if err != nil {
			return err
		}
		if link.Attrs().OperState == netlink.OperUp {
			return nil
		}
	}
	return errors.New("up0 does not come up")
}

// configure sets up this thread's namespace with the addresses on its end of the cable.
func configure(addresses ...string) error {
	for setting, value := range map[string]string{
		"net/ipv4/tcp_fastopen":     "3",
		"net/ipv4/ping_group_range": "0 2147483647", // so that ping sockets are refused by nothing else
		// No router, no generated address: links are as configured at once.
		"net/ipv6/conf/up0/accept_ra":     "0",
		"net/ipv6/conf/up0/addr_gen_mode": "1",
	} {
		if err := os.WriteFile("/proc/sys/"+setting, []byte(value), 0); err != nil {
			return err
		}
	}
	for _, addr := range addresses {
		if err := addAddress("up0", addr); err != nil {
			return err
		}
	}
	for _, name := range []string{"lo", "up0"} {
		link, err := netlink.LinkByName(name)
		if err != nil {
			return err
		}
		if err := netlink.LinkSetUp(link); err != nil {
			return fmt.Errorf("set %s up: %w", name, err)
		}
	}
	return nil
}

// parseAddress reads an address; without a prefix length it stands alone. It can be used at once,
// without duplicate address detection.
func parseAddress(addr string) (*netlink.Addr, error) {
	if !strings.Contains(addr, "/") {
		if strings.Contains(addr, ":") {
			addr += "/128"
		} else {
			addr += "/32"
		}
	}
	a, err := netlink.ParseAddr(addr)
	if err != nil {
		return nil, err
	}
	if a.IP.To4() == nil {
		a.Flags = unix.IFA_F_NODAD
	}
	return a, nil
}

func addAddress(device, addr string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	a, err := parseAddress(addr)
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(link, a); err != nil {
		return fmt.Errorf("add address %s: %w", addr, err)
	}
	return nil
}

func delAddress(device, addr string) error {
	link, err := netlink.LinkByName(device)
	if err != nil {
		return err
	}
	a, err := parseAddress(addr)
	if err != nil {
		return err
	}
	return netlink.AddrDel(link, a)
}

// addAnyIP makes a whole prefix the host's own, without an interface address.
func addAnyIP(prefix string) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	_, dst, err := net.ParseCIDR(prefix)
	if err != nil {
		return err
	}
	err = netlink.RouteAdd(&netlink.Route{
		LinkIndex: lo.Attrs().Index, Dst: dst,
		Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, Scope: netlink.SCOPE_HOST,
	})
	if err != nil {
		return fmt.Errorf("add local route %s: %w", prefix, err)
	}
	return nil
}
