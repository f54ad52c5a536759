// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring reads a BPF ring buffer (kernel/bpf/ringbuf.c and its documentation, 6.12): a page with the
// consumer's position, a page with the producer's, then the data, mapped twice in a row so that
// no record is ever cut. libbpfgo's reader can only be stopped by waiting for its poll time-out,
// which would be the longest part of a short run.
type ring struct {
	fd       int // a descriptor of the map, of its own: the object's may change
	stop     int // eventfd that ends wait
	consumer []byte
	producer []byte
	size     uint64
}

// Record header: length with two flag bits, then the page offset of the record.
const (
	ringHeader  = 8
	ringBusy    = 1 << 31
	ringDiscard = 1 << 30
	ringLength  = ringDiscard - 1
)

// newRing maps the ring buffer behind fd, of size bytes.
func newRing(fd, size int) (*ring, error) {
	page := os.Getpagesize()
	fd, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("duplicate descriptor of ring buffer: %w", err)
	}
	stop, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make eventfd: %w", err), unix.Close(fd))
	}
	consumer, err := unix.Mmap(fd, 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map ring buffer: %w", err), unix.Close(stop), unix.Close(fd))
	}
	producer, err := unix.Mmap(fd, int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("map ring buffer: %w", err), unix.Munmap(consumer), unix.Close(stop), unix.Close(fd))
	}
	return &ring{fd: fd, stop: stop, consumer: consumer, producer: producer, size: uint64(size)}, nil
}

func position(page []byte) *uint64 { return (*uint64)(unsafe.Pointer(&page[0])) }

// wait blocks until there may be records; false: wake was called.
func (r *ring) wait() (bool, error) {
	fds := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}, {Fd: int32(r.stop), Events: unix.POLLIN}}
	for {
		if _, err := unix.Poll(fds, -1); err == nil {
			return fds[1].Revents == 0, nil
		} else if !errors.Is(err, unix.EINTR) {
			return false, fmt.Errorf("poll ring buffer: %w", err)
		}
	}
}

// wake ends wait, now and ever after.
func (r *ring) wake() error {
	_, err := unix.Write(r.stop, []byte{1, 0, 0, 0, 0, 0, 0, 0})
	return err
}

// drain calls f with every record that is complete. The bytes are valid during the call only.
func (r *ring) drain(f func([]byte)) {
	page := os.Getpagesize()
	consumed := atomic.LoadUint64(position(r.consumer))
	for consumed < atomic.LoadUint64(position(r.producer)) {
		at := page + int(consumed&(r.size-1))
		header := atomic.LoadUint32((*uint32)(unsafe.Pointer(&r.producer[at])))
		if header&ringBusy != 0 {
			return
		}
		length := int(header & ringLength)
		if header&ringDiscard == 0 {
			f(r.producer[at+ringHeader : at+ringHeader+length])
		}
		consumed += uint64((ringHeader + length + 7) &^ 7)
		atomic.StoreUint64(position(r.consumer), consumed)
	}
}

func (r *ring) close() error {
	return errors.Join(unix.Munmap(r.consumer), unix.Munmap(r.producer), unix.Close(r.stop), unix.Close(r.fd))
}
