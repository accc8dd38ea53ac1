//! The laws of what is built of cells and run in another way than a cell alone: modules of layers, one way and both
//! ways, and a decoder.

use crate::{HIDDEN, INPUT, random};
use ndarray::ArrayD;
use unspool_graph::{Graph, Params, RngKey, Scope, Var};
use unspool_nn::{
    Attention, AttentionDecoder, AttentionDecoderState, Bridge, Cell, CellKind, Direction, Embedding, Gru, Recurrent,
    RecurrentConfig, Sequence,
    laws::{self, CellUnderTest, Law},
    unroll_directed,
};

/// The cells whose gates are fused operations.
const BUILT_IN: [CellKind; 4] = [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru];

/// A module as a cell: its states are the module's.
struct Module<C>(Recurrent<C>);

impl<C: Cell> Cell for Module<C> {
    type State<'g> = Vec<C::State<'g>>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, states: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        match self.0.stack() {
            Some(stack) => stack.step(x, states),
            // A module that reads both ways has no step.
            None => (x.graph().inert(), states),
        }
    }
}

/// Layers of a kind of cell, run by [`Recurrent::unroll`]; one way, they are a stack, which can also be read backward.
struct Modules<F> {
    make: F,
    layers: RecurrentConfig,
}

impl<C: Cell, F: Fn(Scope<'_>, usize, usize) -> C> CellUnderTest for Modules<F> {
    type Cell = Module<C>;
    fn input_size(&self) -> usize {
        INPUT
    }
    fn make(&self, scope: Scope<'_>) -> Module<C> {
        Module(Recurrent::new(scope, &self.make, INPUT, HIDDEN, self.layers))
    }
    fn run<'g>(
        &self,
        module: &Module<C>,
        xs: &Sequence<'g>,
        states: Vec<C::State<'g>>,
        direction: Direction,
    ) -> (Sequence<'g>, Vec<C::State<'g>>) {
        match (module.0.stack(), direction) {
            (Some(_), Direction::Backward) => unroll_directed(module, xs, states, direction),
            _ => module.0.unroll(xs, states),
        }
    }
}

fn hold(subject: &impl CellUnderTest) {
    let judged = laws::check(subject).unwrap_or_else(|broken| panic!("{broken}"));
    assert!(judged.right > 100 && judged.unjudged * 10 < judged.right, "{judged}");
}

#[test]
fn layers_one_way_keep_every_law() {
    let layers = RecurrentConfig { layers: 2, dropout: 0.3, ..RecurrentConfig::default() };
    for kind in BUILT_IN {
        hold(&Modules { make: |scope: Scope<'_>, input, hidden| kind.build(scope, input, hidden), layers });
    }
}

/// All but the laws of split, of steps and of real time: what reads from the end cannot be cut and carried on, and has
/// no step.
#[test]
fn layers_both_ways_keep_every_law_but_those_that_need_a_step_or_a_cut() {
    let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.3 };
    for kind in BUILT_IN {
        let subject = Modules { make: |scope: Scope<'_>, input, hidden| kind.build(scope, input, hidden), layers };
        for law in Law::ALL.into_iter().filter(|&law| !matches!(law, Law::Split | Law::Step | Law::RealTime)) {
            if let Err(broken) = laws::check_law(law, &subject) {
                panic!("{kind}: {broken}");
            }
        }
        let broken = laws::check_law(Law::Split, &subject).expect_err("it reads what is beyond the cut");
        assert_eq!(broken.law, Law::Split);
    }
}

/// A decoder that attends in heads, feeds its output on, and is given its inputs as vectors.
struct Writer;

impl CellUnderTest for Writer {
    type Cell = AttentionDecoder<Gru>;
    fn input_size(&self) -> usize {
        INPUT
    }
    fn make(&self, mut scope: Scope<'_>) -> Self::Cell {
        let table = Embedding::new(scope.scope("table"), 2, INPUT);
        let attention = Attention::multi_head(scope.scope("attention"), HIDDEN, 2, 3);
        AttentionDecoder::new(scope, Gru::new, table, attention, 2, HIDDEN)
    }
    fn free(&self, _: &Self::Cell, _: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        let shapes: [&[usize]; 3] = [&[batch, HIDDEN], &[batch, INPUT], &[batch, 4, 2]];
        shapes.into_iter().enumerate().map(|(i, shape)| random(shape, draw.fold_in(i as u64))).collect()
    }
    fn start<'g>(
        &self,
        decoder: &Self::Cell,
        _: &'g Graph<'g>,
        _: usize,
        free: &[Var<'g>],
    ) -> <Self::Cell as Cell>::State<'g> {
        let first = decoder.start(&Bridge::Last, &free[..1], &Sequence::full(free[2]));
        AttentionDecoderState { feed: free[1], ..first }
    }
}

#[test]
fn a_decoder_that_attends_keeps_every_law() {
    hold(&Writer);
}
