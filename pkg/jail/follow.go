// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jail-ai/jail-ai/pkg/policy"
)

// blindFor is how long a jail may go on while the machine's addresses can't be read. Until then
// the egress program holds off new ones, by the kernel's own routing.
const blindFor = 5 * time.Second

// follow keeps the rule set true: to the machine's addresses, and to entries that expire. It
// returns an error if it can't any more, nil when ctx ends.
func (s *supervisor) follow(ctx context.Context) error {
	var blind <-chan time.Time
	var blindErr error
	expiry := time.NewTimer(time.Hour)
	defer expiry.Stop()
	for {
		next := s.rules.current.Load().NextExpiry
		expiry.Stop()
		if !next.IsZero() {
			expiry.Reset(time.Until(next))
		}
		select {
		case <-ctx.Done():
			return nil
		case u, ok := <-s.updates:
			switch {
			case !ok:
				return errors.New("the watch of the machine's addresses ended")
			case u.Err != nil:
				blindErr = u.Err
				if blind == nil {
					blind = time.After(blindFor)
				}
			default:
				blind = nil
				s.machine = u.Machine
				if err := s.swap(); err != nil {
					return err
				}
			}
		case <-expiry.C:
			if err := s.swap(); err != nil {
				return err
			}
		case <-blind:
			return fmt.Errorf("read the machine's addresses: %w", blindErr)
		}
	}
}

// swap compiles the policy anew and puts it in force at once.
func (s *supervisor) swap() error {
	compiled, err := policy.Compile(s.Policy, s.machine, time.Now())
	if err != nil {
		return fmt.Errorf("compile policy: %w", err)
	}
	if err := s.object.Swap(compiled.Set); err != nil {
		return fmt.Errorf("replace rule set: %w", err)
	}
	s.rules.current.Store(compiled)
	return nil
}
