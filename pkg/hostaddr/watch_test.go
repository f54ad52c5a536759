// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// watch starts a watch that ends with the test, and checks that nothing of it is left then.
func (w *world) watch(t *testing.T, buffer int) (policy.Machine, <-chan Update) {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	ctx, cancel := context.WithCancel(context.Background())
	first, updates, err := w.Source.watch(ctx, buffer)
	check(t, err)
	t.Cleanup(func() {
		cancel()
		for range updates { // ends when the channel is closed
		}
		// The goroutine that closed the channel has still to return.
		for end := time.Now().Add(time.Second); runtime.NumGoroutine() > goroutines && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
		if n, f := runtime.NumGoroutine(), openFiles(t); n > goroutines || f > files {
			t.Errorf("%d goroutines and %d files before the watch, %d and %d after it", goroutines, files, n, f)
		}
	})
	return first, updates
}

// withoutFiles removes resolv.conf and hosts. Files that changed a moment ago are read again and
// again, and the network with them, which would hide a change that was not announced.
func (w *world) withoutFiles() {
	w.tb.Helper()
	check(w.tb, os.Remove(w.ResolvConf))
	check(w.tb, os.Remove(w.Hosts))
}

func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	check(t, err)
	return len(entries)
}

// next waits for an update and measures how long it took.
func next(t *testing.T, updates <-chan Update) (Update, time.Duration) {
	t.Helper()
	start := time.Now()
	select {
	case u, ok := <-updates:
		if !ok {
			t.Fatal("the watch has ended")
		}
		return u, time.Since(start)
	case <-time.After(3 * time.Second):
		t.Fatal("no update within 3 seconds")
	}
	return Update{}, 0
}

// nextMachine is next for a state that has to come within a second.
func nextMachine(t *testing.T, updates <-chan Update) policy.Machine {
	t.Helper()
	u, took := next(t, updates)
	check(t, u.Err)
	if took > time.Second {
		t.Errorf("the update took %v", took)
	}
	t.Logf("update after %v", took)
	return u.Machine
}

func silent(t *testing.T, updates <-chan Update, d time.Duration) {
	t.Helper()
	select {
	case u := <-updates:
		t.Fatalf("an update without a change: %+v", u)
	case <-time.After(d):
	}
}

func TestWatchNetwork(t *testing.T) {
	w := newWorld(t)
	w.withoutFiles()
	index := w.veth("e0", "e1")
	first, updates := w.watch(t, receiveBuffer)
	if diff := cmp.Diff(w.read(), first, comparable); diff != "" {
		t.Errorf("first state (-read +watch)\n%s", diff)
	}

	const prefix = "192.0.2.1/32"
	w.addAddr(index, "192.0.2.1/24")
	expect(t, nextMachine(t, updates).Host, map[string]string{prefix: "address of e0", "192.0.2.255/32": "!broadcast route dev e0"})
	w.addRoute(netlink.Route{Dst: cidr(t, "0.0.0.0/0"), Gw: net.ParseIP("192.0.2.254")})
	expect(t, nextMachine(t, updates).Gateway, map[string]string{"192.0.2.254/32": "next hop of the default route dev e0"})
	w.addRoute(netlink.Route{Dst: cidr(t, "2001:db8::/32"), Table: unix.RT_TABLE_LOCAL, Type: unix.RTN_LOCAL, LinkIndex: w.lo})
	expect(t, nextMachine(t, updates).Host, map[string]string{"2001:db8::/32": "local route dev lo"})
	// The default route goes with its link.
	check(t, w.LinkSetDown(onLink(index)))
	m := nextMachine(t, updates)
	expect(t, m.Gateway, map[string]string{"192.0.2.254/32": ""})
	silent(t, updates, 200*time.Millisecond) // the peer's own routes go a moment later
	check(t, w.LinkSetName(onLink(index), "x0"))
	expect(t, nextMachine(t, updates).Host, map[string]string{prefix: "address of x0"})
	w.delAddr(index, "192.0.2.1/24")
	m = nextMachine(t, updates)
	expect(t, m.Host, map[string]string{prefix: "", "192.0.2.255/32": ""})
	if diff := cmp.Diff(w.read(), m, comparable); diff != "" {
		t.Errorf("last state (-read +watch)\n%s", diff)
	}

	// Changes that do not change the answer are not delivered, nor is what was changed back.
	w.addRoute(netlink.Route{Dst: cidr(t, "203.0.113.0/24"), Type: unix.RTN_BLACKHOLE})
	silent(t, updates, 200*time.Millisecond)
	w.addAddr(w.lo, prefix)
	w.delAddr(w.lo, prefix)
	silent(t, updates, 200*time.Millisecond)
}

