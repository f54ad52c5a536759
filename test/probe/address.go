// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// family is "4" or "6": the family that a socket for this address has. An IPv4-mapped address
// needs an IPv6 socket.
func family(addr string) (string, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return "", err
	}
	if a.Addr().Is4() {
		return "4", nil
	}
	return "6", nil
}

// sockaddr turns ADDRESS:PORT into what the kernel takes. IPv4 gives a sockaddr_in whatever the
// socket's family is.
func sockaddr(addr string) (unix.Sockaddr, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}, nil
	}
	scope, err := scopeOf(a.Addr())
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16(), ZoneId: scope}, err
}

// scopeOf is the number of the device named behind the %.
func scopeOf(a netip.Addr) (uint32, error) {
	if a.Zone() == "" {
		return 0, nil
	}
	dev, err := net.InterfaceByName(a.Zone())
	if err != nil {
		return 0, fmt.Errorf("find zone: %w", err)
	}
	return uint32(dev.Index), nil
}

// rawSockaddr is a sockaddr as bytes. withFamily false leaves its family field empty.
func rawSockaddr(addr string, withFamily bool) ([]byte, error) {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return nil, err
	}
	family := uint16(unix.AF_INET6)
	if a.Addr().Is4() {
		family = unix.AF_INET
	}
	if !withFamily {
		family = unix.AF_UNSPEC
	}
	b := binary.NativeEndian.AppendUint16(nil, family)
	b = binary.BigEndian.AppendUint16(b, a.Port())
	if a.Addr().Is4() {
		b = append(b, a.Addr().AsSlice()...)
		return append(b, make([]byte, unix.SizeofSockaddrInet4-len(b))...), nil
	}
	b = append(b, 0, 0, 0, 0) // flow label
	b = append(b, a.Addr().AsSlice()...)
	scope, err := scopeOf(a.Addr())
	return binary.NativeEndian.AppendUint32(b, scope), err
}

// routingHeader is a segment routing header (RFC 8754) at its last segment.
func routingHeader(segment string) ([]byte, error) {
	a, err := netip.ParseAddr(segment)
	if err != nil {
		return nil, err
	}
	const (
		length  = 2 // of what follows the first 8 bytes, in units of 8
		srh     = 4
		left    = 0
		lastOne = 0 // index
	)
	return append([]byte{0, length, srh, left, lastOne, 0, 0, 0}, a.AsSlice()...), nil
}
