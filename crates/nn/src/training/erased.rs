//! An objective whose types are not known, so that the loop of a training is compiled once for all objectives.

use super::{Evaluation, Objective};
use crate::{
    Error,
    exchange::{Exchange, Sums},
    sharded::shard_gradients,
};
use std::ops::Range;
use unspool_graph::{Params, Tensor};

/// An [`Objective`] with the batches of an epoch, which are known by their numbers.
pub(super) trait ErasedObjective<E>: Sync {
    /// Takes the batches of an epoch, and says how many they are.
    fn begin_epoch(&mut self, epoch: u64) -> Result<usize, E>;
    /// The shards of some batches: of each, in order, the number of its batch and its number in it.
    fn shards(&self, batches: Range<usize>) -> Vec<(usize, usize)>;
    /// The loss of a shard and its gradients. With `training` as (seed, batches seen), random choices are on.
    fn sums(&self, params: &Params, training: Option<(u64, u64)>, batch: usize, shard: usize) -> Result<Sums, E>;
    fn carried(&self) -> Vec<Tensor>;
    fn carry(&self, carried: Vec<Tensor>) -> Result<(), E>;
    fn share(&self, exchange: &dyn Exchange) -> Result<(), E>;
    fn evaluate(&self, params: &Params) -> Result<Evaluation, E>;
}

/// An objective, and the batches of the epoch that it is at.
pub(super) struct Epochs<'a, O: Objective> {
    objective: &'a O,
    batches: Vec<O::Batch>,
}

impl<'a, O: Objective> Epochs<'a, O> {
    pub(super) fn new(objective: &'a O) -> Self {
        Epochs { objective, batches: vec![] }
    }
}

impl<O: Objective> ErasedObjective<O::Error> for Epochs<'_, O> {
    fn begin_epoch(&mut self, epoch: u64) -> Result<usize, O::Error> {
        self.batches = self.objective.epoch(epoch)?;
        Ok(self.batches.len())
    }

    fn shards(&self, batches: Range<usize>) -> Vec<(usize, usize)> {
        let of_batch = |batch: usize| (0..self.objective.shards(&self.batches[batch])).map(move |shard| (batch, shard));
        batches.flat_map(of_batch).collect()
    }

    fn sums(
        &self,
        params: &Params,
        training: Option<(u64, u64)>,
        batch: usize,
        shard: usize,
    ) -> Result<Sums, O::Error> {
        let rows = self.objective.shard(&self.batches[batch], shard)?;
        let (loss, gradients) =
            shard_gradients(params, training, shard, |graph| self.objective.loss(graph, &rows)).map_err(Error::from)?;
        Ok(Sums { loss, weight: self.objective.weight(&rows), gradients })
    }

    fn carried(&self) -> Vec<Tensor> {
        self.objective.carried()
    }

    fn carry(&self, carried: Vec<Tensor>) -> Result<(), O::Error> {
        self.objective.carry(carried)
    }

    fn share(&self, exchange: &dyn Exchange) -> Result<(), O::Error> {
        self.objective.share(exchange)
    }

    fn evaluate(&self, params: &Params) -> Result<Evaluation, O::Error> {
        self.objective.evaluate(params)
    }
}
