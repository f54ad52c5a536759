// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"net/netip"
	"sync/atomic"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// rules describes rule ids by the rule set in force. Ids mean the same in every set of a jail.
type rules struct {
	current atomic.Pointer[policy.Compiled]
}

// Describe implements event.Rules.
func (r *rules) Describe(id uint32, dst netip.Addr) (rule, reason string) {
	c := r.current.Load()
	return c.Rule(id).Text, c.Reason(id, dst)
}
