// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

const (
	messageSize = 64
	bulkSize    = 64 << 10
	// burst datagrams fit into any receive buffer.
	burst = 64
	// stuck is how long the two ends of a connection may both have nothing to do.
	stuck = 2 * time.Second
)

// operation is something that a jail may make dearer.
type operation struct {
	Name  string `json:"name"` // as told to workers
	Title string `json:"title"`
	// Throughput says that the ratio is of throughput, not of time.
	Throughput bool `json:"throughput,omitempty"`
	// Aim is the ratio to reach: at most, or of throughput at least.
	Aim float64 `json:"aim"`
	// start prepares it; batch does it n times and returns how long that took.
	start func() (batch func(n int) (time.Duration, error), err error)
}

// operations with the aims of the project's first milestone and of its performance targets.
var operations = []operation{
	{Name: "udp-connect", Title: "UDP socket, connect, close", Aim: 1.10, start: udpConnect},
	{Name: "tcp-connect", Title: "TCP connect, accept, close", Aim: 1.03, start: tcpConnect},
	{Name: "udp-sendto", Title: "UDP sendto, 64 bytes", Aim: 1.06, start: udpSendto},
	{Name: "tcp-round-trip", Title: "TCP round trip, 64 bytes", Aim: 1.06, start: tcpRoundTrip},
	{Name: "tcp-bulk", Title: "TCP throughput, 64 KiB writes", Throughput: true, Aim: 0.96, start: tcpBulk},
}

// repeated times n calls of once.
func repeated(once func() error) func(int) (time.Duration, error) {
	return func(n int) (time.Duration, error) {
		begin := time.Now()
		for range n {
			if err := once(); err != nil {
				return 0, err
			}
		}
		return time.Since(begin), nil
	}
}

func udpConnect() (func(int) (time.Duration, error), error) {
	_, addr, err := bound(unix.SOCK_DGRAM) // somebody has to own the port
	if err != nil {
		return nil, err
	}
	return repeated(func() error {
		fd, err := socket(unix.SOCK_DGRAM)
		if err != nil {
			return err
		}
		if err := connect(fd, addr); err != nil {
			return err
		}
		return closeSocket(fd)
	}), nil
}

func tcpConnect() (func(int) (time.Duration, error), error) {
	listener, addr, err := listening()
	if err != nil {
		return nil, err
	}
	return repeated(func() error {
		client, err := socket(unix.SOCK_STREAM)
		if err != nil {
			return err
		}
		if err := connect(client, addr); err != nil {
			return err
		}
		server, err := accept(listener)
		if err != nil {
			return err
		}
		return errors.Join(closeSocket(server), closeSocket(client))
	}), nil
}

func udpSendto() (func(int) (time.Duration, error), error) {
	receiver, addr, err := bound(unix.SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	sender, err := socket(unix.SOCK_DGRAM)
	if err != nil {
		return nil, err
	}
	message := make([]byte, messageSize)
	return func(n int) (time.Duration, error) {
		var took time.Duration
		for left := n; left > 0; left -= burst {
			count := min(left, burst)
			begin := time.Now()
			for range count {
				if _, err := send(sender, message, addr); err != nil {
					return 0, err
				}
			}
			took += time.Since(begin)
			for range count { // not timed
				if n, err := receive(receiver, message); err != nil {
					return 0, err
				} else if n != messageSize {
					return 0, errors.New("a datagram was lost")
				}
			}
		}
		return took, nil
	}, nil
}

func tcpRoundTrip() (func(int) (time.Duration, error), error) {
	client, server, err := connected()
	if err != nil {
		return nil, err
	}
	out, in := make([]byte, messageSize), make([]byte, messageSize)
	return repeated(func() error {
		return errors.Join(transfer(client, server, out, in), transfer(server, client, out, in))
	}), nil
}

func tcpBulk() (func(int) (time.Duration, error), error) {
	client, server, err := connected()
	if err != nil {
		return nil, err
	}
	out, in := make([]byte, bulkSize), make([]byte, bulkSize)
	return repeated(func() error { return transfer(client, server, out, in) }), nil
}

// transfer sends out on one end of a connection, and receives as much on the other.
func transfer(from, to int, out, in []byte) error {
	var idle time.Time
	for sent, received := 0, 0; received < len(out); {
		n, m := 0, 0
		var err error
		if sent < len(out) {
			if n, err = send(from, out[sent:], nil); err != nil {
				return err
			}
		}
		if m, err = receive(to, in); err != nil {
			return err
		}
		sent, received = sent+n, received+m
		switch {
		case n+m > 0:
			idle = time.Time{}
		case idle.IsZero():
			idle = time.Now()
		case time.Since(idle) > stuck:
			return errors.New("the connection is stuck")
		}
	}
	return nil
}
