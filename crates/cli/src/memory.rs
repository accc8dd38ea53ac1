//! What the tasks of long memory have in common: layers of cells that must hold on to what they read, and the
//! gradient's way back.

use clap::Args;
use ndarray::{ArrayD, ArrayViewD};
use unspool::{
    graph::{Graph, Params},
    models::MemoryReaderConfig,
    nn::CellKind,
};
use unspool_task::{
    Curves, Drawn, Figure, Parts, RecurrentOptions, Result, SavedModel, Task, count, gradients, limits,
};

/// Rows whose gradients are looked at.
const ROWS: usize = 32;

/// `--compare` trains the plain tanh cell in the same way.
pub(crate) const COMPARISONS: &[(&str, &[(&str, &str)])] = &[("rnn", &[("cell", "rnn")])];

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    recurrent: RecurrentOptions,
    /// Time steps per sequence [from 24 to 65536]
    #[arg(long, value_name = "STEPS", default_value = "200", value_parser = count(24..=limits::SIZE))]
    length: usize,
    /// Synthetic sequences per training epoch [from 1 to 10000000]
    #[arg(long, value_name = "N", default_value = "3200", value_parser = count(1..=10_000_000))]
    sequences: usize,
}

impl Options {
    /// Sequences that are made of nothing but random numbers.
    pub(crate) fn parts(&self) -> Parts<Drawn<Vec<()>>> {
        let none = || vec![];
        Drawn::parts(Parts { train: none(), dev: none(), test: none() }, self.sequences, self.length)
    }

    /// The model's sizes.
    pub(crate) fn model(&self, input_size: usize, output_size: usize) -> MemoryReaderConfig {
        let RecurrentOptions { cell, layers, hidden_size } = self.recurrent;
        MemoryReaderConfig { input_size, cell, layers, hidden_size, output_size, length: self.length }
    }
}

/// What a model is scored on.
pub(crate) fn to_score(model: &MemoryReaderConfig) -> Drawn<Vec<()>> {
    Drawn::to_score(vec![], model.length)
}

/// ‖∂loss/∂h_t‖ of the top layer at each step t: of the model as it is trained, as it was at first, and of the plain
/// cell at first.
pub(crate) fn gradients_through_time<T: Task<Saved = SavedModel<MemoryReaderConfig>>>(
    task: &T,
    model: &MemoryReaderConfig,
    params: &Params,
    test: &[T::Example],
) -> Result<Vec<Figure>> {
    let batch = task.batch(&test.iter().take(ROWS).collect::<Vec<_>>())?;
    let cell = model.cell;
    let mut lines = vec![(format!("{cell}, trained"), norms(task, params, &batch)?)];
    let kinds = if cell == CellKind::Rnn { vec![cell] } else { vec![cell, CellKind::Rnn] };
    for cell in kinds {
        let mut params = Params::seeded(0);
        let first = T::build(SavedModel { model: MemoryReaderConfig { cell, ..*model } }, None, &mut params)?;
        lines.push((format!("{cell}, untrained"), norms(&first, &params, &batch)?));
    }
    Ok(vec![Figure::Curves(Curves::gradient_norms("What is left of the gradient on its way back".into(), lines))])
}

fn norms<T: Task>(task: &T, params: &Params, batch: &T::Batch) -> Result<Vec<(f64, f64)>> {
    let graph = Graph::new(params).record_grad_norms();
    let gradients = gradients(task, &graph, batch, 1.0)?;
    let top = gradients.through_time().iter().rfind(|series| series.leaf == 0);
    Ok(top.map_or(vec![], |series| series.norms.iter().map(|(t, norm)| (*t as f64, *norm)).collect()))
}

/// Σ (p − right)² of each row of probabilities, where the right class has 1 and the others 0.
pub(crate) fn squared_errors(p: &ArrayD<f64>, right: &[u32]) -> Vec<f64> {
    let square = |(row, right): (ArrayViewD<'_, f64>, &u32)| -> f64 {
        let off = |(class, p): (usize, &f64)| (p - f64::from(u8::from(class == *right as usize))).powi(2);
        row.iter().enumerate().map(off).sum()
    };
    p.outer_iter().zip(right).map(square).collect()
}

/// How far a gradient of the whole loss reaches back: its norm at the first step over that at the last.
#[cfg(test)]
pub(crate) fn reach(figure: &Figure, line: usize) -> f64 {
    let Figure::Curves(Curves { lines, .. }) = figure else { return f64::NAN };
    let norms = &lines[line].1;
    norms[0].1 / norms[norms.len() - 1].1
}
