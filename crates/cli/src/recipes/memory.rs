//! What the tasks of long memory have in common: layers of cells that must hold on to what they read, and the
//! gradient's way back.

use super::*;
use unspool::nn::{AnyCell, CellKind, Linear, Recurrent, RecurrentConfig, Sequence};

/// Rows whose gradients are looked at.
const ROWS: usize = 32;

/// The options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    #[serde(with = "by_name")]
    pub(crate) cell: CellKind,
    pub(crate) layers: usize,
    pub(crate) hidden_size: usize,
    pub(crate) length: usize,
    pub(crate) sequences: usize,
    pub(crate) batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { cell: CellKind::Gru, layers: 1, hidden_size: 64, length: 200, sequences: 3200, batch_rows: 32 }
    }
}

impl Settings {
    /// The plain tanh cell, trained in the same way.
    pub(crate) fn plain(&self) -> Vec<(&'static str, Settings)> {
        match self.cell {
            CellKind::Rnn => vec![],
            _ => vec![("rnn", Settings { cell: CellKind::Rnn, ..self.clone() })],
        }
    }
}

pub(crate) const OPTIONS: &[Opt] = &[
    Opt::CELL,
    Opt::LAYERS,
    Opt::HIDDEN,
    Opt {
        name: "length",
        value: "STEPS",
        kind: Kind::Count(24..=limits::SIZE as u64),
        help: "Time steps per sequence",
    },
    Opt {
        name: "sequences",
        value: "N",
        kind: Kind::Count(1..=10_000_000),
        help: "Synthetic sequences per training epoch",
    },
    Opt::batch_rows("SEQUENCES", "Sequences per batch"),
];

/// What a prediction needs beside the weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    pub(crate) length: usize,
}

impl Saved {
    pub(crate) fn new(settings: &Settings) -> Saved {
        let Settings { cell, layers, hidden_size, length, .. } = *settings;
        Saved { cell, layers, hidden_size, length }
    }
}

/// Layers of cells over whole sequences, and a readout.
pub(crate) struct Memory {
    pub(crate) saved: Saved,
    cells: Recurrent<AnyCell>,
    readout: Linear,
}

impl Memory {
    /// Adds the parameters. Gates begin so that their memory lasts as long as a sequence, where that is spread from 1
    /// step to all.
    pub(crate) fn new(saved: Saved, inputs: usize, outputs: usize, params: &mut Params) -> Result<Memory> {
        check_sizes(&[("layers", saved.layers), ("hidden_size", saved.hidden_size), ("length", saved.length)], 0.0)?;
        let (kind, layers) = (saved.cell, RecurrentConfig { layers: saved.layers, ..RecurrentConfig::default() });
        let make = |scope: unspool::graph::Scope<'_>, input, hidden| kind.build(scope, input, hidden);
        let cells = Recurrent::new(params.scope("memory"), make, inputs, saved.hidden_size, layers);
        let readout = Linear::new(params.scope("readout"), saved.hidden_size, outputs);
        for cell in cells.cells() {
            cell.init_chrono(params, saved.length)?;
        }
        Ok(Memory { saved, cells, readout })
    }

    /// What is said at each of the last `steps` steps of sequences of one length:
    /// `[batch, time, input] -> [batch, steps, output]`.
    pub(crate) fn at_the_end<'g>(&self, xs: Var<'g>, steps: usize) -> Var<'g> {
        let xs = Sequence::full(xs);
        let (hs, _) = self.cells.unroll(&xs, self.cells.initial_state(xs.graph(), xs.batch()));
        let time = xs.layout().time();
        self.readout.apply(hs.steps(time.saturating_sub(steps), time).padded())
    }
}

/// ‖∂loss/∂h_t‖ of the top layer at each step t: of the model as it is trained, as it was at first, and of the plain
/// cell at first.
pub(crate) fn gradients_through_time<T: Task<Saved = Saved>>(
    task: &T,
    params: &Params,
    examples: &T::Examples,
) -> Result<Figure> {
    let rows: Vec<usize> = (0..task.lengths(examples).len().min(ROWS)).collect();
    let batch = task.batch(examples, &rows, None)?;
    let cell = task.saved().cell;
    let mut lines = vec![(format!("{cell}, trained"), norms(task, params, &batch)?)];
    let kinds = if cell == CellKind::Rnn { vec![cell] } else { vec![cell, CellKind::Rnn] };
    for cell in kinds {
        let mut params = Params::seeded(0);
        let first = T::restore(Saved { cell, ..task.saved().clone() }, None, &mut params)?;
        lines.push((format!("{cell}, untrained"), norms(&first, &params, &batch)?));
    }
    Ok(Figure::Curves(Curves::gradient_norms("What is left of the gradient on its way back".into(), lines)))
}

fn norms<T: Task>(task: &T, params: &Params, batch: &T::Batch) -> Result<Vec<(f64, f64)>> {
    let graph = Graph::new(params).record_grad_norms();
    let gradients = gradients(task, &graph, batch, 1.0)?;
    let top = gradients.through_time().iter().rfind(|series| series.leaf == 0);
    Ok(top.map_or(vec![], |series| series.norms.iter().map(|(t, norm)| (*t as f64, *norm)).collect()))
}

/// How far a gradient of the whole loss reaches back: its norm at the first step over that at the last.
#[cfg(test)]
pub(crate) fn reach(figure: &Figure, line: usize) -> f64 {
    let Figure::Curves(Curves { lines, .. }) = figure else { return f64::NAN };
    let norms = &lines[line].1;
    norms[0].1 / norms[norms.len() - 1].1
}
