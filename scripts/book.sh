#!/usr/bin/env bash
# Builds the tutorial and the pages beside it as a book into target/book. Needs mdbook.
#
# The pages link to source files by relative paths, which work on a code host. The book has no source files, so there
# these links lead to the code host.
set -euo pipefail
cd "$(dirname "$0")/.."
host=$(sed -n 's/^repository = "\(.*\)"/\1/p' Cargo.toml)/blob/main
source=target/book-source
rm -rf "$source"
mkdir -p "$source"
cp -R docs "$source/docs"
cp book.toml "$source"
# What only rustdoc reads.
rm "$source/docs/links.md" "$source/docs/figures/embedded.md"
for page in "$source"/docs/*.md; do
    sed -e "s#](\.\./#]($host/#g" -e "s#^\(\[[^]]*\]: \)\.\./#\1$host/#" "$page" >"$page.new"
    mv "$page.new" "$page"
done
mdbook build "$source" --dest-dir "$PWD/target/book"
