//! Times what the wrappers that make a weight once per recording add to a cell: `wrappers [STEPS]`.
//!
//! A step is forward and backward over 32 rows of 60 time steps, 128 elements in and out. The plain cell and the
//! wrapped ones take turns, so that whatever else the machine does befalls all; a turn gives one ratio to the plain
//! cell. A line for each cell and wrapper: the plain cell's median milliseconds, and the median and the quartiles of
//! the ratios.

use std::time::Instant;
use unspool_graph::{Graph, Params};
use unspool_nn::{Cell, CellKind, Result, Sequence, WeightDrop, WeightNorm, unroll};

const ROWS: usize = 32;
const TIME: usize = 60;
const SIZE: usize = 128;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let steps: u64 = std::env::args().nth(1).map_or(Ok(200), |steps| steps.parse())?;
    println!("cell,wrapper,plain_ms,ratio,lower_quartile,upper_quartile");
    for kind in [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru] {
        let mut params = Params::seeded(1);
        let plain = kind.build(params.scope("rnn"), SIZE, SIZE);
        let weight = plain.weight_hh()?;
        let dropped = WeightDrop::new(plain.clone(), [weight], 0.5);
        let normed = WeightNorm::new(params.scope("norm"), plain.clone(), [weight]);
        let (mut times, mut ratios) = (vec![], [vec![], vec![]]);
        for step in 0..steps + 5 {
            let [alone, drop, norm] = match step % 2 {
                0 => [time(&params, step, &plain)?, time(&params, step, &dropped)?, time(&params, step, &normed)?],
                _ => {
                    let norm = time(&params, step, &normed)?;
                    let drop = time(&params, step, &dropped)?;
                    [time(&params, step, &plain)?, drop, norm]
                }
            };
            if step >= 5 {
                times.push(alone);
                ratios[0].push(drop / alone);
                ratios[1].push(norm / alone);
            }
        }
        for (wrapper, ratios) in ["weight_drop", "weight_norm"].iter().zip(&mut ratios) {
            let [lower, ratio, upper] = quartiles(ratios);
            let plain = quartiles(&mut times)[1];
            println!("{kind},{wrapper},{plain:.2},{ratio:.3},{lower:.3},{upper:.3}");
        }
    }
    Ok(())
}

/// Returns the milliseconds of a step.
fn time<C: Cell>(params: &Params, step: u64, cell: &C) -> Result<f64> {
    let begin = Instant::now();
    let graph = Graph::new(params).training(1, step);
    let xs = Sequence::full(graph.full([ROWS, TIME, SIZE], 0.1));
    let (ys, _) = unroll(cell, &xs, cell.initial_state(&graph, ROWS));
    ys.rows().powi(2).mean(&[]).backward()?;
    drop(graph);
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

fn quartiles(x: &mut [f64]) -> [f64; 3] {
    x.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| x[quarter * (x.len() - 1) / 4])
}
