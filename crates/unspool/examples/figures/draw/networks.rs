//! Figures of networks. Where they show numbers, these are of a recording made here.

use super::{
    Figure, Result,
    sketch::{Boxed, Kind, Sketch},
};
use std::collections::BTreeMap;
use unspool::prelude::*;

pub(crate) const FIGURES: &[Figure] = &[
    Figure { name: "ten-nodes", draw: ten_nodes },
    Figure { name: "rolled", draw: rolled },
    Figure { name: "unrolled", draw: unrolled },
    Figure { name: "bidirectional", draw: bidirectional },
    Figure { name: "one-to-many", draw: one_to_many },
];

pub(super) const DIGITS: [char; 10] = ['₀', '₁', '₂', '₃', '₄', '₅', '₆', '₇', '₈', '₉'];

/// The graph of chapter 1: its nodes and edges as recorded, each node with its value and its gradient.
fn ten_nodes() -> Result<String> {
    let mut params = Params::seeded(0).to_f64();
    let mut cell = params.scope("cell");
    let [w, u] = [("w", 0.8), ("u", 0.6)].map(|(name, value)| cell.add(name, [], init::constant(value)));
    let graph = Graph::new(&params);
    let [x1, x2] = [0.5, -1.0].map(|x| graph.input(x).watch());
    let w_x1 = (w * x1).watch();
    let h1 = w_x1.tanh().watch();
    let w_x2 = (w * x2).watch();
    let u_h1 = (u * h1).watch();
    let sum = (w_x2 + u_h1).watch();
    let h2 = sum.tanh().watch();
    let gradients = h2.backward()?;

    let (w_node, u_node) = (graph.param(w), graph.param(u));
    let places = [
        (x1, Kind::Input, (60, 50), "x₁", gradients.of(x1)),
        (w_node, Kind::Weight, (60, 150), "w", gradients.of(w)),
        (x2, Kind::Input, (60, 250), "x₂", gradients.of(x2)),
        (w_x1, Kind::Step, (205, 100), "w·x₁", gradients.of(w_x1)),
        (w_x2, Kind::Step, (205, 205), "w·x₂", gradients.of(w_x2)),
        (u_node, Kind::Weight, (345, 45), "u", gradients.of(u)),
        (h1, Kind::Step, (345, 150), "h₁ = tanh", gradients.of(h1)),
        (u_h1, Kind::Step, (485, 100), "u·h₁", gradients.of(u_h1)),
        (sum, Kind::Step, (625, 160), "+", gradients.of(sum)),
        (h2, Kind::Output, (760, 160), "h₂ = tanh", gradients.of(h2)),
    ];
    let mut sketch = Sketch::new(820, 300);
    let mut boxes = BTreeMap::new();
    for (var, kind, at, name, gradient) in places {
        let gradient = gradient.map_or(0.0, |g| g.to_f64().sum());
        let lines =
            [name, &format!("{:.3}", var.item()?), &format!("∂ {gradient:.3}")].map(|text| text.replace('-', "−"));
        boxes.insert(var.vertex(), sketch.boxed(kind, at, 92, &lines.each_ref().map(String::as_str)));
    }
    let topology = graph.topology();
    for (from, to) in topology.edge_indices().filter_map(|edge| topology.edge_endpoints(edge)) {
        let found = boxes.get(&from).zip(boxes.get(&to)).ok_or("a node was recorded that has no place")?;
        sketch.arrow(&[found.0.right(), found.1.left()], 1.2);
    }
    Ok(sketch.finish())
}

/// Inputs below, cells in a row, what they give above.
pub(super) struct Row {
    pub(super) cells: Vec<Boxed>,
}

impl Row {
    /// `steps` cells from `left` on, 120 apart, at height `y`.
    pub(super) fn new(sketch: &mut Sketch, left: i32, y: i32, steps: usize) -> Row {
        let cells = (0..steps as i32).map(|t| sketch.boxed(Kind::Step, (left + 120 * t, y), 64, &["cell"])).collect();
        Row { cells }
    }

