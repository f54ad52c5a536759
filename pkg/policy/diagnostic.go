// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Position is where something was written. Line and Column count from 1; both are 0 for what
// stands in no file, and File then says where it comes from: "built in", "--block".
type Position struct {
	File         string
	Line, Column int
}

// String returns file:line:column, as far as known.
func (p Position) String() string {
	switch {
	case p.Line == 0:
		return p.File
	case p.Column == 0:
		return fmt.Sprintf("%s:%d", p.File, p.Line)
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Diagnostic is one thing that is wrong with a policy, and how to put it right.
type Diagnostic struct {
	File         string
	Line, Column int // from 1; 0: see Position
	Message      string
	Fix          string
}

// Position returns where it is.
func (d Diagnostic) Position() Position {
	return Position{File: d.File, Line: d.Line, Column: d.Column}
}

// String returns "file:line:column: message; fix: …", one line whatever the policy contains.
func (d Diagnostic) String() string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, fmt.Sprintf("%s: %s; fix: %s", d.Position(), d.Message, d.Fix))
}

// Errors is everything that is wrong with a policy, in the order of the file; what is wrong in
// the lists that it names comes last.
type Errors []Diagnostic

// Error returns one line per diagnostic.
func (e Errors) Error() string {
	lines := make([]string, len(e))
	for i, d := range e {
		lines[i] = d.String()
	}
	return strings.Join(lines, "\n")
}

// add appends a diagnostic.
func (e *Errors) add(at Position, p problem) {
	*e = append(*e, Diagnostic{at.File, at.Line, at.Column, p.message, p.fix})
}

// tidy sorts by position, the file called first before the others, and drops repetitions: what is
// wrong in `defaults` is found once for each jail.
func (e Errors) tidy(first string) Errors {
	slices.SortStableFunc(e, func(a, b Diagnostic) int {
		if a.File != b.File {
			switch first {
			case a.File:
				return -1
			case b.File:
				return 1
			}
		}
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return slices.Compact(e)
}

// err returns e as an error, nil if there is nothing in it.
func (e Errors) err() error {
	if len(e) == 0 {
		return nil
	}
	return e
}

// problem is a diagnostic that does not know yet where it belongs.
type problem struct{ message, fix string }

func problemf(fix, format string, args ...any) *problem {
	return &problem{message: fmt.Sprintf(format, args...), fix: fix}
}
