#!/usr/bin/env bash
# Serves a small translator and a small classifier to 200 clients at a time, and tells whether every answer was right
# and the server's memory stayed as it was. Each model is asked for 20 seconds first, in which the first batches make
# its buffers as large as they get; then for a minute, in which memory may grow by 5 % at most. It needs Linux.
#
#     scripts/serve-load.sh              # 200 clients, 60 seconds
#     scripts/serve-load.sh 50 10        # 50 clients, 10 seconds
#     scripts/serve-load.sh 200 60 dev   # built with the profile `dev`
#
# UNSPOOL_PROGRAM names a program that is there already instead of one that is built, and UNSPOOL_RUNS a folder with the
# run folders `translation` and `sentiment` instead of ones that are trained.
set -euo pipefail
program=${UNSPOOL_PROGRAM:+$(realpath "$UNSPOOL_PROGRAM")}
runs=${UNSPOOL_RUNS:+$(realpath "$UNSPOOL_RUNS")}
cd "$(dirname "$0")/.."
clients=${1:-200}
seconds=${2:-60}
profile=${3:-release}
warm_up=20
growth=5
target=${CARGO_TARGET_DIR:-$PWD/target}/${profile/#dev/debug}
if [ -z "$program" ]; then
    cargo build --profile "$profile" --locked --workspace --bin unspool --example load
    program=$target/unspool
else
    cargo build --profile "$profile" --locked --workspace --example load
fi
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

if [ -z "$runs" ]; then
    runs=$work
    "$program" -q train translation --epochs 1 --hidden-size 64 --out "$runs/translation" >/dev/null
    "$program" -q train sentiment --epochs 1 --hidden-size 64 --out "$runs/sentiment" >/dev/null
fi
printf '%s\n' 'Jag är trött.' 'Var är du?' 'Det regnar i dag, och jag har inget paraply.' 'Hon läser en bok.' 'Tack!' \
    'Han kom hem sent i går kväll.' 'Jag tycker om att resa med tåg.' 'Hur mycket kostar det?' >"$work/translation.txt"
printf '%s\n' '재미있는 영화' '시간이 아깝다' '정말 최고의 연기였습니다' '별로' '다시 보고 싶지 않은 영화, 지루하고 길다' '좋아요' \
    >"$work/sentiment.txt"

"$program" serve --port 0 --model "$runs/translation" "$runs/sentiment" >"$work/address" &
server=$!
until [ -s "$work/address" ]; do
    kill -0 "$server"
    sleep 0.1
done
address=$(sed 's|^http://||; s|/$||' "$work/address")
memory() {
    awk '/^VmRSS/ { print $2 }' "/proc/$server/status"
}
megabytes() {
    awk -v kilobytes="$1" 'BEGIN { printf "%.1f MB", kilobytes / 1024 }'
}
# Asks a model for so many seconds, and writes what came of it; a wrong answer ends the script.
load() {
    "$target/examples/load" "$address" "$1" "$clients" "$2" <"$work/$1.txt"
}
echo "processor: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
passed=yes
for model in translation sentiment; do
    told=$(load "$model" "$warm_up")
    before=$(memory)
    echo "$model, warm-up: $told; memory at its end $(megabytes "$before")"
    told=$(load "$model" "$seconds")
    after=$(memory)
    most=$((before + before * growth / 100))
    if [ "$after" -le "$most" ]; then verdict=PASS; else verdict=FAIL passed=no; fi
    echo "$model, measured: $told; memory at its end $(megabytes "$after"), at most $(megabytes "$most"): $verdict"
done
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
echo "exit code after SIGTERM: $code"
[ "$code" -eq 143 ] && [ "$passed" = yes ]
