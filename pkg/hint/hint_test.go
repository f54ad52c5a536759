// SPDX-License-Identifier: Apache-2.0

package hint

import (
	"errors"
	"fmt"
	"io"
	"testing"
)

func TestHint(t *testing.T) {
	err := fmt.Errorf("outside: %w", Wrap(fmt.Errorf("inside: %w", io.EOF), "do %d", 1))
	if err.Error() != "outside: inside: EOF" || !errors.Is(err, io.EOF) || Of(err) != "do 1" {
		t.Errorf("%v, hint %q", err, Of(err))
	}
	if got := Of(Wrap(err, "do 2")); got != "do 2" {
		t.Errorf("the outermost hint: %q", got)
	}
	if got := Of(io.EOF); got != "" {
		t.Errorf("%q", got)
	}
}