// A reader who comes late finds the newest state, once.
func TestWatchSlowReader(t *testing.T) {
	w := newWorld(t)
	w.withoutFiles()
	_, updates := w.watch(t, receiveBuffer)
	for i := range 4 {
		w.addAddr(w.lo, fmt.Sprintf("192.0.2.%d/32", i))
		time.Sleep(2 * quiet) // so that each is read by itself
	}
	m := nextMachine(t, updates)
	if diff := cmp.Diff(w.read(), m, comparable); diff != "" {
		t.Errorf("(-read +watch)\n%s", diff)
	}
	silent(t, updates, 3*quiet)
}

// Changes that never pause are delivered all the same, within the limit.
func TestWatchNeverQuiet(t *testing.T) {
	w := newWorld(t)
	w.withoutFiles()
	_, updates := w.watch(t, receiveBuffer)
	start, seen := time.Now(), time.Duration(0)
	for i := 0; time.Since(start) < time.Second && seen == 0; i++ {
		w.addAddr(w.lo, fmt.Sprintf("192.0.2.%d/32", i))
		select {
		case u := <-updates:
			check(t, u.Err)
			seen = time.Since(start)
		case <-time.After(quiet / 3):
		}
	}
	if seen < quiet { // not at all, or not put off
		t.Errorf("the first update of an endless series came after %v, want about %v", seen, latest)
	}
}

// Two thousand changes in one go, with a receive buffer for all and with the smallest there is,
// which overruns: the watch ends at the truth.
func TestWatchFlood(t *testing.T) {
	for name, buffer := range map[string]int{"large buffer": receiveBuffer, "overrun": 1} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.withoutFiles()
			_, updates := w.watch(t, buffer)
			const added, deleted = 1500, 500
			flood := make(chan error, 1)
			go func() { flood <- w.churn(added, deleted) }()
			var last policy.Machine
			delivered, done := 0, false
			for !done {
				select {
				case u := <-updates:
					if errors.Is(u.Err, netlink.ErrDumpInterrupted) {
						continue // told, and tried again
					}
					check(t, u.Err)
					last, delivered = u.Machine, delivered+1
				case err := <-flood:
					check(t, err)
					done = true
				}
			}
			want, end := w.read(), time.Now()
			for !equal(last, want) {
				u, _ := next(t, updates)
				check(t, u.Err)
				last, delivered = u.Machine, delivered+1
			}
			t.Logf("%d states delivered; the last came %v after the flood", delivered, time.Since(end))
			if time.Since(end) > time.Second {
				t.Errorf("the last state came %v after the flood", time.Since(end))
			}
			if _, found := find(last.Host, "198.18.5.249/32"); !found {
				t.Error("the flood left nothing")
			}
			silent(t, updates, 2*quiet)
		})
	}
}

