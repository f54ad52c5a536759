// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

// result is what became of a list of steps.
type result struct {
	ID    int     `json:"id,omitempty"`
	Step  string  `json:"op"`              // the step that failed, else the last one
	OK    bool    `json:"ok"`              // every step succeeded
	Errno string  `json:"errno,omitempty"` // EPERM, ...; empty when the failure was no system call's
	Err   string  `json:"err,omitempty"`
	MS    float64 `json:"ms"`             // duration of Step in milliseconds
	Data  string  `json:"data,omitempty"` // what the last step that yields something yielded
}

// failed makes the result of a step that failed.
func failed(step string, err error) result {
	r := result{Step: step, Err: err.Error()}
	var errno syscall.Errno
	if errors.As(err, &errno) {
		r.Errno = unix.ErrnoName(errno)
	}
	return r
}
