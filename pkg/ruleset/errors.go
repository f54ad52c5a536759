// SPDX-License-Identifier: Apache-2.0

package ruleset

import "fmt"

// InputError says which part of an Input cannot be compiled. It means a mistake of the caller:
// pkg/policy reports what users write wrong, with file and line, before it gets here.
type InputError struct {
	Rule   uint32 // ID of the rule, 0 where the fault is not in a rule
	Reason string
}

func (e *InputError) Error() string {
	if e.Rule == 0 {
		return "invalid rule set: " + e.Reason
	}
	return fmt.Sprintf("invalid rule set: rule %d: %s", e.Rule, e.Reason)
}

// ErrTooLarge is returned by Compile where a tree would be deeper than the kernel searches (ten
// million ranges) or the image would have more lines than line numbers reach (1 GiB).
var ErrTooLarge error = tooLargeError{}

type tooLargeError struct{}

func (tooLargeError) Error() string { return "rule set is too large" }

// Hint says what a user can do about it.
func (tooLargeError) Hint() string {
	return "shorten the lists, or give fewer different ports to prefixes that overlap"
}
