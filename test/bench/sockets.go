// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// These are system calls without Go's bookkeeping around them, which would be most of the cheapest.
// None of them waits: sender and receiver are the same thread.

// loopback is 127.0.0.1 with a port, as the kernel takes it.
type loopback struct {
	raw unix.RawSockaddrInet4
}

func newLoopback(port int) *loopback {
	l := &loopback{}
	l.raw.Family = unix.AF_INET
	l.raw.Addr = [4]byte{127, 0, 0, 1}
	bytes := (*[2]byte)(unsafe.Pointer(&l.raw.Port)) // network byte order
	bytes[0], bytes[1] = byte(port>>8), byte(port)
	return l
}

func socket(kind int) (int, error) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, uintptr(kind|unix.SOCK_CLOEXEC), 0)
	return int(fd), check("socket", errno)
}

func closeSocket(fd int) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
	return check("close", errno)
}

func connect(fd int, to *loopback) error {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&to.raw)), unix.SizeofSockaddrInet4)
	return check("connect", errno)
}

func accept(listener int) (int, error) {
	fd, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(listener), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
	return int(fd), check("accept", errno)
}

// send sends to the address, nil if the socket is connected. It returns 0 if there is no room.
func send(fd int, data []byte, to *loopback) (int, error) {
	var addr, size uintptr
	if to != nil {
		addr, size = uintptr(unsafe.Pointer(&to.raw)), unix.SizeofSockaddrInet4
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&data[0])), uintptr(len(data)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, addr, size)
	if errno == unix.EAGAIN {
		return 0, nil
	}
	return int(n), check("send", errno)
}

// receive returns 0 if there is nothing yet.
func receive(fd int, buffer []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&buffer[0])), uintptr(len(buffer)),
		unix.MSG_DONTWAIT, 0, 0)
	if errno == unix.EAGAIN {
		return 0, nil
	}
	return int(n), check("receive", errno)
}

func check(call string, errno unix.Errno) error {
	if errno != 0 {
		return fmt.Errorf("%s: %w", call, errno)
	}
	return nil
}

// bound returns a socket bound to a free port of loopback, and its address.
func bound(kind int) (int, *loopback, error) {
	fd, err := socket(kind)
	if err != nil {
		return 0, nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, nil, fmt.Errorf("bind: %w", err)
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return 0, nil, fmt.Errorf("getsockname: %w", err)
	}
	return fd, newLoopback(addr.(*unix.SockaddrInet4).Port), nil
}

// listening returns a TCP listener. What it accepts is reset when closed: a million connections in
// TIME_WAIT would use up the ports.
func listening() (int, *loopback, error) {
	fd, addr, err := bound(unix.SOCK_STREAM)
	if err != nil {
		return 0, nil, err
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return 0, nil, fmt.Errorf("set SO_LINGER: %w", err)
	}
	if err := unix.Listen(fd, 16); err != nil {
		return 0, nil, fmt.Errorf("listen: %w", err)
	}
	return fd, addr, nil
}

// connected returns both ends of a TCP connection.
func connected() (client, server int, err error) {
	listener, addr, err := listening()
	if err != nil {
		return 0, 0, err
	}
	defer unix.Close(listener)
	if client, err = socket(unix.SOCK_STREAM); err != nil {
		return 0, 0, err
	}
	if err := connect(client, addr); err != nil {
		return 0, 0, err
	}
	if server, err = accept(listener); err != nil {
		return 0, 0, err
	}
	for _, fd := range []int{client, server} {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err != nil {
			return 0, 0, fmt.Errorf("set TCP_NODELAY: %w", err)
		}
	}
	return client, server, nil
}
