#!/usr/bin/env bash
# Runs the benchmarks of benches/README.md. The tables go to target/benchmarks, criterion's reports to target/criterion.
set -euo pipefail
cd "$(dirname "$0")/.."
out=target/benchmarks
mkdir -p "$out"
for threads in 1 2; do
    cargo run --release --locked -p unspool-benches --bin workloads -- --threads "$threads"
done | tee "$out/workloads.csv"
cargo bench --locked -p unspool-benches -p unspool-text | tee "$out/parts.txt"
