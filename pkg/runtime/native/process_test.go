// SPDX-License-Identifier: Apache-2.0

package native

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func sorted(list []string) []string { return slices.Sorted(slices.Values(list)) }

func contains(list []string, entry string) bool { return slices.Contains(list, entry) }

func TestExitStatus(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		for _, c := range []struct {
			script string
			want   int
		}{
			{"exit 0", 0},
			{"exit 1", 1},
			{"exit 7", 7},
			{"exit 255", 255},
			{"no-such-command", 127},
			{"./", 126},
			{"kill -TERM $$", 143},
			{"kill -KILL $$", 137},
			{"kill -SEGV $$", 139},
			{"sleep 60 & exit 4", 4}, // what stays behind is killed
			{"trap '' TERM; kill 0; exit 5", 5},
		} {
			if r := run(t, p.spec("bash", "-c", c.script)); r.status != c.want {
				t.Errorf("%q: status %d, want %d (%s)", c.script, r.status, c.want, r.err)
			}
		}
	})
}

func TestPrivileges(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		id := strconv.Itoa(int(p.user.UID))
		got := script(t, p.spec(), `id -u; id -g; id -G; cd /proc/self; grep -E '^(CapPrm|CapEff|CapAmb|NoNewPrivs)' status | cut -f2; hostname`)
		host, err := os.Hostname()
		if err != nil {
			t.Fatal(err)
		}
		const none = "0000000000000000\n"
		if want := id + "\n" + id + "\n" + id + "\n" + none + none + none + "1\n" + host; got != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
		if got := script(t, p.spec(), `mount -t tmpfs none /mnt 2>&1; umount /etc 2>&1; echo x > /usr/x; mkdir /x; echo end`); !strings.HasSuffix(got, "end") {
			t.Errorf("got %q", got)
		}
	})
}

func TestNamespaces(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		spec := p.spec()
		got := strings.Fields(script(t, spec, `cd /proc/self/ns; for n in pid ipc uts mnt cgroup net; do readlink $n; done; cat /proc/self/cgroup | tail -n 1; ls /proc | grep -c '^[0-9]'`))
		for i, name := range []string{"pid", "ipc", "uts", "mnt", "cgroup", "net"} {
			host, err := os.Readlink("/proc/self/ns/" + name)
			if err != nil {
				t.Fatal(err)
			}
			if same := got[i] == host; same != (name == "net") {
				t.Errorf("namespace %s: %s in the jail, %s on the host", name, got[i], host)
			}
		}
		if got[6] != "0::/" {
			t.Errorf("the cgroup as the jail sees it: %s", got[6])
		}
		if n, err := strconv.Atoi(got[7]); err != nil || n > 5 {
			t.Errorf("%d processes in /proc: %v", n, err)
		}
		spec.NewNetwork = true
		if got := script(t, spec, `tail -n +3 /proc/net/dev | cut -d: -f1; exec 3<>/dev/udp/127.0.0.1/9 && echo up`); strings.Join(strings.Fields(got), " ") != "lo up" {
			t.Errorf("a network of its own: %q", got)
		}
	})
}

// TestCgroup looks from outside: every process of the jail is in the cgroup, bubblewrap's too.
func TestCgroup(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		g := newCgroup(t)
		plan, err := NewPlan(p.spec("bash", "-c", "touch ready; read"))
		if err != nil {
			t.Fatal(err)
		}
		in, hold, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		process, err := plan.Start(g.File(), Stdio{In: in})
		if err != nil {
			t.Fatal(err)
		}
		defer process.Close()
		eventually(t, "the command runs", func() bool { _, err := os.Stat(p.workspace + "/ready"); return err == nil })
		eventually(t, "bash and two bwraps are in the cgroup, and nothing else", func() bool {
			pids, err := g.PIDs()
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, pid := range pids {
				names = append(names, statusField(pid, "Name:"))
			}
			return slices.Equal(sorted(names), []string{"bash", "bwrap", "bwrap"})
		})
		hold.Close()
		if status, err := process.Wait(); status != 1 || err != nil {
			t.Errorf("status %d, %v", status, err)
		}
		eventually(t, "the cgroup is empty", func() bool { pids, err := g.PIDs(); return err == nil && len(pids) == 0 })
	})
}