    /// The state from each cell to the next, and into the first from `start`.
    pub(super) fn states(&self, sketch: &mut Sketch, start: Boxed, names: bool) {
        sketch.arrow(&[start.right(), self.cells[0].left()], 1.2);
        for (t, pair) in self.cells.windows(2).enumerate() {
            let (from, to) = (pair[0].right(), pair[1].left());
            sketch.arrow(&[from, to], 1.2);
            if names {
                sketch.text(((from.0 + to.0) / 2, from.1 - 8), &format!("h{}", DIGITS[t + 1]), 12);
            }
        }
    }
}

/// One cell with its loop, and the same over four steps; the weights stand at their arrows.
fn rolled() -> Result<String> {
    let mut sketch = Sketch::new(860, 260);
    let cell = sketch.boxed(Kind::Step, (100, 130), 64, &["tanh"]);
    let x = sketch.boxed(Kind::Input, (100, 220), 48, &["xₜ"]);
    let y = sketch.boxed(Kind::Output, (100, 40), 48, &["yₜ"]);
    sketch.arrow(&[x.top(), cell.bottom()], 1.2);
    sketch.arrow(&[cell.top(), y.bottom()], 1.2);
    let (right, left) = (cell.right(), cell.left());
    sketch.arrow(
        &[right, (right.0 + 40, right.1), (right.0 + 40, 178), (left.0 - 34, 178), (left.0 - 34, left.1), left],
        1.2,
    );
    sketch.text((right.0 + 20, right.1 - 8), "hₜ", 13);
    sketch.text((left.0 - 18, left.1 - 8), "hₜ₋₁", 12);
    sketch.text((right.0 + 44, 196), "one step later", 12);
    sketch.text((82, 198), "Wxh", 12);
    sketch.text((124, 84), "Why", 12);
    sketch.text((60, 172), "Whh", 12);
    sketch.text((240, 136), "=", 24);

    let start = sketch.boxed(Kind::Input, (310, 130), 48, &["h₀"]);
    let row = Row::new(&mut sketch, 420, 130, 4);
    row.states(&mut sketch, start, true);
    for (t, cell) in row.cells.iter().enumerate() {
        let x = sketch.boxed(Kind::Input, (cell.top().0, 220), 48, &[&format!("x{}", DIGITS[t + 1])]);
        let y = sketch.boxed(Kind::Output, (cell.top().0, 40), 48, &[&format!("y{}", DIGITS[t + 1])]);
        sketch.arrow(&[x.top(), cell.bottom()], 1.2);
        sketch.arrow(&[cell.top(), y.bottom()], 1.2);
        sketch.text((cell.top().0 + 20, 182), "Wxh", 12);
        sketch.text((cell.top().0 + 20, 84), "Why", 12);
        sketch.text((cell.left().0 - 28, 150), "Whh", 12);
    }
    Ok(sketch.finish())
}

/// Four steps with a loss at the last, and how large the gradient of each state is.
fn unrolled() -> Result<String> {
    let mut params = Params::seeded(1).to_f64();
    let cell = Rnn::new(params.scope("rnn"), 1, 4);
    let graph = Graph::new(&params).record_grad_norms();
    let start = graph.zeros([1, 4]).watch();
    let xs = graph.input(ndarray::Array3::from_shape_fn((1, 4, 1), |(_, t, _)| (t as f64).cos()));
    let (_, last) = unroll(&cell, &Sequence::pack(xs, &[4]), start);
    let gradients = (last - 0.5).powi(2).sum_all().backward()?;
    let of_start = gradients.of(start).map_or(0.0, |g| g.to_f64().mapv(|x| x * x).sum().sqrt());
    let of_states = gradients.through_time().first().ok_or("no state was traced")?.norms.iter().map(|&(_, norm)| norm);
    let norms: Vec<f64> = [of_start].into_iter().chain(of_states).collect();
    let norm = |t: usize| norms[t];

    let mut sketch = Sketch::new(740, 250);
    let start = sketch.boxed(Kind::Input, (50, 130), 48, &["h₀"]);
    let cells = Row::new(&mut sketch, 170, 130, 4).cells;
    let loss = sketch.boxed(Kind::Output, (650, 130), 64, &["loss"]);
    let stations: Vec<Boxed> = [start].into_iter().chain(cells.iter().copied()).chain([loss]).collect();
    for (t, pair) in stations.windows(2).enumerate() {
        let (from, to) = (pair[0].right(), pair[1].left());
        sketch.arrow(&[from, to], 1.0 + 4.0 * norm(t) / norm(4));
        sketch.text(((from.0 + to.0) / 2, from.1 + 22), &format!("‖∂L/∂h{}‖", DIGITS[t]), 12);
        sketch.text(((from.0 + to.0) / 2, from.1 + 38), &format!("{:.2}", norm(t)), 12);
    }
    for (t, cell) in cells.iter().enumerate() {
        let x = sketch.boxed(Kind::Input, (cell.top().0, 215), 48, &[&format!("x{}", DIGITS[t + 1])]);
        sketch.arrow(&[x.top(), cell.bottom()], 1.2);
    }
    let weights = sketch.boxed(Kind::Weight, (350, 30), 120, &["W, the same"]);
    for cell in &cells {
        sketch.arrow(&[weights.bottom(), (cell.top().0, cell.top().1)], 0.7);
    }
    Ok(sketch.finish())
}

