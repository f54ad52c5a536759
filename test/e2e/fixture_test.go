// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"testing"
)

// The fixture alone: without a jail, everything that the other tests expect to be refused arrives.
func TestControlsReachEverything(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	out := w.outside(t, false)
	for _, target := range append(hostTargets(t, w), webTargets(t, w)...) {
		wantArrival(t, out, target)
	}
	for _, name := range []string{"udp", "tcp"} {
		for _, server := range resolvers {
			got := out.must(t, do("dns", name, server+":53", webName))
			if want := webV6 + " " + webV4; got != want && got != webV4+" "+webV6 {
				t.Errorf("dns %s %s: %q, want %q", name, server, got, want)
			}
		}
	}
}