// TestDescriptors: whatever this process has open, close-on-exec or not, the command has 0 to 2.
func TestDescriptors(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		p.file(t, ".nvm/.npmrc", "x") // some masked files
		spec := p.spec("bash", "-c", "ls /proc/self/fd; ls /proc/$$/fd; ls /proc/1/fd | wc -l")
		spec.Hide = []string{"/etc/passwd"}
		plan, err := NewPlan(spec)
		if err != nil {
			t.Fatal(err)
		}
		for name, closeAll := range map[string]func() error{"close_range": closeOnExec, "one by one": closeOnExecOneByOne} {
			listener, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				t.Fatal(err)
			}
			high, err := unix.FcntlInt(uintptr(listener), unix.F_DUPFD, 200)
			if err != nil {
				t.Fatal(err)
			}
			if err := closeAll(); err != nil {
				t.Fatal(err)
			}
			for _, fd := range []int{listener, high} {
				if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
					t.Errorf("%s: descriptor %d: %#x, %v", name, fd, flags, err)
				}
				if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil {
					t.Fatal(err)
				}
			}
			defer unix.Close(listener)
			defer unix.Close(high)
		}
		// ls has the directory open as 3; pid 1 has 0 to 2 and what tells bwrap the status.
		if r := runPlan(t, plan, nil); r.out != "0\n1\n2\n3\n0\n1\n2\n4\n" {
			t.Errorf("descriptors: %q", r.out)
		}
	})
}

func TestStdio(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		input, err := os.Open(p.file(t, "input", "line\n"))
		if err != nil {
			t.Fatal(err)
		}
		defer input.Close()
		plan, err := NewPlan(p.spec("bash", "-c", "cat; echo err >&2; [ ! -t 0 ] && echo none"))
		if err != nil {
			t.Fatal(err)
		}
		if r := runPlan(t, plan, input); r != (result{0, "line\nnone\n", "err\n"}) {
			t.Errorf("got %+v", r)
		}
		if r := runPlan(t, plan, nil); r != (result{0, "none\n", "err\n"}) {
			t.Errorf("without an input: %+v", r)
		}
		// A directory would be a way to the host's files: /proc/self/fd/0/../…
		directory, err := os.Open("/")
		if err != nil {
			t.Fatal(err)
		}
		defer directory.Close()
		if _, err := plan.Start(newCgroup(t).File(), Stdio{In: directory}); err == nil {
			t.Error("a directory as standard input was accepted")
		}
		path, err := os.OpenFile(input.Name(), unix.O_PATH, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer path.Close()
		if _, err := plan.Start(newCgroup(t).File(), Stdio{In: path}); err == nil {
			t.Error("an O_PATH descriptor as standard input was accepted")
		}
	})
}

// TestSocketStdio: sockets work as standard files, and none is in the jail.
func TestSocketStdio(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		listener, err := net.Listen("unix", filepath.Join(p.home, "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		client, err := net.Dial("unix", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		server, err := listener.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		socket, err := server.(*net.UnixConn).File()
		if err != nil {
			t.Fatal(err)
		}
		plan, err := NewPlan(p.spec("bash", "-c", `for f in 0 1 2; do readlink /proc/$$/fd/$f | cut -d: -f1; done; read line; echo "got $line"; head -c 300000 /dev/zero | tr '\0' x; echo; echo problem >&2`))
		if err != nil {
			t.Fatal(err)
		}
		process, err := plan.Start(newCgroup(t).File(), Stdio{In: socket, Out: socket, Err: socket})
		if err != nil {
			t.Fatal(err)
		}
		defer process.Close()
		output := make(chan string)
		go func() {
			data, _ := io.ReadAll(client)
			output <- string(data)
		}()
		if _, err := io.WriteString(client, "hello\nmore that nobody reads\n"); err != nil {
			t.Fatal(err)
		}
		if status, err := process.Wait(); status != 0 || err != nil {
			t.Errorf("status %d, %v", status, err)
		}
		server.Close()
		socket.Close()
		got := <-output
		if !strings.HasPrefix(got, "pipe\npipe\npipe\ngot hello\nxxxx") || len(got) < 300000 || !strings.Contains(got, "problem\n") {
			t.Errorf("got %d bytes: %.60q", len(got), got)
		}
	})
}

