// SPDX-License-Identifier: Apache-2.0

package jail

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/jail-ai/jail-ai/pkg/cgroup"
	"github.com/jail-ai/jail-ai/pkg/enforce"
	"github.com/jail-ai/jail-ai/pkg/event"
	"github.com/jail-ai/jail-ai/pkg/hint"
	"github.com/jail-ai/jail-ai/pkg/hostaddr"
	"github.com/jail-ai/jail-ai/pkg/policy"
	"github.com/jail-ai/jail-ai/pkg/ruleset"
	"github.com/jail-ai/jail-ai/pkg/runtime/native"
)

// Exit statuses of a run in which the command did not run.
const (
	StatusSetup         = native.StatusSetup         // the jail could not be set up
	StatusNotExecutable = native.StatusNotExecutable // the command could not be executed
	StatusNotFound      = native.StatusNotFound      // the command was not found
)

// Options say what to run.
type Options struct {
	Policy     *policy.Jail
	PolicyFile string // "" if there is none
	Name       string // of the jail; "" takes the policy's name for it, with a number if that is in use
	Command    []string

	Stdin, Stdout, Stderr *os.File
}

// Run runs a command in a jail, from making the jail to removing it, and returns the exit status
// for the whole program. An error says that jail-ai failed; with status 125, 126 or 127 nothing
// was run. The summary goes to Stderr.
func Run(o Options) (status int, err error) {
	if err := check(&o); err != nil {
		return StatusSetup, err
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, native.Forwarded...)
	defer signal.Stop(signals)

	claim, err := claimFor(o.Name, o.Policy.Name)
	if err != nil {
		return StatusSetup, err
	}
	s := &supervisor{Options: o, claim: claim, signals: signals}
	defer func() {
		if cleanErr := s.remove(); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("remove jail %s: %w", claim.id, cleanErr))
		}
	}()
	if err := s.setUp(); err != nil {
		return statusOf(err), err
	}
	return s.run()
}

// check refuses what this program can't do before anything is made.
func check(o *Options) error {
	if err := needRoot(); err != nil {
		return err
	}
	if o.Policy.Runtime != policy.RuntimeNative {
		return hint.Wrap(fmt.Errorf("runtime %s is not available in this version", o.Policy.Runtime), "write runtime: native")
	}
	if o.Policy.Network.Mode == policy.NetworkPrivate {
		return hint.Wrap(errors.New("network mode private is not available in this version"), "write mode: host, or mode: none for no network at all")
	}
	if o.Policy.Watch {
		return hint.Wrap(errors.New("watch: true is not available in this version"), "write watch: false and start the jail again after changes")
	}
	if len(o.Command) == 0 {
		o.Command = o.Policy.Command
	}
	if len(o.Command) == 0 {
		return hint.Wrap(errors.New("there is no command to run"), "name one after --, or as the policy's `command`")
	}
	return ensureRoots()
}

func needRoot() error {
	if os.Geteuid() != 0 {
		return hint.Wrap(errors.New("loading eBPF programs needs root"), "run this with sudo; the command still runs as you")
	}
	return nil
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, native.ErrNotFound):
		return StatusNotFound
	case errors.Is(err, native.ErrNotExecutable):
		return StatusNotExecutable
	}
	return StatusSetup
}

// plan asks the runtime what it would do; nothing is made yet.
func plan(o Options) (*native.Plan, error) {
	user, err := native.CurrentUser()
	if err != nil {
		return nil, err
	}
	dir, err := os.Getwd()
	if err != nil {
		return nil, fmt.Errorf("find current directory: %w", err)
	}
	p := o.Policy
	if user.Sudo {
		noteMissing(o.Stderr, p.Env)
	}
	spec := native.Spec{
		Command: o.Command, Dir: dir, Workspace: p.Workspace, Pass: p.Env.Pass, Set: p.Env.Set,
		Read: p.Filesystem.Read, Write: p.Filesystem.Write, Hide: p.Filesystem.Hide,
		User: user, NewNetwork: p.Network.Mode == policy.NetworkNone,
	}
	plan, err := native.NewPlan(spec)
	if !errors.Is(err, native.ErrPath) || p.Workspace != "." {
		return plan, err
	}
	// Wherever the caller happens to be, as in their home directory, is no place that they chose to
	// share. If it was another path of the policy, this fails in the same way.
	spec.Workspace = ""
	plan, elseErr := native.NewPlan(spec)
	if elseErr == nil {
		fmt.Fprintf(o.Stderr, "jail-ai: the command does not get the current directory: %v\n", err)
	}
	return plan, elseErr
}

// noteMissing tells of variables that the policy passes and sudo left behind, as it does by default:
// an agent without its key would only say that it has none.
func noteMissing(w io.Writer, env policy.Env) {
	for _, name := range env.Pass {
		_, set := env.Set[name]
		if _, found := os.LookupEnv(name); !found && !set {
			fmt.Fprintf(w, "jail-ai: env.pass: %s is not set; sudo hands it over with --preserve-env=%s\n", name, name)
		}
	}
}

// supervisor is one run.
type supervisor struct {
	Options
	claim   *claim
	signals chan os.Signal

	group   *cgroup.Group
	process *native.Process
	object  *enforce.Object
	machine policy.Machine // as the set in force has it
	updates <-chan hostaddr.Update
	stop    context.CancelFunc // ends the watch
	rules   rules

	reader  *enforce.Reader
	log     *event.Log
	summary event.Summary
	logErr  error
}

