// SPDX-License-Identifier: Apache-2.0

// Package hint gives errors a word on what the user can do about them. It stays apart from the
// message, for whoever prints the error to show.
package hint

import (
	"errors"
	"fmt"
)

type hinted struct {
	error
	hint string
}

func (h *hinted) Hint() string  { return h.hint }
func (h *hinted) Unwrap() error { return h.error }

// Wrap adds a hint to an error, which keeps its message and its chain.
func Wrap(err error, format string, args ...any) error {
	return &hinted{err, fmt.Sprintf(format, args...)}
}

// Of returns the hint of the outermost error in the chain that has one, or "". Errors of other
// packages take part by a method Hint() string.
func Of(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}
