// SPDX-License-Identifier: Apache-2.0

package hostaddr

import (
	"time"

	"golang.org/x/sys/unix"
)

// stamp tells whether files changed without reading them. It follows symbolic links, so a link
// that now leads elsewhere is a change too. A file that can't be inspected has the zero stamp;
// reading it tells why.
type stamp [2]fileStamp

type fileStamp struct {
	dev, ino     uint64
	size         int64
	mtime, ctime unix.Timespec
}

// stamp describes the files as they are now.
func (s Source) stamp() stamp {
	var all stamp
	for i, path := range []string{s.resolvConf(), s.hosts()} {
		var st unix.Stat_t
		if err := unix.Stat(path, &st); err != nil {
			continue
		}
		all[i] = fileStamp{dev: st.Dev, ino: st.Ino, size: st.Size, mtime: st.Mtim, ctime: st.Ctim}
	}
	return all
}

// settled is how old a change must be before a stamp can be trusted to show the next one: file
// times advance in steps of some milliseconds (seconds on few file systems), and within a step a
// second change of the same size leaves the same stamp.
const settled = 2 * time.Second

// fresh tells whether a file changed so short a time ago that it may change again unseen.
func (s stamp) fresh() bool {
	for _, f := range s {
		if time.Since(time.Unix(f.ctime.Unix())) < settled {
			return true
		}
	}
	return false
}
