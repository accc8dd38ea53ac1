#!/usr/bin/env bash
# Compares the public API of every library with the last release by tag. Before the first release there is nothing to
# compare.
set -euo pipefail
cd "$(dirname "$0")/.."
tag=$(git describe --tags --abbrev=0 --match 'v[0-9]*' 2>/dev/null || true)
if [ -z "$tag" ]; then
    echo "SKIPPED: no release has been tagged yet"
    exit 0
fi
cargo semver-checks -p unspool-files -p unspool-baselines -p unspool-graph -p unspool-nn -p unspool-text -p unspool -p unspool-serve -p unspool-task --baseline-rev "$tag"
