// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLoadErrors(t *testing.T) {
	in := network(`block:
- file: missing.txt
- file: none/*.txt
- file: lists
- file: fifo
- file: bad.txt
- file: /nonexistent/jail-ai.txt
- hots`)
	dir := writeFiles(t, map[string]string{
		"p.yaml":      in,
		"lists/a.txt": "192.0.2.1\n",
		"bad.txt":     "# a list\n192.0.2.1\n 10.0.0.1/8 # comment\n\nexample.com\n192.0.2.2 ; no\n\t64:ff9b::a00:1\n1.2.3\nfe80::1%eth0\n",
	})
	if err := syscall.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(filepath.Join(dir, "p.yaml"))
	var errs Errors
	if !errors.As(err, &errs) {
		t.Fatalf("%T: %v", err, err)
	}
	checkErrors(t, errs)
	var got []string
	for _, line := range strings.Split(strings.ReplaceAll(err.Error(), dir+"/", ""), "\n") {
		got = append(got, strings.SplitN(line, "; fix:", 2)[0])
	}
	want := []string{
		`p.yaml:6:9: there is no file "missing.txt"`,
		`p.yaml:7:9: no file matches "none/*.txt"`,
		`p.yaml:8:9: read list lists: lists is not a regular file`,
		`p.yaml:9:9: read list fifo: fifo is not a regular file`,
		`p.yaml:11:9: there is no file "/nonexistent/jail-ai.txt"`,
		`p.yaml:12:9: unknown group "hots"`,
		`bad.txt:3:2: 10.0.0.1/8 has host bits set`,
		`bad.txt:5:1: "example.com" is a host name`,
		`bad.txt:6:1: "192.0.2.2 ; no" is more than an address`,
		`bad.txt:7:2: 64:ff9b::a00:1/128 is NAT64 space, which is judged by the IPv4 address inside`,
		`bad.txt:8:1: "1.2.3" is no address`,
		`bad.txt:9:1: "fe80::1%eth0" has a zone; a rule holds on every interface`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestEmptyListWarns(t *testing.T) {
	dir := writeFiles(t, map[string]string{"p.yaml": network("block: [file: x.txt]"), "x.txt": "# nothing yet\n"})
	f, err := Load(filepath.Join(dir, "p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.Jail("")
	if err != nil {
		t.Fatal(err)
	}
	c := mustCompile(t, j, noon)
	want := fmt.Sprintf("%[1]s/p.yaml:5:15: list %[1]s/x.txt names no address; fix: fill it, or remove the entry", dir)
	if len(c.Warnings) != 1 || c.Warnings[0].String() != want {
		t.Error(c.Warnings)
	}
	// The empty list is the empty set.
	if got := verdict(c, "192.0.2.1:80"); got != "allow default: allow" {
		t.Error(got)
	}
}

func TestLoadMissingPolicy(t *testing.T) {
	if _, err := Load(filepath.Join(t.TempDir(), "p.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// The policy's directory may have a name that looks like a pattern, and a list may be named
// twice.
func TestLoadOddDirectory(t *testing.T) {
	dir := writeFiles(t, map[string]string{
		"a[b]*/p.yaml": "version: 1\ndefaults: {network: {block: [file: '*.txt']}}\njails: {a: {network: {allow: [{file: x.txt, ports: [80]}]}}}\n",
		"a[b]*/x.txt":  "192.0.2.1",
		"ab/y.txt":     "not ours",
	})
	f, err := Load(filepath.Join(dir, "a[b]*", "p.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Files(); len(got) != 2 || filepath.Base(got[1]) != "x.txt" {
		t.Error(got)
	}
}

func TestParseList(t *testing.T) {
	in := "\ufeff# comment\r\n\r\n 192.0.2.1 \r\n10.0.0.0/8# no blank\n::ffff:10.1.0.0/112\n::ffff:1.2.3.4\n2001:db8::/32\n::1\n0.0.0.0/0\n::/0\nfe80::1/128"
	l, errs := parseList("l", []byte(in))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := []string{
		"3 192.0.2.1/32", "4 10.0.0.0/8", "5 10.1.0.0/16", "6 1.2.3.4/32", "7 2001:db8::/32", "8 ::1/128", "9 0.0.0.0/0", "10 ::/0", "11 fe80::1/128",
	}
	var got []string
	for i, p := range l.prefixes {
		got = append(got, fmt.Sprintf("%d %v", l.lines[i], p))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestParseListManyErrors(t *testing.T) {
	_, errs := parseList("l", []byte(strings.Repeat("x\n", 100)))
	if len(errs) != maxListErrors+1 {
		t.Fatalf("%d errors", len(errs))
	}
	checkErrors(t, errs)
	if got, want := errs[maxListErrors].String(), "l:21:1: here and below: 80 more bad lines; fix: correct the lines above first"; got != want {
		t.Error(got)
	}
}

// The fast path takes and refuses the same as the careful one.
func TestParsePrefix4(t *testing.T) {
	for _, in := range []string{
		"0.0.0.0", "255.255.255.255", "10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "128.0.0.0/1",
		"", "1", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.1000", "01.2.3.4", "1.2.3.04", "1..3.4", "1.2.3.", ".1.2.3", "1.2.3.4/", "1.2.3.4/33",
		"1.2.3.4/032", "1.2.3.4/24", "1.2.3.4/-1", "1.2.3.4/3x", "1.2.3.4x", "1.2.3.4/0", "1.2.3.4:1", "+1.2.3.4", "1.2.3.0/024", "00.0.0.0", "0.0.0.0/00",
	} {
		got, ok := parsePrefix4([]byte(in))
		want, p := parsePrefix(in)
		if ok != (p == nil) || ok && got != want {
			t.Errorf("%q: got %v, %v; want %v, %v", in, got, ok, want, p)
		}
	}
}

func TestParseListAllocations(t *testing.T) {
	data := bigList(1000)
	if n := testing.AllocsPerRun(10, func() {
		if l, errs := parseList("l", data); len(l.prefixes) != 1000 || len(errs) > 0 {
			t.Fatal(len(l.prefixes), errs)
		}
	}); n > 4 {
		t.Errorf("%v allocations for 1000 lines", n)
	}
}

// bigList returns a list of n lines, one in eight of IPv6.
func bigList(n int) []byte {
	var b strings.Builder
	for i := range n {
		if i%8 == 0 {
			fmt.Fprintf(&b, "2001:db8:%x:%x::/64\n", i>>16, i&0xffff)
		} else {
			fmt.Fprintf(&b, "%v/32 # entry\n", netip.AddrFrom4([4]byte{byte(1 + i>>20), byte(i >> 12), byte(i >> 4), byte(i << 4)}))
		}
	}
	return []byte(b.String())
}

func BenchmarkParseList(b *testing.B) {
	data := bigList(1 << 20)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, errs := parseList("l", data); len(errs) > 0 {
			b.Fatal(errs)
		}
	}
}

func TestPrefixesAsWritten(t *testing.T) {
	for in, want := range map[string]string{
		"::": "::/128", "::1": "::1/128", "::/127": "::/127", "::/95": "::/95", "64:ff9a::/32": "64:ff9a::/32", "2002::/15": "2002::/15",
		"::ffff:0:0/96": "0.0.0.0/0", "::ffff:192.0.2.0/120": "192.0.2.0/24",
	} {
		if got, p := parsePrefix(in); p != nil || got.String() != want {
			t.Errorf("%s: got %v, %v", in, got, p)
		}
	}
}
