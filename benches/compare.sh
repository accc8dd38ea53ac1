#!/usr/bin/env bash
# Compares the speed and the memory of whole training steps at two commits.
#
#     benches/compare.sh COMMIT_A COMMIT_B [WORKLOAD...]     # workloads of benches/README.md; all of them by default
#     ROUNDS=9 THREADS=2 benches/compare.sh v0.1.0 HEAD lstm_lm_medium
#
# Both are built once, in target/compare. Then they run in turn, A B, B A, ..., so that whatever else the machine does
# befalls both. A round gives one ratio B/A for each measure; the table has the median of the ratios and their quartiles.
# Above 1 is slower, or larger. If the quartiles enclose 1, the machine cannot tell the two commits apart.
#
#     cpu     processor time of a step: the median time by the clock, times the share of it that the process ran
#     least   the fastest step
#     memory  the largest resident size of the whole process
#
# `cpu` is the one to look at on a machine that others use, `least` on an idle one.
set -euo pipefail
cd "$(dirname "$0")/.."
if [ $# -lt 2 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
rounds=${ROUNDS:-7} threads=${THREADS:-1}
folder=$PWD/target/compare
mkdir -p "$folder"

# Builds the workloads of a commit, unless they are there, and prints the path of the program.
build() {
    local commit source
    commit=$(git rev-parse --verify --short=12 "$1^{commit}")
    source=$folder/source-$commit
    if [ ! -x "$folder/workloads-$commit" ]; then
        mkdir -p "$source"
        git archive "$commit" | tar -x -C "$source"
        CARGO_TARGET_DIR=$folder/target-$commit cargo build --quiet --release --locked -p unspool-benches \
            --bin workloads --manifest-path "$source/Cargo.toml" >&2
        cp "$folder/target-$commit/release/workloads" "$folder/workloads-$commit"
    fi
    echo "$folder/workloads-$commit"
}

a=$(build "$1") b=$(build "$2")
shift 2
if [ $# -gt 0 ]; then
    workloads=("$@")
else
    # The names stand in the error about a name that is none.
    names=$("$b" '?' 2>&1 || true)
    IFS=', ' read -r -a workloads <<< "${names##*there are }"
    workloads=("${workloads[@]%\"}")
fi

# Prints `cpu least memory` of one run: milliseconds twice, then kilobytes.
measure() {
    /usr/bin/time -f '%U %S %e %M' -o "$folder/time" "$1" --threads "$threads" "$2" > "$folder/out"
    awk -F, -v threads="$threads" 'NR == FNR { split($0, used, " "); next } FNR == 2 {
        share = (used[1] + used[2]) / used[3]
        if (share > threads) share = threads
        print $4 * share, $5, used[4] }' "$folder/time" "$folder/out"
}

# Prints the median and the quartiles of a column of numbers.
spread() {
    sort -n | awk '{ x[NR] = $1 } function at(p) { return x[1 + int(p * (NR - 1) + 0.5)] }
        END { printf "%.3f (%.3f to %.3f)", at(0.5), at(0.25), at(0.75) }'
}

printf '%d rounds, %d threads, %s\n' "$rounds" "$threads" "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
printf '| workload | cpu, B / A | least, B / A | memory, B / A |\n| --- | --- | --- | --- |\n'
for workload in "${workloads[@]}"; do
    : > "$folder/ratios"
    for ((round = 0; round < rounds; round++)); do
        if ((round % 2)); then
            of_b=$(measure "$b" "$workload")
            of_a=$(measure "$a" "$workload")
        else
            of_a=$(measure "$a" "$workload")
            of_b=$(measure "$b" "$workload")
        fi
        awk -v a="$of_a" -v b="$of_b" 'BEGIN { split(a, x, " "); split(b, y, " ")
            print y[1] / x[1], y[2] / x[2], y[3] / x[3] }' >> "$folder/ratios"
    done
    printf '| `%s`' "$workload"
    for column in 1 2 3; do
        printf ' | %s' "$(awk -v column="$column" '{ print $column }' "$folder/ratios" | spread)"
    done
    printf ' |\n'
done
