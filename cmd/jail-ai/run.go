// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"github.com/jail-ai/jail-ai/pkg/jail"
	"github.com/jail-ai/jail-ai/pkg/policy"
	"github.com/jail-ai/jail-ai/pkg/ruleset"
)

func policyFlag() cli.Flag {
	return &cli.StringFlag{Name: "config", Aliases: []string{"c"}, Usage: "the `POLICY` file; without it the defaults hold"}
}

func jailFlag() cli.Flag {
	return &cli.StringFlag{Name: "jail", Usage: "the jail `NAME` in the policy; not needed for the only one, or one named default"}
}

func runCommand() *cli.Command {
	return &cli.Command{
		Name:      "run",
		Usage:     "run a command in a jail",
		ArgsUsage: "[--] [COMMAND [ARG...]]",
		Description: "The exit status is the command's own; 125 if the jail could not be set up (nothing was\n" +
			"run), 126 if the command could not be executed, 127 if it was not found, 128+n if signal n\n" +
			"ended it. What was refused is told on standard error at the end.",
		Flags: []cli.Flag{
			policyFlag(), jailFlag(),
			&cli.StringFlag{Name: "name", Usage: "the `ID` of this run; default: the jail's name"},
			&cli.StringFlag{Name: "runtime", Usage: "`native`, over the policy's"},
			&cli.StringSliceFlag{Name: "block", Usage: "refuse `TERM` too: a group, an address, a CIDR, ADDRESS:PORT"},
			&cli.StringSliceFlag{Name: "allow", Usage: "allow `TERM` too"},
			&cli.BoolFlag{Name: "block-host", Usage: "short for --block host"},
			&cli.BoolFlag{Name: "audit", Usage: "report what would be refused, refuse nothing"},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	p, err := loadJail(c.String("config"), c.String("jail"))
	if err != nil {
		return err
	}
	if r := c.String("runtime"); r != "" {
		p.Runtime = r
	}
	if c.Bool("audit") {
		p.Mode = policy.ModeAudit
	}
	block := c.StringSlice("block")
	if c.Bool("block-host") {
		block = append(block, "host")
	}
	if err := addTerms(p, block, c.StringSlice("allow")); err != nil {
		return err
	}
	status, err := jail.Run(jail.Options{
		Policy: p, PolicyFile: c.String("config"), Name: c.String("name"), Command: c.Args().Slice(),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
	if err != nil {
		printError(err)
	}
	return statusError(status)
}

func addTerms(p *policy.Jail, block, allow []string) error {
	for _, term := range block {
		if err := p.AddTerm(ruleset.Block, term); err != nil {
			return err
		}
	}
	for _, term := range allow {
		if err := p.AddTerm(ruleset.Allow, term); err != nil {
			return err
		}
	}
	return nil
}

// loadJail returns a jail of a policy file, or of the defaults where there is no file.
func loadJail(path, name string) (*policy.Jail, error) {
	if path == "" {
		p := policy.Default()
		if name != "" && name != p.Name {
			return nil, &usageError{fmt.Errorf("there is no jail %s without a policy: give one with -c", name)}
		}
		return p, nil
	}
	f, err := policy.Load(path)
	if err != nil {
		return nil, err
	}
	return f.Jail(name)
}
