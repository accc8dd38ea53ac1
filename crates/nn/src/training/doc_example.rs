//! The objective of the examples in this module's documentation.

use super::{Evaluation, Objective};
use crate::{Error, Linear, Result};
use unspool_graph::{Graph, Params, Var};

/// Learns y = 2 x from three examples in one batch: an epoch is a step.
#[derive(Debug)]
pub struct Doubling(pub Linear);

impl Doubling {
    /// Creates the objective and its parameters.
    pub fn new(seed: u64) -> (Params, Doubling) {
        let mut params = Params::seeded(seed);
        let layer = Linear::new(params.scope("layer"), 1, 1);
        (params, Doubling(layer))
    }
}

impl Objective for Doubling {
    type Batch = ();
    type Shard = Vec<f32>;
    type Error = Error;

    fn epoch(&self, _epoch: u64) -> Result<Vec<()>> {
        Ok(vec![()])
    }
    fn shard(&self, _batch: &(), _number: usize) -> Result<Vec<f32>> {
        Ok(vec![0.5, 1.0, -1.0])
    }
    fn weight(&self, shard: &Vec<f32>) -> f64 {
        shard.len() as f64
    }
    fn loss<'g>(&self, graph: &'g Graph<'g>, shard: &Vec<f32>) -> Var<'g> {
        let x = graph.input(shard.clone()).unsqueeze(-1);
        (self.0.apply(x) - x * 2.0).powi(2).sum_all()
    }
    fn evaluate(&self, params: &Params) -> Result<Evaluation> {
        let graph = Graph::new(params);
        Ok(Evaluation::of_loss(self.loss(&graph, &vec![0.25]).item()?))
    }
}
