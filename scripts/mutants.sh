#!/usr/bin/env bash
# Changes the code in small ways, one at a time, and reports the changes that no test notices. Each file is tried with
# the tests that matter for it alone, since a mutant costs a build of its crate and of these tests. Needs cargo-mutants
# (cargo install cargo-mutants --locked).
#
#     scripts/mutants.sh                             # all files: many hours
#     scripts/mutants.sh schedule.rs loss/mod.rs     # some of them
#     scripts/mutants.sh --shard 0/16                # the first of sixteen parts of each file's mutants
#     scripts/mutants.sh --iterate schedule.rs       # only what has not been caught before
#
# Results go to target/mutants/FILE; docs/mutation-testing.md keeps the counts.
set -euo pipefail
cd "$(dirname "$0")/.."

# Prints the crate's name and the arguments of `cargo test` for a file.
tests_of() {
    case "$1" in
    crates/graph/src/ops/*)
        echo unspool-graph --test gradients --test values --test dropout --test gathering --test core --test hazards
        ;;
    crates/graph/src/*)
        echo unspool-graph --test core --test random_graphs --test traps --test recompute --test hazards \
            --test looking --test parametrization --test gathering --test reference
        ;;
    crates/nn/src/crf/*) echo unspool-nn --test crf --test gradients ;;
    crates/nn/src/ctc/*) echo unspool-nn --test losses --test pytorch_parity --test gradients ;;
    crates/nn/src/decoding/*) echo unspool-nn --lib --test decoding ;;
    crates/nn/src/cell/*) echo unspool-nn --test laws --test pytorch_parity --test initialisers --test reference ;;
    crates/nn/src/loss/*) echo unspool-nn --test losses --test pytorch_parity --test gradients ;;
    crates/nn/src/log_sum_exp.rs) echo unspool-nn --lib --test losses ;;
    crates/nn/src/optimizer/*) echo unspool-nn --lib --test optimizers --test pytorch_parity --test trainer ;;
    crates/nn/src/sequence/pooling.rs) echo unspool-nn --test losses --test recurrent --test gradients ;;
    crates/nn/src/schedule.rs) echo unspool-nn --test optimizers --test trainer ;;
    crates/nn/src/*) echo unspool-nn --test wrappers ;;
    crates/text/src/bucket.rs) echo unspool-text --lib ;;
    crates/text/src/score/*) echo unspool-text --lib --test sacrebleu --test seqeval ;;
    *) return 1 ;;
    esac
}

options=()
while [[ ${1-} == --* ]]; do
    case $1 in
    --shard)
        options+=(--shard "$2")
        shift 2
        ;;
    --iterate)
        options+=(--iterate)
        shift
        ;;
    *)
        echo "error: $0 has no option \`$1\`" >&2
        exit 2
        ;;
    esac
done

# The files of .cargo/mutants.toml.
mapfile -t files < <(cargo mutants --workspace --list-files)
for file in "${files[@]}"; do
    wanted=$(($# == 0))
    for name in "$@"; do [[ $file == *"$name" ]] && wanted=1; done
    [ "$wanted" = 1 ] || continue
    if ! tests=$(tests_of "$file"); then
        echo "$file: no tests are named for it in $0" >&2
        exit 1
    fi
    read -r package arguments <<<"$tests"
    echo "== $file"
    # shellcheck disable=SC2086 # several arguments
    nice -n 19 cargo mutants --jobs 1 --package "$package" --file "$file" --output "target/mutants/${file//\//-}" \
        "${options[@]}" -- $arguments || {
        # 2: some mutants were missed; 3: some did not come to an end. The table shows both.
        code=$?
        [ $code = 2 ] || [ $code = 3 ]
    }
done
