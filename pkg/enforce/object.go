// SPDX-License-Identifier: Apache-2.0

// Package enforce loads the programs of a jail, attaches them to its cgroup, pins them, and keeps
// their rule set. It is the only package that imports libbpfgo. One Object serves one jail.
package enforce

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"

	"github.com/aquasecurity/libbpfgo"

	"github.com/jail-ai/jail-ai/bpf/object"
	"github.com/jail-ai/jail-ai/libbpf"
	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

// Object is the loaded programs and maps of one jail. Its methods are not safe for concurrent
// use, except that Events may run beside the others.
type Object struct {
	module *libbpfgo.Module
	sets   *setMap
	progs  map[string]int // descriptors, owned by module
	links  map[string]int // descriptors, owned here
	pins   string         // directory of the pins
	config config
}

// config is what is fixed when an object is loaded.
type config struct {
	rules        int    // rule ids that the counters have room for
	ownPriority  uint32 // tells the jail's own datagrams on loopback from others'
	hasSetRetval bool
	share        *Object // whose state maps are used instead of new ones
}

// stateMaps outlive a change of the rule set that needs another object.
var stateMaps = []string{mapSocks, mapPeers, mapCounters, mapLimits, mapEvents}

// Load loads the programs with the given rule set in force; rules is the number of rule ids in
// use, the reserved ones included. Nothing is attached yet.
func Load(set *ruleset.Set, rules int) (*Object, error) {
	// User space outside can't set priorities over 6 without CAP_NET_ADMIN (net/core/sock.c,
	// sk_set_prio_allowed, 6.12).
	return load(set, config{rules: rules, ownPriority: rand.Uint32() | 1<<31, hasSetRetval: true})
}

func load(set *ruleset.Set, c config) (*Object, error) {
	sets, err := newSetMap(set)
	if err != nil {
		return nil, err
	}
	o, err := loadOnce(sets, c)
	if errors.Is(err, syscall.EINVAL) && c.hasSetRetval {
		// Only a kernel that lacks bpf_set_retval (before 5.18) gets the plain EPERM.
		has, probeErr := libbpfgo.BPFHelperIsSupported(libbpfgo.BPFProgTypeCgroupSockAddr, libbpfgo.BPFFuncSetRetval)
		if !has && probeErr == nil {
			c.hasSetRetval = false
			o, err = loadOnce(sets, c)
		}
	}
	if err != nil {
		return nil, errors.Join(err, sets.close())
	}
	return o, nil
}

func loadOnce(sets *setMap, c config) (*Object, error) {
	log := captureLog()
	defer log.stop()
	module, err := libbpfgo.NewModuleFromBufferArgs(libbpfgo.NewModuleArgs{
		BPFObjBuff: object.ELF, BPFObjName: "jail_ai", SkipMemlockBump: true,
	})
	if err != nil {
		return nil, &LoadError{Err: fmt.Errorf("open BPF object: %w", err), Log: log.text()}
	}
	o := &Object{module: module, sets: sets, config: c}
	if err := o.prepare(); err != nil {
		module.Close()
		return nil, err
	}
	if err := module.BPFLoadObject(); err != nil {
		module.Close()
		return nil, &LoadError{Err: fmt.Errorf("load BPF object: %w", err), Log: log.text()}
	}
	o.progs = make(map[string]int, len(programs))
	for _, p := range programs {
		prog, err := module.GetProgram(p.name)
		if err != nil {
			module.Close()
			return nil, fmt.Errorf("find program %s: %w", p.name, err)
		}
		o.progs[p.name] = prog.FileDescriptor()
	}
	return o, nil
}

// prepare sets what has to be known before the load.
func (o *Object) prepare() error {
	if err := o.reuse(mapSets, o.sets.outer.FileDescriptor()); err != nil {
		return err
	}
	if o.config.share != nil {
		for _, name := range stateMaps {
			fd, err := o.config.share.mapFD(name)
			if err != nil {
				return err
			}
			if err := o.reuse(name, fd); err != nil {
				return err
			}
		}
	} else {
		m, err := o.module.GetMap(mapCounters)
		if err != nil {
			return fmt.Errorf("find map %s: %w", mapCounters, err)
		}
		if err := m.SetMaxEntries(uint32(o.config.rules)); err != nil {
			return fmt.Errorf("size map %s: %w", mapCounters, err)
		}
	}
	retval := uint8(0)
	if o.config.hasSetRetval {
		retval = 1
	}
	if err := o.module.InitGlobalVariable("has_set_retval", retval); err != nil {
		return fmt.Errorf("set has_set_retval: %w", err)
	}
	if err := o.module.InitGlobalVariable("own_priority", o.config.ownPriority); err != nil {
		return fmt.Errorf("set own_priority: %w", err)
	}
	return nil
}

