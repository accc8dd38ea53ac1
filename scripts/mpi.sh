#!/usr/bin/env bash
# Several processes train what one trains, to the bit: with 1, 2 and 4 of them, over shared memory and over TCP, for translation, a
# language model that carries a state, and a cell of its own; with 3 for the other tasks whose rows they share out; killed and resumed with another number; refused where they differ.
# Needs what docs/scale.md names; where that is not installed it says so and does nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=
command -v mpirun >/dev/null && command -v mpicc >/dev/null || missing="an MPI library"
compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null || compgen -G '/usr/lib/*/libclang*.so*' >/dev/null ||
    [ -n "${LIBCLANG_PATH:-}" ] || missing="${missing:+$missing and }libclang"
if [ -n "$missing" ]; then
    echo "SKIPPED: training over several processes is not tested here: there is no $missing"
    echo "SKIPPED: on Debian: apt-get install --no-install-recommends openmpi-bin libopenmpi-dev libclang-dev"
    exit 0
fi

cargo clippy -q --locked -p unspool-nn --features mpi --all-targets -- -D warnings
cargo test -q --locked -p unspool-nn --features mpi --example processes
cargo build -q --locked -p unspool-cli --features mpi --bin unspool
cargo build -q --locked -p unspool-nn --features mpi --example processes
built=${CARGO_TARGET_DIR:-$PWD/target}/debug
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
gzip -dc crates/cli/data/tatoeba-eng-swe.train.tsv.gz | head -400 >"$work/pairs.tsv" || true
gzip -dc crates/cli/data/tiny-shakespeare.txt.gz | head -c 30000 >"$work/text.txt" || true
gzip -dc crates/cli/data/nsmc-sample.train.tsv.gz | head -300 >"$work/reviews.tsv" || true
# A word's tag is how long it is, or that it ends the sentence.
awk -F '\t' 'NR > 1 { n = split($1, words, " "); for (i = 1; i <= n; i++) print words[i] "\t" (words[i] ~ /[.?!]$/ ? "END" : length(words[i]) < 4 ? "SHORT" : "LONG"); print "" }' \
    "$work/pairs.tsv" >"$work/tags.tsv"
cd "$work"

# The shards are more than two of the processes have, and not as many for each.
translation=(train translation --data pairs.tsv --hidden-size 32 --vocabulary 400 --batch-tokens 600 --shards 6)
language=(train language-model --data text.txt --hidden-size 32 --layers 1 --bptt-streams 22 --window 16 --epochs 2 --shards 5)
mpi=(mpirun --oversubscribe --bind-to none)
[ "$(id -u)" -ne 0 ] || mpi+=(--allow-run-as-root)
fail() {
    echo "FAILED: $*"
    exit 1
}
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ"; }

"$built/unspool" "${translation[@]}" --epochs 2 --out alone 2>/dev/null >alone.json
"$built/unspool" "${language[@]}" --out language-alone 2>/dev/null >/dev/null
"$built/examples/processes" alone.safetensors >/dev/null
for way in vader tcp; do
    over=(--mca btl "self,$way")
    for ranks in 1 2 4; do
        name=$way-$ranks
        "${mpi[@]}" "${over[@]}" -n $ranks "$built/unspool" "${translation[@]}" --epochs 2 --out $name 2>$name.err >$name.json
        "${mpi[@]}" "${over[@]}" -n $ranks "$built/unspool" "${language[@]}" --out language-$name 2>/dev/null >/dev/null
        "${mpi[@]}" "${over[@]}" -n $ranks "$built/examples/processes" $name.safetensors >/dev/null
        for file in model.safetensors training.safetensors; do
            same alone/$file $name/$file
            same language-alone/$file language-$name/$file
        done
        same alone.safetensors $name.safetensors
        [ "$(wc -l <$name.json)" -eq 1 ] || fail "$name: standard output is not one process's"
        [ "$(grep -c ' parameters;' $name.err)" -eq 1 ] || fail "$name: more than one process says something"
        [ "$(sed 's/.*"dev"//' alone.json)" = "$(sed 's/.*"dev"//' $name.json)" ] || fail "$name: other scores"
        echo "$ranks processes over $way: the same weights, checkpoints and scores as one"
    done