/// Two cells over four steps, one in each direction.
fn bidirectional() -> Result<String> {
    let mut sketch = Sketch::new(660, 330);
    let forward = Row::new(&mut sketch, 180, 215, 4).cells;
    let backward = Row::new(&mut sketch, 220, 130, 4).cells;
    sketch.text((74, 220), "reads forward →", 13);
    sketch.text((74, 135), "← reads backward", 13);
    for t in 0..4 {
        let (f, b) = (forward[t], backward[t]);
        let x = sketch.boxed(Kind::Input, (f.top().0 + 20, 295), 48, &[&format!("x{}", DIGITS[t + 1])]);
        let z = sketch.boxed(Kind::Output, (f.top().0 + 20, 40), 48, &[&format!("z{}", DIGITS[t + 1])]);
        sketch.arrow(&[(x.top().0 - 10, x.top().1), (f.bottom().0 + 10, f.bottom().1)], 1.2);
        sketch.arrow(&[(x.top().0 + 20, x.top().1), (b.bottom().0 + 20, b.bottom().1)], 1.2);
        sketch.arrow(&[(f.top().0 - 20, f.top().1), (z.bottom().0 - 16, z.bottom().1)], 1.2);
        sketch.arrow(&[b.top(), (z.bottom().0 + 12, z.bottom().1)], 1.2);
        if t < 3 {
            sketch.arrow(&[f.right(), forward[t + 1].left()], 1.2);
            sketch.arrow(&[backward[t + 1].left(), b.right()], 1.2);
        }
    }
    Ok(sketch.finish())
}

/// A picture becomes a state, and a state a word.
fn one_to_many() -> Result<String> {
    let mut sketch = Sketch::new(700, 250);
    let picture = sketch.boxed(Kind::Input, (60, 130), 72, &["picture"]);
    let cells = Row::new(&mut sketch, 200, 130, 4);
    cells.states(&mut sketch, picture, false);
    sketch.text((132, 122), "h₀", 12);
    let said = ["o", "n", "e", "<eos>"];
    let mut last = String::from("<bos>");
    let mut from: Option<Boxed> = None;
    for (cell, word) in cells.cells.iter().zip(said) {
        let x = sketch.boxed(Kind::Input, (cell.top().0, 215), 60, &[&last]);
        let y = sketch.boxed(Kind::Output, (cell.top().0, 40), 60, &[word]);
        sketch.arrow(&[x.top(), cell.bottom()], 1.2);
        sketch.arrow(&[cell.top(), y.bottom()], 1.2);
        if let Some(from) = from {
            let middle = (from.right().0 + x.left().0) / 2;
            sketch.arrow(&[from.right(), (middle, from.right().1), (middle, x.left().1), x.left()], 1.2);
        }
        (last, from) = (word.to_string(), Some(y));
    }
    Ok(sketch.finish())
}
