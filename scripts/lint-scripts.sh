#!/usr/bin/env bash
# Checks the shell scripts, the justfile and the workflows. Needs shellcheck, just, actionlint and zizmor.
set -euo pipefail
cd "$(dirname "$0")/.."
shellcheck .ci/run scripts/*.sh
just --unstable --fmt --check
actionlint
zizmor --offline --config .github/zizmor.yml .github
