//! The adding problem (Hochreiter and Schmidhuber 1997): a hundred and more steps of noise, two of them marked; the
//! answer is the sum of the two marked numbers. A cell that cannot hold on to the first does no better than to say 1,
//! whose mean squared error is 1/6 ≈ 0.167.
//!
//! `cargo run --release -p unspool-nn --example adding_problem -- [length] [steps] [cell …] [picture.svg]` trains each
//! kind of cell in the same way, shows the error on sequences it has not seen, and draws how large the loss's gradient
//! still is at each step back in time.
//!
//! Without arguments, on two cores (30 s for the plain cell, 26 s for the GRU, 113 s for the LSTM);
//! `adding_problem.svg` is its picture:
//!
//! | cell | mean squared error | steps | ‖∂L/∂h₁‖ before | after | ‖∂L/∂h₂₀₀‖ before | after |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | elman | 0.16917 | 8000 | 0 | 0 | 0.21 | 5.2e-2 |
//! | gru | 0.00048 | 2100 | 6.6e-41 | 2.6e-3 | 0.25 | 7.8e-3 |
//! | lstm | 0.00048 | 5000 | 2.5e-42 | 3.9e-4 | 0.23 | 9.1e-3 |

use ndarray::{Array2, Array3};
use std::fmt::Write;
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{Adam, AnyCell, Cell, CellKind, Linear, Result, Sequence, leaves, unroll};

const HIDDEN: usize = 48;
const BATCH: usize = 32;
const RATE: f64 = 3e-3;
/// Steps between two looks at the error.
const EVERY: u64 = 100;
/// Below this the problem is solved.
const SOLVED: f64 = 5e-4;

/// Sequences `[batch, time, (number in 0..1, mark)]`, one mark in the first half and one in the second, and the sums
/// `[batch, 1]`.
fn sequences(seed: u64, batch: usize, time: usize) -> (Array3<f32>, Array2<f32>) {
    let (mut xs, mut sums) = (Array3::zeros((batch, time, 2)), Array2::zeros((batch, 1)));
    for b in 0..batch {
        let draw = RngKey::seed(seed).fold_in(b as u64);
        for t in 0..time {
            xs[[b, t, 0]] = draw.uniform(t as u64) as f32;
        }
        let place = |i: u64, count: usize| (draw.fold_in(i).uniform(0) * count as f64) as usize;
        for at in [place(1, time / 2), time / 2 + place(2, time - time / 2)] {
            xs[[b, at, 1]] = 1.0;
            sums[[b, 0]] += xs[[b, at, 0]];
        }
    }
    (xs, sums)
}

struct Adder {
    cell: AnyCell,
    readout: Linear,
}

impl Adder {
    fn new(params: &mut Params, kind: CellKind) -> Adder {
        let cell = kind.build(params.scope("rnn"), 2, HIDDEN);
        Adder { cell, readout: Linear::new(params.scope("readout"), HIDDEN, 1) }
    }

    /// The mean squared error of the answers after the last step.
    fn loss<'g>(&self, graph: &'g Graph<'g>, (xs, sums): &(Array3<f32>, Array2<f32>)) -> Var<'g> {
        let batch = xs.shape()[0];
        let start = self.cell.initial_state(graph, batch);
        let (_, last) = unroll(&self.cell, &Sequence::full(graph.input(xs)), start);
        (self.readout.apply(leaves(&last)[0]) - graph.input(sums)).powi(2).mean(&[])
    }

    /// ‖∂L/∂h_t‖ for each step t: the hidden vector is the first leaf of what is handed on.
    fn gradient_norms(&self, params: &Params, sequences: &(Array3<f32>, Array2<f32>)) -> Result<Vec<f64>> {
        let graph = Graph::new(params).record_grad_norms();
        let gradients = self.loss(&graph, sequences).backward()?;
        let hidden = gradients.through_time().iter().filter(|state| state.leaf == 0);
        Ok(hidden.flat_map(|state| state.norms.iter().map(|&(_, norm)| norm)).collect())
    }
}

/// What training gave.
struct Outcome {
    steps: u64,
    error: f64,
    /// Before and after.
    norms: [Vec<f64>; 2],
}

/// Trains until the problem is solved or `steps` are done.
fn run(kind: CellKind, time: usize, steps: u64) -> Result<Outcome> {
    let mut params = Params::seeded(1);
    let model = Adder::new(&mut params, kind);
    let (mut adam, new) = (Adam::new(), sequences(u64::MAX, 500, time));
    let few = sequences(u64::MAX - 1, BATCH, time);
    let before = model.gradient_norms(&params, &few)?;
    let (mut step, mut error) = (0, f64::INFINITY);
    while step < steps && error > SOLVED {
        let graph = Graph::new(&params).training(1, step);
        let mut gradients = model.loss(&graph, &sequences(step, BATCH, time)).backward()?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, RATE)?;
        step += 1;
        if step % EVERY == 0 || step == steps {
            error = model.loss(&Graph::new(&params), &new).item()?;
        }
    }
    let after = model.gradient_norms(&params, &few)?;
    Ok(Outcome { steps: step, error, norms: [before, after] })
}

