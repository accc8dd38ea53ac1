//! The plainest decoder: a table of vectors, a cell, a readout.

use crate::{Cell, Decoder, Embedding, Linear};
use ndarray::aview1;
use unspool_graph::{Graph, Var};

/// Reads tokens with a table of vectors before any cell, and writes them with a readout after it (Mikolov and others
/// 2010): h_t = cell(E\[x_t\], h_{t−1}), logits_t = W h_t + b.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, DecoderSteps, Embedding, Gru, Linear, TokenModel, decoding::Decoding, teacher_forcing};
/// let mut params = Params::seeded(1);
/// let model = TokenModel {
///     embedding: Embedding::new(params.scope("embedding"), 9, 4),
///     cell: Gru::new(params.scope("cell"), 4, 8),
///     readout: Linear::new(params.scope("readout"), 8, 9),
/// };
/// let graph = Graph::new(&params);
/// let logits = teacher_forcing(&model, &graph, &ndarray::array![[1, 5, 6]], &[3], model.initial_state(&graph, 1));
/// assert_eq!(*logits.rows().shape()?, [3, 9]);                                    // of the next token at each place
/// let mut steps = DecoderSteps::new(&params, &model, 2, |graph| model.initial_state(graph, 2))?;
/// assert_eq!(Decoding::endless(0, 5).greedy(&mut steps)?[1].tokens.len(), 5);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TokenModel<C> {
    /// The vectors of tokens, which the cell reads.
    pub embedding: Embedding,
    /// What passes from token to token.
    pub cell: C,
    /// The logits of the next token, from the cell's output.
    pub readout: Linear,
}

impl<C: Cell> Cell for TokenModel<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        self.cell.initial_state(graph, batch)
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step(x, state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step_projected(x, projected, state)
    }
}

impl<C: Cell> Decoder for TokenModel<C> {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.embedding.apply(graph, aview1(tokens))
    }

    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        self.readout.apply(outputs)
    }
}
