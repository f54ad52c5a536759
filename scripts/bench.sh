#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a jail costs, as ratios (`make bench`; test/bench has the how). Results also go to
# build/bench/results.json and results.md. Arguments: -rounds N, -starts N.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ ! -x bin/jail-ai ]; then
	echo "bench: bin/jail-ai is not built: run make build" >&2
	exit 1
fi
mkdir -p build/bench
# Static, so that its start is the same everywhere.
CGO_ENABLED=0 go build -buildvcs=false -o build/bench/bench ./test/bench
cd build/bench
as_root=()
if [ "$(id -u)" != 0 ]; then
	as_root=(sudo --)
fi
"${as_root[@]}" ./bench -jail-ai ../../bin/jail-ai "$@"
