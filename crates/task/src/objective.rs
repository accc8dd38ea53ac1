//! What the training loop asks for: the batches of an epoch, their shards, losses, and the evaluation after it.

use crate::{
    batch::Batch,
    error::{Error, Result},
    page::row,
    task::{Digits, Search, Task},
    train::Run,
};
use std::sync::{PoisonError, atomic::Ordering};
use unspool::{
    graph::{Graph, Params, RngKey, Tensor, Var},
    nn::{
        CarriedStates,
        exchange::Exchange,
        training::{Evaluation, Objective},
    },
};

/// A batch of this many rows or more is cut into shards, so that several cores work on it. The cut depends on the batch
/// alone.
const ROWS_TO_SHARD: usize = 16;

/// A place in a training, and the rows of its batch.
pub(crate) struct Rows {
    epoch: u64,
    number: usize,
    rows: Vec<usize>,
    /// How many of them are a shard.
    shard: usize,
}

impl<T: Task> Objective for Run<'_, T> {
    type Batch = Rows;
    /// How much of the training is done, and the arrays.
    type Shard = (f64, T::Batch);
    type Error = Error;

    fn epoch(&self, epoch: u64) -> Result<Vec<Rows>> {
        let shard = |rows: usize| if rows >= ROWS_TO_SHARD { rows.div_ceil(self.shards()) } else { rows.max(1) };
        let rows = |(number, rows): (usize, Vec<usize>)| Rows { epoch, number, shard: shard(rows.len()), rows };
        let batches: Vec<Rows> = self.order(epoch)?.into_iter().enumerate().map(rows).collect();
        let ranks = self.exchange.ranks();
        let mut needed = vec![vec![]; ranks];
        for (number, rows) in batches.iter().flat_map(|batch| batch.rows.chunks(batch.shard).enumerate()) {
            needed[number % ranks].extend_from_slice(rows);
        }
        self.fetch(&needed)?;
        Ok(batches)
    }

    fn shards(&self, batch: &Rows) -> usize {
        batch.rows.chunks(batch.shard).len()
    }

    fn shard(&self, batch: &Rows, number: usize) -> Result<(f64, T::Batch)> {
        let rows = batch.rows.chunks(batch.shard).nth(number).unwrap_or_default();
        let key = RngKey::seed(self.seed()).fold_in_str("examples").fold_in(batch.epoch);
        let arrays = self.train().batch(&self.begun.task, rows, key)?;
        let units = arrays.units().unwrap_or_else(|| self.train().units(rows));
        self.units.fetch_add(units as u64, Ordering::Relaxed);
        let done = batch.epoch as f64 + batch.number as f64 / self.batches.max(1) as f64;
        Ok((done / self.epochs() as f64, arrays))
    }

    fn weight(&self, (_, batch): &(f64, T::Batch)) -> f64 {
        batch.loss_count() as f64
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (progress, batch): &(f64, T::Batch)) -> Var<'g> {
        self.begun.task.training_loss(graph, batch, *progress)
    }

    fn carried(&self) -> Vec<Tensor> {
        self.begun.task.carried().map_or_else(Vec::new, CarriedStates::all)
    }

    fn carry(&self, carried: Vec<Tensor>) -> Result<()> {
        Ok(self.begun.task.carried().map_or(Ok(()), |rows| rows.restore(carried))?)
    }

    fn share(&self, exchange: &dyn Exchange) -> Result<()> {
        Ok(self.begun.task.carried().map_or(Ok(()), |rows| rows.share(exchange))?)
    }

    fn evaluate(&self, params: &Params) -> Result<Evaluation> {
        let dev = &self.begun.dev;
        let (found, answers) = self.part(params, dev, Search::Quick)?;
        let mut samples = vec![];
        for (example, answer) in dev.examples.iter().zip(&answers).take(T::SPEC.samples) {
            let row = row(self.begun.task.show(example, answer, Digits::Few));
            samples.extend(row.iter().map(|(heading, text)| format!("  {heading:<10} {text}")));
            samples.push(String::new());
        }
        let written = self.written(params)?;
        samples.extend(
            written.iter().flat_map(|text| text.lines().map(|line| format!("  {line}")).chain([String::new()])),
        );
        *self.samples.lock().unwrap_or_else(PoisonError::into_inner) = samples;
        let value = found.score.value;
        Ok(Evaluation::of_score(T::SPEC.metric.sign(value))
            .metric("loss", found.loss)
            .metric(T::SPEC.metric.name, value))
    }
}
