#!/usr/bin/env bash
# Checks that a version is ready to be released and prints its notes: the manifest and the changelog must name it.
#
#     scripts/release-notes.sh 0.1.0
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 VERSION" >&2; exit 2; }
cd "$(dirname "$0")/.."
version=${1#v}
fail() {
    echo "error: $*" >&2
    exit 1
}
manifest=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
[ "$manifest" = "$version" ] || fail "Cargo.toml has version $manifest, not $version"
for package in unspool-files unspool-graph unspool-nn unspool-text unspool; do
    grep -q "^$package = .*version = \"$version\"" Cargo.toml ||
        fail "Cargo.toml requires another version of $package than $version"
done
notes=$(awk -v version="$version" '
    /^## / { inside = index($0, "## [" version "] - ") == 1; next }
    /^\[[^]]*\]: / { inside = 0 }
    inside' CHANGELOG.md)
grep -qE "^## \[${version//./\\.}\] - [0-9]{4}-[0-9]{2}-[0-9]{2}$" CHANGELOG.md ||
    fail "CHANGELOG.md has no heading \"## [$version] - YEAR-MONTH-DAY\""
[ -n "${notes//[[:space:]]/}" ] || fail "CHANGELOG.md has no notes under \"## [$version] - DATE\""
printf '%s\n' "$notes"
