// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// relay carries data between a socket, which stays outside, and a pipe into the jail.
type relay struct {
	socket *os.File // a duplicate of the caller's
	pipe   *os.File // this side's end
	input  bool     // from the socket into the jail
	wake   *waker
	ended  chan struct{}
}

// newRelay returns the relay and the command's end of the pipe.
func newRelay(socket *os.File, input bool) (*relay, *os.File, error) {
	fd, err := unix.FcntlInt(socket.Fd(), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, nil, fmt.Errorf("duplicate a socket: %w", err)
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		unix.Close(fd)
		return nil, nil, fmt.Errorf("make a pipe: %w", err)
	}
	wake, err := newWaker()
	if err != nil {
		unix.Close(fd)
		closeAll([]*os.File{reader, writer})
		return nil, nil, err
	}
	r := &relay{socket: os.NewFile(uintptr(fd), socket.Name()), input: input, wake: wake}
	if input {
		r.pipe = writer
		return r, reader, nil
	}
	r.pipe = reader
	return r, writer, nil
}

func (r *relay) start() {
	r.ended = make(chan struct{})
	go func() {
		defer close(r.ended)
		if r.input {
			// Errors mean that one side is gone, which the other learns by the end of the data.
			_, _ = io.Copy(r.pipe, &wakeReader{r.socket, r.wake})
			r.pipe.Close()
			return
		}
		if _, err := io.Copy(&blockingWriter{r.socket}, r.pipe); err != nil {
			r.pipe.Close() // the command gets SIGPIPE, as it would have from the socket
		}
	}()
}

// stop ends the relay once the jail is gone: output is written out, input is given up.
func (r *relay) stop() {
	if r.input {
		r.pipe.Close()
		r.wake.wake()
	}
	if r.ended != nil {
		<-r.ended
	}
	r.wake.close()
	closeAll([]*os.File{r.socket, r.pipe})
}

// blockingWriter writes to a descriptor whatever its mode is: O_NONBLOCK belongs to the open file,
// which is shared with processes that have nothing to do with this one.
type blockingWriter struct{ f *os.File }

func (w *blockingWriter) Write(data []byte) (int, error) {
	fd := int(w.f.Fd())
	for written := 0; ; {
		n, err := unix.Write(fd, data[written:])
		if n > 0 {
			written += n
		}
		switch {
		case written == len(data):
			return written, nil
		case errors.Is(err, unix.EAGAIN):
			if err := pollFor(fd, unix.POLLOUT); err != nil {
				return written, err
			}
		case err != nil && !errors.Is(err, unix.EINTR):
			return written, err
		}
	}
}

func pollFor(fd int, events int16) error {
	for {
		_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: events}}, -1)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}
