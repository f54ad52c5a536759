// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// killRounds is how often jail-ai is killed, half of them while the jail is being made.
const killRounds = 20

// SIGKILL of jail-ai at any moment leaves no process that reaches the host, and what is left is
// cleaned up by the next run, or by gc.
func TestKilled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hostTCP, hostUDP := listenBoth(t, w.host, "127.0.0.1:7000")
	webTCP, _ := listenBoth(t, w.web, webV4+":7000")
	kill := func(round int) (id string) {
		id = newID()
		// From its first instruction on, and for as long as it lives.
		cmd := w.command(t, id, setup{}, w.probe(), "hammer", "tcp-connect", hostTCP.addr, "x,",
			"udp-send", hostTCP.addr, "x,", "tcp-connect", webTCP.addr, "x")
		if err := w.host.start(cmd); err != nil {
			t.Fatal(err)
		}
		if round%2 == 1 { // in the midst of its work, however long this machine takes to get there
			before := webTCP.arrivals()
			for deadline := time.Now().Add(20 * time.Second); webTCP.arrivals() == before; time.Sleep(time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("the jailed process reaches nothing at all: the test shows nothing")
				}
			}
		}
		after := time.Duration(rand.IntN(60)) * time.Millisecond
		time.Sleep(after)
		if err := cmd.Process.Kill(); err != nil {
			t.Fatalf("kill jail-ai after %v: %v", after, err)
		}
		_ = cmd.Wait()
		return id
	}
	for _, cleaner := range []string{"run", "gc"} {
		var ids []string
		for round := range killRounds / 2 {
			ids = append(ids, kill(round))
		}
		wantNothing(t, hostTCP, hostUDP)
		if cleaner == "run" {
			if o := w.runJail(t, setup{}, "true"); o.code != 0 {
				t.Errorf("run after killed ones: status %d\n%s", o.code, o.stderr)
			}
		} else if o := w.run(t, w.jailAI("gc")); o.code != 0 {
			t.Errorf("gc: status %d\n%s", o.code, o.stderr)
		}
		for _, id := range ids {
			wantNoTraces(t, id)
		}
	}
	wantNothing(t, hostTCP, hostUDP)
	out := w.outside(t, false)
	wantArrival(t, out, target{technique: "tcp-connect", addr: hostTCP.addr, at: hostTCP})
	wantArrival(t, out, target{technique: "udp-send", addr: hostUDP.addr, at: hostUDP})
}

// gc leaves running jails alone.
func TestCleaningSparesTheLiving(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{})
	if o := w.run(t, w.jailAI("gc")); o.code != 0 {
		t.Errorf("gc: status %d\n%s", o.code, o.stderr)
	}
	if got := traces(t, j.id); len(got) != 3 {
		t.Errorf("of a running jail there is only %q", got)
	}
	wantErrno(t, "after gc", j.try(t, do("tcp-connect", "127.0.0.1:7000", "x")), "EPERM")
	j.finish(t)
}

// A jail refuses from the first instruction on, many times over.
func TestFirstInstruction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tcp, udp := listenBoth(t, w.host, "127.0.0.1:7000")
	for range 8 {
		for _, technique := range []string{"tcp-connect", "udp-send"} {
			o := w.runJail(t, setup{}, w.probe(), technique, "127.0.0.1:7000", "x")
			if o.code != 1 || !strings.Contains(o.stdout, `"errno":"EPERM"`) {
				t.Errorf("%s: status %d, %q\n%s", technique, o.code, o.stdout, o.stderr)
			}
		}
	}
	wantNothing(t, tcp, udp)
}

// To a jail, another jail is the host: its servers are not its own.
func TestTwoJails(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := w.jail(t, setup{policy: network("block: [host, 198.51.100.0/24]")})
	two := w.jail(t, setup{policy: network("block: [host, 203.0.113.0/24]")})
	wantOwnReached := func(j *jail, addr string) {
		t.Helper()
		if r := j.try(t, do("tcp-connect", addr, "x")); !r.OK {
			t.Errorf("own listener: %v", r)
		}
	}
	var ports []string
	for i, j := range []*jail{one, two} {
		addr := fmt.Sprintf("127.0.0.1:%d", 4100+i)
		for _, kind := range []string{"tcp4", "udp4"} {
			steps := []step{do("open", "@"+kind, kind), do("bind", "@"+kind, addr)}
			if kind == "tcp4" {
				steps = append(steps, do("listen", "@tcp4"))
			}
			j.must(t, append(steps, do("serve", "@"+kind))...)
		}
		ports = append(ports, addr)
	}
	for i, j := range []*jail{one, two} {
		wantOwnReached(j, ports[i])
		for _, technique := range append(append([]string{}, tcpTechniques...), udpTechniques...) {
			wantErrno(t, technique+" to the other jail", j.try(t, do(technique, ports[1-i], "x")), "EPERM")
		}
	}
	// Each has its own policy.
	first, second := listen(t, w.web, "tcp", "198.51.100.10:7000"), listen(t, w.web, "tcp", webV4+":7000")
	wantErrno(t, "blocked in one", one.try(t, do("tcp-connect", first.addr, "x")), "EPERM")
	wantErrno(t, "blocked in two", two.try(t, do("tcp-connect", second.addr, "x")), "EPERM")
	wantNothing(t, first, second)
	wantArrival(t, one.agent, target{technique: "tcp-connect", addr: second.addr, at: second})
	wantArrival(t, two.agent, target{technique: "tcp-connect", addr: first.addr, at: first})
	// The end of one is not the end of the other.
	one.finish(t)
	wantErrno(t, "after the other's end", two.try(t, do("tcp-connect", "127.0.0.1:4100", "x")), "EPERM")
	wantOwnReached(two, ports[1])
}