done

# Each process tokenizes rows of its own, and is given those of others that it trains on.
for task in "sentiment --data reviews.tsv" "spacing --data reviews.tsv" "tagging --data tags.tsv"; do
    name=${task%% *}
    # shellcheck disable=SC2206 # a task is its name and its options
    one=(train $task --hidden-size 16 --shards 5 --epochs 2)
    "$built/unspool" "${one[@]}" --out "$name-1" 2>/dev/null >"$name-1.json"
    "${mpi[@]}" -n 3 "$built/unspool" "${one[@]}" --out "$name-3" 2>/dev/null >"$name-3.json"
    for file in config.json model.safetensors training.safetensors; do same "$name-1/$file" "$name-3/$file"; done
    [ "$(sed 's/.*"dev"//' "$name-1.json")" = "$(sed 's/.*"dev"//' "$name-3.json")" ] || fail "$name: other scores"
    echo "$name over 3 processes: the same weights and scores as one"
done

"${mpi[@]}" -n 2 "$built/unspool" "${translation[@]}" --epochs 1 --reduce fast --out fast 2>fast.err >/dev/null
grep -q 'reduce fast: the last bits of the weights' fast.err || fail "--reduce fast does not say what it costs"

# One of four is killed once something is saved: all end, and two go on from there.
"$built/unspool" "${translation[@]}" --epochs 12 --out long-alone 2>/dev/null >/dev/null
"${mpi[@]}" -n 4 "$built/unspool" "${translation[@]}" --epochs 12 --out killed 2>killed.err >/dev/null &
launcher=$!
for _ in $(seq 300); do
    [ ! -e killed/model.safetensors ] || break
    sleep 0.1
done
victim=$(pgrep -P $launcher -n)
kill -9 "$victim"
began=$SECONDS
wait $launcher && fail "nobody noticed that a process was killed"
[ $((SECONDS - began)) -le 10 ] || fail "it took $((SECONDS - began)) s to end"
grep -q 'process rank . with PID .* on node .* exited on signal 9' killed.err || fail "no line names the process: $(cat killed.err)"
"${mpi[@]}" -n 2 "$built/unspool" train translation --out killed --resume 2>resumed.err >/dev/null
grep -q 'resumed at step' resumed.err || fail "it did not go on"
for file in model.safetensors training.safetensors; do same long-alone/$file killed/$file; done
echo "one of 4 killed, $(grep 'resumed at' resumed.err) with 2: the same as if nothing had happened"

# Processes that were not started alike, and one that fails alone.
"${mpi[@]}" -n 1 "$built/unspool" "${translation[@]}" --out unlike : -n 1 "$built/unspool" "${translation[@]}" --seed 2 --out unlike \
    2>unlike.err >/dev/null && fail "processes that differ have trained"
grep -q '^error: --seed of process 1 on .* is 2, of process 0 it is 1' unlike.err || fail "$(cat unlike.err)"
[ ! -e unlike ] || fail "a refused run has left a folder"
mkdir elsewhere && head -300 pairs.tsv >elsewhere/pairs.tsv
"${mpi[@]}" -n 1 "$built/unspool" "${translation[@]}" --out unlike : -n 1 -wdir "$work/elsewhere" "$built/unspool" "${translation[@]}" \
    --out unlike 2>unlike.err >/dev/null && fail "processes with other data have trained"
grep -q '^error: the checksum of --data of process 1 on ' unlike.err || fail "$(cat unlike.err)"
"${mpi[@]}" -n 2 "$built/unspool" train translation --data nowhere --out unlike 2>unlike.err >/dev/null && fail "no data, and no error"
[ "$(grep -c '^error: process 0 of 2 on .*: nowhere' unlike.err)" -eq 1 ] || fail "$(cat unlike.err)"
echo "processes that differ are refused, and a failing one is named"
