#!/usr/bin/env bash
# Packages every crate in the order of dependencies and builds each from its package alone.
#
#     scripts/package.sh                   # packages and builds; refuses a tree with uncommitted changes
#     scripts/package.sh --allow-dirty     # the same, with uncommitted changes
#     scripts/package.sh --no-verify       # without the builds; other options of `cargo package` work too
#     scripts/package.sh --publish         # sends the packages to the registry
set -euo pipefail
cd "$(dirname "$0")/.."

publish=
if [ "${1:-}" = --publish ]; then
    publish=yes
    shift
fi
options=()
clean=yes
for option in "$@"; do
    if [ "$option" = --allow-dirty ]; then clean=; else options+=("$option"); fi
done
if [ -n "$clean" ] && [ -n "$(git status --porcelain)" ]; then
    echo "error: the tree has uncommitted changes; commit them, or pass --allow-dirty" >&2
    exit 1
fi

# The tutorial is at the root of the workspace, outside of the package that shows it: the package gets a copy, with typeset mathematics. Git
# ignores the copy and cargo calls it an uncommitted change, so `unspool` needs --allow-dirty; the check above stands
# in for cargo's.
trap 'rm -rf crates/unspool/docs' EXIT
trap 'exit 143' INT TERM
rm -rf crates/unspool/docs
cp -R docs crates/unspool/docs
cargo run --quiet --locked -p xtask -- math crates/unspool/docs

if [ -n "$publish" ]; then
    cargo publish --locked -p unspool-files -p unspool-baselines -p unspool-graph -p unspool-nn -p unspool-text ${options[@]+"${options[@]}"}
    cargo publish --locked -p unspool -p unspool-serve -p unspool-task -p unspool-cli --allow-dirty ${options[@]+"${options[@]}"}
    exit
fi
cargo package --locked -p unspool-files -p unspool-baselines -p unspool-graph -p unspool-nn -p unspool-text -p unspool \
    -p unspool-serve -p unspool-task -p unspool-cli --allow-dirty \
    ${options[@]+"${options[@]}"}

# What the docs and the program read must be inside, and the registry takes packages of up to 10 MB.
target=${CARGO_TARGET_DIR:-target}
version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
holds() {
    local package=$1-$version listed file size
    local crate=$target/package/$package.crate
    shift
    listed=$(tar -tzf "$crate")
    for file in Cargo.toml Cargo.lock README.md LICENSE-MIT LICENSE-APACHE src/lib.rs "$@"; do
        if ! grep -qxF "$package/$file" <<<"$listed"; then
            echo "error: $crate has no $file" >&2
            exit 1
        fi
    done
    size=$(wc -c <"$crate")
    echo "$package: $(wc -l <<<"$listed") files, $((size / 1000)) kB"
    if [ "$size" -ge 10000000 ]; then
        echo "error: $crate is larger than 10 MB" >&2
        exit 1
    fi
}
holds unspool-files
holds unspool-baselines
holds unspool-graph
holds unspool-nn examples/custom_cell.rs
holds unspool-text
holds unspool docs/00-preface.md docs/16-own-operation.md docs/cookbook.md docs/links.md docs/figures/embedded.md
holds unspool-serve page/index.html src/openapi.json
holds unspool-task
holds unspool-cli src/main.rs data/LICENSES.md data/tatoeba-eng-swe.train.tsv.gz
