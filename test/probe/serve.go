// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// serve echoes on a socket of the script for as long as the process lives: accepts connections
// where it listens, answers datagrams elsewhere. The script must keep the socket.
func serve(s *script, args []string) (string, error) {
	sk, err := s.get(args[0])
	if err != nil {
		return "", err
	}
	kind, err := unix.GetsockoptInt(sk.fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return "", err
	}
	if err := limit(sk.fd, sendLimit, 0); err != nil {
		return "", err
	}
	if kind == unix.SOCK_DGRAM {
		go echoDatagrams(sk.fd)
		return "", nil
	}
	go func() {
		for {
			fd, _, err := unix.Accept4(sk.fd, unix.SOCK_CLOEXEC)
			if err != nil {
				return // closed
			}
			go echoStream(fd)
		}
	}()
	return "", nil
}

func echoDatagrams(fd int) {
	buf := make([]byte, 2048)
	for {
		n, from, err := unix.Recvfrom(fd, buf, 0)
		if err != nil {
			return
		}
		// The sender sees it when the answer was refused.
		_ = unix.Sendto(fd, buf[:n], 0, from)
	}
}

func echoStream(fd int) {
	defer unix.Close(fd)
	buf := make([]byte, 2048)
	for {
		n, err := unix.Read(fd, buf)
		if err != nil || n == 0 {
			return
		}
		if _, err := unix.Write(fd, buf[:n]); err != nil {
			return
		}
	}
}

// goServe echoes as a server written in Go does: listening with MPTCP where the kernel has it,
// on both families for an empty host.
func goServe(_ *script, args []string) (string, error) {
	network, addr := args[0], args[1]
	if network == "udp" {
		c, err := net.ListenPacket(network, addr)
		if err != nil {
			return "", err
		}
		go func() {
			buf := make([]byte, 2048)
			for {
				n, from, err := c.ReadFrom(buf)
				if err != nil {
					return
				}
				_, _ = c.WriteTo(buf[:n], from)
			}
		}()
		return portOf(c.LocalAddr())
	}
	l, err := net.Listen(network, addr)
	if err != nil {
		return "", err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go echoConn(c)
		}
	}()
	return portOf(l.Addr())
}

func echoConn(c net.Conn) {
	defer c.Close()
	buf := make([]byte, 2048)
	for {
		n, err := c.Read(buf)
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func portOf(a net.Addr) (string, error) {
	addr, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return "", fmt.Errorf("read own address: %w", err)
	}
	return fmt.Sprint(addr.Port()), nil
}
