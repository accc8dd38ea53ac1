#!/usr/bin/env bash
# Uses the page of `unspool serve` in Chromium without a window: typing, clicking, drawing with the mouse and with a
# finger, the keyboard alone, light and dark, wide and narrow. Pictures of it are in target/screenshots.
#
# Without arguments the page is that of stand-ins, whose answers are known. With run folders it is that of their models.
#
#     scripts/serve-browser.sh                                        # stand-ins
#     scripts/serve-browser.sh runs/digits-1 runs/translation-1       # trained models
#     UNSPOOL_CHROMIUM=chrome scripts/serve-browser.sh                # another program than `chromium`
#     UNSPOOL_PROGRAM=path/to/unspool scripts/serve-browser.sh RUN... # another program than the one in target/debug
set -euo pipefail
folders=()
for folder in "$@"; do folders+=("$(realpath "$folder")"); done
program=${UNSPOOL_PROGRAM:+$(realpath "$UNSPOOL_PROGRAM")}
cd "$(dirname "$0")/.."
if ! command -v "${UNSPOOL_CHROMIUM:-chromium}" >/dev/null; then
    echo "SKIPPED: there is no ${UNSPOOL_CHROMIUM:-chromium}"
    exit 0
fi
export UNSPOOL_SCREENSHOTS=${UNSPOOL_SCREENSHOTS:-${CARGO_TARGET_DIR:-$PWD/target}/screenshots}
mkdir -p "$UNSPOOL_SCREENSHOTS"
if [ ${#folders[@]} -eq 0 ]; then
    exec cargo test --locked --workspace --test server_browser -- --ignored \
        the_page_works_with_mouse_and_keyboard_light_and_dark_wide_and_narrow
fi
if [ -z "$program" ]; then
    cargo build --locked --workspace --bin unspool
    program=${CARGO_TARGET_DIR:-$PWD/target}/debug/unspool
fi
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
"$program" serve --port 0 --model "${folders[@]}" >"$work/address" &
server=$!
until [ -s "$work/address" ]; do
    kill -0 "$server"
    sleep 0.1
done
UNSPOOL_SERVED=$(cat "$work/address") cargo test --locked --workspace --test server_browser -- --ignored --nocapture \
    the_pages_of_trained_models_work
