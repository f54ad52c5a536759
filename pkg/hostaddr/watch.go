// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"context"
	"os"
	"slices"
	"time"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// Update is what a watch delivers: the machine's whole new state, or the error for which it is not
// known. After an error the state last delivered may be out of date.
type Update struct {
	Machine policy.Machine // complete; only if Err is nil
	Err     error
}

const (
	quiet    = 50 * time.Millisecond  // so long nothing must change before the state is read …
	latest   = 300 * time.Millisecond // … but so long after the first change it is read anyway
	filePoll = 400 * time.Millisecond // between looks at resolv.conf and hosts
	retry    = 500 * time.Millisecond // from a failure to the next attempt
)

// Watch is like Source.Watch for the calling thread's network namespace and the usual files.
func Watch(ctx context.Context) (policy.Machine, <-chan Update, error) { return Source{}.Watch(ctx) }

// Watch returns the present state and a channel of what it becomes. It listens for changes before
// it reads, so no change falls between the two. The namespace is the one of the call: it stays the
// same wherever the caller goes.
//
// The channel delivers a complete state within a second (as a rule 50 to 100 ms) of any change of
// addresses, routes, interfaces, resolv.conf or hosts, if it differs from the state delivered last.
// A reader who is late gets the newest state, never a backlog. The lists must not be modified: the
// watch compares with them.
//
// Failures to read are delivered too, the newest if several wait, before any state that follows;
// the watch goes on, and its next state says that all is well again, even if nothing changed.
//
// The watch ends with ctx. The channel is closed when nothing of it is left.
func (s Source) Watch(ctx context.Context) (policy.Machine, <-chan Update, error) {
	return s.watch(ctx, receiveBuffer)
}

func (s Source) watch(ctx context.Context, buffer int) (policy.Machine, <-chan Update, error) {
	if err := ctx.Err(); err != nil {
		return policy.Machine{}, nil, err
	}
	ns, err := openNetNS(s.NetNS)
	if err != nil {
		return policy.Machine{}, nil, err
	}
	w := &watcher{source: s, buffer: buffer, out: make(chan Update)}
	first := make(chan Update, 1)
	go w.run(ctx, ns, first)
	start := <-first
	if start.Err != nil {
		<-w.out // closed: the watcher has gone
		return policy.Machine{}, nil, start.Err
	}
	return start.Machine, w.out, nil
}

// watcher is the state of one watch. Its one goroutine owns it.
type watcher struct {
	source Source
	buffer int // bytes, of the subscription's socket
	out    chan Update

	sub   *subscription // nil after it failed, until the next attempt
	files stamp         // taken before the files were last read
	timer *time.Timer   // fires when the state is to be read
	burst time.Time     // when the first change came that has not been read yet; zero: none has

	last    policy.Machine  // what the reader has
	stale   bool            // the reader was told, or will be, that last may be out of date
	failure error           // to be delivered first
	pending *policy.Machine // to be delivered next
}

func (w *watcher) run(ctx context.Context, ns *os.File, first chan<- Update) {
	defer close(w.out)
	defer ns.Close()
	if err := w.start(ns); err != nil {
		first <- Update{Err: err}
		return
	}
	defer func() {
		w.timer.Stop()
		if w.sub != nil {
			w.sub.close()
		}
	}()
	first <- Update{Machine: w.last}
	w.loop(ctx)
}

// start subscribes and takes the first state. On an error nothing is left open.
func (w *watcher) start(ns *os.File) (err error) {
	if err = enter(ns); err != nil {
		return err
	}
	if w.sub, err = subscribe(w.buffer); err != nil {
		return err
	}
	w.files = w.source.stamp()
	if w.last, err = w.source.read(); err != nil {
		w.sub.close()
		return err
	}
	w.timer = time.NewTimer(time.Hour)
	w.timer.Stop()
	return nil
}

func (w *watcher) loop(ctx context.Context) {
	poll := time.NewTicker(filePoll)
	defer poll.Stop()
	for {
		var out chan<- Update // nil, which never is ready, while there is nothing to deliver
		var next Update
		switch {
		case w.failure != nil:
			out, next = w.out, Update{Err: w.failure}
		case w.pending != nil:
			out, next = w.out, Update{Machine: *w.pending}
		}
		var changed <-chan struct{}
		var failed <-chan error
		if w.sub != nil {
			changed, failed = w.sub.changed, w.sub.failed
		}
		select {
		case <-ctx.Done():
			return
		case out <- next:
			if next.Err != nil {
				w.failure = nil
			} else {
				w.last, w.pending, w.stale = *w.pending, nil, false
			}
		case <-changed:
			w.changed()
		case <-poll.C:
			if now := w.source.stamp(); now != w.files || now.fresh() {
				w.changed()
			}
		case err := <-failed:
			w.sub.close()
			w.sub = nil
			w.fail(err)
		case <-w.timer.C:
			w.read()
		}
	}
}

// changed puts the reading of the state off until nothing has changed for a moment, within limits.
func (w *watcher) changed() {
	now := time.Now()
	if w.burst.IsZero() {
		w.burst = now
	}
	w.timer.Reset(min(quiet, w.burst.Add(latest).Sub(now)))
}

// fail has the error delivered, and the next attempt made.
func (w *watcher) fail(err error) {
	w.failure, w.pending, w.stale = err, nil, true
	w.timer.Reset(retry)
}

// read takes the state anew, and has it delivered if the reader does not know it.
func (w *watcher) read() {
	w.burst = time.Time{}
	if w.sub == nil {
		sub, err := subscribe(w.buffer)
		if err != nil {
			w.fail(err)
			return
		}
		w.sub = sub
	}
	w.files = w.source.stamp()
	m, err := w.source.read()
	switch {
	case err != nil:
		w.fail(err)
	case !w.stale && equal(m, w.last):
		w.pending = nil // changed back before the reader came
	default:
		w.pending = &m
	}
}

func equal(a, b policy.Machine) bool {
	return slices.Equal(a.Host, b.Host) && slices.Equal(a.Gateway, b.Gateway) && slices.Equal(a.Resolvers, b.Resolvers)
}
