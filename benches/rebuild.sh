#!/usr/bin/env bash
# Measures how long a crate of one's own takes to build again, in release, after one line of it was changed.
#
#     benches/rebuild.sh [FOLDER]      # FOLDER keeps the three crates and what was built (default: target/rebuild)
#
# Three crates outside of this workspace depend on it by path. They are built once, which takes minutes, and then again after a
# `touch`; what is measured is the processor time of that second build, which does not depend on what else runs, and the time by
# the clock. The first line says how a crate of one's own should be built; the bars are processor seconds.
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

# The cell of the README as it stands there, and a training step around it.
{
    echo 'use ndarray::Array3;'
    echo 'use unspool::{graph::Scope, prelude::*};'
    echo
    awk '/^```rust$/ { if (!found) { inside = 1; next } } /^```$/ { if (inside) { inside = 0; found = 1 } } inside' README.md
    cat <<'RUST'

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut params = Params::seeded(7);
    let cell = MyCell::new(params.scope("cell"), 3, 16);
    let readout = Linear::new(params.scope("readout"), 16, 2);
    let graph = Graph::new(&params).training(7, 0);
    let xs = graph.input(Array3::<f32>::ones((2, 5, 3)));
    let (hs, _) = unroll(&cell, xs, &[5, 3], cell.initial_state(&graph, 2));
    let loss = readout.apply(hs.pack(&[5, 3])).cross_entropy(&[0, 1, 0, 1, 0, 1, 0, 1]).mean(&[]);
    println!("{}", loss.backward()?.norm());
    Ok(())
}
RUST
} | crate readme_cell "unspool = { path = \"$repository/crates/unspool\" }"

crate optimizer "unspool-graph = { path = \"$repository/crates/graph\" }
unspool-nn = { path = \"$repository/crates/nn\" }" <<'RUST'
use unspool_graph::{Graph, Params, init};
use unspool_nn::{Adam, AdamW, Result, Sgd, optimizer::Optimizer};

fn main() -> Result<()> {
    let mut params = Params::seeded(7);
    let w = params.scope("m").add("w", [4, 4], init::uniform(0.5));
    let (mut adam, mut adamw, mut sgd) = (Adam::new(), AdamW::new(), Sgd::new().momentum(0.9));
    for _ in 0..10 {
        let graph = Graph::new(&params);
        let gradients = (graph.full([2, 4], 1.0).matmul(w) - 1.0).powi(2).mean(&[]).backward()?;
        adam.step(&mut params, &gradients, 0.01)?;
        adamw.step(&mut params, &gradients, 0.01)?;
        let norm = sgd.clipped_step(&mut params, &gradients, 0.01, 1.0, 5.0)?;
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
printf 'release builds after a touch, %s\n' "$(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo)"
for name in gated_cell readme_cell optimizer; do
    case $name in gated_cell | optimizer) bar=3 ;; *) bar=6 ;; esac
    build=(cargo build --release --manifest-path "$folder/$name/Cargo.toml")
    "${build[@]}" 2>&1 | tail -1
    sleep 1 # a `touch` within the second of the build would not be seen
    touch "$folder/$name/src/main.rs"
    read -r processor clock < <(seconds "${build[@]}")
    printf '%-12s %5s s of processor time, %5s s by the clock; at most %s s\n' "$name" "$processor" "$clock" "$bar"
    if awk -v a="$processor" -v b="$bar" 'BEGIN { exit !(a > b) }'; then failed=1; fi
done
exit $failed
