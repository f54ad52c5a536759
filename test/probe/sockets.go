// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Time limits of blocking calls: what takes longer hangs.
const (
	sendLimit = 1500 * time.Millisecond
	recvLimit = 1500 * time.Millisecond
)

// socket is an open socket of a script.
type socket struct {
	fd     int
	family int
	sender unix.Sockaddr // of the datagram received last
}

// sockets are the open sockets by name. Those whose names begin with @ outlive the request that
// opened them.
type sockets struct {
	mu   sync.Mutex
	kept map[string]*socket
}

func newSockets() *sockets {
	return &sockets{kept: map[string]*socket{}}
}

// script is one run through a list of steps.
type script struct {
	all   *sockets
	local map[string]*socket
}

// run takes the steps until one fails.
func (all *sockets) run(steps [][]string) result {
	s := &script{all: all, local: map[string]*socket{}}
	defer s.close()
	last := result{OK: true}
	for _, step := range steps {
		if len(step) == 0 {
			return failed("", fmt.Errorf("empty step"))
		}
		calls, err := expand(step)
		if err != nil {
			return failed(step[0], err)
		}
		for _, call := range calls {
			start := time.Now()
			data, err := s.take(call)
			ms := float64(time.Since(start).Microseconds()) / 1000
			if err != nil {
				r := failed(strings.Join(call, " "), err)
				r.MS, r.Data = ms, last.Data
				return r
			}
			last.Step, last.MS = strings.Join(call, " "), ms
			if data != "" {
				last.Data = data
			}
		}
	}
	return last
}

// take takes one step.
func (s *script) take(call []string) (string, error) {
	do, ok := calls[call[0]]
	if !ok {
		return "", fmt.Errorf("no step named %q", call[0])
	}
	if len(call)-1 < do.args {
		return "", fmt.Errorf("%s needs %d arguments", call[0], do.args)
	}
	return do.do(s, call[1:])
}

func (s *script) get(name string) (*socket, error) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	sk := s.local[name]
	if sk == nil {
		sk = s.all.kept[name]
	}
	if sk == nil {
		return nil, fmt.Errorf("no socket named %q", name)
	}
	return sk, nil
}

// put names a socket; one that had the name is closed.
func (s *script) put(name string, sk *socket) {
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	m := s.local
	if strings.HasPrefix(name, "@") {
		m = s.all.kept
	}
	if old := m[name]; old != nil {
		_ = unix.Close(old.fd)
	}
	m[name] = sk
}

// drop closes the socket of that name.
func (s *script) drop(name string) error {
	sk, err := s.get(name)
	if err != nil {
		return err
	}
	s.all.mu.Lock()
	defer s.all.mu.Unlock()
	delete(s.local, name)
	delete(s.all.kept, name)
	return unix.Close(sk.fd)
}

func (s *script) close() {
	for _, sk := range s.local {
		_ = unix.Close(sk.fd)
	}
}

// kinds are the sockets that a script can open.
var kinds = map[string][3]int{
	"tcp4":     {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP},
	"tcp6":     {unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP},
	"mptcp4":   {unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
	"mptcp6":   {unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_MPTCP},
	"udp4":     {unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDP},
	"udp6":     {unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDP},
	"udplite4": {unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE},
	"udplite6": {unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE},
	"ping4":    {unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP},
	"ping6":    {unix.AF_INET6, unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6},
	"raw-udp":  {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_UDP},
	"raw-icmp": {unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
	"raw6":     {unix.AF_INET6, unix.SOCK_RAW, unix.IPPROTO_UDP},
	"packet":   {unix.AF_PACKET, unix.SOCK_RAW, 0},
}

// open makes a socket whose calls end after a time limit.
func (s *script) open(name, kind string) error {
	k, ok := kinds[kind]
	if !ok {
		return fmt.Errorf("no kind of socket named %q", kind)
	}
	fd, err := unix.Socket(k[0], k[1]|unix.SOCK_CLOEXEC, k[2])
	if err != nil {
		return fmt.Errorf("socket: %w", err)
	}
	s.put(name, &socket{fd: fd, family: k[0]})
	return limit(fd, sendLimit, recvLimit)
}

// limit sets the time limits of a socket's calls.
func limit(fd int, send, recv time.Duration) error {
	tv := unix.NsecToTimeval(send.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &tv); err != nil {
		return fmt.Errorf("limit send: %w", err)
	}
	tv = unix.NsecToTimeval(recv.Nanoseconds())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv); err != nil {
		return fmt.Errorf("limit receive: %w", err)
	}
	return nil
}
