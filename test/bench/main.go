// SPDX-License-Identifier: Apache-2.0

// Command bench measures what a jail costs: its calls and packets as ratios to the same outside of
// a jail, and its start as a difference to bubblewrap alone. scripts/bench.sh builds and runs it,
// from its own folder, which becomes the jails' workspace.
//
// A socket belongs to the cgroup of the process that made it. So the same operations are done by
// three processes, one outside and two in jails, each on the same core and idle while another
// works; what is compared was measured a moment apart, in rounds of rotating order.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// config is what to measure, and with what.
type config struct {
	jailAI, self, dir string // programs, and the current directory
	rounds, starts    int
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "stamp":
			_, err := fmt.Println(clock())
			return err
		case "worker":
			if len(os.Args) != 3 {
				return errors.New("worker takes a CPU")
			}
			cpu, err := strconv.Atoi(os.Args[2])
			if err != nil {
				return fmt.Errorf("read the CPU: %w", err)
			}
			return work(cpu)
		}
	}
	c := &config{}
	flag.StringVar(&c.jailAI, "jail-ai", "jail-ai", "the `program` to measure")
	flag.IntVar(&c.rounds, "rounds", 15, "rounds of the network part")
	flag.IntVar(&c.starts, "starts", 41, "starts of each kind")
	flag.Parse()
	if flag.NArg() > 0 || c.rounds < 1 || c.starts < 1 {
		flag.Usage()
		return errors.New("unknown arguments")
	}
	return measure(c)
}

func measure(c *config) error {
	var err error
	if c.self, err = os.Executable(); err != nil {
		return err
	}
	if c.dir, err = os.Getwd(); err != nil {
		return err
	}
	if c.jailAI, err = filepath.Abs(c.jailAI); err != nil {
		return err
	}
	r, err := newResults(c)
	if err != nil {
		return err
	}
	if r.Network, err = measureNetwork(c); err != nil {
		return err
	}
	if r.Startup, err = measureStartup(c); err != nil {
		return err
	}
	if err := r.write(c.dir); err != nil {
		return err
	}
	return r.print(os.Stdout)
}