// An id is of one jail at a time.
func TestNameInUse(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	j := w.jail(t, setup{})
	o := w.run(t, w.command(t, j.id, setup{}, "true"))
	if o.code != statusSetUp || !strings.Contains(o.stderr, j.id) {
		t.Errorf("a second jail of the same name: status %d\n%s", o.code, o.stderr)
	}
	wantErrno(t, "the first one goes on", j.try(t, do("tcp-connect", "127.0.0.1:7000", "x")), "EPERM")
	j.finish(t)
}

// Children, their children and those that leave their session are in the jail, and end with it.
func TestProcessTree(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host, web := listen(t, w.host, "tcp", "127.0.0.1:7000"), listen(t, w.web, "tcp", webV4+":7000")
	script := fmt.Sprintf(`sh -c 'sh -c "setsid %[1]s tcp-connect %[2]s deep"; true'
		setsid sh -c '%[1]s hammer tcp-connect %[2]s x, tcp-connect %[3]s x' >/dev/null 2>&1 &
		sleep 0.2`, w.probe(), host.addr, web.addr)
	o := w.runJail(t, setup{}, "bash", "-c", script)
	if o.code != 0 || !strings.Contains(o.stdout, `"errno":"EPERM"`) {
		t.Errorf("status %d, %q\n%s", o.code, o.stdout, o.stderr)
	}
	if web.arrivals() == 0 {
		t.Error("the process in the background did nothing: the test shows nothing")
	}
	time.Sleep(grace)
	before := web.arrivals()
	time.Sleep(grace)
	if n := web.arrivals() - before; n != 0 {
		t.Errorf("%d connections after the jail's end, want none", n)
	}
	wantNothing(t, host)
}

// The command gets no socket that was made outside of the jail, and no privilege.
func TestNothingInherited(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	host := listen(t, w.host, "tcp", "127.0.0.1:7000")
	// A connection to the host that is open when jail-ai starts.
	var fd int
	err := w.host.do(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrInet4{Port: 7000, Addr: [4]byte{127, 0, 0, 1}})
	})
	if err != nil {
		t.Fatal(err)
	}
	id := newID()
	cmd := w.command(t, id, setup{}, w.probe(), "identity")
	file := os.NewFile(uintptr(fd), "inherited socket")
	defer file.Close()
	cmd.ExtraFiles = []*os.File{file}
	o := w.run(t, cmd)
	wantNoTraces(t, id)
	if o.code != 0 || !strings.Contains(o.stdout, "NoNewPrivs:1") {
		t.Errorf("status %d, %q, want NoNewPrivs:1\n%s", o.code, o.stdout, o.stderr)
	}
	if strings.Contains(o.stdout, "socket:") {
		t.Errorf("a socket was inherited: %s", o.stdout)
	}
	for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapAmb"} {
		if !strings.Contains(o.stdout, set+":0000000000000000") {
			t.Errorf("capabilities: %s, want none in %s", o.stdout, set)
		}
	}
	if host.arrivals() != 1 {
		t.Errorf("%d arrivals, want the one from before the jail", host.arrivals())
	}
}

// The host's Unix sockets are out of sight.
func TestUnixSocketHidden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir, err := os.MkdirTemp("/run", "e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "engine.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if o := w.runJail(t, setup{}, "test", "-e", path); o.code != 1 {
		t.Errorf("test -e %s in the jail: status %d, want 1\n%s", path, o.code, o.stderr)
	}
	if o := w.run(t, w.plain("test", "-e", path)); o.code != 0 {
		t.Errorf("test -e %s outside of the jail: status %d", path, o.code)
	}
}
