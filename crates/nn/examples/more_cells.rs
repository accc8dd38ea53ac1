//! Cells that are no options of this crate, each a page of a paper: peepholes, coupled gates, layer normalisation
//! inside, a minimal gated unit. They are run, sorted by length, carried and checked like the built-in ones; the tests
//! ask all laws of recurrence of them.

use unspool_graph::{Graph, Param, Params, RngKey, Scope, Var, init};
use unspool_nn::{Adam, Cell, Linear, LstmState, Result, Sequence, unroll};

/// W_x x + W_h h + b for several gates at once, side by side: the part that all of these have in common.
#[derive(Clone, Debug)]
struct Gates {
    of_input: Linear,
    of_state: Linear,
    hidden_size: usize,
}

impl Gates {
    fn new(scope: &mut Scope<'_>, count: usize, input_size: usize, hidden_size: usize) -> Gates {
        Gates {
            of_input: Linear::new(scope.scope("input"), input_size, count * hidden_size),
            of_state: Linear::without_bias(scope.scope("state"), hidden_size, count * hidden_size),
            hidden_size,
        }
    }
    fn zeros<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }
}

/// An LSTM whose gates see the memory (Gers, Schraudolph and Schmidhuber 2002):
/// i, f = σ(… + p_i, p_f ∘ c),  c' = f ∘ c + i ∘ tanh(…),  o = σ(… + p_o ∘ c'),  h' = o ∘ tanh(c')
#[derive(Clone, Debug)]
pub(crate) struct Peephole {
    gates: Gates,
    /// p_i, p_f, p_o: `[hidden]` each.
    peepholes: [Param; 3],
}

impl Peephole {
    /// With PyTorch's first values of its layers.
    pub(crate) fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> Peephole {
        let gates = Gates::new(&mut scope, 4, input_size, hidden_size);
        let peepholes =
            ["i", "f", "o"].map(|gate| scope.add(format!("peephole_{gate}"), [hidden_size], init::uniform(0.3)));
        Peephole { gates, peepholes }
    }
}

impl Cell for Peephole {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: self.gates.zeros(graph, batch), c: self.gates.zeros(graph, batch) }
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.gates.of_input.apply(xs)
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let [p_i, p_f, p_o] = self.peepholes;
        let [i, f, g, o] = (x + self.gates.of_state.apply(h)).chunk(-1);
        let (i, f) = ((i + c * p_i).sigmoid(), (f + c * p_f).sigmoid());
        let c = f * c + i * g.tanh();
        let h = (o + c * p_o).sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}

/// An LSTM that writes as much as it forgets (Greff and others 2017, "CIFG"): i = 1 − f.
#[derive(Clone, Debug)]
pub(crate) struct CoupledGates {
    gates: Gates,
}

impl CoupledGates {
    /// With PyTorch's first values of its layers.
    pub(crate) fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> CoupledGates {
        CoupledGates { gates: Gates::new(&mut scope, 3, input_size, hidden_size) }
    }
}

impl Cell for CoupledGates {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: self.gates.zeros(graph, batch), c: self.gates.zeros(graph, batch) }
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.gates.of_input.apply(xs)
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let [f, g, o] = (x + self.gates.of_state.apply(h)).chunk(-1);
        let (f, g) = (f.sigmoid(), g.tanh());
        let c = g + f * (c - g);
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}

/// An LSTM with layer normalisation inside (Ba, Kiros and Hinton 2016, supplement, equations 20 to 22): both products
/// and the memory that is read are normalised.
#[derive(Clone, Debug)]
pub(crate) struct LayerNormLstm {
    gates: Gates,
    /// Scale and shift of the input's product, the state's product, and the memory.
    norms: [[Param; 2]; 3],
}

impl LayerNormLstm {
    /// With PyTorch's first values of its layers.
    pub(crate) fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> LayerNormLstm {
        let gates = Gates::new(&mut scope, 4, input_size, hidden_size);
        let norms =
            [("input", 4 * hidden_size), ("state", 4 * hidden_size), ("memory", hidden_size)].map(|(of, width)| {
                let mut scope = scope.scope(format!("norm_{of}"));
                [scope.add("weight", [width], init::constant(1.0)), scope.add("bias", [width], init::zeros())]
            });
        LayerNormLstm { gates, norms }
    }
    fn norm<'g>(&self, which: usize, x: Var<'g>) -> Var<'g> {
        let [weight, bias] = self.norms[which];
        x.layer_norm(weight, bias, 1e-5)
    }
}

