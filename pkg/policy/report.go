// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Report is what a check of a policy without errors found.
type Report struct {
	File     string
	Jails    []string
	Warnings []Diagnostic // of all jails, each once
}

// Check loads a policy and compiles every jail of it for a machine. Errors are of type Errors, all
// of the file at once.
func Check(path string, m Machine, now time.Time) (Report, error) {
	f, err := Load(path)
	if err != nil {
		return Report{}, err
	}
	r := Report{File: path, Jails: f.Jails()}
	var all Errors
	seen := map[string]bool{}
	for _, name := range r.Jails {
		j, err := f.Jail(name)
		if err != nil {
			return Report{}, err
		}
		c, err := Compile(j, m, now)
		var found Errors
		if errors.As(err, &found) {
			all = append(all, found...)
			continue
		}
		if err != nil {
			return Report{}, fmt.Errorf("jail %s: %w", name, err)
		}
		for _, w := range c.Warnings {
			if !seen[w.String()] {
				seen[w.String()] = true
				r.Warnings = append(r.Warnings, w)
			}
		}
	}
	if len(all) > 0 {
		return Report{}, all
	}
	return r, nil
}

// String is the report for people, without a final newline.
func (r Report) String() string {
	var b strings.Builder
	for _, w := range r.Warnings {
		fmt.Fprintf(&b, "%s\n", w)
	}
	fmt.Fprintf(&b, "%s: good; jails: %s", r.File, strings.Join(r.Jails, ", "))
	return b.String()
}
