//! The cells of which the laws are asked. Adding one is a line in the list.

use crate::{HIDDEN, INPUT, random};
use ndarray::{ArrayD, IxDyn};
use unspool_graph::{Graph, Param, Params, RngKey, Scope, Shape, Var, init};
use unspool_nn::{
    AdditiveAttention, Attention, Cell, CellKind, Gru, GruConfig, InitialState, Lstm, LstmConfig, LstmState,
    Nonlinearity, RecurrentInit, Residual, Rnn, RnnConfig, Sequence, Stack, VariationalDropout, Zoneout,
    cells::{
        AntisymmetricRnn, Candidate, ClockworkRnn, CoRnn, CoupledLstm, FastGrnn, ForgetGate, GatedDeltaNet,
        GatedDeltaNetConfig, Hgrn, HgrnConfig, IndRnn, LayerNormLstm, Lem, LinearAttention, LinearAttentionConfig, Lru,
        LruConfig, MinGru, MinGruConfig, MinLstm, MinLstmConfig, MinimalGatedUnit, Mlstm, MlstmConfig,
        MultiplicativeLstm, PeepholeLstm, Qrnn, RgLru, S5, S5Config, Slstm, SlstmConfig, Sru,
    },
    laws::{self, CellUnderTest},
    leaves,
};

/// For each: its name, and how it is made.
macro_rules! laws_hold {
    ($($name:ident: $subject:expr;)+) => { $(
        #[test]
        fn $name() {
            let judged = laws::check(&$subject).unwrap_or_else(|broken| panic!("{broken}"));
            println!("{judged}");
            assert!(judged.right > 100 && judged.unjudged * 10 < judged.right, "{judged}");
        }
    )+ };
}

fn rnn_with(config: RnnConfig) -> impl CellUnderTest {
    laws::cell(INPUT, move |scope| Rnn::with_config(scope, INPUT, HIDDEN, config))
}

fn lstm_with(config: LstmConfig) -> impl CellUnderTest {
    laws::cell(INPUT, move |scope| Lstm::with_config(scope, INPUT, HIDDEN, config))
}

fn gru_with(config: GruConfig) -> impl CellUnderTest {
    laws::cell(INPUT, move |scope| Gru::with_config(scope, INPUT, HIDDEN, config))
}

/// An sLSTM of four units whose normalizer, leaf 2 of its state, begins above 0, as it is after any step.
fn slstm_with(config: SlstmConfig) -> impl CellUnderTest {
    starting(move |scope| Slstm::with_config(scope, INPUT, 4, config), |leaf| if leaf == 2 { 1.5 } else { 0.0 }, 4)
}

