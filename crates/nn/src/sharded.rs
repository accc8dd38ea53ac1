//! Data-parallel gradients on one machine: a batch is cut into shards, and each is recorded on a separate graph.

use crate::parallel_map;
use unspool_graph::{Gradients, Graph, Params, Result, Var};

/// Computes Σ of `loss` over the shards and its gradients, on all threads.
///
/// Each shard is recorded and differentiated on one of rayon's threads. The shards are the caller's cut of a batch and
/// must not depend on the threads; their losses and gradients are added in their order. So any number of threads gives
/// the same bits. With `training` as (seed, step), dropout and other random choices are on.
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

/// Computes H·v for the Hessian H of Σ `loss` over the shards, on all threads, where all parameters move along the
/// direction v: [`Var::hessian_vector`], cut and added as in [`sharded`].
///
/// # Errors
/// The first failing shard's error.
///
/// ```
/// use unspool_graph::{Gradients, Params, RngKey};
/// use unspool_nn::{Linear, sharded_hessian_vector};
/// let mut params = Params::seeded(0);
/// let layer = Linear::new(params.scope("layer"), 2, 1);
/// let shards = [vec![1.0f32, 2.0], vec![3.0, 4.0]];
/// let v = Gradients::random(&params, RngKey::seed(1));
/// let h_v = sharded_hessian_vector(&params, None, &shards, &v, |graph, shard| {
///     layer.apply(graph.input(shard.clone()).reshape([1, 2])).powi(2).sum_all()
/// })?;
/// assert!(h_v.dot(&v)? > 0.0); // a sum of squares is convex
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub fn sharded_hessian_vector<S: Sync>(
    params: &Params,
    training: Option<(u64, u64)>,
    shards: &[S],
    v: &Gradients,
    loss: impl for<'g> Fn(&'g Graph<'g>, &S) -> Var<'g> + Sync,
) -> Result<Gradients> {
    let direction = v.tangents();
    let one = |(i, shard): (usize, &S)| {
        let graph = shard_graph(params, training, i);
        recorded(&graph, &|graph| loss(graph, shard), &|loss| loss.hessian_vector(&direction))
    };
    let results = parallel_map(shards.iter().enumerate().collect(), one);
    let mut sum = Gradients::none(params);
    results.into_iter().try_for_each(|result| sum.add(&result?))?;
    Ok(sum)
}

/// The loss of shard `number` and its gradients. Each shard draws other numbers, since its number is part of the step.
pub(crate) fn shard_gradients(
    params: &Params,
    training: Option<(u64, u64)>,
    number: usize,
    loss: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>,
) -> Result<(f64, Gradients)> {
    let graph = shard_graph(params, training, number);
    recorded(&graph, &loss, &|loss| Ok((loss.item()?, loss.backward()?)))
}

fn shard_graph(params: &Params, training: Option<(u64, u64)>, number: usize) -> Graph<'_> {
    let graph = Graph::new(params);
    match training {
        Some((seed, step)) => graph.training(seed, (step << 16) | number as u64),
        None => graph,
    }
}

/// What `of` takes of a loss, on a graph that lives as long.
fn recorded<'g, R>(
    graph: &'g Graph<'g>,
    loss: &impl for<'a> Fn(&'a Graph<'a>) -> Var<'a>,
    of: &impl for<'a> Fn(Var<'a>) -> Result<R>,
) -> Result<R> {
    of(loss(graph))
}
