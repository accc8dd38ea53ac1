#!/usr/bin/env bash
# Checks the dependencies against deny.toml.
#
#     scripts/deny.sh                            # everything; advisories are fetched from the network
#     scripts/deny.sh licenses bans sources      # what can be checked offline
set -euo pipefail
cd "$(dirname "$0")/.."
cargo deny --locked --workspace --exclude-dev check "$@"
