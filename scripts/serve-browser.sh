#!/usr/bin/env bash
# Uses the page of `unspool serve` in Chromium without a window: typing, clicking, drawing, the keyboard alone, light and
# dark, wide and narrow. Pictures of it are in target/screenshots.
#
#     scripts/serve-browser.sh                           # the program `chromium`
#     UNSPOOL_CHROMIUM=chrome scripts/serve-browser.sh   # another one
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v "${UNSPOOL_CHROMIUM:-chromium}" >/dev/null; then
    echo "SKIPPED: there is no ${UNSPOOL_CHROMIUM:-chromium}"
    exit 0
fi
export UNSPOOL_SCREENSHOTS=${UNSPOOL_SCREENSHOTS:-${CARGO_TARGET_DIR:-$PWD/target}/screenshots}
mkdir -p "$UNSPOOL_SCREENSHOTS"
cargo test --locked --workspace --test server_browser -- --ignored
