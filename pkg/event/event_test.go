// SPDX-License-Identifier: Apache-2.0

package event

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

type fakeRules struct{}

func (fakeRules) Describe(id uint32, dst netip.Addr) (string, string) {
	return "rule " + string(rune('0'+id)), "because of " + dst.String()
}

func TestNew(t *testing.T) {
	at := time.Date(2026, 11, 23, 20, 0, 0, 123, time.UTC)
	got, err := json.Marshal(New("claude", Decision{
		Time: at, Dst: netip.MustParseAddr("127.0.0.1"), Port: 5432, Proto: 6, PID: 4711, Comm: "psql",
		Rule: 3, Hook: 1, Skipped: 2,
	}, fakeRules{}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"time":"2026-11-23T20:00:00.000000123Z","jail":"claude","action":"block","proto":"tcp",` +
		`"dst":"127.0.0.1","port":5432,"pid":4711,"comm":"psql","rule":"rule 3","reason":"because of 127.0.0.1",` +
		`"hook":"connect4","count":3}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestNewWithoutDestination(t *testing.T) {
	e := New("j", Decision{Audit: true, Proto: 255, Hook: 5}, fakeRules{})
	if e.Dst != "" || e.Action != "audit" || e.Proto != "raw" || e.Hook != "sock_create" || e.Count != 1 {
		t.Errorf("%+v", e)
	}
}

func TestNames(t *testing.T) {
	for proto, want := range map[uint16]string{17: "udp", 262: "mptcp", 200: "proto-200"} {
		if got := ProtoName(proto); got != want {
			t.Errorf("protocol %d: %q, want %q", proto, got, want)
		}
	}
	if got := Hook(99).String(); got != "hook 99" {
		t.Errorf("%q", got)
	}
}

func TestSummary(t *testing.T) {
	var s Summary
	add := func(n uint64, dst string, port uint16, comm, rule, reason string) {
		s.Add(Event{Action: "block", Proto: "tcp", Dst: dst, Port: port, Comm: comm, Rule: rule, Reason: reason, Count: n})
	}
	add(1, "127.0.0.1", 5432, "psql", "host", "loopback")
	add(4, "127.0.0.1", 5432, "python3", "host", "loopback")
	add(2, "2001:db8::1", 80, "curl", "2001:db8::/32", "")
	add(1, "", 0, "\x1b[2Jevil", "protocol", "")
	var b strings.Builder
	if err := s.Write(&b, "claude", 10); err != nil {
		t.Fatal(err)
	}
	const want = `jail-ai: claude: 10 attempts refused
  DESTINATION       PROTO  COUNT  PROGRAM        RULE
  127.0.0.1:5432    tcp    5      psql, python3  host: loopback
  [2001:db8::1]:80  tcp    2      curl           2001:db8::/32
  -                 tcp    1      "\x1b[2Jevil"  protocol
  and 2 more
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSummaryOfNothing(t *testing.T) {
	var s Summary
	var b strings.Builder
	if err := s.Write(&b, "j", 0); err != nil || b.String() != "jail-ai: j: nothing was refused\n" {
		t.Errorf("%q, %v", b.String(), err)
	}
}

func TestSummaryOfAudit(t *testing.T) {
	var s Summary
	s.Add(Event{Action: "audit", Proto: "tcp", Dst: "127.0.0.1", Port: 1, Count: 1})
	var b strings.Builder
	if err := s.Write(&b, "j", 1); err != nil || !strings.Contains(b.String(), "1 attempt would have been refused (audit)") {
		t.Errorf("%q, %v", b.String(), err)
	}
}

// A jailed process can make up any number of destinations: they cost a bounded amount of memory and
// of the screen.
func TestSummaryIsBounded(t *testing.T) {
	var s Summary
	const many = 50_000
	for i := range many {
		s.Add(Event{Action: "block", Proto: "tcp", Dst: "127.0.0.1", Port: uint16(i), Count: 1})
	}
	if len(s.rows) > summaryMax {
		t.Errorf("%d rows", len(s.rows))
	}
	var b strings.Builder
	if err := s.Write(&b, "j", many); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(b.String(), "\n"); n != summaryShown+3 {
		t.Errorf("%d lines", n)
	}
	if !strings.Contains(b.String(), "and 49980 more") {
		t.Errorf("the rest is not told:\n%s", b.String())
	}
}

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "events.jsonl")
	l, err := CreateLog(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		if err := l.Add(Event{Jail: "j", Port: uint16(i)}); err != nil {
			t.Fatal(err)
		}
	}
	l.size = logMax - 10
	if err := l.Add(Event{Jail: "too much"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", st, err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	for lines := bufio.NewScanner(f); lines.Scan(); n++ {
		var e Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil || int(e.Port) != n {
			t.Errorf("line %d: %s: %v", n, lines.Text(), err)
		}
	}
	if n != 3 {
		t.Errorf("%d lines, want 3", n)
	}
	if _, err := CreateLog(path); err == nil {
		t.Error("a log was made where one is")
	}
}
