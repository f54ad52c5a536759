// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/jail-ai/jail-ai/pkg/jail"
)

func gcCommand() *cli.Command {
	return &cli.Command{
		Name:  "gc",
		Usage: "remove what jails that ended badly left behind",
		Action: func(*cli.Context) error {
			removed, err := jail.GC()
			for _, id := range removed {
				fmt.Println("removed", id)
			}
			return err
		},
	}
}