// setUp makes the jail: when it returns nil, whatever runs in the cgroup is held by the programs.
// The command's surroundings are made beside the load, which takes longest; the command itself waits.
func (s *supervisor) setUp() error {
	prepared := make(chan error, 1)
	go func() { prepared <- s.prepare() }()
	loadErr, prepareErr := s.load(), <-prepared
	if loadErr != nil && statusOf(prepareErr) != StatusSetup {
		return loadErr // that the command can't be run is not what failed first
	}
	if err := errors.Join(loadErr, prepareErr); err != nil {
		return err
	}
	if err := s.object.Attach(s.group.File(), pinDir(s.claim.id)); err != nil {
		return err
	}
	var err error
	if s.log, err = event.CreateLog(filepath.Join(stateDir(s.claim.id), "events.jsonl")); err != nil {
		return err
	}
	if s.reader, err = s.object.Events(s.report); err != nil {
		return err
	}
	return State{
		ID: s.claim.id, Jail: s.Policy.Name, Policy: s.PolicyFile, Runtime: s.Policy.Runtime, Mode: s.Policy.Mode,
		Command: s.Command, PID: os.Getpid(), Started: time.Now(), Cgroup: s.group.Path(), Pins: pinDir(s.claim.id),
	}.write()
}

// prepare makes the cgroup, and in it all that the command needs, but for the command.
func (s *supervisor) prepare() error {
	plan, err := plan(s.Options)
	if err != nil {
		return err
	}
	if s.group, err = cgroup.Create(s.claim.id); err != nil {
		return err
	}
	if err := s.limit(); err != nil {
		return err
	}
	s.process, err = plan.Prepare(s.group.File(), native.Stdio{In: s.Stdin, Out: s.Stdout, Err: s.Stderr})
	return err
}

// load compiles the policy for the machine as it is, begins to watch it, and loads the programs.
func (s *supervisor) load() error {
	ctx, stop := context.WithCancel(context.Background())
	s.stop = stop
	var err error
	if s.machine, s.updates, err = hostaddr.Watch(ctx); err != nil {
		return err
	}
	compiled, err := policy.Compile(s.Policy, s.machine, time.Now())
	if err != nil {
		return err
	}
	for _, w := range compiled.Warnings {
		fmt.Fprintf(s.Stderr, "jail-ai: %s\n", w)
	}
	s.rules.current.Store(compiled)
	s.object, err = enforce.Load(compiled.Set, int(ruleset.FirstRule)+len(compiled.Rules))
	return err
}

func (s *supervisor) limit() error {
	r := s.Policy.Resources
	if r == (policy.Resources{}) {
		return nil
	}
	return s.group.Apply(cgroup.Resources{Memory: r.Memory, CPUs: r.CPUs, PIDs: r.PIDs})
}

// run starts the command and stays until it has ended.
func (s *supervisor) run() (int, error) {
	select {
	case sig := <-s.signals:
		return native.StatusSignal + int(sig.(syscall.Signal)), nil
	default:
	}
	process := s.process
	process.Go()
	type result struct {
		status int
		err    error
	}
	ended := make(chan result, 1)
	go func() {
		status, err := process.Wait()
		ended <- result{status, err}
	}()
	ctx, cancel := context.WithCancel(context.Background())
	following := make(chan error, 1)
	go func() {
		defer close(following)
		following <- s.follow(ctx)
	}()
	failed := (<-chan error)(following)
	var failure error
	for {
		select {
		case r := <-ended:
			cancel()
			for range following { // what it was doing with the object has to end
			}
			return r.status, errors.Join(failure, r.err, s.conclude())
		case sig := <-s.signals:
			// The command may be gone already; its status tells.
			_ = process.Signal(sig)
		case failure = <-failed:
			// The set in force can't be kept true any more: nothing goes on under a stale one.
			failed = nil
			failure = errors.Join(failure, s.group.Kill(killTimeout))
		}
	}
}

// conclude ends what is left of the jail's processes and prints the summary.
func (s *supervisor) conclude() error {
	errs := []error{s.group.Kill(killTimeout), s.reader.Stop(s.report), s.logErr}
	s.reader = nil
	counts, err := s.object.Counts()
	errs = append(errs, err)
	var total uint64
	for _, c := range counts {
		total += c.Blocked + c.Audited
	}
	return errors.Join(append(errs, s.summary.Write(s.Stderr, s.claim.id, total))...)
}

// report takes one decision from the kernel.
func (s *supervisor) report(d event.Decision) {
	e := event.New(s.claim.id, d, &s.rules)
	s.summary.Add(e)
	if err := s.log.Add(e); err != nil && s.logErr == nil {
		s.logErr = err
	}
}

// remove takes down what setUp made, in any state of it.
func (s *supervisor) remove() error {
	var errs []error
	if s.stop != nil {
		s.stop()
	}
	if s.process != nil {
		errs = append(errs, s.process.Close())
	}
	if s.group != nil {
		errs = append(errs, s.group.Kill(killTimeout), enforce.Outlive(s.group.File(), pinDir(s.claim.id)),
			s.group.Remove(), s.group.Close())
	}
	if s.reader != nil {
		errs = append(errs, s.reader.Stop(func(event.Decision) {}))
	}
	if s.object != nil {
		errs = append(errs, s.object.Close())
	}
	if s.log != nil {
		errs = append(errs, s.log.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return err // the pins stay, and the next gc tries again
	}
	return errors.Join(enforce.Unpin(pinDir(s.claim.id)), s.claim.release())
}
