// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
)

// webName is the one name that the world's DNS servers know; its addresses are webV4 and webV6.
const (
	webName = "web.test"
	webV4   = "203.0.113.10"
	webV6   = "2001:db8:2::10"
)

// The parts of the DNS protocol that a question for an address needs (RFC 1035, 3596).
const (
	dnsHeader     = 12
	dnsTypeA      = 1
	dnsTypeAAAA   = 28
	dnsAnswer     = 0x8180 // response, recursion desired and available, no error
	dnsNoSuchName = 0x8183
	dnsNamePtr    = 0xc000 | dnsHeader // the name in the question
)

// serveDNS answers on UDP and TCP.
func serveDNS(t *testing.T, at *space, addr string) {
	t.Helper()
	var (
		packets net.PacketConn
		streams net.Listener
	)
	err := at.do(func() (err error) {
		if packets, err = net.ListenPacket("udp", addr); err != nil {
			return err
		}
		streams, err = net.Listen("tcp", addr)
		return err
	})
	if err != nil {
		t.Fatalf("serve DNS on %s: %v", addr, err)
	}
	t.Cleanup(func() {
		packets.Close()
		streams.Close()
	})
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := packets.ReadFrom(buf)
			if err != nil {
				return // closed
			}
			if answer, ok := answerDNS(buf[:n]); ok {
				_, _ = packets.WriteTo(answer, from)
			}
		}
	}()
	go func() {
		for {
			c, err := streams.Accept()
			if err != nil {
				return // closed
			}
			go func() {
				defer c.Close()
				var length [2]byte
				if _, err := io.ReadFull(c, length[:]); err != nil {
					return
				}
				query := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(c, query); err != nil {
					return
				}
				if answer, ok := answerDNS(query); ok {
					framed := binary.BigEndian.AppendUint16(nil, uint16(len(answer)))
					_, _ = c.Write(append(framed, answer...))
				}
			}()
		}
	}()
}

// answerDNS answers a query that has one question.
func answerDNS(query []byte) ([]byte, bool) {
	name, end := dnsQuestion(query)
	if end == 0 {
		return nil, false
	}
	var addr netip.Addr
	switch binary.BigEndian.Uint16(query[end-4:]) {
	case dnsTypeA:
		addr = netip.MustParseAddr(webV4)
	case dnsTypeAAAA:
		addr = netip.MustParseAddr(webV6)
	}
	flags, count := uint16(dnsAnswer), uint16(0)
	switch {
	case name != webName:
		flags = dnsNoSuchName
	case addr.IsValid():
		count = 1
	}
	out := append([]byte(nil), query[:2]...)
	for _, v := range []uint16{flags, 1, count, 0, 0} {
		out = binary.BigEndian.AppendUint16(out, v)
	}
	out = append(out, query[dnsHeader:end]...)
	if count == 1 {
		out = binary.BigEndian.AppendUint16(out, dnsNamePtr)
		out = append(out, query[end-4:end]...)       // type and class, as asked
		out = binary.BigEndian.AppendUint32(out, 60) // seconds
		out = binary.BigEndian.AppendUint16(out, uint16(len(addr.AsSlice())))
		out = append(out, addr.AsSlice()...)
	}
	return out, true
}

// dnsQuestion returns the name that is asked for, and where the question ends; 0: no question.
func dnsQuestion(query []byte) (string, int) {
	var labels []string
	for i := dnsHeader; i < len(query); {
		n := int(query[i])
		if n == 0 {
			if i+5 > len(query) {
				return "", 0
			}
			return strings.ToLower(strings.Join(labels, ".")), i + 5
		}
		if i+1+n > len(query) {
			return "", 0
		}
		labels = append(labels, string(query[i+1:i+1+n]))
		i += 1 + n
	}
	return "", 0
}
