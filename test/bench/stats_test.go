// SPDX-License-Identifier: Apache-2.0

package main

import (
	"slices"
	"testing"
)

func TestSpread(t *testing.T) {
	values := []float64{5, 1, 4, 2}
	if got, want := newSpread(values), (spread{Median: 3, Min: 1, Max: 5, Count: 4}); got != want {
		t.Errorf("spread of %v: %+v, want %+v", values, got, want)
	}
	if !slices.Equal(values, []float64{5, 1, 4, 2}) {
		t.Errorf("the values were changed to %v", values)
	}
	if got := median([]float64{9, 1, 2}); got != 2 {
		t.Errorf("median of three: %v, want 2", got)
	}
	if got := newSpread(nil); got != (spread{}) {
		t.Errorf("spread of nothing: %+v", got)
	}
}

func TestDifferences(t *testing.T) {
	if got := differences([]float64{2, 9}, []float64{1, 3, 7}); !slices.Equal(got, []float64{1, 6}) {
		t.Errorf("differences %v, want [1 6]", got)
	}
}
