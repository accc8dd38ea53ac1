//! The adding problem (Hochreiter and Schmidhuber 1997): a hundred and more steps of noise, two of them marked; the answer is the sum of the
//! two marked numbers. A cell that cannot hold on to the first does no better than to say 1, whose mean squared error is 1/6 ≈ 0.167.
//!
//! `cargo run --release -p unspool-nn --example adding_problem -- [length] [steps] [cell …]` trains each kind of cell in the same way and shows
//! the error on sequences it has not seen, and how large the loss's gradient still is at each step back in time.
//!
//! Without arguments, on two cores (26 s for the GRU, 9 s for the plain cell):
//!
//! | cell | mean squared error | steps | ‖∂L/∂h₁‖ before | after | ‖∂L/∂h₂₀₀‖ before | after |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | gru | 0.00048 | 2100 | 6.6e-41 | 2.6e-3 | 0.25 | 7.8e-3 |
//! | elman | 0.16944 | 3000 | 0 | 2.6e-22 | 0.21 | 4.9e-2 |

use ndarray::{Array2, Array3};
use unspool_graph::{Draw, Graph, Params, Var};
use unspool_nn::{Adam, AnyCell, Cell, CellKind, Linear, Result, leaves, map_state, unroll};

const HIDDEN: usize = 48;
const BATCH: usize = 32;
const RATE: f64 = 3e-3;
/// Steps between two looks at the error.
const EVERY: u64 = 100;
/// Below this the problem is solved.
const SOLVED: f64 = 5e-4;

/// Sequences `[batch, time, (number in 0..1, mark)]`, one mark in the first half and one in the second, and the sums `[batch, 1]`.
fn sequences(seed: u64, batch: usize, time: usize) -> (Array3<f32>, Array2<f32>) {
    let (mut xs, mut sums) = (Array3::zeros((batch, time, 2)), Array2::zeros((batch, 1)));
    for b in 0..batch {
        let draw = Draw::seed(seed).word(b as u64);
        for t in 0..time {
            xs[[b, t, 0]] = draw.uniform(t as u64) as f32;
        }
        let place = |i: u64, count: usize| (draw.word(i).uniform(0) * count as f64) as usize;
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
        let (batch, time) = (xs.shape()[0], xs.shape()[1]);
        let start = self.cell.initial_state(graph, batch);
        let (_, last) = unroll(&self.cell, graph.input(xs), &vec![time; batch], start);
        (self.readout.apply(last.h) - graph.input(sums)).powi(2).mean(&[])
    }

    /// ‖∂L/∂h_t‖ for each step t: the state is watched at every step.
    fn gradient_norms(&self, params: &Params, (xs, sums): &(Array3<f32>, Array2<f32>)) -> Result<Vec<f64>> {
        let graph = Graph::new(params);
        let (batch, time) = (xs.shape()[0], xs.shape()[1]);
        let inputs = graph.input(xs);
        let (mut state, mut watched) = (self.cell.initial_state(&graph, batch), vec![]);
        for t in 0..time {
            let (_, next) = self.cell.advance(inputs.index(1, t), state);
            state = map_state(&next, Var::watch);
            watched.push(leaves(&state)[0]);
        }
        let loss = (self.readout.apply(state.h) - graph.input(sums)).powi(2).mean(&[]);
        let gradients = loss.backward()?;
        let norm = |h: Var<'_>| gradients.of(h).map_or(0.0, |g| g.to_f64().mapv(|x| x * x).sum().sqrt());
        Ok(watched.into_iter().map(norm).collect())
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

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |or: u64| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(or);
    let (time, steps) = (number(200) as usize, number(3000));
    let kinds: Vec<CellKind> = arguments.map(|name| name.parse()).collect::<Result<_>>()?;
    let kinds = if kinds.is_empty() { vec![CellKind::Elman, CellKind::Gru] } else { kinds };
    println!("length {time}, {HIDDEN} hidden, batches of {BATCH}; to say 1 always gives 0.167");
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
    }
    Ok(())
}

#[test]
fn gates_hold_on_to_what_the_plain_cell_loses() {
    // Short enough for a test.
    let gru = run(CellKind::Gru, 16, 500).unwrap();
    assert!(gru.error < 0.05, "{}", gru.error);
    // At 60 steps the plain cell's gradient has vanished on the way to the first.
    let Outcome { norms: [norms, _], .. } = run(CellKind::Elman, 60, 1).unwrap();
    assert!(norms[0] < 1e-6 * norms[59], "{:e} {:e}", norms[0], norms[59]);
}
