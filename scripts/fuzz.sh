#!/usr/bin/env bash
# Fuzzes the targets of `fuzz` with the address sanitizer, starting from the inputs that the ordinary tests replay. A
# failing input is left in fuzz/artifacts. Needs cargo-fuzz (cargo install cargo-fuzz --locked); a stable toolchain is
# enough.
#
#     scripts/fuzz.sh 60                 # every target, for 60 seconds each
#     scripts/fuzz.sh 1200 formats       # one target
set -euo pipefail
[ $# -ge 1 ] || { echo "usage: $0 SECONDS [TARGET...]" >&2; exit 2; }
cd "$(dirname "$0")/.."
# The sanitizer is an unstable flag of rustc, which this variable makes a stable compiler accept.
export RUSTC_BOOTSTRAP=1
seconds=$1
shift
[ $# -gt 0 ] || set -- program genome formats scores tokenizer_file wav model_toml checkpoint command_line predict_lines
for target in "$@"; do
    seeds=(crates/*/tests/corpus/"$target")
    [ -d "${seeds[0]}" ] || { echo "error: there are no inputs for the target \`$target\`" >&2; exit 2; }
    # New inputs go to a folder of their own, so that the replayed ones change only by intent.
    found=target/fuzz-corpus/$target
    mkdir -p "$found"
    cargo fuzz run "$target" "$found" "${seeds[@]}" -- \
        -dict="fuzz/dictionaries/$target.dict" -max_total_time="$seconds" -timeout=120
done
