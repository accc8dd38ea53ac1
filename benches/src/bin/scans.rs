//! Cells at once and by their steps: `scans CELL scan|steps [TIME [BATCH [WIDTH]]]`, the cell being `gru`, `min-gru`,
//! `gated-delta-net` or `mlstm`, the last two with 4 heads.
//!
//! A forward and a backward pass over a batch of random inputs, twice to warm up and then five times. Prints the median
//! in milliseconds, and in nanoseconds per token.

use std::time::Instant;
use unspool_graph::{Graph, Params, RngKey};
use unspool_nn::{
    Cell, Gru, Result, Sequence, Stepwise,
    cells::{GatedDeltaNet, GatedDeltaNetConfig, MinGru, Mlstm, MlstmConfig},
    unroll,
};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, form, sizes @ ..] = &arguments[..] else { return Err("needs a cell, and scan or steps".into()) };
    let size = |i: usize, default: usize| sizes.get(i).map_or(Ok(default), |text| text.parse());
    let (time, batch, width) = (size(0, 4096)?, size(1, 1)?, size(2, 256)?);
    let steps = match &form[..] {
        "scan" => false,
        "steps" => true,
        other => return Err(format!("{other:?} is neither scan nor steps").into()),
    };
    let mut params = Params::seeded(0);
    let (scope, sizes) = (params.scope("rnn"), [batch, time, width]);
    let (delta, mlstm) = (GatedDeltaNetConfig { heads: 4, key_size: None }, MlstmConfig { heads: 4, key_size: None });
    let milliseconds = match &name[..] {
        "gru" => {
            let cell = Gru::new(scope, width, width);
            measure(&params, cell, steps, sizes)?
        }
        "min-gru" => {
            let cell = MinGru::new(scope, width, width);
            measure(&params, cell, steps, sizes)?
        }
        "gated-delta-net" => {
            let cell = GatedDeltaNet::with_config(scope, width, width, delta);
            measure(&params, cell, steps, sizes)?
        }
        "mlstm" => {
            let cell = Mlstm::with_config(scope, width, width, mlstm);
            measure(&params, cell, steps, sizes)?
        }
        other => return Err(format!("no cell {other:?}").into()),
    };
    let each = milliseconds * 1e6 / (batch * time) as f64;
    println!("{name},{form},{time},{batch},{width},{milliseconds:.1} ms,{each:.0} ns per token");
    Ok(())
}

fn measure<C: Cell>(params: &Params, cell: C, steps: bool, sizes: [usize; 3]) -> Result<f64> {
    match steps {
        true => median(params, &Stepwise::new(cell), sizes),
        false => median(params, &cell, sizes),
    }
}

/// The median time of a pass, in milliseconds.
fn median<C: Cell>(params: &Params, cell: &C, [batch, time, width]: [usize; 3]) -> Result<f64> {
    let draw = RngKey::seed(1);
    let xs = ndarray::Array3::from_shape_fn((batch, time, width), |(b, t, i)| {
        draw.normal(((b * time + t) * width + i) as u64) as f32
    });
    let mut times = vec![];
    for _ in 0..7 {
        let before = Instant::now();
        let graph = Graph::new(params);
        let (ys, _) = unroll(cell, &Sequence::full(graph.input(xs.view())), cell.initial_state(&graph, batch));
        (ys.rows() * ys.rows()).mean(&[]).backward()?;
        drop(graph);
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    let measured = &mut times[2..];
    measured.sort_by(f64::total_cmp);
    Ok(measured[measured.len() / 2])
}
