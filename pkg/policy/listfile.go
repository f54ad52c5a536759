// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net/netip"
	"os"
	"syscall"
	"unsafe"
)

// maxList bounds a list file, in bytes: some twenty million lines.
const maxList = 512 << 20

// maxListErrors is how many bad lines of a list file are told one by one.
const maxListErrors = 20

// list is a list file: one address or CIDR per line, blank lines and # comments.
type list struct {
	path     string
	prefixes []netip.Prefix // masked, never IPv4-mapped
	lines    []uint32       // of each prefix, from 1
}

// readList reads a regular file, which a FIFO or a device that never ends is not.
func readList(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case info.Size() > maxList:
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxList>>20)
	}
	// One byte more than its size, so that the read that finds the end needs no larger buffer.
	data := bytes.NewBuffer(make([]byte, 0, info.Size()+bytes.MinRead))
	if _, err := data.ReadFrom(io.LimitReader(f, maxList+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxList {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, maxList>>20)
	}
	return data.Bytes(), nil
}

// parseList reads the text of a list file. It allocates nothing per line unless the line is wrong,
// and keeps no reference to data.
func parseList(path string, data []byte) (*list, Errors) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	count := bytes.Count(data, []byte("\n")) + 1
	l := &list{path: path, prefixes: make([]netip.Prefix, 0, count), lines: make([]uint32, 0, count)}
	var errs Errors
	bad := 0
	for number := uint32(1); len(data) > 0; number++ {
		line := data
		if end := bytes.IndexByte(data, '\n'); end >= 0 {
			line, data = data[:end], data[end+1:]
		} else {
			data = nil
		}
		indent, word := listWord(line)
		if len(word) == 0 {
			continue
		}
		prefix, p := parseListWord(word)
		if p == nil {
			l.prefixes, l.lines = append(l.prefixes, prefix), append(l.lines, number)
			continue
		}
		if bad++; bad <= maxListErrors {
			errs.add(Position{path, int(number), indent + 1}, *p)
		} else if bad == maxListErrors+1 {
			errs.add(Position{path, int(number), indent + 1}, problem{})
		}
	}
	if more := bad - maxListErrors; more > 0 {
		last := &errs[maxListErrors]
		last.Message, last.Fix = fmt.Sprintf("here and below: %d more bad lines", more), "correct the lines above first"
	}
	return l, errs
}

// listWord returns what a line says besides blanks and a comment, and where it begins.
func listWord(line []byte) (indent int, word []byte) {
	if at := bytes.IndexByte(line, '#'); at >= 0 {
		line = line[:at]
	}
	const blanks = " \t\r"
	for len(line) > 0 && bytes.IndexByte([]byte(blanks), line[len(line)-1]) >= 0 {
		line = line[:len(line)-1]
	}
	for indent < len(line) && bytes.IndexByte([]byte(blanks), line[indent]) >= 0 {
		indent++
	}
	return indent, line[indent:]
}

func parseListWord(word []byte) (netip.Prefix, *problem) {
	if p, ok := parsePrefix4(word); ok {
		return p, nil
	}
	if bytes.IndexByte(word, ':') >= 0 {
		// A string of the same bytes, which nothing that succeeds keeps.
		s := unsafe.String(&word[0], len(word))
		if p, ok := parsePrefix6(s); ok {
			return p, nil
		}
	}
	if p := badListWord(word); p != nil {
		return netip.Prefix{}, p
	}
	return parsePrefix(string(word))
}

// badListWord knows what lists often contain, and a policy's terms don't.
func badListWord(word []byte) *problem {
	switch {
	case bytes.ContainsAny(word, "; \t,"):
		return problemf("one address or CIDR per line; comments begin with #", "%q is more than an address", short(string(word)))
	case bytes.IndexByte(word, 0) >= 0:
		return problemf("is this a text file?", "a NUL byte")
	}
	return nil
}

// parsePrefix4 reads an IPv4 address or CIDR that has nothing wrong.
func parsePrefix4(b []byte) (netip.Prefix, bool) {
	var addr [4]byte
	i, ok := 0, false
	for n := range addr {
		if n > 0 {
			if i >= len(b) || b[i] != '.' {
				return netip.Prefix{}, false
			}
			i++
		}
		var v int
		if v, i, ok = decimal(b, i); !ok || v > 255 {
			return netip.Prefix{}, false
		}
		addr[n] = byte(v)
	}
	bits := 32
	if i < len(b) {
		if b[i] != '/' {
			return netip.Prefix{}, false
		}
		if bits, i, ok = decimal(b, i+1); !ok || bits > 32 || i != len(b) {
			return netip.Prefix{}, false
		}
	}
	if binary.BigEndian.Uint32(addr[:])<<bits != 0 {
		return netip.Prefix{}, false // host bits
	}
	return netip.PrefixFrom(netip.AddrFrom4(addr), bits), true
}

// decimal reads up to three digits without a leading zero, and returns where they end.
func decimal(b []byte, i int) (v, end int, ok bool) {
	start := i
	for i < len(b) && i-start < 4 && b[i]-'0' <= 9 {
		v = v*10 + int(b[i]-'0')
		i++
	}
	n := i - start
	return v, i, n > 0 && n < 4 && (n == 1 || b[start] != '0')
}

// parsePrefix6 reads an IPv6 address or CIDR that has nothing wrong.
func parsePrefix6(s string) (p netip.Prefix, ok bool) {
	var err error
	for i := range len(s) {
		if s[i] == '/' {
			if p, err = netip.ParsePrefix(s); err != nil || p != p.Masked() {
				return p, false
			}
			return unembedded(p)
		}
		if s[i] == '%' {
			return p, false // a zone would keep the string
		}
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return p, false
	}
	return unembedded(netip.PrefixFrom(a, a.BitLen()))
}

// unembedded passes prefixes that are judged as themselves or stand for IPv4 ones.
func unembedded(p netip.Prefix) (netip.Prefix, bool) {
	v4, e, ok := inside(p)
	return v4, !ok || e == mapped
}
