// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"errors"
	"fmt"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// subscribedGroups are the kernel's announcements that may change the answer. Links are among them
// because one that goes down takes its IPv4 routes along, and not every kernel tells of each route.
var subscribedGroups = []uint{
	unix.RTNLGRP_LINK,
	unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV6_IFADDR,
	unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV6_ROUTE,
	unix.RTNLGRP_NEXTHOP, // kernels before 5.3 ignore it
}

// receiveBuffer in bytes holds some ten thousand announcements.
const receiveBuffer = 8 << 20

// subscription turns the kernel's announcements into "something changed". It doesn't interpret
// them: what the state now is, only a listing tells.
type subscription struct {
	changed <-chan struct{} // holds one token from a change on until it is taken
	failed  <-chan error    // gets one error when the subscription has come to its end by itself
	socket  *nl.NetlinkSocket
	stop    chan struct{}
	ended   chan struct{}
}

// subscribe listens in the calling thread's network namespace, with a receive buffer of so many
// bytes. Nothing that happens after it returns goes unnoticed.
//
// The netlink library's AddrSubscribe and RouteSubscribe are one socket and two goroutines each,
// end at the first overrun, and block where nobody takes their updates; hence one plain socket.
func subscribe(buffer int) (*subscription, error) {
	socket, err := nl.Subscribe(unix.NETLINK_ROUTE, subscribedGroups...)
	if err != nil {
		return nil, fmt.Errorf("subscribe to address changes: %w", err)
	}
	if err := socket.SetReceiveBufferSize(buffer, true); err != nil {
		// Without CAP_NET_ADMIN the system's limit holds. An overrun costs nothing but a listing.
		if err := socket.SetReceiveBufferSize(buffer, false); err != nil {
			socket.Close()
			return nil, fmt.Errorf("size receive buffer for address changes: %w", err)
		}
	}
	changed, failed := make(chan struct{}, 1), make(chan error, 1)
	s := &subscription{
		changed: changed, failed: failed, socket: socket,
		stop: make(chan struct{}), ended: make(chan struct{}),
	}
	go s.receive(changed, failed)
	return s, nil
}

func (s *subscription) receive(changed chan<- struct{}, failed chan<- error) {
	defer close(s.ended)
	for {
		_, from, err := s.socket.Receive()
		select {
		case <-s.stop: // an error now is the closed socket's
			return
		default:
		}
		switch {
		case err == nil && from.Pid != nl.PidKernel, errors.Is(err, unix.EINTR):
			continue
		case err == nil, errors.Is(err, unix.ENOBUFS):
			// After an overrun (ENOBUFS) the kernel drops everything until the queue has been
			// emptied, and says so only once. Each message that is still taken from the queue sets
			// the token again, the last one after dropping has ended: so nothing is missed.
		default:
			failed <- fmt.Errorf("receive address changes: %w", err)
			return
		}
		select {
		case changed <- struct{}{}:
		default:
		}
	}
}

// close ends the subscription and waits until its goroutine is gone.
func (s *subscription) close() {
	close(s.stop)
	s.socket.Close()
	<-s.ended
}
