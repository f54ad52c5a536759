// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// State is a jail's state.json: it describes a jail, the kernel's objects are the jail.
type State struct {
	ID      string    `json:"id"`
	Jail    string    `json:"jail"` // its name in the policy
	Policy  string    `json:"policy,omitempty"`
	Runtime string    `json:"runtime"`
	Mode    string    `json:"mode"`
	Command []string  `json:"command"`
	PID     int       `json:"pid"` // of the supervisor
	Started time.Time `json:"started"`
	Cgroup  string    `json:"cgroup"`
	Pins    string    `json:"pins"`
}

// write replaces the file at once: nobody reads half of it.
func (s State) write() error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode state: %w", err)
	}
	path := filepath.Join(stateDir(s.ID), "state.json")
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("write state: %w", err)
	}
	return nil
}
