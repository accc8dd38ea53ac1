#!/usr/bin/env bash
# Builds the program for a release, and packs it with its licenses, a bill of materials (CycloneDX) and a checksum into
# target/release-files. Needs cargo-cyclonedx.
#
#     scripts/release-files.sh                           # for this machine
#     scripts/release-files.sh aarch64-apple-darwin      # for another target
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-$(rustc -vV | sed -n 's/^host: //p')}
version=$(sed -n '/^\[workspace.package\]/,/^\[/ s/^version = "\(.*\)"/\1/p' Cargo.toml)
built=${CARGO_TARGET_DIR:-target}
out=$PWD/target/release-files
name=unspool-$version-$target
program=unspool
case $target in *windows*) program=unspool.exe ;; esac

cargo build --profile dist --locked -p unspool-cli --bin unspool --target "$target"

rm -rf "${out:?}/$name"
mkdir -p "$out/$name"
cp "$built/$target/dist/$program" README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$out/$name"
cp crates/cli/data/LICENSES.md "$out/$name/LICENSES-OF-DATA.md"
tar -C "$out" -czf "$out/$name.tar.gz" "$name"
rm -r "${out:?}/$name"

cargo cyclonedx --manifest-path crates/cli/Cargo.toml --target "$target" --format json --spec-version 1.5 \
    --override-filename "$name.cdx"
mv "crates/cli/$name.cdx.json" "$out"
# It writes one file per package of the workspace; the program's is the one to keep.
rm -f {benches,crates/*,xtask}/"$name.cdx.json"

cd "$out"
for file in "$name.tar.gz" "$name.cdx.json"; do
    if command -v sha256sum >/dev/null; then sha256sum "$file"; else shasum -a 256 "$file"; fi >"$file.sha256"
done
ls -l "$out"
