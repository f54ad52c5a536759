// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// grace is how long what was sent may take to arrive: time enough on the way through one kernel.
const grace = 150 * time.Millisecond

// listener writes down everything that arrives, and answers "hello TOKEN" to a line, or a page to
// an HTTP request. A connection arrives when it is accepted, before it says anything.
type listener struct {
	addr string // ADDRESS:PORT

	mu       sync.Mutex
	accepted int
	lines    []string
	from     []string // sender of each line
	stop     func()
}

// option is set on a listening socket before it is bound.
type option func(fd int) error

func reuseAddr(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
}

func reusePort(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
}

// joined makes the socket a member of a multicast group on the world's cable and on loopback.
func joined(group string) option {
	return func(fd int) error {
		ip := net.ParseIP(group)
		for _, name := range []string{"up0", "lo"} {
			dev, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			if v4 := ip.To4(); v4 != nil {
				mreq := &unix.IPMreqn{Multiaddr: [4]byte(v4), Ifindex: int32(dev.Index)}
				err = unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_ADD_MEMBERSHIP, mreq)
			} else {
				mreq := &unix.IPv6Mreq{Multiaddr: [16]byte(ip), Interface: uint32(dev.Index)}
				err = unix.SetsockoptIPv6Mreq(fd, unix.IPPROTO_IPV6, unix.IPV6_JOIN_GROUP, mreq)
			}
			if err != nil {
				return fmt.Errorf("join %s on %s: %w", group, name, err)
			}
		}
		return nil
	}
}

// listen opens a listener in a space. network is tcp4, tcp6, udp4 or udp6; udp and tcp stand for
// the family of addr.
func listen(t *testing.T, at *space, network, addr string, options ...option) *listener {
	t.Helper()
	l := &listener{addr: addr}
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var failed error
		err := c.Control(func(fd uintptr) {
			for _, set := range options {
				if failed = set(int(fd)); failed != nil {
					return
				}
			}
		})
		if failed != nil {
			return failed
		}
		return err
	}}
	config.SetMultipathTCP(true)
	err := at.do(func() error {
		if strings.HasPrefix(network, "udp") {
			c, err := config.ListenPacket(context.Background(), network, addr)
			if err != nil {
				return err
			}
			l.addr, l.stop = c.LocalAddr().String(), func() { c.Close() }
			go l.receive(c)
			return nil
		}
		n, err := config.Listen(context.Background(), network, addr)
		if err != nil {
			return err
		}
		l.addr, l.stop = n.Addr().String(), func() { n.Close() }
		go l.accept(n)
		return nil
	})
	if err != nil {
		t.Fatalf("listen on %s %s: %v", network, addr, err)
	}
	t.Cleanup(l.close)
	return l
}

// listenBoth opens a TCP and a UDP listener on one address.
func listenBoth(t *testing.T, at *space, addr string) (tcp, udp *listener) {
	t.Helper()
	return listen(t, at, "tcp", addr), listen(t, at, "udp", addr)
}

func (l *listener) close() {
	l.stop()
}

func (l *listener) receive(c net.PacketConn) {
	buf := make([]byte, 2048)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return // closed
		}
		text := strings.TrimSpace(string(buf[:n]))
		l.record(text, from)
		// A sender that has gone needs no answer.
		_, _ = c.WriteTo([]byte("hello "+text+"\n"), from)
	}
}

func (l *listener) accept(n net.Listener) {
	for {
		c, err := n.Accept()
		if err != nil {
			return // closed
		}
		l.mu.Lock()
		l.accepted++
		l.mu.Unlock()
		go l.converse(c)
	}
}

func (l *listener) converse(c net.Conn) {
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(30 * time.Second))
	lines := bufio.NewScanner(c)
	for lines.Scan() {
		text := strings.TrimSpace(lines.Text())
		l.record(text, c.RemoteAddr())
		answer := "hello " + text + "\n"
		http := strings.HasPrefix(text, "GET ")
		if http {
			body := "hello from " + l.addr + "\n"
			answer = fmt.Sprintf("HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
			for lines.Scan() && lines.Text() != "" { // the request's header
			}
		}
		if _, err := c.Write([]byte(answer)); err != nil || http {
			return
		}
	}
}

func (l *listener) record(text string, from net.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, text)
	l.from = append(l.from, from.String())
}

// arrivals counts what has arrived: connections and lines.
func (l *listener) arrivals() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.accepted + len(l.lines)
}

// sender is who sent the line that has this text.
func (l *listener) sender(text string) (string, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.lines, text)
	if i < 0 {
		return "", false
	}
	return l.from[i], true
}

// got waits for a line.
func (l *listener) got(text string) bool {
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if _, ok := l.sender(text); ok {
			return true
		}
	}
	return false
}

// wantNone fails the test if anything has arrived.
func (l *listener) wantNone(t *testing.T) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.accepted+len(l.lines) > 0 {
		t.Errorf("%d connections and lines %q arrived at %s, want nothing", l.accepted, l.lines, l.addr)
	}
}

// wantNothing fails the test if anything has arrived, or does within the grace time.
func wantNothing(t *testing.T, listeners ...*listener) {
	t.Helper()
	time.Sleep(grace)
	for _, l := range listeners {
		l.wantNone(t)
	}
}
