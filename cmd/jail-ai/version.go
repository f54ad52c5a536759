// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/jail-ai/jail-ai/libbpf"
)

func versionCommand() *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "tell the version of jail-ai and of the libbpf in use",
		Action: func(*cli.Context) error {
			fmt.Printf("jail-ai %s, libbpf %s\n", version, libbpf.Version())
			return nil
		},
	}
}