func (o *Object) reuse(name string, fd int) error {
	m, err := o.module.GetMap(name)
	if err != nil {
		return fmt.Errorf("find map %s: %w", name, err)
	}
	if err := m.ReuseFD(fd); err != nil {
		return fmt.Errorf("reuse map %s: %w", name, err)
	}
	return nil
}

// mapFD returns the descriptor of a map of a loaded object; the object keeps it.
func (o *Object) mapFD(name string) (int, error) {
	m, err := o.module.GetMap(name)
	if err != nil {
		return -1, fmt.Errorf("find map %s: %w", name, err)
	}
	return m.FileDescriptor(), nil
}

// Attach attaches every program to the cgroup whose directory is open as cgroup, pins links and
// maps below the directory pins (in a bpffs; made here, 0700), and then asks the kernel whether the
// programs are in effect there. On error whatever was attached is taken off again.
func (o *Object) Attach(cgroup *os.File, pins string) (err error) {
	if err := os.Mkdir(pins, 0o700); err != nil {
		return fmt.Errorf("make pin directory: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.closeLinks(), os.RemoveAll(pins))
		}
	}()
	o.pins = pins
	o.links = make(map[string]int, len(programs))
	for _, p := range programs {
		fd, err := libbpf.CreateLink(o.progs[p.name], int(cgroup.Fd()), p.attach)
		if err != nil {
			return fmt.Errorf("attach %s: %w", p.name, attachHint(err))
		}
		o.links[p.name] = fd
		if err := libbpf.Pin(fd, pins+"/"+p.name); err != nil {
			return err
		}
	}
	if err := o.pinMaps(pins); err != nil {
		return err
	}
	if err := o.verify(cgroup); err != nil {
		return err
	}
	return o.sets.ready()
}

func (o *Object) pinMaps(pins string) error {
	for _, name := range append([]string{mapSets}, stateMaps...) {
		fd, err := o.mapFD(name)
		if err != nil {
			return err
		}
		if err := libbpf.Pin(fd, mapPin(pins, name)); err != nil {
			return err
		}
	}
	return nil
}

func mapPin(pins, name string) string { return pins + "/map_" + name }

// verify asks the kernel: a nil error of the calls before is no evidence.
func (o *Object) verify(cgroup *os.File) error {
	for _, p := range programs {
		id, err := libbpf.ProgID(o.progs[p.name])
		if err != nil {
			return fmt.Errorf("verify %s: %w", p.name, err)
		}
		ids, err := libbpf.QueryEffective(int(cgroup.Fd()), p.attach)
		if err != nil {
			return fmt.Errorf("verify %s: %w", p.name, err)
		}
		if !slices.Contains(ids, id) {
			return fmt.Errorf("verify %s: program %d is not in effect on the cgroup", p.name, id)
		}
	}
	return nil
}

// Swap replaces the rule set at once for every program and both families. A set that outgrew the
// loaded object's arrays gets another object, whose programs take over the links one by one. On
// error what was in force stays so, or for some programs the new set is.
func (o *Object) Swap(set *ruleset.Set) error {
	err := o.sets.replace(set)
	if !errors.Is(err, errTooLarge) {
		return err
	}
	c := o.config
	c.share = o
	bigger, err := load(set, c)
	if err != nil {
		return err
	}
	if err := bigger.sets.wait(); err != nil {
		return errors.Join(err, bigger.Close())
	}
	for _, p := range programs {
		if err := libbpf.UpdateLink(o.links[p.name], bigger.progs[p.name]); err != nil {
			return errors.Join(fmt.Errorf("replace %s: %w", p.name, err), bigger.Close())
		}
	}
	pin := mapPin(o.pins, mapSets)
	if err := os.Remove(pin); err != nil {
		return fmt.Errorf("replace pin of rule sets: %w", err)
	}
	if err := libbpf.Pin(bigger.sets.outer.FileDescriptor(), pin); err != nil {
		return err
	}
	old := *o
	o.module, o.sets, o.progs = bigger.module, bigger.sets, bigger.progs
	old.module.Close()
	return old.sets.close()
}

// Close gives the descriptors back. What is pinned stays in force.
func (o *Object) Close() error {
	err := o.closeLinks()
	o.module.Close()
	return errors.Join(err, o.sets.close())
}

func (o *Object) closeLinks() error {
	var errs []error
	for _, fd := range o.links {
		errs = append(errs, syscall.Close(fd))
	}
	o.links = nil
	return errors.Join(errs...)
}

// Unpin removes the pins of a jail: its links go, unless somebody holds them open.
func Unpin(pins string) error {
	if err := os.RemoveAll(pins); err != nil {
		return fmt.Errorf("remove pins: %w", err)
	}
	return nil
}
