// SPDX-License-Identifier: Apache-2.0

// Probe makes attempts on the network, one system call after the other, and says what became of
// each: the program that tests run inside and outside of a jail.
//
//	probe STEP [/ STEP]...   take the steps in order until one fails, print one line of JSON
//	probe agent              take requests from standard input, one JSON object a line
//
// A step is a technique (techniques.go: tcp-connect ADDR TOKEN, udp-send ADDR TOKEN, ...) or one
// of the plain calls it is made of (steps.go: open, bind, connect, send, recv, ...).
package main

import (
	"encoding/json"
	"fmt"
	"os"
)

// separator stands between two steps on the command line.
const separator = "/"

func main() {
	args := os.Args[1:]
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: probe STEP [/ STEP]... | probe agent")
		os.Exit(2)
	}
	if args[0] == "agent" {
		if err := serveRequests(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, "probe:", err)
			os.Exit(2)
		}
		return
	}
	r := newSockets().run(splitSteps(args))
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "probe:", err)
		os.Exit(2)
	}
	if !r.OK {
		os.Exit(1)
	}
}

// splitSteps cuts a command line into its steps.
func splitSteps(args []string) [][]string {
	steps := [][]string{nil}
	for _, arg := range args {
		if arg == separator {
			steps = append(steps, nil)
			continue
		}
		steps[len(steps)-1] = append(steps[len(steps)-1], arg)
	}
	return steps
}
