# Recipes for contributors: `just` lists them. Each is a script that runs without `just` too; .ci/run runs the same
# scripts.

set windows-shell := ["bash", "-cu"]

# Lists the recipes.
default:
    @just --list

# Runs everything that .ci/run runs.
check:
    bash .ci/run

# Checks the formatting.
format:
    bash scripts/check.sh format

# Runs clippy on all targets.
lint:
    bash scripts/check.sh lint

# Builds the API documentation; a warning is an error.
docs:
    bash scripts/check.sh docs

# Builds the book of the tutorial; needs mdbook.
book:
    bash scripts/book.sh

# Runs all tests.
test:
    bash scripts/check.sh tests

# Counts the crates that each package is built from.
sizes:
    bash scripts/check.sh sizes

# Trains over several processes and compares the bits; needs MPI and libclang.
processes:
    bash scripts/check.sh processes

# Builds with the oldest supported toolchain, if it is installed.
msrv:
    bash scripts/msrv.sh

# Checks every combination of features; needs cargo-hack.
features:
    bash scripts/features.sh

# Checks licenses, sources and duplicates of dependencies; needs cargo-deny.
deny:
    bash scripts/deny.sh

# Compares the public API with the last release; needs cargo-semver-checks.
semver:
    bash scripts/semver.sh

# Packages every crate and builds each from its package alone.
package *options:
    bash scripts/package.sh {{ options }}

# Builds the program for release, with checksums and a bill of materials, into target/release-files.
release-files:
    bash scripts/release-files.sh

# Fuzzes every target for this many seconds; needs cargo-fuzz.
fuzz seconds="60":
    bash scripts/fuzz.sh {{ seconds }}

# Mutates the code and reports what no test notices; needs cargo-mutants.
mutants *options:
    bash scripts/mutants.sh {{ options }}

# Runs the benchmarks.
bench:
    bash scripts/bench.sh

# Serves small models to many clients at a time, and reports wrong answers and memory; needs Linux.
serve-load *options:
    bash scripts/serve-load.sh {{ options }}

# Uses the page of `unspool serve`, of stand-ins or of the models of run folders; needs Chromium.
serve-browser *folders:
    bash scripts/serve-browser.sh {{ folders }}

# Draws the picture of docs/architecture.md from the imports of the code.
architecture:
    cargo run --locked -p xtask -- architecture

# Draws the figures of the tutorial.
figures:
    cargo run --locked -p unspool --example figures
