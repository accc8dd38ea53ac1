#!/usr/bin/env bash
# Measures how long a user's crate takes to rebuild in release after a change.
#
#     benches/rebuild.sh [FOLDER]      # FOLDER keeps the three crates and their builds (default: target/rebuild)
#
# Three crates outside of this workspace depend on it by path. Each is built once, which takes minutes, and then again
# after a `touch`. The bars are processor seconds of the second build, the median of three: unlike the time by the
# clock, which is printed beside them, these hardly depend on what else runs.
set -euo pipefail
cd "$(dirname "$0")/.."
repository=$PWD
folder=${1:-target/rebuild}
mkdir -p "$folder"
folder=$(cd "$folder" && pwd)

# crate NAME DEPENDENCIES < main.rs
crate() {
    mkdir -p "$folder/$1/src"
    cat > "$folder/$1/src/main.rs"
    cat > "$folder/$1/Cargo.toml" <<TOML
[package]
name = "$1"
version = "0.0.0"
edition = "2024"

[dependencies]
$2
ndarray = "0.17"

[workspace]
TOML
    cp Cargo.lock "$folder/$1/Cargo.lock"
}

crate gated_cell "unspool-graph = { path = \"$repository/crates/graph\" }" <<'RUST'
use unspool_graph::{Graph, Param, Params, Result, Var, init};

struct Gated {
    w: Param,
    u: Param,
    bias: Param,
    gain: Param,
}

impl Gated {
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> Var<'g> {
        let [z, r, n] = (x.matmul(self.w) + h.matmul(self.u) + self.bias).chunk(-1);
        let (z, r) = (z.sigmoid(), r.sigmoid());
        let n = (n.layer_norm(self.gain, 0.0, 1e-5) + r * h).tanh().maximum(-0.9);
        z.gt(0.5).where_((1.0 - z) * n + z * h, h / 2.0)
    }
}

fn main() -> Result<()> {
    let mut params = Params::seeded(7);
    let mut scope = params.scope("cell");
    let cell = Gated {
        w: scope.add("w", [3, 12], init::uniform(0.5)),
        u: scope.add("u", [4, 12], init::orthogonal(1.0)),
        bias: scope.add("bias", [12], init::zeros()),
        gain: scope.add("gain", [4], init::constant(1.0)),
    };
    let graph = Graph::new(&params);
    let (x, mut h) = (graph.full([2, 3], 1.0), graph.zeros([2, 4]));
    for _ in 0..5 {
        h = cell.step(x, h);
    }
    println!("{}", (h * h).mean(&[]).backward()?.norm());
    Ok(())
}
RUST

# The program at the top of the README, as it stands.
awk '/^```rust$/ { inside = ++blocks <= 2; next } /^```$/ { inside = 0 } inside' README.md |
    crate readme_cell "unspool = { path = \"$repository/crates/unspool\" }"

crate optimizer "unspool-graph = { path = \"$repository/crates/graph\" }
unspool-nn = { path = \"$repository/crates/nn\" }" <<'RUST'
use unspool_graph::{Graph, Params, init};
use unspool_nn::{Adam, AdamW, Result, Sgd, optimizer::StepParams};

fn main() -> Result<()> {
    let mut params = Params::seeded(7);
    let w = params.scope("m").add("w", [4, 4], init::uniform(0.5));
    let (mut adam, mut adamw, mut sgd) = (Adam::new(), AdamW::new(), Sgd::new().momentum(0.9));
    for _ in 0..10 {
        let graph = Graph::new(&params);
        let gradients = (graph.full([2, 4], 1.0).matmul(w) - 1.0).powi(2).mean(&[]).backward()?;
        adam.step(&mut params, &gradients, 0.01)?;
        adamw.step(&mut params, &gradients, 0.01)?;
        let norm = sgd.step(&mut params, &gradients, StepParams { rate: 0.01, count: 1.0, max_norm: 5.0 })?;
        println!("{norm}");
    }
    Ok(())
}
RUST

# Processor seconds of a command and its children, then its seconds by the clock.
seconds() {
    local TIMEFORMAT='%U %S %R'
    { time "$@" > "$folder/log" 2>&1 || { cat "$folder/log" >&2; exit 1; }; } 2>&1 | awk '{ printf "%.1f %.1f\n", $1 + $2, $3 }'
}

export CARGO_TARGET_DIR="$folder/target"
failed=0
printf 'release builds after a touch, median of three, %s\n' "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
for name in gated_cell readme_cell optimizer; do
    case $name in gated_cell | optimizer) bar=3 ;; *) bar=6 ;; esac
    build=(cargo build --release --offline --manifest-path "$folder/$name/Cargo.toml")
    "${build[@]}" 2>&1 | tail -1
    for _ in 1 2 3; do
        sleep 1 # cargo compares whole seconds on some file systems
        touch "$folder/$name/src/main.rs"
        seconds "${build[@]}"
    done | sort -n | sed -n 2p > "$folder/median"
    read -r processor clock < "$folder/median"
    printf '%-12s %5s s of processor time, %5s s by the clock; at most %s s\n' "$name" "$processor" "$clock" "$bar"
    if awk -v a="$processor" -v b="$bar" 'BEGIN { exit !(a > b) }'; then failed=1; fi
done
exit $failed