func TestWatchFiles(t *testing.T) {
	w := newWorld(t)
	// As systemd-resolved and NetworkManager have it: a link, of which the target is replaced.
	target := w.ResolvConf + ".target"
	check(t, os.Rename(w.ResolvConf, target))
	check(t, os.Symlink(target, w.ResolvConf))
	_, updates := w.watch(t, receiveBuffer)

	check(t, os.WriteFile(target+".new", []byte("nameserver 192.0.2.54\n"), 0o600))
	check(t, os.Rename(target+".new", target))
	expect(t, nextMachine(t, updates).Resolvers, map[string]string{"192.0.2.54/32": "nameserver in " + w.ResolvConf, "192.0.2.53/32": ""})
	// In place, the same size, and at no moment empty, which would be a state of its own.
	file, err := os.OpenFile(target, os.O_WRONLY, 0)
	check(t, err)
	_, err = file.WriteString("nameserver 192.0.2.55\n")
	check(t, errors.Join(err, file.Close()))
	expect(t, nextMachine(t, updates).Resolvers, map[string]string{"192.0.2.55/32": "nameserver in " + w.ResolvConf})
	check(t, os.Remove(w.ResolvConf))
	expect(t, nextMachine(t, updates).Resolvers, map[string]string{"127.0.0.1/32": "default resolver: no nameserver in " + w.ResolvConf})
	check(t, os.WriteFile(w.Hosts+".new", []byte("192.0.2.7 host.docker.internal\n"), 0o600))
	check(t, os.Rename(w.Hosts+".new", w.Hosts))
	expect(t, nextMachine(t, updates).Host, map[string]string{"192.0.2.7/32": "host.docker.internal in " + w.Hosts})
}

// A failure is delivered, and so is its end, though the state is the old one.
func TestWatchErrors(t *testing.T) {
	w := newWorld(t)
	first, updates := w.watch(t, receiveBuffer)
	text, err := os.ReadFile(w.Hosts)
	check(t, err)
	check(t, os.Remove(w.Hosts))
	check(t, os.Mkdir(w.Hosts, 0o700))
	for range 2 { // as long as it lasts
		if u, took := next(t, updates); !errors.Is(u.Err, unix.EISDIR) || u.Machine.Host != nil || took > time.Second {
			t.Fatalf("got %+v after %v, want an error within a second", u, took)
		}
	}
	check(t, os.Remove(w.Hosts))
	check(t, os.WriteFile(w.Hosts, text, 0o600))
	u, _ := next(t, updates)
	if u.Err != nil { // one may have been waiting
		u, _ = next(t, updates)
	}
	check(t, u.Err)
	if diff := cmp.Diff(first, u.Machine, comparable); diff != "" {
		t.Errorf("(-first +recovered)\n%s", diff)
	}
}

// When the subscription breaks, the watch says so, subscribes anew, in the same namespace, and
// finds what happened meanwhile and what happens then.
func TestWatchSubscriptionBreaks(t *testing.T) {
	w := newWorld(t)
	w.withoutFiles()
	ns, err := openNetNS("")
	check(t, err)
	defer ns.Close()
	inner := &watcher{source: w.Source, buffer: receiveBuffer, out: make(chan Update)}
	check(t, inner.start(ns))
	ctx, cancel := context.WithCancel(context.Background())
	inner.sub.socket.Close()
	w.addAddr(w.lo, "192.0.2.1/32")
	go func() {
		defer close(inner.out)
		defer func() { inner.sub.close() }()
		if err := enter(ns); err != nil {
			t.Error(err)
		}
		inner.loop(ctx)
	}()
	if u, _ := next(t, inner.out); u.Err == nil {
		t.Errorf("got %+v, want an error", u)
	}
	expect(t, nextMachine(t, inner.out).Host, map[string]string{"192.0.2.1/32": "address of lo"})
	w.addAddr(w.lo, "192.0.2.2/32")
	expect(t, nextMachine(t, inner.out).Host, map[string]string{"192.0.2.2/32": "address of lo"})
	cancel()
	for range inner.out {
	}
}

// Nothing is left of a watch that could not begin.
func TestWatchCannotBegin(t *testing.T) {
	w := newWorld(t)
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, updates, err := w.Watch(ended); !errors.Is(err, context.Canceled) || updates != nil {
		t.Errorf("with an ended context: %v", err)
	}
	for _, s := range []Source{{NetNS: "/proc/self/no-such-namespace"}, {NetNS: w.Hosts}, {Hosts: t.TempDir()}} {
		if _, updates, err := s.Watch(context.Background()); err == nil || updates != nil {
			t.Errorf("%+v: no error", s)
		}
	}
	time.Sleep(10 * time.Millisecond)
	if n, f := runtime.NumGoroutine(), openFiles(t); n > goroutines || f > files {
		t.Errorf("%d goroutines and %d files before, %d and %d after", goroutines, files, n, f)
	}
}
