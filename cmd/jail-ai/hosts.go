// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"

	"github.com/urfave/cli/v2"

	"github.com/jail-ai/jail-ai/pkg/hostaddr"
)

func hostsCommand() *cli.Command {
	return &cli.Command{
		Name:  "hosts",
		Usage: "list the addresses that reach this machine, its gateways and resolvers, each with the reason",
		Flags: []cli.Flag{&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Value: "table", Usage: "`FORMAT`: table or json"}},
		Action: func(c *cli.Context) error {
			machine, err := hostaddr.Read()
			if err != nil {
				return err
			}
			return hostaddr.Write(os.Stdout, c.String("output"), machine)
		},
	}
}
