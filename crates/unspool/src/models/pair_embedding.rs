//! A vector for each token and the one before it.

use crate::{
    graph::{Graph, RngKey, Scope},
    nn::{Embedding, Layout, Sequence},
};
use ndarray::{Array2, ArrayView2, AsArray, Ix2};

/// Vectors of pairs of neighboring tokens, to be added to the tokens' own: pairs of characters are the beginnings of
/// words. A pair's place in the table is a hash of it, so there is no list of pairs to keep, and rare ones share a
/// vector (the hashing trick of Weinberger and others 2009, as fastText has it: Joulin and others 2017). Parameter
/// `weight [buckets, size]`.
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::models::PairEmbedding;
/// let mut params = Params::seeded(1);
/// let pairs = PairEmbedding::new(params.scope("pairs"), 1 << 10, 8);
/// let graph = Graph::new(&params);
/// let vectors = pairs.sequence(&graph, &ndarray::array![[5, 6, 5, 6]], &[4]).padded();
/// assert_eq!(*vectors.shape()?, [1, 4, 8]);
/// let vectors = vectors.to_f64()?;
/// assert_eq!(vectors.index_axis(ndarray::Axis(1), 1), vectors.index_axis(ndarray::Axis(1), 3)); // 5 6, both times
/// # Ok::<(), unspool::graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct PairEmbedding {
    table: Embedding,
    buckets: usize,
}

impl PairEmbedding {
    /// With so many vectors, of `size` elements.
    pub fn new(scope: Scope<'_>, buckets: usize, size: usize) -> PairEmbedding {
        PairEmbedding { table: Embedding::normal(scope, buckets, size, 0.1), buckets: buckets.max(1) }
    }

    /// Looks up the real pairs of a padded batch of ids `[batch, time]`. The token before the first is token 0.
    #[track_caller]
    pub fn sequence<'a, 'g>(
        &self,
        graph: &'g Graph<'g>,
        ids: impl AsArray<'a, u32, Ix2>,
        lengths: impl Into<Layout>,
    ) -> Sequence<'g> {
        let ids: ArrayView2<'_, u32> = ids.into();
        let key = RngKey::seed(0).fold_in_str("pairs");
        let places = Array2::from_shape_fn(ids.dim(), |(row, t)| {
            let before = if t == 0 { 0 } else { ids[[row, t - 1]] };
            (key.fold_in(u64::from(before)).bits(u64::from(ids[[row, t]])) % self.buckets as u64) as u32
        });
        self.table.sequence(graph, &places, lengths)
    }
}
