// SPDX-License-Identifier: Apache-2.0

// Package hostaddr tells which addresses reach this machine, each with the reason why, which
// gateways its default routes name and which DNS servers it uses: what the policy's groups host,
// gateway and dns stand for. The answers come from the kernel (netlink), from /etc/resolv.conf and
// /etc/hosts, and from a fixed list. Read takes one snapshot, Watch goes on with every change.
//
// What cannot be read completely is an error, never a shorter list.
package hostaddr

import (
	"fmt"
	"os"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// Source names where the answers come from. The zero value is this machine as the calling thread
// sees it; tests and tools that look into another network namespace set the fields.
type Source struct {
	NetNS      string // path of a network namespace (/proc/PID/ns/net); "": the calling thread's
	ResolvConf string // "": /etc/resolv.conf
	Hosts      string // "": /etc/hosts
}

// Read returns the present state of the calling thread's network namespace. Each of the three
// lists is sorted and names a prefix once; Gateway may be empty, Host and Resolvers never are.
func Read() (policy.Machine, error) { return Source{}.Read() }

// Read is like the function Read, for the places that s names.
func (s Source) Read() (policy.Machine, error) {
	if s.NetNS == "" {
		return s.read()
	}
	ns, err := openNetNS(s.NetNS)
	if err != nil {
		return policy.Machine{}, err
	}
	defer ns.Close()

	var m policy.Machine
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err = enter(ns); err == nil {
			m, err = s.read()
		}
	}()
	<-done
	return m, err
}

// read takes a snapshot of the network namespace that the calling thread is in.
func (s Source) read() (policy.Machine, error) {
	n, err := listNetwork()
	if err != nil {
		return policy.Machine{}, err
	}
	aliases, err := readHosts(s.hosts())
	if err != nil {
		return policy.Machine{}, err
	}
	resolvers, err := readResolvConf(s.resolvConf())
	if err != nil {
		return policy.Machine{}, err
	}
	return assemble(n, aliases, resolvers), nil
}

// assemble merges the sources, those with the most telling reasons first.
func assemble(n network, aliases, resolvers []policy.Address) policy.Machine {
	var host, gateway, dns set
	for _, source := range [][]policy.Address{fixed, n.addresses, aliases, engineAliases, n.routes} {
		for _, a := range source {
			if !isPartOfLoopback(a) {
				host.add(a)
			}
		}
	}
	gateway.add(n.gateways...)
	dns.add(resolvers...)
	return policy.Machine{Host: host.sorted(), Gateway: gateway.sorted(), Resolvers: dns.sorted()}
}

// isPartOfLoopback says that an entry is covered by that of the loopback network as a whole. As
// an entry of its own, 127.0.0.1 would be as specific as the allow of a policy that names it, and
// a tie blocks. Broadcasts stay, since they are not unicast.
func isPartOfLoopback(a policy.Address) bool {
	return a.Unicast && a.Prefix.Bits() > loopback.Bits() && loopback.Contains(a.Prefix.Addr())
}

func (s Source) resolvConf() string {
	if s.ResolvConf == "" {
		return "/etc/resolv.conf"
	}
	return s.ResolvConf
}

func (s Source) hosts() string {
	if s.Hosts == "" {
		return "/etc/hosts"
	}
	return s.Hosts
}

// readOptional returns the file's text, and none if there is no such file.
func readOptional(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return "", fmt.Errorf("read the machine's name service files: %w", err)
	}
	return string(data), nil
}
