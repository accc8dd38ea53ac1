#!/usr/bin/env bash
# Measures how long a training on a corpus of ordinary size takes to its first step, and how much memory, beside how
# long the library `tokenizers` alone takes to train on the same lines and to encode them.
#
#     benches/corpora.sh [MEGABYTES...]     # sizes of the files; 10 and 100 by default
#
# Each training runs three times: with an empty cache, on what the first one has prepared, and on that with another
# hidden size. The memory is the largest resident size up to the first step; `/ file` is that divided by the file's.
# THREADS=2 sets the threads of both.
set -euo pipefail
cd "$(dirname "$0")/.."
threads=${THREADS:-2}
folder=$PWD/target/corpora
mkdir -p "$folder"
export RAYON_NUM_THREADS=$threads
cargo build --quiet --release --locked -p unspool-cli -p unspool-benches --bin unspool --bin corpora
unspool=$PWD/target/release/unspool corpora=$PWD/target/release/corpora

# Prints seconds to the first step, and kilobytes: first_step OPTIONS...
first_step() {
    rm -rf "$folder/run"
    local began=$EPOCHREALTIME
    XDG_CACHE_HOME=$folder/cache "$unspool" train "$@" --threads "$threads" --epochs 1 --out "$folder/run" \
        > "$folder/log" 2>&1 &
    local process=$!
    while ! grep -q '^step 1/' "$folder/log"; do
        if ! kill -0 "$process" 2> /dev/null; then
            cat "$folder/log" >&2
            return 1
        fi
        sleep 0.05
    done
    awk -v began="$began" -v now="$EPOCHREALTIME" \
        '/^VmHWM/ { printf "%.1f %d\n", now - began, $2 }' "/proc/$process/status"
    kill -KILL "$process"
    wait "$process" 2> /dev/null || true
}

printf '%s threads, %s\n' "$threads" "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
echo '| task | MB | memory / file | first step | `tokenizers`: train + encode | ratio | again | other size |'
echo '| --- | --- | --- | --- | --- | --- | --- | --- |'
[ $# -gt 0 ] || set -- 10 100
for size in "$@"; do
    for kind in text bpe pairs reviews series; do
        peer=
        case $kind in
        text) task=language-model source=tiny-shakespeare.txt.gz peer="characters 1000 1" ;;
        bpe) task="language-model --tokens bpe --vocabulary 4000" source=tiny-shakespeare.txt.gz peer="bpe 4000 1" ;;
        pairs) task=translation source=tatoeba-eng-swe.train.tsv.gz peer="bpe 4000 2" ;;
        reviews) task=sentiment source=nsmc-sample.train.tsv.gz peer="characters 2000 1" ;;
        series) task="forecast --change difference --season 24 --context 48 --horizon 24" source=airline-passengers.csv.gz ;;
        esac
        write=$kind file=$folder/$kind-$size
        if [ "$kind" = bpe ]; then write=text; fi
        "$corpora" write "$write" "$size" "crates/cli/data/$source" "$file" 2> /dev/null
        rm -rf "$folder/cache"
        read -r -a words <<< "$task --data $file"
        read -r first memory <<< "$(first_step "${words[@]}")"
        read -r again _ <<< "$(first_step "${words[@]}")"
        read -r other _ <<< "$(first_step "${words[@]}" --hidden-size 64)"
        theirs=
        if [ -n "$peer" ]; then
            read -r tokens vocabulary columns <<< "$peer"
            theirs=$("$corpora" tokenize "$tokens" "$vocabulary" "$file" "$columns" 2> /dev/null)
        fi
        awk -v task="${task%% *} ($kind)" -v file="$(wc -c < "$file")" -v memory="$memory" -v first="$first" \
            -v theirs="$theirs" -v again="$again" -v other="$other" 'BEGIN {
                split(theirs, t, " "); sum = t[1] + t[2]
                peer = sum ? sprintf("%s + %s s", t[1], t[2]) : ""
                ratio = sum ? sprintf("%.2f", first / sum) : ""
                printf "| %s | %.0f | %.2f | %s s | %s | %s | %s s | %s s |\n",
                    task, file / 1e6, memory * 1024 / file, first, peer, ratio, again, other }'
        rm -f "$file"
    done
done
rm -rf "$folder/run" "$folder/cache"
