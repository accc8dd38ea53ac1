#!/usr/bin/env bash
# Serves a small translator and a small classifier to 200 clients at a time, for a minute each, and reports answers, wrong
# answers and the server's memory. It needs Linux, and ends with an error if an answer is wrong.
#
#     scripts/serve-load.sh              # 200 clients, 60 seconds
#     scripts/serve-load.sh 50 10        # 50 clients, 10 seconds
#     scripts/serve-load.sh 200 60 dev   # built with the profile `dev`
set -euo pipefail
cd "$(dirname "$0")/.."
clients=${1:-200}
seconds=${2:-60}
profile=${3:-release}
cargo build --profile "$profile" --locked --workspace --bin unspool --example load
target=${CARGO_TARGET_DIR:-$PWD/target}/${profile/#dev/debug}
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT

(
    cd "$work"
    "$target/unspool" -q train translation --epochs 1 --hidden-size 64 --out translation >/dev/null
    "$target/unspool" -q train sentiment --epochs 1 --hidden-size 64 --out sentiment >/dev/null
)
printf '%s\n' 'Jag är trött.' 'Var är du?' 'Det regnar i dag, och jag har inget paraply.' 'Hon läser en bok.' 'Tack!' \
    'Han kom hem sent i går kväll.' 'Jag tycker om att resa med tåg.' 'Hur mycket kostar det?' >"$work/translation.txt"
printf '%s\n' '재미있는 영화' '시간이 아깝다' '정말 최고의 연기였습니다' '별로' '다시 보고 싶지 않은 영화, 지루하고 길다' '좋아요' \
    >"$work/sentiment.txt"

"$target/unspool" serve --port 0 --model "$work/translation" "$work/sentiment" >"$work/address" &
server=$!
until [ -s "$work/address" ]; do sleep 0.1; done
address=$(sed 's|^http://||; s|/$||' "$work/address")
memory() {
    awk '/^VmRSS/ { print int($2 / 1024) }' "/proc/$server/status"
}
echo "processor: $(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1), $(nproc) cores"
for model in translation sentiment; do
    # The first batches make the buffers of the model as large as they get.
    "$target/examples/load" "$address" "$model" "$clients" 20 <"$work/$model.txt" >/dev/null
    before=$(memory)
    echo "$model: $("$target/examples/load" "$address" "$model" "$clients" "$seconds" <"$work/$model.txt")"
    echo "$model: $before MB before, $(memory) MB after"
done
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
echo "exit code after SIGTERM: $code"
[ "$code" -eq 143 ]
