// SPDX-License-Identifier: Apache-2.0

// Command jail-ai starts a command, such as an AI agent, in a jail whose connections to the host
// and to whatever the policy forbids are refused by the kernel.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/jail-ai/jail-ai/pkg/hint"
	"github.com/jail-ai/jail-ai/pkg/jail"
	"github.com/jail-ai/jail-ai/pkg/policy"
)

// version is set by the build.
var version = "unknown"

// statusError ends the program with a status; what is to be said has been said.
type statusError int

func (e statusError) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

func main() {
	app := &cli.App{
		Name:            "jail-ai",
		Usage:           "run a command that cannot reach this host",
		HideVersion:     true,
		HideHelpCommand: true,
		Commands:        strict(runCommand(), policyCommand(), hostsCommand(), gcCommand(), versionCommand()),
		OnUsageError:    usage,
		ExitErrHandler:  func(*cli.Context, error) {}, // main decides
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return &usageError{fmt.Errorf("no command is called %q", c.Args().First())}
			}
			return cli.ShowAppHelp(c)
		},
	}
	os.Exit(status(app.Run(os.Args)))
}

// strict makes commands tell of wrong flags as of any other error, instead of printing the help.
func strict(commands ...*cli.Command) []*cli.Command {
	for _, c := range commands {
		c.OnUsageError = usage
		c.HideHelpCommand = true
		strict(c.Subcommands...)
	}
	return commands
}

func usage(_ *cli.Context, err error, _ bool) error { return &usageError{err} }

// usageError is a call that is not of the documented form.
type usageError struct{ error }

func (e *usageError) Hint() string { return "see jail-ai --help" }

// status prints an error and returns the exit status.
func status(err error) int {
	if err == nil {
		return 0
	}
	var s statusError
	if errors.As(err, &s) {
		return int(s)
	}
	printError(err)
	// Nothing of run's was reached: its own errors are statusErrors.
	if len(os.Args) > 1 && os.Args[1] == "run" {
		return jail.StatusSetup
	}
	return 1
}

// printError writes an error, and how to mend it, to standard error.
func printError(err error) {
	var diagnostics policy.Errors
	if errors.As(err, &diagnostics) {
		fmt.Fprintf(os.Stderr, "jail-ai: the policy has errors:\n%v\n", diagnostics)
		return
	}
	fmt.Fprintf(os.Stderr, "jail-ai: %v\n", err)
	if h := hint.Of(err); h != "" {
		fmt.Fprintf(os.Stderr, "hint: %s\n", h)
	}
}
