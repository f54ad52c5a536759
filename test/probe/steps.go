// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ipLocalPortRange is IP_LOCAL_PORT_RANGE of linux/in.h (6.3).
const ipLocalPortRange = 51

// call is a plain step: the least number of arguments it needs, and what it does. What it yields,
// if anything, becomes the result's data.
type call struct {
	args int
	do   func(s *script, args []string) (string, error)
}

// calls are the plain steps. NAME names a socket, ADDR is ADDRESS:PORT.
var calls map[string]call

func init() { // not a literal: run and child reach calls again
	calls = map[string]call{
		"open":          {2, func(s *script, a []string) (string, error) { return "", s.open(a[0], a[1]) }}, // NAME KIND
		"close":         {1, func(s *script, a []string) (string, error) { return "", s.drop(a[0]) }},
		"opt":           {2, with(setOption)},      // NAME OPTION [VALUE]
		"bind":          {2, with(bindTo)},         // NAME ADDR
		"listen":        {1, with(listen)},         // NAME
		"accept":        {2, accept},               // NAME NEW
		"connect":       {2, with(connectTo)},      // NAME ADDR
		"connected":     {1, with(waitConnected)},  // NAME
		"disconnect":    {1, with(disconnect)},     // NAME
		"local":         {1, with(localName)},      // NAME: yields its address
		"send":          {2, with(send)},           // NAME TOKEN
		"sendto":        {3, with(sendTo)},         // NAME ADDR TOKEN
		"sendto-unspec": {3, with(sendToUnspec)},   // NAME ADDR TOKEN
		"send-pktinfo":  {2, with(sendPacketInfo)}, // NAME TOKEN
		"sendmmsg":      {3, with(sendMany)},       // NAME ADDR TOKEN: twice
		"fastopen":      {3, with(fastOpen)},       // NAME ADDR TOKEN
		"ping":          {2, with(ping)},           // NAME ADDR
		"recv":          {1, with(recv)},           // NAME [LIMIT]: yields what came
		"answer":        {2, with(answer)},         // NAME TOKEN: to the sender of what came last
		"serve":         {1, serve},                // NAME: echo until the end
		"go-serve":      {2, goServe},              // tcp|udp ADDR: the same with Go's own listener; yields its address
		"dial-many":     {3, dialMany},             // tcp|udp ADDR COUNT: side by side
		"repeat":        {2, repeat},               // COUNT STEP...: yields how often each errno came
		"hammer":        {1, hammer},               // STEP...: without an end
		"resolve":       {1, resolve},              // HOST: yields its addresses
		"dns":           {3, dnsQuery},             // udp|tcp SERVER HOST: yields its addresses
		"http":          {1, httpGet},              // URL: yields the body
		"http-serve":    {2, httpServe},            // ADDR BODY: until the end
		"identity":      {0, identity},             // yields what the process is and has
		"sleep":         {1, sleep},                // DURATION
	}
}

// with makes a call of a function that works on the socket named first.
func with(do func(sk *socket, args []string) (string, error)) func(*script, []string) (string, error) {
	return func(s *script, args []string) (string, error) {
		sk, err := s.get(args[0])
		if err != nil {
			return "", err
		}
		return do(sk, args[1:])
	}
}

func setOption(sk *socket, args []string) (string, error) {
	set := func(level, option, value int) (string, error) {
		return "", unix.SetsockoptInt(sk.fd, level, option, value)
	}
	switch args[0] {
	case "reuseaddr":
		return set(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1)
	case "reuseport":
		return set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	case "port-range": // PORT: the only one that the kernel may pick
		port, err := strconv.Atoi(args[1])
		if err != nil {
			return "", err
		}
		return set(unix.IPPROTO_IP, ipLocalPortRange, port<<16|port)
	case "broadcast":
		return set(unix.SOL_SOCKET, unix.SO_BROADCAST, 1)
	case "dual-stack":
		return set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 0)
	case "v6only":
		return set(unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1)
	case "fastopen-connect":
		return set(unix.IPPROTO_TCP, unix.TCP_FASTOPEN_CONNECT, 1)
	case "nonblock":
		return "", unix.SetNonblock(sk.fd, true)
	case "block":
		return "", unix.SetNonblock(sk.fd, false)
	case "segment": // ADDRESS: a routing header whose one segment is the true destination
		header, err := routingHeader(args[1])
		if err != nil {
			return "", err
		}
		return "", unix.SetsockoptString(sk.fd, unix.IPPROTO_IPV6, unix.IPV6_RTHDR, string(header))
	case "limit": // of each call
		d, err := time.ParseDuration(args[1])
		if err != nil {
			return "", err
		}
		return "", limit(sk.fd, d, d)
	}
	return "", fmt.Errorf("no option named %q", args[0])
}

