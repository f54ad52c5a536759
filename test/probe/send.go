// SPDX-License-Identifier: Apache-2.0

package main

import (
	"net/netip"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// line is a token as it is sent.
func line(token string) []byte {
	return []byte(token + "\n")
}

func send(sk *socket, args []string) (string, error) {
	return "", unix.Send(sk.fd, line(args[0]), unix.MSG_NOSIGNAL)
}

func sendTo(sk *socket, args []string) (string, error) {
	sa, err := sockaddr(args[0])
	if err != nil {
		return "", err
	}
	return "", unix.Sendto(sk.fd, line(args[1]), unix.MSG_NOSIGNAL, sa)
}

// answer sends to whoever sent what was received last.
func answer(sk *socket, args []string) (string, error) {
	return "", unix.Sendto(sk.fd, line(args[0]), unix.MSG_NOSIGNAL, sk.sender)
}

// fastOpen connects and sends in one call.
func fastOpen(sk *socket, args []string) (string, error) {
	sa, err := sockaddr(args[0])
	if err != nil {
		return "", err
	}
	return "", unix.Sendto(sk.fd, line(args[1]), unix.MSG_FASTOPEN|unix.MSG_NOSIGNAL, sa)
}

// ping sends an echo request; the kernel fills in identifier and checksum.
func ping(sk *socket, args []string) (string, error) {
	sa, err := sockaddr(args[0])
	if err != nil {
		return "", err
	}
	echo := byte(8) // ICMP
	if sk.family == unix.AF_INET6 {
		echo = 128 // ICMPv6
	}
	return "", unix.Sendto(sk.fd, []byte{echo, 0, 0, 0, 0, 0, 0, 1}, 0, sa)
}

// sendToUnspec names the destination with family 0.
func sendToUnspec(sk *socket, args []string) (string, error) {
	name, err := rawSockaddr(args[0], false)
	if err != nil {
		return "", err
	}
	data := line(args[1])
	_, _, errno := unix.Syscall6(unix.SYS_SENDTO, uintptr(sk.fd),
		uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)), 0,
		uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)))
	return "", failure(errno)
}

// sendPacketInfo sends without a name, with ancillary data that asks for nothing.
func sendPacketInfo(sk *socket, args []string) (string, error) {
	control := unix.PktInfo4(&unix.Inet4Pktinfo{})
	if sk.family == unix.AF_INET6 {
		info := unix.Inet6Pktinfo{}
		peer, err := unix.Getpeername(sk.fd)
		if err != nil {
			return "", err
		}
		if six, ok := peer.(*unix.SockaddrInet6); ok && netip.AddrFrom16(six.Addr).Is4In6() {
			info.Addr = netip.AddrFrom4([4]byte{}).As16() // ::ffff:0.0.0.0
		}
		control = unix.PktInfo6(&info)
	}
	_, err := unix.SendmsgN(sk.fd, line(args[0]), control, nil, unix.MSG_NOSIGNAL)
	return "", err
}

// sendMany sends the token twice in one call.
func sendMany(sk *socket, args []string) (string, error) {
	name, err := rawSockaddr(args[0], true)
	if err != nil {
		return "", err
	}
	data := line(args[1])
	iov := unix.Iovec{Base: &data[0], Len: uint64(len(data))}
	type message struct {
		header unix.Msghdr
		sent   uint32
	}
	var messages [2]message
	for i := range messages {
		messages[i].header = unix.Msghdr{
			Name: &name[0], Namelen: uint32(len(name)), Iov: &iov, Iovlen: 1,
		}
	}
	_, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(sk.fd),
		uintptr(unsafe.Pointer(&messages[0])), uintptr(len(messages)), 0, 0, 0)
	runtime.KeepAlive(&iov)
	runtime.KeepAlive(name)
	return "", failure(errno)
}

// rawConnect connects to a name given as bytes.
func rawConnect(fd int, name []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd),
		uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)))
	return failure(errno)
}

func failure(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