impl Cell for LayerNormLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: self.gates.zeros(graph, batch), c: self.gates.zeros(graph, batch) }
    }
    /// The product and its normalisation, for all steps at once.
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.norm(0, self.gates.of_input.apply(xs))
    }
    fn step<'g>(&self, x: Var<'g>, state: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        self.step_projected(x, self.project(x), state)
    }
    fn step_projected<'g>(
        &self,
        _: Var<'g>,
        x: Var<'g>,
        LstmState { h, c }: LstmState<'g>,
    ) -> (Var<'g>, LstmState<'g>) {
        let [i, f, g, o] = (x + self.norm(1, self.gates.of_state.apply(h))).chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * self.norm(2, c).tanh();
        (h, LstmState { h, c })
    }
}

/// A GRU with one gate for both of its own (Zhou and others 2016):
/// f = σ(W_f x + U_f h + b_f),  n = tanh(W x + U (f ∘ h) + b),  h' = (1 − f) ∘ h + f ∘ n
#[derive(Clone, Debug)]
pub(crate) struct MinimalGated {
    gates: Gates,
    candidate: Linear,
}

impl MinimalGated {
    /// With PyTorch's first values of its layers.
    pub(crate) fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> MinimalGated {
        MinimalGated {
            gates: Gates {
                of_input: Linear::new(scope.scope("input"), input_size, 2 * hidden_size),
                of_state: Linear::without_bias(scope.scope("gate"), hidden_size, hidden_size),
                hidden_size,
            },
            candidate: Linear::without_bias(scope.scope("candidate"), hidden_size, hidden_size),
        }
    }
}

impl Cell for MinimalGated {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.gates.zeros(graph, batch)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.gates.of_input.apply(xs)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.step_projected(x, self.project(x), h)
    }
    fn step_projected<'g>(&self, _: Var<'g>, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let [f, n] = x.chunk(-1);
        let f = (f + self.gates.of_state.apply(h)).sigmoid();
        let n = (n + self.candidate.apply(f * h)).tanh();
        let h = h + f * (n - h);
        (h, h)
    }
}

const BATCH: usize = 16;
const TIME: usize = 10;

/// Trains a cell to say whether the sum so far is above zero; the mean loss of the first and of the last ten steps.
fn run<C: Cell>(make: impl FnOnce(Scope<'_>, usize, usize) -> C) -> Result<(f64, f64)> {
    let mut params = Params::seeded(7);
    let cell = make(params.scope("rnn"), 1, 12);
    let readout = Linear::new(params.scope("readout"), 12, 2);
    let (mut adam, mut losses) = (Adam::new(), vec![]);
    for step in 0..150 {
        let draw = RngKey::seed(step);
        let sign = |b: usize, t: usize| if draw.uniform((b * TIME + t) as u64) < 0.5 { -1.0 } else { 1.0 };
        let xs = ndarray::Array3::from_shape_fn((BATCH, TIME, 1), |(b, t, _)| sign(b, t) as f32);
        let sum = |b: usize, t: usize| (0..=t).map(|t| sign(b, t)).sum::<f64>();
        let targets = ndarray::Array2::from_shape_fn((BATCH, TIME), |(b, t)| u32::from(sum(b, t) > 0.0));
        let graph = Graph::new(&params).training(7, step);
        let (hs, _) = unroll(&cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, BATCH));
        let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
        losses.push(loss.item()?);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    Ok((mean(&losses[..10]), mean(&losses[losses.len() - 10..])))
}

fn all() -> Result<[(&'static str, (f64, f64)); 4]> {
    Ok([
        ("peephole", run(Peephole::new)?),
        ("coupled gates", run(CoupledGates::new)?),
        ("layer norm", run(LayerNormLstm::new)?),
        ("minimal gated", run(MinimalGated::new)?),
    ])
}

fn main() -> Result<()> {
    for (name, (first, last)) in all()? {
        println!("{name}: loss {first:.3} -> {last:.3}");
    }
    Ok(())
}

#[test]
fn each_learns() {
    for (name, (first, last)) in all().unwrap() {
        assert!(last < 0.5 * first, "{name}: {first} -> {last}");
    }
}
