//! Data-parallel gradients on one machine: a batch is cut into shards, and each is recorded on a separate graph.

use crate::parallel_map;
use unspool_graph::{Gradients, Graph, Params, Result, Var};

/// Computes Σ of `loss` over the shards and its gradients, on all threads.
///
/// Each shard is recorded and differentiated on one of rayon's threads. The shards are the caller's cut of a batch and
/// must not depend on the threads; their losses and gradients are added in their order. So any number of threads gives
/// the same bits. With `training` as (seed, step) dropout and its like are on.
///
/// The loss is a sum, not a mean: divide the gradients by the whole batch's count with [`Gradients::scale`].
///
/// # Errors
/// The first failing shard's error; an error for no shard at all is not one: the sum is 0.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// use unspool_nn::{Linear, sharded};
/// let mut params = Params::seeded(0);
/// let layer = Linear::new(params.scope("layer"), 2, 1);
/// let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0]];
/// let (sum, gradients) = sharded(&params, None, &shards, |graph, shard| {
///     layer.apply(graph.input(shard.clone()).reshape([1, 2])).powi(2).sum_all()
/// })?;
/// assert!(sum > 0.0 && gradients.norm() > 0.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub fn sharded<S: Sync>(
    params: &Params,
    training: Option<(u64, u64)>,
    shards: &[S],
    loss: impl for<'g> Fn(&'g Graph<'g>, &S) -> Var<'g> + Sync,
) -> Result<(f64, Gradients)> {
    let one = |(i, shard): (usize, &S)| shard_gradients(params, training, i, |graph| loss(graph, shard));
    let mut results = parallel_map(shards.iter().enumerate().collect(), one).into_iter();
    let (mut sum, mut gradients) = match results.next() {
        Some(first) => first?,
        None => (0.0, Gradients::none(params)),
    };
    for result in results {
        let (loss, more) = result?;
        sum += loss;
        gradients.add(&more)?;
    }
    Ok((sum, gradients))
}

/// The loss of shard `number` and its gradients. Each shard draws other numbers, since its number is part of the step.
pub(crate) fn shard_gradients(
    params: &Params,
    training: Option<(u64, u64)>,
    number: usize,
    loss: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>,
) -> Result<(f64, Gradients)> {
    let graph = Graph::new(params);
    let graph = match training {
        Some((seed, step)) => graph.training(seed, (step << 16) | number as u64),
        None => graph,
    };
    recorded(&graph, &loss)
}

fn recorded<'g>(graph: &'g Graph<'g>, loss: &impl for<'a> Fn(&'a Graph<'a>) -> Var<'a>) -> Result<(f64, Gradients)> {
    let loss = loss(graph);
    Ok((loss.item()?, loss.backward()?))
}
