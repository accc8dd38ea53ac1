//! The Transformer that reads.

use super::{Positions, TransformerConfig, TransformerLayer};
use crate::{LayerNorm, Sequence};
use unspool_graph::Scope;

/// Reads whole sequences in both directions by layers of self-attention. Parameters `layers.0.*`, `layers.1.*`, …, and
/// with pre-norm `norm.*`: those of PyTorch's `nn.TransformerEncoder`.
///
/// More in [chapter 13](https://github.com/unspool/unspool/blob/main/docs/13-self-attention.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Positions, Sequence, TransformerConfig, TransformerEncoder};
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.1, norm_first: true, bias: true };
/// let encoder = TransformerEncoder::new(params.scope("encoder"), 2, Positions::Sinusoidal, config);
/// let graph = Graph::new(&params);
/// let ys = encoder.apply(&Sequence::pack(graph.full([2, 5, 8], 1.0), &[5, 3])).padded();
/// assert_eq!(ys.to_f64()?[[1, 4, 0]], 0.0); // padding
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TransformerEncoder {
    layers: Vec<TransformerLayer>,
    norm: Option<LayerNorm>,
    positions: Positions,
    config: TransformerConfig,
}

impl TransformerEncoder {
    /// Adds `layers` layers.
    pub fn new(
        mut scope: Scope<'_>,
        layers: usize,
        positions: Positions,
        config: TransformerConfig,
    ) -> TransformerEncoder {
        let layer = |i| TransformerLayer::encoder(scope.scope(format!("layers.{i}")), config);
        let layers = (0..layers).map(layer).collect();
        let norm = config.norm_first.then(|| config.norm(scope.scope("norm")));
        TransformerEncoder { layers, norm, positions, config }
    }

    /// Reads sequences of vectors of `size` elements and gives as many vectors.
    #[track_caller]
    pub fn apply<'g>(&self, xs: &Sequence<'g>) -> Sequence<'g> {
        let graph = xs.graph();
        let _scope = graph.layer("transformer_encoder");
        let first = xs.map(|rows| {
            let placed = rows + self.positions.of_steps(graph, xs.layout(), self.config.size);
            placed.dropout(self.config.dropout)
        });
        let ys = self.layers.iter().enumerate().fold(first, |ys, (i, layer)| {
            let _scope = graph.scope(&format!("layers.{i}"));
            layer.on_steps(&ys, None, false)
        });
        ys.map(|rows| self.norm.map_or(rows, |norm| norm.apply(rows)))
    }
}
