// SPDX-License-Identifier: Apache-2.0

package main

import "strings"

// techniques are the ways of a program to reach a destination, each as the calls it makes.
// ADDR and TOKEN stand for the technique's arguments, F for the family of ADDR, VIA for a third
// argument: another address that plays a part.
var techniques = map[string]string{
	"tcp-connect":     "open a tcpF / connect a ADDR / send a TOKEN / recv a",
	"tcp-nonblock":    "open a tcpF / opt a nonblock / connect a ADDR / connected a / opt a block / send a TOKEN / recv a",
	"tcp-fastopen":    "open a tcpF / fastopen a ADDR TOKEN / recv a",
	"tcp-tfo-connect": "open a tcpF / opt a fastopen-connect / connect a ADDR / send a TOKEN / recv a",
	"tcp-bound":       "open a tcpF / bind a VIA / connect a ADDR / send a TOKEN / recv a",
	"mptcp-connect":   "open a mptcpF / connect a ADDR / send a TOKEN / recv a",
	"mptcp-fastopen":  "open a mptcpF / fastopen a ADDR TOKEN / recv a",

	"udp-send":    "open a udpF / opt a broadcast / sendto a ADDR TOKEN / recv a",
	"udp-connect": "open a udpF / opt a broadcast / connect a ADDR / send a TOKEN / recv a",
	// Whoever answers a broadcast does so from another address.
	"udp-connect-send": "open a udpF / opt a broadcast / connect a ADDR / send a TOKEN",
	"udp-sendmmsg":     "open a udpF / opt a broadcast / sendmmsg a ADDR TOKEN / recv a",
	"udp-bound":        "open a udpF / bind a VIA / sendto a ADDR TOKEN / recv a",
	// The name in the call replaces the one that the socket is connected to, but for answers.
	"udp-rename": "open a udpF / connect a VIA / sendto a ADDR TOKEN",
	// Ancillary data makes the kernel take a connected socket for an unconnected one.
	"udp-pktinfo": "open a udpF / connect a ADDR / send-pktinfo a TOKEN / recv a",
	// The kernel takes family 0 for AF_INET.
	"udp-unspec": "open a udp4 / sendto-unspec a ADDR TOKEN / recv a",
	// An IPv4 name on an IPv6 socket.
	"udp6-name4": "open a udp6 / opt a dual-stack / sendto a ADDR TOKEN / recv a",

	"udplite-send":    "open a udpliteF / sendto a ADDR TOKEN",
	"udplite-connect": "open a udpliteF / connect a ADDR / send a TOKEN",
	"raw-udp":         "open a raw-udp / sendto a ADDR TOKEN",
	"ping-echo":       "open a pingF / ping a ADDR / recv a",
	"packet":          "open a packet",
}

// expand replaces a technique by its steps; anything else is a step already.
func expand(step []string) ([][]string, error) {
	text, ok := techniques[step[0]]
	if !ok {
		return [][]string{step}, nil
	}
	word := map[string]string{"ADDR": "", "TOKEN": "", "VIA": ""}
	for i, name := range []string{"ADDR", "TOKEN", "VIA"} {
		if len(step) > i+1 {
			word[name] = step[i+1]
		}
	}
	var fam string
	if word["ADDR"] != "" {
		var err error
		if fam, err = family(word["ADDR"]); err != nil {
			return nil, err
		}
	}
	var steps [][]string
	for call := range strings.SplitSeq(text, " "+separator+" ") {
		words := strings.Fields(call)
		for i, w := range words {
			if value, ok := word[w]; ok {
				words[i] = value
			} else if stem, ok := strings.CutSuffix(w, "F"); ok {
				words[i] = stem + fam
			}
		}
		steps = append(steps, words)
	}
	return steps, nil
}
