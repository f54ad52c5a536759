// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gopkg.in/yaml.v3"
)

// errnos are the errors that a refused call may return: those that connect(2) and sendto(2)
// document for a destination out of reach, so that programs treat them as such.
var errnos = map[string]syscall.Errno{
	"EACCES":        syscall.EACCES,
	"EADDRNOTAVAIL": syscall.EADDRNOTAVAIL,
	"EAFNOSUPPORT":  syscall.EAFNOSUPPORT,
	"ECONNABORTED":  syscall.ECONNABORTED,
	"ECONNREFUSED":  syscall.ECONNREFUSED,
	"ECONNRESET":    syscall.ECONNRESET,
	"EHOSTDOWN":     syscall.EHOSTDOWN,
	"EHOSTUNREACH":  syscall.EHOSTUNREACH,
	"ENETDOWN":      syscall.ENETDOWN,
	"ENETUNREACH":   syscall.ENETUNREACH,
	"EPERM":         syscall.EPERM,
	"ETIMEDOUT":     syscall.ETIMEDOUT,
}

var errnoNames = slices.Sorted(maps.Keys(errnos))

// Limits of resources: less than these stops any program, more is a slip of the pen.
const (
	minMemory = 1 << 20
	maxMemory = 1 << 60
	minCPUs   = 0.01 // cpu.max has a quota of at least 1 ms in 100 ms
	maxCPUs   = 1 << 16
	maxPIDs   = 1 << 22 // PID_MAX_LIMIT
)

var (
	sizeForm    = regexp.MustCompile(`^([0-9]{1,18}(?:\.[0-9]{1,9})?) ?([A-Za-z]*)$`)
	decimalForm = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?$`)
)

var units = map[string]uint64{
	"": 1, "B": 1,
	"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40,
	"kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "TB": 1e12,
}

// parseSize reads a number of bytes.
func parseSize(s string) (uint64, *problem) {
	const fix = "write a number and a unit, such as 512MiB or 4GiB"
	m := sizeForm.FindStringSubmatch(s)
	if m == nil {
		return 0, problemf(fix, "%q is no size", short(s))
	}
	number, unit := m[1], m[2]
	factor, ok := units[unit]
	if !ok {
		if u := strings.ToUpper(unit); len(u) == 1 && strings.Contains("KMGT", u) {
			return 0, problemf("write "+number+u+"iB (powers of 1024) or "+number+u+"B (powers of 1000)", "%q has an ambiguous unit", short(s))
		}
		return 0, problemf(fix, "%q has an unknown unit", short(s))
	}
	value, err := strconv.ParseFloat(number, 64)
	size := value * float64(factor)
	switch {
	case err != nil || size > maxMemory:
		return 0, problemf(fix, "%q is too large", short(s))
	case size < minMemory:
		return 0, problemf("write at least 1MiB; without a unit the number is in bytes", "%q is too small for any program", short(s))
	}
	return uint64(size), nil
}

func readMemory(d *decoder, n *yaml.Node, b *body) {
	s, ok := d.scalar(n, "memory", "a size, such as 4GiB")
	if !ok {
		return
	}
	size, p := parseSize(s)
	if p != nil {
		d.errs.add(d.at(n), *p)
		return
	}
	b.memory.put(size, d.at(n))
}

func readCPUs(d *decoder, n *yaml.Node, b *body) {
	const form = "a number, such as 2 or 0.5"
	if !d.want(n, yaml.ScalarNode, "cpus", form) {
		return
	}
	v, err := strconv.ParseFloat(n.Value, 64)
	switch {
	case n.Tag != "!!int" && n.Tag != "!!float" || !decimalForm.MatchString(n.Value) || err != nil:
		d.fail(n, "write "+form, "cpus %q is no plain number", short(n.Value))
	case v < minCPUs || v > maxCPUs:
		d.fail(n, "write "+form+"; without a limit: remove the key", "cpus %s is not between %g and %d", n.Value, minCPUs, maxCPUs)
	default:
		b.cpus.put(v, d.at(n))
	}
}

func readPIDs(d *decoder, n *yaml.Node, b *body) {
	const form = "a whole number, such as 512"
	if !d.want(n, yaml.ScalarNode, "pids", form) {
		return
	}
	v, err := strconv.ParseUint(n.Value, 10, 64)
	switch {
	case n.Tag != "!!int" || !decimalForm.MatchString(n.Value) || err != nil:
		d.fail(n, "write "+form, "pids %q is no plain whole number", short(n.Value))
	case v < 1 || v > maxPIDs:
		d.fail(n, "write "+form+"; without a limit: remove the key", "pids %d is not between 1 and %d", v, maxPIDs)
	default:
		b.pids.put(v, d.at(n))
	}
}

// parseExpires reads a time, or a duration from now.
func parseExpires(s string, now time.Time) (time.Time, *problem) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		if !t.After(now) {
			return t, problemf("remove the entry, or give it a later time", "this entry expired at %s", s)
		}
		return t, nil
	}
	d, err := time.ParseDuration(s)
	if days, ok := strings.CutSuffix(s, "d"); ok && err != nil && decimalForm.MatchString(days) {
		var n float64
		if n, err = strconv.ParseFloat(days, 64); err == nil && n < 36500 {
			d = time.Duration(n * 24 * float64(time.Hour))
		}
	}
	if err != nil || d < time.Second {
		return time.Time{}, problemf("write a duration (30m, 12h, 7d) or a time (2030-01-31T18:00:00Z)", "%q is no time to expire", short(s))
	}
	return now.Add(d), nil
}