func bindTo(sk *socket, args []string) (string, error) {
	sa, err := sockaddr(args[0])
	if err != nil {
		return "", err
	}
	return "", unix.Bind(sk.fd, sa)
}

func listen(sk *socket, _ []string) (string, error) {
	return "", unix.Listen(sk.fd, 64)
}

func accept(s *script, args []string) (string, error) {
	sk, err := s.get(args[0])
	if err != nil {
		return "", err
	}
	var fd int
	err = restarted(func() (err error) {
		fd, _, err = unix.Accept4(sk.fd, unix.SOCK_CLOEXEC)
		return err
	})
	if err != nil {
		return "", err
	}
	s.put(args[1], &socket{fd: fd, family: sk.family})
	return "", limit(fd, sendLimit, recvLimit)
}

func connectTo(sk *socket, args []string) (string, error) {
	sa, err := sockaddr(args[0])
	if err != nil {
		return "", err
	}
	flags, err := unix.FcntlInt(uintptr(sk.fd), unix.F_GETFL, 0)
	if err != nil {
		return "", err
	}
	err = unix.Connect(sk.fd, sa)
	if err == unix.EINTR {
		return waitConnected(sk, nil)
	}
	if err == unix.EINPROGRESS && flags&unix.O_NONBLOCK != 0 {
		return "", nil
	}
	return "", err
}

// restarted repeats a call that a signal of the Go runtime ended: the kernel restarts only calls
// without a time limit.
func restarted(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// waitConnected waits for the end of a connect that did not block.
func waitConnected(sk *socket, _ []string) (string, error) {
	fds := []unix.PollFd{{Fd: int32(sk.fd), Events: unix.POLLOUT}}
	var n int
	err := restarted(func() (err error) {
		n, err = unix.Poll(fds, int(sendLimit.Milliseconds()))
		return err
	})
	if err != nil {
		return "", err
	}
	if n == 0 {
		return "", unix.ETIMEDOUT
	}
	code, err := unix.GetsockoptInt(sk.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return "", err
	}
	if code != 0 {
		return "", unix.Errno(code)
	}
	return "", nil
}

func disconnect(sk *socket, _ []string) (string, error) {
	name, err := rawSockaddr("0.0.0.0:0", false)
	if err != nil {
		return "", err
	}
	return "", rawConnect(sk.fd, name)
}

func localName(sk *socket, _ []string) (string, error) {
	sa, err := unix.Getsockname(sk.fd)
	if err != nil {
		return "", err
	}
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return strconv.Itoa(sa.Port), nil
	case *unix.SockaddrInet6:
		return strconv.Itoa(sa.Port), nil
	}
	return "", fmt.Errorf("socket of another family")
}

func recv(sk *socket, args []string) (string, error) {
	if len(args) > 0 {
		if _, err := setOption(sk, []string{"limit", args[0]}); err != nil {
			return "", err
		}
	}
	var (
		buf  = make([]byte, 2048)
		n    int
		from unix.Sockaddr
	)
	err := restarted(func() (err error) {
		n, from, err = unix.Recvfrom(sk.fd, buf, 0)
		return err
	})
	if err != nil {
		return "", err
	}
	if from != nil {
		sk.sender = from
	}
	return strings.TrimSpace(string(buf[:n])), nil
}

func sleep(_ *script, args []string) (string, error) {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return "", err
	}
	time.Sleep(d)
	return "", nil
}
