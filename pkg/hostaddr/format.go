// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// Entry is one line of what `jail-ai hosts` prints: a prefix, the policy's group that it belongs
// to (host, gateway or dns) and why.
type Entry struct {
	Group  string `json:"group"`
	Prefix string `json:"prefix"` // always with its length: 192.0.2.1/32
	Reason string `json:"reason"`
}

// Entries lists the machine's addresses group by group: host, gateway, dns.
func Entries(m policy.Machine) []Entry {
	list := []Entry{} // never null in JSON
	for _, group := range []struct {
		name      string
		addresses []policy.Address
	}{{"host", m.Host}, {"gateway", m.Gateway}, {"dns", m.Resolvers}} {
		for _, a := range group.addresses {
			list = append(list, Entry{Group: group.name, Prefix: a.Prefix.String(), Reason: a.Reason})
		}
	}
	return list
}

// Write prints the machine's addresses in the format that -o names: "table" or "json".
func Write(w io.Writer, format string, m policy.Machine) error {
	switch format {
	case "table":
		return WriteTable(w, m)
	case "json":
		return WriteJSON(w, m)
	default:
		return formatError(format)
	}
}

// WriteTable prints one line an entry under a line of titles, in columns for people.
func WriteTable(w io.Writer, m policy.Machine) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "GROUP\tPREFIX\tREASON")
	for _, e := range Entries(m) {
		fmt.Fprintf(t, "%s\t%s\t%s\n", e.Group, e.Prefix, e.Reason)
	}
	if err := t.Flush(); err != nil { // reports what the writes before it met
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// WriteJSON prints one JSON document, a list of Entry objects, ending in a newline.
func WriteJSON(w io.Writer, m policy.Machine) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(Entries(m)); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// formatError is an output format that does not exist.
type formatError string

func (e formatError) Error() string { return fmt.Sprintf("unknown output format %q", string(e)) }

// Hint tells the formats that exist.
func (formatError) Hint() string { return "use -o table or -o json" }
