#!/usr/bin/env bash
# Trains what the first table of docs/results.md shows, keeps the program's lines of JSON in docs/results.jsonl, and
# writes the table from them. What is recorded already is not trained again: to measure anew, remove its lines.
#
#     scripts/results.sh                          # seed 1 of every command
#     SEEDS="1 2 3" scripts/results.sh digits     # these seeds, of the commands that name this task
#
# Run it on an otherwise idle machine: the seconds are in the table.
set -euo pipefail
cd "$(dirname "$0")/.."
records=docs/results.jsonl
commands=(
    "train sentiment"
    "train sentiment --ngram-buckets 0"
    "train spacing"
    "train translation"
    "train language-model"
    "train digits"
    "train mnist1d"
    "train captioning"
    "train captioning --inputs zero-filled"
    "train clips"
    "train frames --compare memoryless"
    "train forecast"
    "train speech"
    "train adding"
    "train copy --hidden-size 128 --epochs 120"
)
cargo build --quiet --release -p unspool-cli
processor=$(awk -F': ' '/^model name/ { print $2; exit }' /proc/cpuinfo)
touch "$records"
for command in "${commands[@]}"; do
    [ $# -eq 0 ] || [[ " $* " == *" $(awk '{ print $2 }' <<<"$command") "* ]] || continue
    for seed in ${SEEDS:-1}; do
        key="\"command\":\"$command\",\"seed\":$seed,"
        ! grep -qF "$key" "$records" || continue
        out=$(mktemp -d)
        # shellcheck disable=SC2086 # A command is several words.
        line=$(target/release/unspool $command --seed "$seed" --out "$out/run" --quiet --format json)
        rm -rf "$out"
        echo "{${key}\"date\":\"$(date +%F)\",\"cores\":$(nproc),\"processor\":\"$processor\",\"result\":$line}" >>"$records"
        echo "$command, seed $seed: recorded" >&2
    done
done
cargo run --quiet -p xtask -- results
