// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// answerLimit is how long a worker may take to start, and for an answer.
const answerLimit = 30 * time.Second

// work is the worker's side: for each line "OPERATION COUNT" it does the operation count times, and
// prints the nanoseconds of one. All of it is one thread, on one core: two threads on loopback
// swing by a factor of 2.5.
func work(cpu int) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("stay on CPU %d: %w", cpu, err)
	}
	debug.SetGCPercent(-1) // there is next to no garbage
	started := map[string]func(int) (time.Duration, error){}
	for _, o := range operations {
		batch, err := o.start()
		if err != nil {
			return fmt.Errorf("%s: %w", o.Name, err)
		}
		started[o.Name] = batch
	}
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var name string
		var count int
		if _, err := fmt.Sscan(lines.Text(), &name, &count); err != nil {
			return fmt.Errorf("read %q: %w", lines.Text(), err)
		}
		batch := started[name]
		if batch == nil || count < 1 {
			return fmt.Errorf("read %q: no such operation", lines.Text())
		}
		took, err := batch(count)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		fmt.Println(float64(took.Nanoseconds()) / float64(count))
	}
	return nil
}

// worker is the commander's side.
type worker struct {
	where  string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan string
	stderr bytes.Buffer
}

// startWorker starts a command line that ends up as a worker.
func startWorker(where string, args ...string) (*worker, error) {
	w := &worker{where: where, cmd: exec.Command(args[0], args[1:]...), lines: make(chan string)}
	w.cmd.Stderr = &w.stderr
	var err error
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the worker %s: %w", where, err)
	}
	go func() {
		defer close(w.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			w.lines <- s.Text()
		}
	}()
	if line, err := w.read(); err != nil || line != "ready" {
		return nil, errors.Join(fmt.Errorf("the worker %s says %q", where, line), err, w.stop())
	}
	return w, nil
}

func (w *worker) read() (string, error) {
	select {
	case line, ok := <-w.lines:
		if !ok {
			return "", fmt.Errorf("the worker %s has ended", w.where)
		}
		return line, nil
	case <-time.After(answerLimit):
		return "", fmt.Errorf("the worker %s does not answer", w.where)
	}
}

// measure returns the nanoseconds of one operation.
func (w *worker) measure(o operation, count int) (float64, error) {
	if _, err := fmt.Fprintln(w.stdin, o.Name, count); err != nil {
		return 0, fmt.Errorf("ask the worker %s: %w", w.where, err)
	}
	line, err := w.read()
	if err != nil {
		return 0, err
	}
	var ns float64
	if _, err := fmt.Sscan(line, &ns); err != nil || ns <= 0 {
		return 0, fmt.Errorf("the worker %s says %q", w.where, line)
	}
	return ns, nil
}

// stop ends the worker and the jail around it.
func (w *worker) stop() error {
	_ = w.stdin.Close() // ends it
	late := time.AfterFunc(answerLimit, func() { _ = w.cmd.Process.Kill() })
	defer late.Stop()
	for range w.lines { // what is left
	}
	if err := w.cmd.Wait(); err != nil {
		return fmt.Errorf("the worker %s: %w\n%s", w.where, err, strings.TrimSpace(w.stderr.String()))
	}
	return nil
}
