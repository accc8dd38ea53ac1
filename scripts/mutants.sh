#!/usr/bin/env bash
# Changes the code of the libraries in small ways, one at a time, and reports the changes that no test notices. Needs
# cargo-mutants; a whole run takes days, so the schedule runs a part of it.
#
#     scripts/mutants.sh --shard 0/8            # one part of eight
#     scripts/mutants.sh -f '*/lstm.rs'         # one file
set -euo pipefail
cd "$(dirname "$0")/.."
cargo mutants -p unspool-graph -p unspool-nn -p unspool-text --timeout-multiplier 5 --output target/mutants "$@"
