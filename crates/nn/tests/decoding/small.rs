//! A small attending decoder, written by hand as a user would.

use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{
    AdditiveAttention, Cell, Decoder, DecoderSteps, Embedding, Gru, Linear, Sequence, attention::padding_bias,
    gru_gates,
};

unspool_nn::state! {
    pub(crate) struct Attending<'g> { h: Var<'g>, looked: Var<'g>, memory: Var<'g>, keys: Var<'g>, padding: Var<'g> }
}

/// A small attending decoder, written by hand as a user would.
pub(crate) struct Small {
    embedding: Embedding,
    cell: Gru,
    context: Linear,
    hidden: Linear,
    attention: AdditiveAttention,
    readout: Linear,
}

const WIDTH: usize = 5;
const SOURCE: usize = 4;
const TOKENS: usize = 7;

impl Small {
    pub(crate) fn new(params: &mut Params) -> Small {
        Small {
            embedding: Embedding::new(params.scope("embedding"), TOKENS, WIDTH),
            cell: Gru::new(params.scope("cell"), WIDTH, WIDTH),
            context: Linear::new(params.scope("context"), WIDTH, 3 * WIDTH),
            hidden: Linear::new(params.scope("hidden"), WIDTH, 3 * WIDTH),
            attention: AdditiveAttention::new(params.scope("attention"), WIDTH, WIDTH, WIDTH),
            readout: Linear::new(params.scope("readout"), 2 * WIDTH, TOKENS),
        }
    }
    pub(crate) fn start<'g>(
        &self,
        graph: &'g Graph<'g>,
        seed: u64,
        rows: &[usize],
        lengths: &[usize],
    ) -> Attending<'g> {
        let key = RngKey::seed(seed);
        let memory = ndarray::Array3::from_shape_fn((rows.len(), SOURCE, WIDTH), |(b, s, j)| {
            key.fold_in(rows[b] as u64).normal((s * WIDTH + j) as u64)
        });
        let memory = Sequence::pack(graph.input(memory), lengths);
        let (zeros, looked) = (graph.zeros([rows.len(), WIDTH]), graph.zeros([rows.len(), SOURCE]));
        let padding = padding_bias(graph, memory.layout());
        Attending { h: zeros, looked, memory: memory.padded(), keys: self.attention.keys(&memory), padding }
    }
}

impl Cell for Small {
    type State<'g> = Attending<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Attending<'g> {
        let none = graph.zeros([batch]);
        Attending { h: none, looked: none, memory: none, keys: none, padding: none }
    }
    fn step<'g>(&self, x: Var<'g>, s: Attending<'g>) -> (Var<'g>, Attending<'g>) {
        let (context, looked) = self.attention.attend(s.h, s.keys, s.memory, s.padding);
        let h = gru_gates(self.cell.project(x) + self.context.apply(context), self.hidden.apply(s.h), s.h);
        (x.graph().concat(&[h, context], -1), Attending { h, looked, ..s })
    }
}

impl Decoder for Small {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.embedding.apply(graph, ndarray::aview1(tokens))
    }
    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        // Sharp enough that hypotheses differ.
        self.readout.apply(outputs) * 4.0
    }
    fn attention<'g>(&self, _: &'g Graph<'g>, state: &Attending<'g>) -> Option<Var<'g>> {
        Some(state.looked)
    }
}

pub(crate) const ROWS: [usize; 3] = [0, 1, 2];
pub(crate) const LENGTHS: [usize; 3] = [4, 1, 3];

pub(crate) fn steps<'p, 'd>(params: &'p Params, model: &'d Small, seed: u64) -> DecoderSteps<'p, 'd, Small> {
    DecoderSteps::new(params, model, 3, |graph| model.start(graph, seed, &ROWS, &LENGTHS)).unwrap()
}
