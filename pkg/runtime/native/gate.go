// SPDX-License-Identifier: Apache-2.0

package native

import (
	"bytes"
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The kernel kills bwrap when the thread that started it ends (PDEATHSIG), and bwrap's
// --die-with-parent does the same one level down. Both begin some time after the process does, and
// neither looks whether its parent is still there. A supervisor that is killed while a jail starts
// would leave it running, without two more things:
//
//   - the gate keeps bwrap from finishing before this process lets it, so that PDEATHSIG is in force
//     by then, and makes it fail if this process is gone;
//   - a PID namespace around bwrap, whose number 1 it is, has the kernel kill what is inside
//     together with bwrap, however far it is. Where it can't be had (see outerNamespace), a moment
//     remains in which such a jail survives; its cgroup and its rules do too.

// gatePath is the file that bwrap makes of it, last of all: empty, and of no further use. Nothing can
// be mounted over its directory.
const gatePath = "/.jail-ai"

// gate is a pair of sockets. bwrap reads its end as the content of a file to make: it blocks. An
// orderly end lets it go on. If this process dies, its end closes with a byte unread, which the
// kernel reports as ECONNRESET: bwrap gives up.
type gate struct {
	here, bwrap *os.File
}

func newGate() (*gate, error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("make the gate: %w", err)
	}
	g := &gate{os.NewFile(uintptr(pair[0]), "gate"), os.NewFile(uintptr(pair[1]), "gate of bwrap")}
	if _, err := unix.Write(pair[1], []byte{0}); err != nil {
		g.close()
		return nil, fmt.Errorf("make the gate: %w", err)
	}
	return g, nil
}

// open lets bwrap go on.
func (g *gate) open() {
	// Neither can fail on a socket with a byte in it; if they did, bwrap would give up.
	_, _ = unix.Read(int(g.here.Fd()), make([]byte, 1))
}

// close is for when bwrap has its end, and the gate was opened if it is to go on.
func (g *gate) close() { closeAll([]*os.File{g.here, g.bwrap}) }

// outerNamespace is the clone flag for the PID namespace around bwrap. Only root can make it. And
// only where /proc is that of the first PID namespace: bwrap looks its child up there by the number
// that the child has in the namespace around it, which is 2, and gives up if there is no such
// process. (What it reads there is not used; the machine's own number 2 is always there.)
func outerNamespace() uintptr {
	comm, err := os.ReadFile("/proc/2/comm")
	if err != nil || os.Geteuid() != 0 || !bytes.Equal(bytes.TrimSpace(comm), []byte("kthreadd")) {
		return 0
	}
	return syscall.CLONE_NEWPID
}