laws_hold! {
    rnn: laws::cell(INPUT, |scope| Rnn::new(scope, INPUT, HIDDEN));
    rnn_with_relu: rnn_with(RnnConfig { nonlinearity: Nonlinearity::Relu, ..Default::default() });
    rnn_without_bias: rnn_with(RnnConfig { bias: false, ..Default::default() });
    gru: laws::cell(INPUT, |scope| Gru::new(scope, INPUT, HIDDEN));
    lstm: laws::cell(INPUT, |scope| Lstm::new(scope, INPUT, HIDDEN));
    lstm_without_bias: lstm_with(LstmConfig { bias: false, ..Default::default() });
    gru_without_bias: gru_with(GruConfig { bias: false, ..Default::default() });
    any_cell_that_is_an_rnn: laws::cell(INPUT, |scope| CellKind::Rnn.build(scope, INPUT, HIDDEN));
    any_cell_that_is_relu: laws::cell(INPUT, |scope| CellKind::Relu.build(scope, INPUT, HIDDEN));
    any_cell_that_is_lstm: laws::cell(INPUT, |scope| CellKind::Lstm.build(scope, INPUT, HIDDEN));
    any_cell_that_is_gru: laws::cell(INPUT, |scope| CellKind::Gru.build(scope, INPUT, HIDDEN));
    rnn_orthogonal: rnn_with(RnnConfig { recurrent_init: RecurrentInit::Orthogonal, ..Default::default() });
    rnn_identity: rnn_with(RnnConfig { recurrent_init: RecurrentInit::Identity, ..Default::default() });
    stack: laws::cell(INPUT, |mut scope| {
        let layers = [("lower", INPUT, HIDDEN), ("upper", HIDDEN, 2)];
        Stack::new(layers.map(|(name, from, to)| Gru::new(scope.scope(name), from, to)))
    });
    stack_with_dropout: laws::cell(INPUT, |mut scope| {
        let layers = [("lower", INPUT, HIDDEN), ("upper", HIDDEN, 2)];
        Stack::new(layers.map(|(name, from, to)| Rnn::new(scope.scope(name), from, to))).dropout(0.5)
    });
    lstm_with_projection: lstm_with(LstmConfig { projection: Some(2), ..Default::default() });
    lstm_with_projection_without_bias: lstm_with(LstmConfig { bias: false, projection: Some(2), ..Default::default() });
    gru_with_reset_before: gru_with(GruConfig { reset_after: false, ..Default::default() });
    gru_with_reset_before_without_bias: gru_with(GruConfig { bias: false, reset_after: false, ..Default::default() });
    learned_initial_state: laws::cell(INPUT, |mut scope| {
        let cell = Lstm::new(scope.scope("cell"), INPUT, HIDDEN);
        InitialState::learned(scope.scope("start"), cell)
    });
    random_initial_state: laws::cell(INPUT, |scope| InitialState::random(Lstm::new(scope, INPUT, HIDDEN), 0.5));
    variational_dropout: laws::cell(INPUT, |scope| VariationalDropout::new(Lstm::new(scope, INPUT, HIDDEN), 0.3, 0.3));
    zoneout: laws::cell(INPUT, |scope| Zoneout::new(Lstm::new(scope, INPUT, HIDDEN), &[0.2, 0.4]));
    residual: laws::cell(INPUT, |scope| Residual::new(Gru::new(scope, INPUT, HIDDEN)));
    wrappers_in_wrappers: laws::cell(INPUT, |mut scope| {
        let mut layer = |name: &str| {
            let cell = Zoneout::new(Lstm::new(scope.scope(name), INPUT, INPUT), &[0.2, 0.4]);
            Residual::new(VariationalDropout::new(cell, 0.3, 0.3))
        };
        let layers = [layer("lower"), layer("upper")];
        InitialState::random(Stack::new(layers).dropout(0.5), 0.5)
    });
    attending_by_additive_scores: Looking(|scope| Attention::additive(scope, HIDDEN, HIDDEN, 4));
    attending_by_general_scores: Looking(|scope| Attention::general(scope, HIDDEN, HIDDEN));
    attending_by_dot_products: Looking(|_| Attention::dot());
    attending_by_scaled_dot_products: Looking(|_| Attention::scaled_dot());
    attending_by_several_heads: Looking(|scope| Attention::multi_head(scope, HIDDEN, HIDDEN, 3));
    antisymmetric_rnn: laws::cell(INPUT, |scope| AntisymmetricRnn::new(scope, INPUT, HIDDEN));
    clockwork_rnn: starting(|scope| ClockworkRnn::with_periods(scope, INPUT, HIDDEN, &[1, 2, 3]), |_| 0.0, 1);
    co_rnn: laws::cell(INPUT, |scope| CoRnn::new(scope, INPUT, HIDDEN));
    coupled_lstm: laws::cell(INPUT, |scope| CoupledLstm::new(scope, INPUT, HIDDEN));
    fast_grnn: laws::cell(INPUT, |scope| FastGrnn::new(scope, INPUT, HIDDEN));
    ind_rnn: laws::cell(INPUT, |scope| IndRnn::new(scope, INPUT, HIDDEN));
    layer_norm_lstm: laws::cell(INPUT, |scope| LayerNormLstm::new(scope, INPUT, 8));
    lem: laws::cell(INPUT, |scope| Lem::new(scope, INPUT, HIDDEN));
    minimal_gated_unit: laws::cell(INPUT, |scope| MinimalGatedUnit::new(scope, INPUT, HIDDEN));
    multiplicative_lstm: laws::cell(INPUT, |scope| MultiplicativeLstm::new(scope, INPUT, HIDDEN));
    peephole_lstm: laws::cell(INPUT, |scope| PeepholeLstm::new(scope, INPUT, HIDDEN));
    slstm: slstm_with(SlstmConfig { forget: ForgetGate::Sigmoid, heads: 1 });
    slstm_with_an_exponential_forget_gate: slstm_with(SlstmConfig { forget: ForgetGate::Exp, heads: 1 });
    slstm_with_heads: slstm_with(SlstmConfig { heads: 2, ..Default::default() });
    min_gru: laws::cell(INPUT, |scope| MinGru::new(scope, INPUT, HIDDEN));
    min_gru_positive: laws::cell(INPUT, |scope| {
        MinGru::with_config(scope, INPUT, HIDDEN, MinGruConfig { candidate: Candidate::Positive })
    });
    min_lstm: laws::cell(INPUT, |scope| MinLstm::new(scope, INPUT, HIDDEN));
    min_lstm_positive: laws::cell(INPUT, |scope| {
        MinLstm::with_config(scope, INPUT, HIDDEN, MinLstmConfig { candidate: Candidate::Positive })
    });
    rg_lru: laws::cell(INPUT, |scope| RgLru::new(scope, INPUT, HIDDEN));
    rg_lru_with_projection: laws::cell(INPUT, |scope| RgLru::new(scope, INPUT, 2));
    lru: laws::cell(INPUT, |scope| Lru::new(scope, INPUT, HIDDEN));
    lru_of_other_sizes: laws::cell(INPUT, |scope| {
        Lru::with_config(scope, INPUT, 2, LruConfig { state_size: Some(4), ..LruConfig::default() })
    });
    s5: laws::cell(INPUT, |scope| S5::new(scope, INPUT, HIDDEN));
    s5_of_other_sizes: laws::cell(INPUT, |scope| {
        S5::with_config(scope, INPUT, 2, S5Config { state_size: Some(4), ..S5Config::default() })
    });
    hgrn: laws::cell(INPUT, |scope| Hgrn::new(scope, INPUT, HIDDEN));
    hgrn_with_lower_bound: laws::cell(INPUT, |scope| {
        Hgrn::with_config(scope, INPUT, 2, HgrnConfig { lower_bound: 0.5 })
    });
    sru: laws::cell(INPUT, |scope| Sru::new(scope, INPUT, HIDDEN));
    sru_with_projection: laws::cell(INPUT, |scope| Sru::new(scope, INPUT, 2));
    qrnn: laws::cell(INPUT, |scope| Qrnn::new(scope, INPUT, HIDDEN));
    linear_attention: laws::cell(INPUT, |scope| LinearAttention::new(scope, INPUT, HIDDEN));
    linear_attention_without_decay: laws::cell(INPUT, |scope| {
        let config = LinearAttentionConfig { heads: 2, key_size: Some(3), decay: false };
        LinearAttention::with_config(scope, INPUT, 4, config)
    });
    gated_delta_net: laws::cell(INPUT, |scope| GatedDeltaNet::new(scope, INPUT, HIDDEN));
    gated_delta_net_with_heads: laws::cell(INPUT, |scope| {
        GatedDeltaNet::with_config(scope, INPUT, 4, GatedDeltaNetConfig { heads: 2, key_size: Some(3) })
    });
    mlstm: laws::cell(INPUT, |scope| Mlstm::new(scope, INPUT, HIDDEN));
    mlstm_with_heads: laws::cell(INPUT, |scope| {
        Mlstm::with_config(scope, INPUT, 4, MlstmConfig { heads: 2, key_size: Some(3) })
    });
    wrappers_around_scans: laws::cell(INPUT, |mut scope| {
        let layers = ["lower", "upper"].map(|name| Residual::new(MinGru::new(scope.scope(name), INPUT, INPUT)));
        InitialState::learned(scope.scope("start"), Stack::new(layers).dropout(0.3))
    });
    own: laws::cell(INPUT, Own::new);
    decoder_with_attention: Attended;
}