/// ‖∂L/∂h_t‖ at some steps, as a row of bars on a logarithmic scale from 1e-12 to 1.
fn draw(norms: &[f64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let width = norms.len().min(50);
    let bar = |i: usize| {
        let share = (norms[i * norms.len() / width].max(1e-300).log10() + 12.0) / 12.0;
        if share <= 0.0 { ' ' } else { BARS[((share * 8.0) as usize).min(7)] }
    };
    (0..width).map(bar).collect()
}

/// The curves of ‖∂L/∂h_t‖, before training dashed, after it solid, as a picture: time from left to right, a
/// logarithmic scale upwards from 1e-24 to 10.
fn picture(curves: &[(CellKind, [Vec<f64>; 2])]) -> String {
    const COLOURS: [&str; 4] = ["#1f77b4", "#d95f02", "#1b9e77", "#7570b3"];
    let (left, top, width, height) = (60.0, 20.0, 560.0, 280.0);
    let y = |norm: f64| top + height * (1.0 - norm.max(1e-24).log10()) / 25.0;
    let mut svg = String::from(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 640 370\" \
         font-family=\"DejaVu Sans, sans-serif\" font-size=\"12\">\n\
         <rect width=\"640\" height=\"370\" fill=\"white\"/>\n",
    );
    for power in [-24, -18, -12, -6, 0] {
        let at = y(10f64.powi(power));
        let _ = writeln!(svg, "<path d=\"M{left} {at:.1}h{width}\" stroke=\"#ddd\"/>");
        let _ = writeln!(svg, "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">1e{power}</text>", left - 6.0, at + 4.0);
    }
    for ((kind, norms), (i, colour)) in curves.iter().zip(COLOURS.iter().enumerate().cycle()) {
        for (norms, dashes) in norms.iter().zip(["4 4", ""]) {
            let last = (norms.len() - 1).max(1) as f64;
            let points =
                norms.iter().enumerate().map(|(t, &n)| format!("{:.1},{:.1} ", left + width * t as f64 / last, y(n)));
            let points: String = points.collect();
            let _ = writeln!(
                svg,
                "<polyline fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\" \
                 stroke-dasharray=\"{dashes}\" points=\"{points}\"/>"
            );
        }
        let _ = writeln!(svg, "<text x=\"{}\" y=\"350\" fill=\"{colour}\">{kind}</text>", left + 90.0 * i as f64);
    }
    let steps = curves.first().map_or(0, |(_, norms)| norms[0].len());
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"325\">t = 1</text>");
    let _ = writeln!(svg, "<text x=\"{}\" y=\"325\" text-anchor=\"end\">{steps}</text>", left + width);
    let _ = writeln!(
        svg,
        "<text x=\"620\" y=\"350\" text-anchor=\"end\">\
        ‖∂L/∂h‖ at step t: dashed before training, solid after</text>\n</svg>"
    );
    svg
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let file = arguments.pop_if(|last| last.ends_with(".svg"));
    let mut arguments = arguments.into_iter();
    let mut number = |or: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (time, steps) = (number(200) as usize, number(8000));
    let kinds: Vec<CellKind> = arguments.map(|name| name.parse()).collect::<Result<_>>()?;
    let kinds = if kinds.is_empty() { vec![CellKind::Rnn, CellKind::Gru, CellKind::Lstm] } else { kinds };
    println!("length {time}, {HIDDEN} hidden, batches of {BATCH}; to say 1 always gives 0.167");
    let mut curves = vec![];
    for kind in kinds {
        let began = std::time::Instant::now();
        let Outcome { steps, error, norms } = run(kind, time, steps)?;
        println!(
            "{kind:>6}: mean squared error {error:.5} after {steps} steps, {:.0} s",
            began.elapsed().as_secs_f64()
        );
        for (when, norms) in ["before", "after"].iter().zip(&norms) {
            let (first, last) = (norms[0], norms[norms.len() - 1]);
            println!(
                "        {when:>6} |∂L/∂h_t|: {first:.1e} at the first step {} {last:.1e} at the last",
                draw(norms)
            );
        }
        curves.push((kind, norms));
    }
    if let Some(file) = file {
        std::fs::write(file, picture(&curves))?;
    }
    Ok(())
}

#[test]
fn gates_hold_on_to_what_the_plain_cell_loses() {
    // Short enough for a test.
    let gru = run(CellKind::Gru, 16, 500).unwrap();
    assert!(gru.error < 0.05, "{}", gru.error);
    // At 60 steps the plain cell's gradient has vanished on the way to the first.
    let Outcome { norms: [norms, _], .. } = run(CellKind::Rnn, 60, 1).unwrap();
    assert!(norms[0] < 1e-6 * norms[59], "{:e} {:e}", norms[0], norms[59]);
}
