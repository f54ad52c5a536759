// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/jail-ai/jail-ai/libbpf"
)

// Outlive keeps the egress program on a cgroup beyond its links, until the last of its sockets is
// gone. A TCP connection may outlive the process that had it, with data that egress held back: the
// kernel goes on sending it. Call it when no process is left, before the cgroup is removed and
// Unpin takes the links off. Without pins there is nothing to keep.
func Outlive(cgroup *os.File, pins string) error {
	link, err := libbpf.OpenPinned(filepath.Join(pins, "egress"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer syscall.Close(link)
	info, err := libbpf.GetLinkInfo(link)
	if err != nil {
		return err
	}
	prog, err := libbpf.ProgramByID(info.ProgID)
	if err != nil {
		return err
	}
	defer syscall.Close(prog)
	err = libbpf.AttachProgram(prog, int(cgroup.Fd()), info.Attach)
	if err != nil && !errors.Is(err, syscall.EINVAL) { // it stayed on in an attempt before
		return fmt.Errorf("keep egress: %w", err)
	}
	return nil
}
