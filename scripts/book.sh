#!/usr/bin/env bash
# Builds the tutorial and the pages beside it as a book into target/book. Needs mdbook 0.5 (`cargo install mdbook
# --version 0.5.4 --locked`).
#
# The pages link to source files by relative paths, which work on a code host. The book has no source files, so there
# these links lead to the code host. Its mathematics is typeset as MathML, so that it needs no network to be read.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)/blob/main
source=${CARGO_TARGET_DIR:-target}/book-source
rm -rf "$source"
mkdir -p "$source"
cp -R docs "$source/docs"
cp book.toml "$source"
# What only rustdoc reads, and what only a code host shows.
rm "$source/docs/links.md" "$source/docs/figures/embedded.md" "$source/docs/README.md"
cargo run --quiet --locked -p xtask -- math "$source/docs"
for page in "$source"/docs/*.md; do
    sed -e "s#](\.\./#]($host/#g" -e "s#^\(\[[^]]*\]: \)\.\./#\1$host/#" "$page" >"$page.new"
    mv "$page.new" "$page"
done
# A warning, such as of a tag that is not closed, is a page that readers see wrong.
if ! log=$(mdbook build "$source" --dest-dir "$PWD/target/book" 2>&1) || grep -q WARN <<<"$log"; then
    echo "$log" >&2
    exit 1
fi
# It is read without a network.
if grep -rE '<(script|link|img|iframe)[^>]* (src|href)="(https?:)?//' --include='*.html' target/book; then
    echo "error: a page of the book loads something from a network" >&2
    exit 1
fi
