// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// event is a line of events.jsonl.
type event struct {
	Time   time.Time `json:"time"`
	Jail   string    `json:"jail"`
	Action string    `json:"action"`
	Proto  string    `json:"proto"`
	Dst    string    `json:"dst"`
	Port   uint16    `json:"port"`
	PID    int       `json:"pid"`
	Comm   string    `json:"comm"`
	Rule   string    `json:"rule"`
	Reason string    `json:"reason"`
	Hook   string    `json:"hook"`
	Count  uint64    `json:"count"`
}

// eventFields are the keys of every event (DESIGN.md, Contracts).
var eventFields = []string{
	"action", "comm", "count", "dst", "hook", "jail", "pid", "port", "proto", "reason", "rule", "time",
}

// events reads what a running jail has reported so far.
func (j *jail) events(t *testing.T) []event {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/run/jail-ai", j.id, "events.jsonl"))
	if err != nil {
		t.Fatalf("read events: %v", err)
	}
	whole := text[:strings.LastIndexByte(string(text), '\n')+1]
	var all []event
	for line := range strings.Lines(string(whole)) {
		var fields map[string]json.RawMessage
		var e event
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatalf("event %q: %v", line, err)
		}
		if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, eventFields) {
			t.Errorf("event has the fields %q, want %q", got, eventFields)
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("event %q: %v", line, err)
		}
		all = append(all, e)
	}
	return all
}

// event waits for an event of a running jail.
func (j *jail) event(t *testing.T, match func(event) bool) event {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all := j.events(t)
		if i := slices.IndexFunc(all, match); i >= 0 {
			return all[i]
		}
	}
	t.Fatalf("no such event; got %+v", j.events(t))
	return event{}
}

// wantSummary fails the test unless the summary's first line about a destination names rule (empty:
// any), count and program.
func wantSummary(t *testing.T, summary, dst, rule string, count int, program string) {
	t.Helper()
	for line := range strings.Lines(summary) {
		if !strings.Contains(line, dst) {
			continue
		}
		for _, word := range []string{rule, fmt.Sprint(count), program} {
			if !regexp.MustCompile(`(^|[\s(×,:])` + regexp.QuoteMeta(word) + `($|[\s),:;×x.])`).MatchString(line) {
				t.Errorf("summary line %q does not have %q", line, word)
			}
		}
		return
	}
	t.Errorf("the summary does not have %s:\n%s", dst, summary)
}

// While a jail runs, events.jsonl has its decisions; when it has ended, the summary has all of
// them, counted exactly.
func TestEventsAndSummary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{policy: network("block: [host, {cidr: 198.51.100.0/24, reason: lab machines}]")})
	before := time.Now()
	for _, s := range []step{
		do("tcp-connect", "127.0.0.1:5432", "x"), do("tcp-connect", "127.0.0.1:5432", "x"), do("tcp-connect", "127.0.0.1:5432", "x"),
		do("udp-send", "[::1]:5433", "x"), do("udp-connect", "198.51.100.10:5434", "x"), do("udp-send", "192.0.2.1:5435", "x"),
		do("tcp-connect", "[2001:db8:1::1]:5436", "x"),
	} {
		wantErrno(t, s, j.try(t, s), "EPERM")
	}
	many := j.must(t, do("repeat", "1000", "udp-connect", "127.0.0.1:5437", "x"))
	if many != "EPERM=1000" {
		t.Errorf("1000 attempts: %s, want all refused with EPERM", many)
	}
	for _, want := range []event{
		{Dst: "127.0.0.1", Port: 5432, Proto: "tcp", Hook: "connect4", Rule: "host"},
		{Dst: "::1", Port: 5433, Proto: "udp", Hook: "sendmsg6", Rule: "host"},
		{Dst: "198.51.100.10", Port: 5434, Proto: "udp", Hook: "connect4", Rule: "198.51.100.0/24", Reason: "lab machines"},
		{Dst: "192.0.2.1", Port: 5435, Proto: "udp", Hook: "sendmsg4", Rule: "host"},
		{Dst: "2001:db8:1::1", Port: 5436, Proto: "tcp", Hook: "connect6", Rule: "host"},
	} {
		got := j.event(t, func(e event) bool { return e.Port == want.Port })
		if got.Time.Before(before.Add(-time.Second)) || got.Time.After(time.Now().Add(time.Second)) {
			t.Errorf("event of port %d: time %v, now is %v", want.Port, got.Time, time.Now())
		}
		if got.Reason == "" || got.PID <= 0 || got.Count < 1 || got.Jail == "" {
			t.Errorf("event with an empty field: %+v", got)
		}
		if comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", got.PID)); err != nil || string(comm) != "probe\n" {
			t.Errorf("event of process %d, which is %q (%v), want the probe", got.PID, comm, err)
		}
		want.Time, want.Jail, want.PID, want.Count = got.Time, got.Jail, got.PID, got.Count
		want.Action, want.Comm = "block", "probe"
		if want.Reason == "" {
			want.Reason = got.Reason
		}
		if got != want {
			t.Errorf("event %+v, want %+v", got, want)
		}
	}
	summary := j.finish(t)
	wantSummary(t, summary, "127.0.0.1:5432", "host", 3, "probe")
	wantSummary(t, summary, "[::1]:5433", "host", 1, "probe")
	wantSummary(t, summary, "198.51.100.10:5434", "198.51.100.0/24", 1, "probe")
	wantSummary(t, summary, "127.0.0.1:5437", "host", 1000, "probe")
}

// A resolver that asks which source address it would have connects to port 0 and sends nothing.
func TestProbingConnectIsNoEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{})
	j.try(t, do("open", "a", "udp4"), do("connect", "a", "127.0.0.1:0"))
	wantErrno(t, "a real one", j.try(t, do("udp-connect", "127.0.0.1:5432", "x")), "EPERM")
	j.event(t, func(e event) bool { return e.Port == 5432 })
	for _, e := range j.events(t) {
		if e.Port == 0 {
			t.Errorf("event of port 0: %+v", e)
		}
	}
	if summary := j.finish(t); strings.Contains(summary, "127.0.0.1:0") {
		t.Errorf("the summary tells of port 0:\n%s", summary)
	}
}
