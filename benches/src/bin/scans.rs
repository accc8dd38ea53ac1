//! Times cells over whole sequences: `scans CELL scan|steps|segments [TIME [BATCH [WIDTH]]]`, where the cell is `gru`,
//! `min-gru`, `gated-delta-net` or `mlstm`, the last two with 4 heads.
//!
//! `scan` computes all steps at once and `steps` one after another. `segments` scans 64 steps at a time in segments
//! that are recorded again for the backward pass, so that what a segment makes stays in the processor's cache.
//!
//! A forward and a backward pass over a batch of random inputs, twice to warm up and then five times. Prints the median
//! in milliseconds, and in nanoseconds per token.

use ndarray::{Array3, s};
use std::{error::Error, sync::Arc, time::Instant};
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{
    Cell, Gru, Sequence, State, Stepwise,
    cells::{GatedDeltaNet, GatedDeltaNetConfig, MinGru, Mlstm, MlstmConfig},
    leaves, unroll,
};

/// Steps of a segment. At a width of 256 and a batch size of 8, one of its values is half a megabyte.
const SEGMENT: usize = 64;

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, form, sizes @ ..] = &arguments[..] else {
        return Err("needs a cell, and scan, steps, or segments".into());
    };
    let size = |i: usize, default: usize| sizes.get(i).map_or(Ok(default), |text| text.parse());
    let (time, batch, width) = (size(0, 4096)?, size(1, 1)?, size(2, 256)?);
    let mut params = Params::seeded(0);
    let (scope, sizes) = (params.scope("rnn"), [batch, time, width]);
    let (delta, mlstm) = (GatedDeltaNetConfig { heads: 4, key_size: None }, MlstmConfig { heads: 4, key_size: None });
    let milliseconds = match &name[..] {
        "gru" => {
            let cell = Gru::new(scope, width, width);
            measure(&params, cell, form, sizes)?
        }
        "min-gru" => {
            let cell = MinGru::new(scope, width, width);
            measure(&params, cell, form, sizes)?
        }
        "gated-delta-net" => {
            let cell = GatedDeltaNet::with_config(scope, width, width, delta);
            measure(&params, cell, form, sizes)?
        }
        "mlstm" => {
            let cell = Mlstm::with_config(scope, width, width, mlstm);
            measure(&params, cell, form, sizes)?
        }
        other => return Err(format!("no cell {other:?}").into()),
    };
    let each = milliseconds * 1e6 / (batch * time) as f64;
    println!("{name},{form},{time},{batch},{width},{milliseconds:.1} ms,{each:.0} ns per token");
    Ok(())
}

fn measure<C>(params: &Params, cell: C, form: &str, [batch, time, width]: [usize; 3]) -> Result<f64, Box<dyn Error>>
where
    C: Cell + Clone + Send + Sync + 'static,
{
    let draw = RngKey::seed(1);
    let number = |(b, t, i)| draw.normal(((b * time + t) * width + i) as u64) as f32;
    let xs = Arc::new(Array3::from_shape_fn((batch, time, width), number));
    Ok(match form {
        "scan" => median(params, |graph| Ok(whole(graph, &cell, &xs)))?,
        "steps" => {
            let cell = Stepwise::new(cell);
            median(params, |graph| Ok(whole(graph, &cell, &xs)))?
        }
        "segments" => median(params, |graph| in_segments(graph, &cell, &xs))?,
        other => return Err(format!("{other:?} is not scan, steps, or segments").into()),
    })
}

/// The mean square of a cell's outputs over a whole sequence.
fn whole<'g, C: Cell>(graph: &'g Graph<'g>, cell: &C, xs: &Array3<f32>) -> Var<'g> {
    let (ys, _) = unroll(cell, &Sequence::full(graph.input(xs.view())), cell.initial_state(graph, xs.dim().0));
    (ys.rows() * ys.rows()).mean(&[])
}

/// The same, by segments of 64 steps that are recorded again for the backward pass.
fn in_segments<'g, C>(graph: &'g Graph<'g>, cell: &C, xs: &Arc<Array3<f32>>) -> unspool_nn::Result<Var<'g>>
where
    C: Cell + Clone + Send + Sync + 'static,
{
    let (batch, time, _) = xs.dim();
    let mut state = cell.initial_state(graph, batch);
    let mut sums = vec![];
    for start in (0..time).step_by(SEGMENT) {
        let before = leaves(&state);
        let (cell, xs) = (cell.clone(), xs.clone());
        // The sum of squares, then the leaves of the state, as one row of numbers.
        let joined = graph.recompute(
            move |graph, before| {
                let window = xs.slice(s![.., start..time.min(start + SEGMENT), ..]);
                let state = cell.initial_state(graph, batch).rebuild(&mut before.iter().copied());
                let (ys, last) = unroll(&cell, &Sequence::full(graph.input(window)), state);
                let parts = [(ys.rows() * ys.rows()).sum_all()].into_iter().chain(leaves(&last));
                let elements = |part: Var<'_>| part.known_shape().map_or(0, |shape| shape.elements());
                graph.concat(&parts.map(|part| part.reshape([elements(part)])).collect::<Vec<_>>(), 0)
            },
            &before,
        );
        sums.push(joined.slice(0, 0..1));
        let (mut after, mut at) = (vec![], 1);
        for leaf in before {
            let shape = leaf.shape()?;
            after.push(joined.slice(0, at..at + shape.elements()).reshape(&*shape));
            at += shape.elements();
        }
        state = state.rebuild(&mut after.into_iter());
    }
    Ok(graph.concat(&sums, 0).sum_all() / xs.len() as f64)
}

/// The median time of a forward and a backward pass, in milliseconds.
fn median(
    params: &Params,
    loss: impl for<'g> Fn(&'g Graph<'g>) -> unspool_nn::Result<Var<'g>>,
) -> unspool_nn::Result<f64> {
    let mut times = vec![];
    for _ in 0..7 {
        let before = Instant::now();
        let graph = Graph::new(params);
        loss(&graph)?.backward()?;
        drop(graph);
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    let measured = &mut times[2..];
    measured.sort_by(f64::total_cmp);
    Ok(measured[measured.len() / 2])
}
