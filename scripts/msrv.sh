#!/usr/bin/env bash
# Builds every package with the oldest supported toolchain: the `rust-version` of Cargo.toml.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
if ! rustup run "$version" cargo --version >/dev/null 2>&1; then
    if [ -n "${CI:-}" ]; then
        echo "error: Rust $version is not installed; run \`rustup toolchain install $version --profile minimal\`" >&2
        exit 1
    fi
    echo "SKIPPED: Rust $version is not installed; \`rustup toolchain install $version --profile minimal\` brings it"
    exit 0
fi
# Libraries and the program: tests and benches may need newer tools, users do not build them.
rustup run "$version" cargo check --workspace --locked
