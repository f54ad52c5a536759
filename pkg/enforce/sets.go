// SPDX-License-Identifier: Apache-2.0

package enforce

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"github.com/aquasecurity/libbpfgo"
	"golang.org/x/sys/unix"

	"github.com/jail-ai/jail-ai/pkg/hint"
	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// errTooLarge says that a set does not fit into the object's arrays: another object is needed.
var errTooLarge = errors.New("rule set is larger than the loaded object has room for")

const lineSize = int(unsafe.Sizeof(ruleset.Line{}))

// setMap is the map `sets`: a slot with the array that holds the present rule set.
type setMap struct {
	outer    *libbpfgo.BPFMapLow // its descriptor is owned here
	capacity int                 // lines of every array that may be put into the slot
	stored   chan error          // result of the store under way; nil: none
}

// capacityFor leaves room for a set to grow, as addresses come and go, within one object: arrays
// must have exactly one size for lookups in them to be inlined.
func capacityFor(lines int) int {
	const page = 4096 / 64
	capacity := lines + lines/64 + 2*page
	return (capacity + page - 1) / page * page
}

// newSetMap makes the map and stores the first set. The store is in force at once, but the call
// for it returns only after an RCU grace period (milliseconds): wait picks up its result.
func newSetMap(set *ruleset.Set) (*setMap, error) {
	s := &setMap{capacity: capacityFor(len(set.Lines))}
	inner, err := s.newArray(set)
	if err != nil {
		return nil, err
	}
	s.outer, err = libbpfgo.CreateMap(libbpfgo.MapTypeArrayOfMaps, "sets", 4, 4, 1,
		&libbpfgo.BPFMapCreateOpts{InnerMapFD: uint32(inner)})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create map of rule sets: %w", createHint(err)), syscall.Close(inner))
	}
	s.store(inner)
	return s, nil
}

// newArray makes an array of the map's capacity and copies the set into it.
func (s *setMap) newArray(set *ruleset.Set) (int, error) {
	if len(set.Lines) > s.capacity {
		return -1, errTooLarge
	}
	m, err := libbpfgo.CreateMap(libbpfgo.MapTypeArray, "rules", 4, lineSize, s.capacity,
		&libbpfgo.BPFMapCreateOpts{MapFlags: unix.BPF_F_MMAPABLE})
	if err != nil {
		return -1, fmt.Errorf("create rule set of %d lines: %w", s.capacity, createHint(err))
	}
	fd := m.FileDescriptor()
	size := (s.capacity*lineSize + os.Getpagesize() - 1) / os.Getpagesize() * os.Getpagesize()
	mem, err := unix.Mmap(fd, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return -1, errors.Join(fmt.Errorf("map rule set: %w", err), syscall.Close(fd))
	}
	copy(mem, set.Bytes())
	if err := unix.Munmap(mem); err != nil {
		return -1, errors.Join(fmt.Errorf("unmap rule set: %w", err), syscall.Close(fd))
	}
	return fd, nil
}

// store puts an array into the slot and takes over its descriptor.
func (s *setMap) store(inner int) {
	done := make(chan error, 1)
	s.stored = done
	go func() {
		slot, value := uint32(0), uint32(inner)
		err := s.outer.Update(unsafe.Pointer(&slot), unsafe.Pointer(&value))
		if err != nil {
			err = fmt.Errorf("store rule set: %w", err)
		}
		done <- errors.Join(err, syscall.Close(inner))
	}()
}

// ready returns once the first set is in the slot, however long the call that put it there goes on
// to wait: no program runs yet that could use an older one.
func (s *setMap) ready() error {
	slot := uint32(0)
	for {
		select {
		case err := <-s.stored:
			s.stored = nil
			return err
		default:
		}
		// A map of maps answers with the id of the map in the slot; ENOENT: it is empty.
		if _, err := s.outer.GetValue(unsafe.Pointer(&slot)); !errors.Is(err, syscall.ENOENT) {
			if err != nil {
				return fmt.Errorf("look for rule set: %w", err)
			}
			return nil
		}
		time.Sleep(50 * time.Microsecond)
	}
}

// wait returns the result of the last store, once it is in force for every program that runs.
func (s *setMap) wait() error {
	if s.stored == nil {
		return nil
	}
	err := <-s.stored
	s.stored = nil
	return err
}

func (s *setMap) close() error {
	err := s.wait()
	return errors.Join(err, syscall.Close(s.outer.FileDescriptor()))
}

// replace puts another set into the slot and returns when no program uses the old one any more.
func (s *setMap) replace(set *ruleset.Set) error {
	if err := s.wait(); err != nil {
		return err
	}
	inner, err := s.newArray(set)
	if err != nil {
		return err
	}
	s.store(inner)
	return s.wait()
}

// createHint explains the errnos of making a map.
func createHint(err error) error {
	if errors.Is(err, syscall.EPERM) {
		return hint.Wrap(err, "making BPF maps needs root, or CAP_BPF and CAP_NET_ADMIN; run this with sudo")
	}
	return err
}
