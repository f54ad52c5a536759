// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	jailevent "github.com/jail-ai/jail-ai/pkg/event"
)

// Reader reads the decisions that a jail's programs report.
type Reader struct {
	object *Object
	ring   *ring
	// reported is how many decisions of a destination were left out, as of its last report.
	reported map[limitKey]uint64
	done     chan error
}

// Events starts to read; f is called with every decision, from one goroutine, until Stop.
func (o *Object) Events(f func(jailevent.Decision)) (*Reader, error) {
	m, err := o.module.GetMap(mapEvents)
	if err != nil {
		return nil, fmt.Errorf("find map %s: %w", mapEvents, err)
	}
	ring, err := newRing(m.FileDescriptor(), int(m.MaxEntries()))
	if err != nil {
		return nil, err
	}
	r := &Reader{object: o, ring: ring, reported: map[limitKey]uint64{}, done: make(chan error, 1)}
	go func() { r.done <- r.run(f) }()
	return r, nil
}

func (r *Reader) run(f func(jailevent.Decision)) error {
	for {
		more, err := r.ring.wait()
		r.ring.drain(func(b []byte) {
			if d, ok := r.decode(b); ok {
				f(d)
			}
		})
		if !more || err != nil {
			return err
		}
	}
}

// Stop reads what is left, reports what the rate limit left out to the function given to Events,
// and ends the reading. No program may run any more if nothing is to be missed.
func (r *Reader) Stop(f func(jailevent.Decision)) error {
	err := errors.Join(r.ring.wake(), <-r.done)
	return errors.Join(err, r.flush(f), r.ring.close())
}

// decode also learns how many reports were left out since the destination's last.
func (r *Reader) decode(b []byte) (jailevent.Decision, bool) {
	if len(b) < int(unsafe.Sizeof(event{})) {
		return jailevent.Decision{}, false
	}
	var e event
	copy(unsafe.Slice((*byte)(unsafe.Pointer(&e)), unsafe.Sizeof(e)), b)
	key := limitKey{Addr: e.Addr, Rule: e.Rule, Port: e.Port, Proto: e.Proto}
	d := r.decision(key, e.Suppressed)
	d.Time = wallTime(e.Time)
	asked(&d, e.Tgid, e.Hook, e.Action, e.Comm)
	return d, true
}

func asked(d *jailevent.Decision, tgid uint32, hook, action uint8, name [16]byte) {
	d.PID = int(tgid)
	d.Hook = jailevent.Hook(hook)
	d.Audit = action == actionAudit
	d.Comm = comm(name)
}

// actionAudit is ACTION_AUDIT in bpf/types.h.
const actionAudit = 2

func (r *Reader) decision(key limitKey, suppressed uint64) jailevent.Decision {
	skipped := suppressed - r.reported[key]
	if suppressed < r.reported[key] { // the entry was evicted and began anew
		skipped = suppressed
	}
	if suppressed > 0 { // most destinations never are: a jailed process can make up any number of them
		r.reported[key] = suppressed
	} else {
		delete(r.reported, key)
	}
	d := jailevent.Decision{Port: key.Port, Proto: key.Proto, Rule: key.Rule, Skipped: skipped}
	if addr := netip.AddrFrom16(key.Addr); addr != netip.IPv6Unspecified() || key.Port != 0 {
		d.Dst = addr.Unmap()
	}
	return d
}

// flush reports what was left out and never followed by a report.
func (r *Reader) flush(f func(jailevent.Decision)) error {
	m, err := r.object.module.GetMap(mapLimits)
	if err != nil {
		return fmt.Errorf("find map %s: %w", mapLimits, err)
	}
	for it := m.Iterator(); it.Next(); {
		var key limitKey
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&key)), unsafe.Sizeof(key)), it.Key())
		value, err := m.GetValue(unsafe.Pointer(&it.Key()[0]))
		if err != nil || len(value) < int(unsafe.Sizeof(limit{})) {
			continue // evicted meanwhile
		}
		var l limit
		copy(unsafe.Slice((*byte)(unsafe.Pointer(&l)), unsafe.Sizeof(l)), value)
		if l.Suppressed != r.reported[key] {
			d := r.decision(key, l.Suppressed)
			d.Skipped-- // this report stands for one of them
			d.Time = time.Now()
			asked(&d, l.Tgid, l.Hook, l.Action, l.Comm)
			f(d)
		}
	}
	return nil
}

// Count is the decisions of one rule so far.
type Count struct {
	Blocked, Audited uint64
}

// Counts returns the decisions of every rule, indexed by rule id. They are exact.
func (o *Object) Counts() ([]Count, error) {
	m, err := o.module.GetMap(mapCounters)
	if err != nil {
		return nil, fmt.Errorf("find map %s: %w", mapCounters, err)
	}
	counts := make([]Count, m.MaxEntries())
	for id := range counts {
		key := uint32(id)
		value, err := m.GetValue(unsafe.Pointer(&key))
		if err != nil {
			return nil, fmt.Errorf("read counter of rule %d: %w", id, err)
		}
		// One struct counter for each possible CPU.
		for len(value) >= int(unsafe.Sizeof(counter{})) {
			var c counter
			copy(unsafe.Slice((*byte)(unsafe.Pointer(&c)), unsafe.Sizeof(c)), value)
			counts[id].Blocked += c.Blocked
			counts[id].Audited += c.Audited
			value = value[unsafe.Sizeof(c):]
		}
	}
	return counts, nil
}

// wallTime converts CLOCK_MONOTONIC, which programs read, to the time of day.
func wallTime(monotonic uint64) time.Time {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return time.Now()
	}
	return time.Now().Add(-time.Duration(uint64(now.Nano()) - monotonic))
}

func comm(b [16]byte) string {
	if i := bytes.IndexByte(b[:], 0); i >= 0 {
		return string(b[:i])
	}
	return string(b[:])
}
