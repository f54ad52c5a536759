// SPDX-License-Identifier: Apache-2.0

package event

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// summaryMax is how many destinations a summary tells apart: a jailed process can make up any
// number of them.
const summaryMax = 1000

// summaryShown is how many of them are printed.
const summaryShown = 20

// Summary adds up events by destination.
type Summary struct {
	rows map[summaryKey]*summaryRow
}

type summaryKey struct {
	action, proto, dst string
	port               uint16
	rule, reason       string
}

type summaryRow struct {
	count uint64
	comms map[string]struct{}
}

// Add counts an event.
func (s *Summary) Add(e Event) {
	if s.rows == nil {
		s.rows = map[summaryKey]*summaryRow{}
	}
	key := summaryKey{e.Action, e.Proto, e.Dst, e.Port, e.Rule, e.Reason}
	row := s.rows[key]
	if row == nil {
		if len(s.rows) == summaryMax {
			return // the kernel's counters have them
		}
		row = &summaryRow{comms: map[string]struct{}{}}
		s.rows[key] = row
	}
	row.count += e.Count
	if e.Comm != "" {
		row.comms[e.Comm] = struct{}{}
	}
}

// Write prints the summary of the jail named jail, most frequent destinations first. total is the
// number of decisions by the kernel's exact counters: what it counted and no event told of is
// named.
func (s *Summary) Write(w io.Writer, jail string, total uint64) error {
	if total == 0 {
		_, err := fmt.Fprintf(w, "jail-ai: %s: nothing was refused\n", jail)
		return err
	}
	keys := slices.SortedFunc(maps.Keys(s.rows), func(a, b summaryKey) int {
		return cmp.Or(cmp.Compare(s.rows[b].count, s.rows[a].count),
			cmp.Compare(a.dst, b.dst), cmp.Compare(a.port, b.port), cmp.Compare(a.proto, b.proto))
	})
	verb := "refused"
	if len(keys) > 0 && !slices.ContainsFunc(keys, func(k summaryKey) bool { return k.action != "audit" }) {
		verb = "would have been refused (audit)"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "jail-ai: %s: %s %s\n", jail, plural(total, "attempt"), verb)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "  DESTINATION\tPROTO\tCOUNT\tPROGRAM\tRULE\n")
	left := total
	for i, key := range keys {
		if i == summaryShown {
			break
		}
		row := s.rows[key]
		left -= min(left, row.count)
		fmt.Fprintf(t, "  %s\t%s\t%d\t%s\t%s\n", destination(key.dst, key.port), key.proto, row.count,
			programs(row.comms), ruleText(key.rule, key.reason))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if left > 0 {
		fmt.Fprintf(&b, "  and %s more\n", strconv.FormatUint(left, 10))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func plural(n uint64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.FormatUint(n, 10) + " " + what + "s"
}

// destination prints address and port, or a dash where a call had none.
func destination(dst string, port uint16) string {
	switch {
	case dst == "":
		return "-"
	case port == 0:
		return dst
	case strings.Contains(dst, ":"):
		return "[" + dst + "]:" + strconv.Itoa(int(port))
	}
	return dst + ":" + strconv.Itoa(int(port))
}

// programs joins names that a process gave itself: they are quoted where they could do harm to a
// terminal.
func programs(comms map[string]struct{}) string {
	const shown = 3
	names := slices.Sorted(maps.Keys(comms))
	more := ""
	if len(names) > shown {
		more = fmt.Sprintf(" and %d more", len(names)-shown)
		names = names[:shown]
	}
	for i, name := range names {
		if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) {
			names[i] = strconv.QuoteToASCII(name)
		}
	}
	if len(names) == 0 {
		return "-"
	}
	return strings.Join(names, ", ") + more
}

func ruleText(rule, reason string) string {
	if reason == "" {
		return rule
	}
	return rule + ": " + reason
}
