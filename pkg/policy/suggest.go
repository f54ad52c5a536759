// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"strings"
)

// nearest returns the candidate that word was most likely meant to be, "" if none is near.
func nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	limit := max(1, min(3, len(word)/3))
	if len(word) > 64 {
		return "" // no typo, and the distance is quadratic
	}
	best, found := limit+1, ""
	for _, c := range candidates {
		if d := distance(word, strings.ToLower(c)); d < best && d < len(word) {
			best, found = d, c
		}
	}
	return found
}

// distance is the number of insertions, deletions, replacements and swaps of neighbours between
// two words (optimal string alignment).
func distance(a, b string) int {
	before, last, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}

// chooseFix is the fix of a word that is none of the allowed ones.
func chooseFix(word string, allowed []string) string {
	if s := nearest(word, allowed); s != "" {
		return "did you mean " + s + "? Known: " + strings.Join(allowed, ", ")
	}
	return "write one of " + strings.Join(allowed, ", ")
}
