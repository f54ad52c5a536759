// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"sync"
)

// request asks an agent to take steps; requests run side by side.
type request struct {
	ID    int        `json:"id"` // comes back with the answer; the agent's own greeting has 0
	Steps [][]string `json:"steps"`
	Child bool       `json:"child"` // in a process of their own
}

// serveRequests answers requests until in ends. Its first line says that it is there.
func serveRequests(in io.Reader, out io.Writer) error {
	var (
		socks   = newSockets()
		encoder = json.NewEncoder(out)
		mu      sync.Mutex
		running sync.WaitGroup
	)
	answer := func(r result) error {
		mu.Lock()
		defer mu.Unlock()
		return encoder.Encode(r)
	}
	if err := answer(result{Step: "agent", OK: true}); err != nil {
		return err
	}
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var req request
		if err := json.Unmarshal(lines.Bytes(), &req); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		running.Add(1)
		go func() {
			defer running.Done()
			var r result
			if req.Child {
				r = runChild(req.Steps)
			} else {
				r = socks.run(req.Steps)
			}
			r.ID = req.ID
			// An answer that nobody reads any more is nobody's loss.
			_ = answer(r)
		}()
	}
	running.Wait()
	return lines.Err()
}

// runChild takes the steps in a child process, which inherits no socket.
func runChild(steps [][]string) result {
	var args []string
	for i, step := range steps {
		if i > 0 {
			args = append(args, separator)
		}
		args = append(args, step...)
	}
	out, err := exec.Command("/proc/self/exe", args...).Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return failed("child", err)
	}
	var r result
	if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
		return failed("child", fmt.Errorf("read %s: %w", strconv.Quote(string(out)), err))
	}
	return r
}