func TestSignal(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		// Sent at once, before the command is there; it doesn't matter whether it could set its trap.
		plan, err := NewPlan(p.spec("bash", "-c", "trap 'exit 33' TERM; touch ready; while :; do sleep 0.01; done"))
		if err != nil {
			t.Fatal(err)
		}
		for _, wait := range []bool{false, true} {
			process, err := plan.Start(newCgroup(t).File(), Stdio{})
			if err != nil {
				t.Fatal(err)
			}
			defer process.Close()
			if wait {
				eventually(t, "the command runs", func() bool { _, err := os.Stat(p.workspace + "/ready"); return err == nil })
			}
			if err := process.Signal(unix.SIGTERM); err != nil {
				t.Fatal(err)
			}
			status, err := process.Wait()
			if err != nil || status != 33 && (wait || status != 143) {
				t.Errorf("after waiting (%v): status %d, %v", wait, status, err)
			}
			if err := process.Signal(unix.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
				t.Errorf("signal after the end: %v", err)
			}
			os.Remove(p.workspace + "/ready")
		}
	})
}

func TestCloseKills(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		g := newCgroup(t)
		plan, err := NewPlan(p.spec("bash", "-c", "trap '' TERM HUP; sleep 60 & sleep 60"))
		if err != nil {
			t.Fatal(err)
		}
		process, err := plan.Start(g.File(), Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
		if err := errors.Join(process.Close(), process.Close()); err != nil {
			t.Fatal(err)
		}
		if status, err := process.Wait(); status != 137 || err != nil {
			t.Errorf("status %d, %v", status, err)
		}
		eventually(t, "the cgroup is empty", func() bool { pids, err := g.PIDs(); return err == nil && len(pids) == 0 })
	})
}

// TestSetupFailure: what bubblewrap can't do is told apart from a command that fails.
func TestSetupFailure(t *testing.T) {
	everyone(t, func(t *testing.T, p *place) {
		plan, err := NewPlan(p.spec("true"))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(p.workspace); err != nil {
			t.Fatal(err)
		}
		process, err := plan.Start(newCgroup(t).File(), Stdio{})
		if err != nil {
			t.Fatal(err)
		}
		defer process.Close()
		if status, err := process.Wait(); status != StatusSetup || !errors.Is(err, ErrSetup) {
			t.Errorf("status %d, %v; want %d, ErrSetup", status, err, StatusSetup)
		}
	})
}

func TestGate(t *testing.T) {
	for _, opened := range []bool{true, false} {
		g, err := newGate()
		if err != nil {
			t.Fatal(err)
		}
		if opened {
			g.open()
		}
		g.here.Close()
		n, err := unix.Read(int(g.bwrap.Fd()), make([]byte, 1))
		if opened && (n != 0 || err != nil) || !opened && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("opened %v: %d bytes, %v", opened, n, err)
		}
		g.close()
	}
}

func TestBadCgroup(t *testing.T) {
	p := newPlace(t, 0)
	requireJails(t)
	plan, err := NewPlan(p.spec("true"))
	if err != nil {
		t.Fatal(err)
	}
	directory, err := os.Open(p.home)
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()
	if _, err = plan.Start(directory, Stdio{}); err == nil {
		t.Fatal("a jail outside of any cgroup was started")
	}
	wantHint(t, err, unix.EBADF, "version 2")
}
