#!/usr/bin/env bash
# The checks that every change must pass, each a step with a name. They need a Rust toolchain and nothing else.
#
#     scripts/check.sh                 # all steps, in the order of .ci/run
#     scripts/check.sh lint tests      # these steps
set -euo pipefail
cd "$(dirname "$0")/.."

format() {
    cargo fmt --all --check
}

lint() {
    cargo clippy --workspace --all-targets --locked -- -D warnings
}

# rustdoc shows LaTeX as it is written, so it reads a copy of the pages in which mathematics is typeset.
docs() {
    local pages=${CARGO_TARGET_DIR:-$PWD/target}/typeset
    rm -rf "$pages"
    mkdir -p "$(dirname "$pages")"
    cp -R docs "$pages"
    cargo run --quiet --locked -p xtask -- math "$pages"
    UNSPOOL_DOCS=$pages RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
}

# A small crate stays small: how many crates it is built from, itself included.
sizes() {
    size unspool-baselines 25
    size unspool-graph 55
    size unspool-nn 75
    size unspool-text 100
    size unspool 70
    size unspool-serve 31
    size unspool-task 177
    size unspool-cli 184
}

size() {
    local crates
    crates=$(cargo tree --locked -e normal,build -p "$1" --prefix none --format '{p}' |
        awk '{print $1, $2}' | sort -u | wc -l)
    echo "$1: $((crates)) crates, at most $2"
    if [ "$crates" -gt "$2" ]; then
        echo "error: $1 is built from $((crates)) crates, which is more than $2" >&2
        return 1
    fi
}

# Training over several processes, where MPI is installed; elsewhere the script says that it is skipped.
processes() {
    scripts/mpi.sh
}

# The test runner's own summary is the last line. `cargo nextest` runs no documentation tests, so those come first.
# Random cases are the same in every run, so that a failure belongs to the change at hand; the scheduled workflow and
# everyone's own `cargo test` draw new ones.
tests() {
    export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-1}
    if cargo nextest --version >/dev/null 2>&1; then
        cargo test --workspace --doc --locked
        cargo nextest run --workspace --locked
    else
        cargo test --workspace --locked
    fi
}

[ $# -gt 0 ] || set -- format lint docs sizes processes tests
for step in "$@"; do
    case $step in
    format | lint | docs | sizes | processes | tests)
        echo "== $step, after $SECONDS s"
        "$step"
        ;;
    *)
        echo "error: there is no step \`$step\`; the steps are format, lint, docs, sizes, processes and tests" >&2
        exit 2
        ;;
    esac
done