/// A cell that does not begin at any numbers: `self.1` is added to those of a leaf, and leaves from `self.2` on begin
/// as the cell lets them.
struct Starting<F>(F, fn(usize) -> f64, usize);

fn starting<C: Cell>(
    make: impl Fn(Scope<'_>) -> C,
    add: fn(usize) -> f64,
    leaves: usize,
) -> impl CellUnderTest<Cell = C> {
    Starting(make, add, leaves)
}

impl<C: Cell, F: Fn(Scope<'_>) -> C> CellUnderTest for Starting<F> {
    type Cell = C;
    fn input_size(&self) -> usize {
        INPUT
    }
    fn make(&self, scope: Scope<'_>) -> C {
        self.0(scope)
    }
    fn free(&self, cell: &C, params: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        let graph = Graph::new(params);
        let shapes = leaves(&cell.initial_state(&graph, batch)).into_iter().filter_map(Var::known_shape);
        let free = |(leaf, shape): (usize, Shape)| random(&shape, draw.fold_in(leaf as u64)) + self.1(leaf);
        shapes.take(self.2).enumerate().map(free).collect()
    }
}

unspool_nn::state! {
    /// A user's own state: a trace that fades, and the last input.
    struct Trace<'g> { trace: Var<'g>, last: Var<'g> }
}

/// A user's own cell: an output of another size than the state, two leaves of different sizes, nothing precomputed.
struct Own {
    write: Param,
    keep: Param,
    read: Param,
}

impl Own {
    fn new(mut scope: Scope<'_>) -> Own {
        Own {
            write: scope.add("write", [INPUT, HIDDEN], init::uniform(1.0)),
            keep: scope.add("keep", [HIDDEN], init::uniform(1.0)),
            read: scope.add("read", [HIDDEN, 4], init::uniform(1.0)),
        }
    }
}

impl Cell for Own {
    type State<'g> = Trace<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Trace<'g> {
        Trace { trace: graph.zeros([batch, HIDDEN]), last: graph.zeros([batch, INPUT]) }
    }
    fn step<'g>(&self, x: Var<'g>, Trace { trace, last }: Trace<'g>) -> (Var<'g>, Trace<'g>) {
        let keep = x.graph().param(self.keep).sigmoid();
        let trace = trace * keep + (x - last).matmul(self.write).tanh() * (keep * -1.0 + 1.0);
        (trace.matmul(self.read), Trace { trace, last: x })
    }
}

