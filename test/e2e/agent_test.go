// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// startLimit is how long a process may take to be there, and a request to be answered.
const startLimit = 15 * time.Second

// step is a call of the probe with its arguments (see test/probe).
type step []string

// do makes a step of its words.
func do(words ...string) step {
	return words
}

// reply is the probe's result.
type reply struct {
	ID    int     `json:"id"`
	Step  string  `json:"op"`
	OK    bool    `json:"ok"`
	Errno string  `json:"errno"`
	Err   string  `json:"err"`
	MS    float64 `json:"ms"`
	Data  string  `json:"data"`
}

func (r reply) String() string {
	if r.OK {
		return fmt.Sprintf("%s: ok %q", r.Step, r.Data)
	}
	return fmt.Sprintf("%s: %s after %v", r.Step, r.Err, r.took())
}

// took is how long the last call took.
func (r reply) took() time.Duration {
	return time.Duration(r.MS * float64(time.Millisecond))
}

// agent is a running probe that does what the test asks it to, in a jail or out of it.
type agent struct {
	where string // for messages
	cmd   *exec.Cmd
	stdin io.WriteCloser
	text  *strings.Builder // standard error; complete when ended is closed

	mu      sync.Mutex
	waiting map[int]chan reply
	ended   chan struct{}
	next    int
}

// startAgent starts cmd, which ends up as `probe agent`, in the space.
func startAgent(t *testing.T, where string, at *space, cmd *exec.Cmd) *agent {
	t.Helper()
	a := &agent{
		where: where, cmd: cmd, text: &strings.Builder{},
		waiting: map[int]chan reply{}, ended: make(chan struct{}),
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.stdin, cmd.Stderr = stdin, a.text
	greeting := a.expect(0)
	if err := at.start(cmd); err != nil {
		t.Fatalf("start the probe %s: %v", where, err)
	}
	go a.read(stdout)
	t.Cleanup(func() { a.stop(t) })
	select {
	case <-greeting:
	case <-a.ended:
		t.Fatalf("the probe %s did not start: %v\n%s", where, cmd.ProcessState, a.text)
	case <-time.After(startLimit):
		t.Fatalf("the probe %s did not start within %v", where, startLimit)
	}
	return a
}

// read hands out the answers until there are no more.
func (a *agent) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r reply
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			continue // a process that was waited for misses its answer and says so
		}
		a.mu.Lock()
		answer := a.waiting[r.ID]
		delete(a.waiting, r.ID)
		a.mu.Unlock()
		if answer != nil {
			answer <- r
		}
	}
	_ = a.cmd.Wait() // the state says it all
	close(a.ended)
}

func (a *agent) expect(id int) chan reply {
	answer := make(chan reply, 1)
	a.mu.Lock()
	a.waiting[id] = answer
	a.mu.Unlock()
	return answer
}

// try takes the steps and says what became of them.
func (a *agent) try(t *testing.T, steps ...step) reply {
	t.Helper()
	return a.ask(t, false, steps)
}

// tryChild takes the steps in a child process of the agent's.
func (a *agent) tryChild(t *testing.T, steps ...step) reply {
	t.Helper()
	return a.ask(t, true, steps)
}

func (a *agent) ask(t *testing.T, child bool, steps []step) reply {
	t.Helper()
	a.mu.Lock()
	a.next++
	id := a.next
	a.mu.Unlock()
	answer := a.expect(id)
	request, err := json.Marshal(map[string]any{"id": id, "steps": steps, "child": child})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.stdin.Write(append(request, '\n')); err != nil {
		t.Fatalf("ask the probe %s: %v", a.where, err)
	}
	select {
	case r := <-answer:
		return r
	case <-a.ended:
		t.Fatalf("the probe %s has gone: %v\n%s", a.where, a.cmd.ProcessState, a.text)
	case <-time.After(startLimit):
		t.Fatalf("the probe %s gave no answer to %q within %v", a.where, steps, startLimit)
	}
	return reply{}
}

// must takes the steps, all of which have to succeed, and returns what they yield.
func (a *agent) must(t *testing.T, steps ...step) string {
	t.Helper()
	r := a.try(t, steps...)
	if !r.OK {
		t.Fatalf("%s: %v", a.where, r)
	}
	return r.Data
}

// stop ends the agent and waits until it, and the jail around it, are gone.
func (a *agent) stop(t *testing.T) {
	t.Helper()
	_ = a.stdin.Close()
	select {
	case <-a.ended:
	case <-time.After(startLimit):
		t.Errorf("the probe %s did not end within %v", a.where, startLimit)
		_ = a.cmd.Process.Kill()
		<-a.ended
	}
}

var tokens atomic.Int64

// newToken returns a word that no other attempt sends.
func newToken() string {
	return "token-" + strconv.FormatInt(tokens.Add(1), 10)
}

// outside starts an agent in the host space, in no jail: what the machine's other programs can do.
// user is whom jails run as when started likewise.
func (w *world) outside(t *testing.T, user bool) *agent {
	t.Helper()
	return w.agentAt(t, "outside of the jail", w.host, user)
}

// afar starts an agent in the world behind the gateway.
func (w *world) afar(t *testing.T) *agent {
	t.Helper()
	return w.agentAt(t, "in the web", w.web, false)
}

func (w *world) agentAt(t *testing.T, where string, at *space, user bool) *agent {
	t.Helper()
	cmd := exec.Command(w.probe(), "agent")
	cmd.Dir, cmd.Env = w.work, w.env(nil)
	if user {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: devID, Gid: devID}}
	}
	return startAgent(t, where, at, cmd)
}
