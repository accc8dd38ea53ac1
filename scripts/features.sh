#!/usr/bin/env bash
# Checks every package with every combination of its features. `mpi` needs an installed library: scripts/mpi.sh checks
# it.
set -euo pipefail
cd "$(dirname "$0")/.."
RUSTFLAGS="-D warnings" cargo hack check --workspace --feature-powerset --exclude-features mpi --locked
