// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// turns is how often in a round each place does a batch: what disturbs the machine for some
	// milliseconds then disturbs all places, or falls out with the median.
	turns       = 15
	batchLength = 2 * time.Millisecond
)

// places are where workers run, in a jail where there is a policy. The first is the measure of the
// others; the second shows how exact that measure is.
var places = []struct{ name, policy string }{
	{"outside", ""},
	{"again", ""},
	// Loopback is like any other destination that no entry names, in a policy of the usual size.
	{"allowed", "block: [gateway, linklocal, metadata, multicast, private], allow: [dns]"},
	// The defaults: loopback is the host's, and each call and packet looks the listener up.
	{"own", "block: [host, gateway, linklocal, metadata, multicast], allow: [dns, own]"},
}

// networkFigure is what an operation costs, and what each kind of jail makes of it.
type networkFigure struct {
	operation
	Count   int               `json:"batch"`      // operations a batch
	Outside spread            `json:"outside_ns"` // time of one
	Ratios  map[string]spread `json:"ratios"`     // of the same round, by place
}

// measureNetwork runs all operations in all places by turns.
func measureNetwork(c *config) (figures []networkFigure, err error) {
	workers, err := startWorkers(c)
	defer func() {
		for _, w := range workers {
			err = errors.Join(err, w.stop())
		}
	}()
	if err != nil {
		return nil, err
	}
	counts := make([]int, len(operations))
	for i, o := range operations {
		if counts[i], err = calibrate(workers[0], o); err != nil {
			return nil, err
		}
	}
	// By operation, then round. The first round warms up.
	times := make([][][]float64, len(operations))
	for round := range c.rounds + 1 {
		for i, o := range operations {
			took, err := measureRound(workers, o, counts[i], round)
			if err != nil {
				return nil, err
			}
			times[i] = append(times[i], took)
		}
	}
	for i, o := range operations {
		figures = append(figures, newNetworkFigure(o, counts[i], times[i][1:]))
	}
	return figures, nil
}

// measureRound has all places do an operation by turns, in rotating order. It returns the
// nanoseconds of one outside and, after it, the ratios to it.
func measureRound(workers []*worker, o operation, count, round int) ([]float64, error) {
	outside := make([]float64, 0, turns)
	ratios := make([][]float64, len(workers))
	ns := make([]float64, len(workers))
	for turn := range turns {
		for k := range workers {
			place := (k + turn + round) % len(workers)
			var err error
			if ns[place], err = workers[place].measure(o, count); err != nil {
				return nil, err
			}
		}
		outside = append(outside, ns[0])
		for place := range workers[1:] {
			r := ns[place+1] / ns[0]
			if o.Throughput {
				r = 1 / r
			}
			ratios[place+1] = append(ratios[place+1], r)
		}
	}
	figures := []float64{median(outside)}
	for _, r := range ratios[1:] {
		figures = append(figures, median(r))
	}
	return figures, nil
}

// newNetworkFigure sums up the rounds.
func newNetworkFigure(o operation, count int, rounds [][]float64) networkFigure {
	column := func(i int) spread {
		var all []float64
		for _, r := range rounds {
			all = append(all, r[i])
		}
		return newSpread(all)
	}
	f := networkFigure{operation: o, Count: count, Outside: column(0), Ratios: map[string]spread{}}
	for i, p := range places[1:] {
		f.Ratios[p.name] = column(i + 1)
	}
	return f
}

// startWorkers starts one for each place; on error, those that run are returned with it.
func startWorkers(c *config) ([]*worker, error) {
	cpu, err := lastCPU()
	if err != nil {
		return nil, err
	}
	var workers []*worker
	for _, p := range places {
		args := []string{c.self, "worker", strconv.Itoa(cpu)}
		if p.policy != "" {
			file := filepath.Join(c.dir, p.name+".yaml")
			text := "version: 1\njails:\n  bench-" + p.name + ":\n    network: {" + p.policy + "}\n"
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				return workers, err
			}
			args = slices.Concat([]string{c.jailAI, "run", "-c", file, "--"}, args)
		}
		w, err := startWorker(p.name, args...)
		if err != nil {
			return workers, err
		}
		workers = append(workers, w)
	}
	return workers, nil
}

// lastCPU is where this process may run and the machine's interrupts are least likely.
func lastCPU() (int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, fmt.Errorf("find the CPUs: %w", err)
	}
	last := -1
	for cpu, found := 0, 0; found < set.Count(); cpu++ {
		if set.IsSet(cpu) {
			last, found = cpu, found+1
		}
	}
	return last, nil
}

// calibrate returns how many operations fill a batch.
func calibrate(w *worker, o operation) (int, error) {
	const first = 256
	ns, err := w.measure(o, first)
	if err != nil {
		return 0, err
	}
	return max(16, int(float64(batchLength.Nanoseconds())/ns)), nil
}
