// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"
)

// results is all that was measured.
type results struct {
	Time    time.Time       `json:"time"`
	Kernel  string          `json:"kernel"`
	CPU     string          `json:"cpu"`
	CPUs    int             `json:"cpus"`
	Rounds  int             `json:"rounds"`
	Starts  int             `json:"starts"`
	Network []networkFigure `json:"network"`
	Startup []startupFigure `json:"startup"`
}

func newResults(c *config) (*results, error) {
	r := &results{Time: time.Now(), CPU: "unknown CPU", CPUs: runtime.NumCPU(), Rounds: c.rounds, Starts: c.starts}
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return nil, fmt.Errorf("find the kernel's version: %w", err)
	}
	r.Kernel = unix.ByteSliceToString(name.Release[:])
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			r.CPU = strings.TrimSpace(value)
			break
		}
	}
	return r, nil
}

// table is the results in lines of cells; the first line of each part is its head.
func (r *results) table() (title string, parts [][][]string) {
	title = fmt.Sprintf("What a jail costs: Linux %s, %s, %d CPUs", r.Kernel, r.CPU, r.CPUs)
	network := [][]string{{
		fmt.Sprintf("median (min–max) of %d rounds", r.Rounds),
		"outside", "× outside again", "× jail, allowed", "aim", "", "× jail, own server",
	}}
	for _, f := range r.Network {
		allowed := f.Ratios["allowed"]
		outside, aim, met := fmt.Sprintf("%.2f µs", f.Outside.Median/1e3), "≤", allowed.Median <= f.Aim
		if f.Throughput {
			outside, aim, met = fmt.Sprintf("%.2f GB/s", bulkSize/f.Outside.Median), "≥", allowed.Median >= f.Aim
		}
		network = append(network, []string{
			f.Title, outside, f.Ratios["again"].text(3, 2), allowed.text(3, 2),
			fmt.Sprintf("%s %.2f", aim, f.Aim), verdict(met), f.Ratios["own"].text(3, 2),
		})
	}
	startup := [][]string{{
		fmt.Sprintf("milliseconds, %d starts of each", r.Starts), "bwrap alone", "jail-ai run", "more", "aim", "",
	}}
	aim := milliseconds(startupAim.Nanoseconds())
	for _, f := range r.Startup {
		startup = append(startup, []string{
			f.Title, f.Bubblewrap.text(1, 1), f.JailAI.text(1, 1), f.More.text(1, 1),
			fmt.Sprintf("≤ %.0f", aim), verdict(f.More.Median <= aim),
		})
	}
	return title, [][][]string{network, startup}
}

func verdict(met bool) string {
	if met {
		return "ok"
	}
	return "over"
}

// text prints the median and the range around it with so many digits.
func (s spread) text(digits, rangeDigits int) string {
	return fmt.Sprintf("%.*f (%.*f–%.*f)", digits, s.Median, rangeDigits, s.Min, rangeDigits, s.Max)
}

func (r *results) print(w io.Writer) error {
	title, parts := r.table()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s\n", title)
	for _, part := range parts {
		fmt.Fprintln(t)
		for _, row := range part {
			fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t"))
		}
	}
	return t.Flush()
}

// write puts the results into the folder, for programs and for people.
func (r *results) write(dir string) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode results: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "results.json"), append(data, '\n'), 0o644); err != nil {
		return err
	}
	title, parts := r.table()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n%s\n", title, r.Time.UTC().Format(time.DateOnly))
	for _, part := range parts {
		b.WriteByte('\n')
		for i, row := range part {
			fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
			if i == 0 {
				fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(row)))
			}
		}
	}
	return os.WriteFile(filepath.Join(dir, "results.md"), []byte(b.String()), 0o644)
}
