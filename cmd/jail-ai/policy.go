// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/jail-ai/jail-ai/pkg/hostaddr"
	"github.com/jail-ai/jail-ai/pkg/policy"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "check and explain policies",
		Subcommands: []*cli.Command{
			{
				Name: "check", Usage: "tell everything that is wrong with a policy", ArgsUsage: "FILE", Action: policyCheck,
			},
			{
				Name: "explain", Usage: "tell which rule decides for a destination, and why",
				ArgsUsage: "ADDRESS[:PORT][/tcp|udp]", Flags: []cli.Flag{policyFlag(), jailFlag()}, Action: policyExplain,
			},
		},
	}
}

func policyCheck(c *cli.Context) error {
	if c.NArg() != 1 {
		return &usageError{errors.New("policy check takes one FILE")}
	}
	path := c.Args().First()
	machine, err := hostaddr.Read()
	if err != nil {
		return err
	}
	report, err := policy.Check(path, machine, time.Now())
	var diagnostics policy.Errors
	if errors.As(err, &diagnostics) {
		fmt.Fprintln(os.Stderr, diagnostics)
		return statusError(1)
	}
	if err != nil {
		return err
	}
	fmt.Println(report)
	return nil
}

func policyExplain(c *cli.Context) error {
	if c.NArg() != 1 {
		return &usageError{errors.New("policy explain takes one ADDRESS[:PORT][/tcp|udp]")}
	}
	addr, proto, port, err := policy.ParseDestination(c.Args().First())
	if err != nil {
		return err
	}
	p, err := loadJail(c.String("config"), c.String("jail"))
	if err != nil {
		return err
	}
	machine, err := hostaddr.Read()
	if err != nil {
		return err
	}
	compiled, err := policy.Compile(p, machine, time.Now())
	if err != nil {
		return err
	}
	fmt.Println(compiled.Explain(addr, proto, port))
	return nil
}
