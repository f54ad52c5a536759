// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
)

// link is what the reasons say about a network interface.
type link struct {
	name   string
	bridge bool
}

// links are a namespace's interfaces by index.
type links map[int]link

// listLinks asks the kernel for the interfaces.
func listLinks(handle *netlink.Handle) (links, error) {
	list, err := whole(handle.LinkList)
	if err != nil {
		return nil, err
	}
	byIndex := make(links, len(list))
	for _, l := range list {
		byIndex[l.Attrs().Index] = link{name: printable(l.Attrs().Name), bridge: l.Type() == "bridge"}
	}
	return byIndex, nil
}

// name names the interface, also one that came after the list was taken.
func (l links) name(index int) string {
	if known, ok := l[index]; ok {
		return known.name
	}
	return "interface " + strconv.Itoa(index)
}

// describe is name with the word bridge in front of bridges, which are how containers see the host.
func (l links) describe(index int) string {
	if l[index].bridge {
		return "bridge " + l.name(index)
	}
	return l.name(index)
}

// printable quotes names with which an interface could play tricks on a terminal: the kernel
// refuses only white space, slashes and colons.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !strconv.IsPrint(r) || r == '\uFFFD' }) {
		return strconv.QuoteToASCII(name)
	}
	return name
}
