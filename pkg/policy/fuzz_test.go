// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// seeds are policies that fuzzing starts from.
var seeds = []string{
	designPolicy,
	"",
	"version: 1\njails: {a: {}}\n",
	"version: 2\n",
	"- [::1]:80\n",
	"a: &a [*a]\n",
	"version: 1\njails:\n  a:\n   b: c\n  d\n",
	network("block: [host, private, {cidr: 10.0.0.0/8, except: [10.1.0.0/16], ports: [1-65535], reason: x, expires: 7d}]\nallow: ['[::1]:80', own, dns, any]"),
	network("default: block\nblock: []\nallow: [{group: host, ports: [udp/1]}, 2001:db8::/32, '::ffff:1.2.3.4', {to: '127.0.0.1:80'}]"),
	network("block: [fe80::, 10, {a: b}, [c], 2002::/16, 1.2.3.4/33, '[::', ':', '1:2', '/', {to: ~}]"),
	jail("env: {set: {A: \"\\0\", 1: 2}}\nresources: {memory: 1e9, cpus: .inf, pids: 0x10}\n? [a]\n: b"),
}

// FuzzParse checks that no input makes the parser panic, that every error has a position in the
// file, and that all jails of a good file can be used.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("p.yaml", data)
		if err != nil {
			var errs Errors
			if !errors.As(err, &errs) || len(errs) == 0 {
				t.Fatalf("%T: %v", err, err)
			}
			checkErrors(t, errs)
			lines := bytes.Count(data, []byte("\n")) + 2 // YAML breaks lines at more than \n
			for _, d := range errs {
				if lines += bytes.Count(data, []byte("\r")) + bytes.Count(data, []byte("\u0085")) + bytes.Count(data, []byte("\u2028")) + bytes.Count(data, []byte("\u2029")); d.Line > lines {
					t.Errorf("behind the end of the file: %s", d)
				}
			}
			return
		}
		for _, name := range file.Jails() {
			if _, err := file.Jail(name); err != nil {
				t.Error(err)
			}
		}
	})
}

// FuzzCompile checks that what parses compiles, and decides as the reference does.
func FuzzCompile(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), uint64(i))
	}
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		now := time.Now()
		file, errs := parse("p.yaml", data, now)
		if len(errs) > 0 {
			return
		}
		rnd := rand.New(rand.NewPCG(seed, 0))
		for _, name := range file.Jails() {
			j, err := file.Jail(name)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Compile(j, machine, now)
			if errs := (Errors{}); errors.As(err, &errs) {
				continue // names list files
			} else if err != nil {
				t.Fatal(err)
			}
			ref := &reference{j, machine, now}
			for _, term := range append(j.Network.Block, j.Network.Allow...) {
				if term.Prefix.IsValid() {
					ref.check(t, c, term.Prefix.Addr(), 6, randomPort(rnd))
				}
			}
			for range 20 {
				ref.check(t, c, randomAddr(rnd), []uint16{6, 17}[rnd.IntN(2)], randomPort(rnd))
			}
			ref.check(t, c, netip.IPv6Loopback(), 58, 0)
		}
	})
}

// BenchmarkCompile compiles a jail with a list of a million entries.
func BenchmarkCompile(b *testing.B) {
	l, errs := parseList("l", bigList(1<<20))
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	j := Default()
	j.Network.Block = append(j.Network.Block, Term{File: "l", loaded: true, lists: []*list{l}})
	if err := j.AddTerm(1, "127.0.0.1:80"); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		mustCompile(b, j, noon)
	}
}
