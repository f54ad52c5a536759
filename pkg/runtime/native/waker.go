// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// waker ends reads that would block for ever, as of a terminal whose user types nothing more.
type waker struct {
	reader, writer *os.File
	once           sync.Once
}

func newWaker() (*waker, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make a pipe: %w", err)
	}
	return &waker{reader: reader, writer: writer}, nil
}

// wake makes reads end now, and all that follow.
func (w *waker) wake() { w.once.Do(func() { w.writer.Close() }) }

// close is for after the last read.
func (w *waker) close() {
	w.wake()
	w.reader.Close()
}

// wakeReader reads from a file until its end, or until it is woken, which is io.EOF too. It leaves
// no data unread that it took.
type wakeReader struct {
	f *os.File
	w *waker
}

func (r *wakeReader) Read(data []byte) (int, error) {
	fd := int(r.f.Fd())
	for {
		polls := []unix.PollFd{
			{Fd: int32(fd), Events: unix.POLLIN},
			{Fd: int32(r.w.reader.Fd()), Events: unix.POLLIN},
		}
		if _, err := unix.Poll(polls, -1); errors.Is(err, unix.EINTR) {
			continue
		} else if err != nil {
			return 0, err
		}
		if polls[1].Revents != 0 {
			return 0, io.EOF
		}
		n, err := unix.Read(fd, data)
		switch {
		case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}