const PLACES: usize = 4;
const MEMORY: usize = 3;

unspool_nn::state! {
    /// A decoder's state: its hidden vector, and the memory it looks at.
    struct Attending<'g> { hidden: Var<'g>, keys: Var<'g>, memory: Var<'g>, bias: Var<'g> }
}

/// A decoder's cell with additive attention.
struct Decoder {
    attention: AdditiveAttention,
    cell: Gru,
}

impl Cell for Decoder {
    type State<'g> = Attending<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Attending<'g> {
        let memory = graph.zeros([batch, PLACES, MEMORY]);
        let hidden = self.cell.initial_state(graph, batch);
        Attending {
            hidden,
            keys: self.attention.keys(&Sequence::full(memory)),
            memory,
            bias: graph.zeros([batch, PLACES]),
        }
    }
    fn step<'g>(&self, x: Var<'g>, state: Attending<'g>) -> (Var<'g>, Attending<'g>) {
        let (context, _) = self.attention.attend(state.hidden, state.keys, state.memory, state.bias);
        let (y, hidden) = self.cell.step(x.graph().concat(&[x, context], -1), state.hidden);
        (x.graph().concat(&[y, context], -1), Attending { hidden, ..state })
    }
}

/// The decoder over memories of unequal lengths, whose keys are made from them.
struct Attended;

impl CellUnderTest for Attended {
    type Cell = Decoder;
    fn input_size(&self) -> usize {
        INPUT
    }
    fn make(&self, mut scope: Scope<'_>) -> Decoder {
        Decoder {
            attention: AdditiveAttention::new(scope.scope("attention"), HIDDEN, MEMORY, 5),
            cell: Gru::new(scope.scope("cell"), INPUT + MEMORY, HIDDEN),
        }
    }
    fn free(&self, _: &Decoder, _: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        let sources: Vec<u64> = (0..batch as u64).map(|b| 1 + draw.fold_in(9).bits(b) % PLACES as u64).collect();
        let bias = ArrayD::from_shape_fn(IxDyn(&[batch, PLACES]), |at| {
            if (at[1] as u64) < sources[at[0]] { 0.0 } else { f64::NEG_INFINITY }
        });
        vec![random(&[batch, HIDDEN], draw.fold_in(1)), random(&[batch, PLACES, MEMORY], draw.fold_in(2)), bias]
    }
    fn start<'g>(&self, cell: &Decoder, _: &'g Graph<'g>, _: usize, free: &[Var<'g>]) -> Attending<'g> {
        let [hidden, memory, bias] = [free[0], free[1], free[2]];
        Attending { hidden, keys: cell.attention.keys(&Sequence::full(memory)), memory, bias }
    }
}

/// An LSTM that looks at a memory, its places being free numbers.
struct Looking(fn(Scope<'_>) -> Attention);

impl CellUnderTest for Looking {
    type Cell = unspool_nn::Attending<Lstm>;
    fn input_size(&self) -> usize {
        INPUT
    }
    fn make(&self, mut scope: Scope<'_>) -> Self::Cell {
        let attention = self.0(scope.scope("attention"));
        unspool_nn::Attending::new(Lstm::new(scope.scope("cell"), INPUT + HIDDEN, HIDDEN), attention, HIDDEN)
    }
    fn free(&self, _: &Self::Cell, _: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        let state = |i| random(&[batch, HIDDEN], draw.fold_in(i));
        vec![state(1), state(2), random(&[batch, PLACES, HIDDEN], draw.fold_in(3))]
    }
    fn start<'g>(
        &self,
        cell: &Self::Cell,
        _: &'g Graph<'g>,
        _: usize,
        free: &[Var<'g>],
    ) -> <Self::Cell as Cell>::State<'g> {
        cell.start(LstmState { h: free[0], c: free[1] }, &Sequence::full(free[2]))
    }
}
