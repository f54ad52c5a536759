// SPDX-License-Identifier: Apache-2.0

package native

import (
	"io/fs"
	"syscall"
)

// overflowID is who owns what has no owner known here.
const overflowID = 65534

func owner(info fs.FileInfo) (uid, gid uint32) {
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		return stat.Uid, stat.Gid
	}
	return overflowID, overflowID
}
