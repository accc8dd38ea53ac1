//! The laws of recurrence, for every cell, a user's own too, in both directions. A law is a function that returns what it found
//! wrong; at the end of each stands a cell or an unrolling that breaks it, and the same function finds that.

use ndarray::{ArrayD, Axis, IxDyn};
use proptest::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use unspool_graph::{
    Draw, Element, Gradients, Graph, Inflow, Operation, Param, Params, Precision, Ran, Scope, Shape, Tensor, Var, View,
    check, init,
};
use unspool_nn::{
    AdditiveAttention, Cell, Direction, Elman, Gru, Linear, Lstm, LstmState, State, detach, gru_gates, leaves, sharded,
    unroll, unroll_directed,
};

type Found = Result<(), String>;

const BOTH: [Direction; 2] = [Direction::Forward, Direction::Backward];
const INPUT: usize = 3;
const HIDDEN: usize = 3;

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

// What is put to the test: a cell, and how its initial state is made from free arrays.

trait Subject: Cell + Sync + Sized {
    /// How many leaves of the state the loss looks at; a leaf with −∞ in it stands behind them.
    const LEAVES: usize = usize::MAX;
    /// Whether every row's state can be seen in its outputs; ReLU may silence all of one.
    const SEEN: bool = true;
    fn make(scope: Scope<'_>) -> Self;
    /// Arrays whose axis 0 is the batch, from which [`start`](Subject::start) makes a state.
    fn free(batch: usize, draw: Draw) -> Vec<ArrayD<f64>> {
        vec![random(&[batch, HIDDEN], draw)]
    }
    fn start<'g>(&self, free: &[Var<'g>]) -> Self::State<'g> {
        let batch = free[0].known_shape().map_or(1, |shape| shape[0]);
        self.initial_state(free[0].graph(), batch).rebuild(&mut free.iter().copied())
    }
    /// How it is run; a negative control may do it wrongly.
    fn run<'g>(
        &self,
        xs: Var<'g>,
        lengths: &[usize],
        state: Self::State<'g>,
        direction: Direction,
    ) -> (Var<'g>, Self::State<'g>) {
        unroll_directed(self, xs, lengths, state, direction)
    }
}

impl Subject for Elman {
    fn make(scope: Scope<'_>) -> Self {
        Elman::new(scope, INPUT, HIDDEN)
    }
}

impl Subject for Gru {
    fn make(scope: Scope<'_>) -> Self {
        Gru::new(scope, INPUT, HIDDEN)
    }
}

impl Subject for Lstm {
    fn make(scope: Scope<'_>) -> Self {
        Lstm::new(scope, INPUT, HIDDEN)
    }
    fn free(batch: usize, draw: Draw) -> Vec<ArrayD<f64>> {
        vec![random(&[batch, HIDDEN], draw.word(1)), random(&[batch, HIDDEN], draw.word(2))]
    }
}

/// Passes everything on to the cell it wraps.
macro_rules! wrapped {
    ($type:ty, $inner:ty) => {
        impl Cell for $type {
            type State<'g> = <$inner as Cell>::State<'g>;
            fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
                self.0.initial_state(graph, batch)
            }
            fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
                self.0.inputs(xs)
            }
            fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
                self.0.step(x, state)
            }
        }
    };
}

struct Relu(Elman);
wrapped!(Relu, Elman);
impl Subject for Relu {
    const SEEN: bool = false;
    fn make(scope: Scope<'_>) -> Self {
        Relu(Elman::new(scope, INPUT, HIDDEN).relu())
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

impl Subject for Own {
    fn make(mut scope: Scope<'_>) -> Self {
        Own {
            write: scope.add("write", [INPUT, HIDDEN], init::uniform(1.0)),
            keep: scope.add("keep", [HIDDEN], init::uniform(1.0)),
            read: scope.add("read", [HIDDEN, 4], init::uniform(1.0)),
        }
    }
    fn free(batch: usize, draw: Draw) -> Vec<ArrayD<f64>> {
        vec![random(&[batch, HIDDEN], draw.word(1)), random(&[batch, INPUT], draw.word(2))]
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
            keys: self.attention.keys(memory, &vec![PLACES; batch]),
            memory,
            bias: graph.zeros([batch, PLACES]),
        }
    }
    fn step<'g>(&self, x: Var<'g>, state: Attending<'g>) -> (Var<'g>, Attending<'g>) {
        let (context, _) = self.attention.attend(state.hidden, state.keys, state.memory, state.bias);
        let both = x.graph().concat(&[x, context], -1);
        let (y, hidden) = self.cell.advance(both, state.hidden);
        (x.graph().concat(&[y, context], -1), Attending { hidden, ..state })
    }
}

impl Subject for Decoder {
    const LEAVES: usize = 3;
    fn make(mut scope: Scope<'_>) -> Self {
        Decoder {
            attention: AdditiveAttention::new(scope.scope("attention"), HIDDEN, MEMORY, 5),
            cell: Gru::new(scope.scope("cell"), INPUT + MEMORY, HIDDEN),
        }
    }
    fn free(batch: usize, draw: Draw) -> Vec<ArrayD<f64>> {
        let sources: Vec<usize> = (0..batch).map(|b| 1 + draw.word(9).word(b as u64).uniform(0).mul(PLACES)).collect();
        let bias = ArrayD::from_shape_fn(IxDyn(&[batch, PLACES]), |at| {
            if at[1] < sources[at[0]] { 0.0 } else { f64::NEG_INFINITY }
        });
        let memory = random(&[batch, PLACES, MEMORY], draw.word(2));
        vec![random(&[batch, HIDDEN], draw.word(1)), memory, bias]
    }
    fn start<'g>(&self, free: &[Var<'g>]) -> Attending<'g> {
        let [hidden, memory, bias] = [free[0], free[1], free[2]];
        let rows = memory.known_shape().map_or(0, |shape| shape[0]);
        Attending { hidden, keys: self.attention.keys(memory, &vec![PLACES; rows]), memory, bias }
    }
}

/// A number in 0..1 as a whole one below `count`.
trait Below {
    fn mul(self, count: usize) -> usize;
}
impl Below for f64 {
    fn mul(self, count: usize) -> usize {
        ((self * count as f64) as usize).min(count - 1)
    }
}

fn random(shape: &[usize], draw: Draw) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
        i += 1;
        // Numbers that f32 holds too, so that both precisions are given the same.
        f64::from((2.0 * draw.uniform(i) - 1.0) as f32)
    })
}

/// A padded batch, and weights that make one number of all outputs and last states.
#[derive(Clone, Debug)]
struct Batch {
    xs: ArrayD<f64>,
    lengths: Vec<usize>,
    free: Vec<ArrayD<f64>>,
    /// Who each row is: its weights follow it.
    who: Vec<u64>,
}

impl Batch {
    fn new<S: Subject>(lengths: &[usize], time: usize, seed: u64) -> Batch {
        let draw = Draw::seed(seed);
        Batch {
            xs: random(&[lengths.len(), time, INPUT], draw.word(1)),
            lengths: lengths.to_vec(),
            free: S::free(lengths.len(), draw.word(2)),
            who: (0..lengths.len() as u64).collect(),
        }
    }

    /// The rows `order`, as a batch.
    fn rows(&self, order: &[usize]) -> Batch {
        Batch {
            xs: self.xs.select(Axis(0), order),
            lengths: order.iter().map(|&b| self.lengths[b]).collect(),
            free: self.free.iter().map(|f| f.select(Axis(0), order)).collect(),
            who: order.iter().map(|&b| self.who[b]).collect(),
        }
    }

    /// The steps `from..to` alone.
    fn steps(&self, from: usize, to: usize) -> Batch {
        let lengths = self.lengths.iter().map(|&l| l.min(to).saturating_sub(from)).collect();
        let xs = self.xs.slice_axis(Axis(1), (from..to).into()).to_owned();
        Batch { xs, lengths, ..self.clone() }
    }

    /// The same, with `more` steps of padding, all padding being `filler`.
    fn padded(&self, more: usize, filler: f64) -> Batch {
        let time = self.xs.shape()[1];
        let mut xs = ArrayD::from_elem(IxDyn(&[self.lengths.len(), time + more, INPUT]), filler);
        for (b, &length) in self.lengths.iter().enumerate() {
            for t in 0..length {
                for f in 0..INPUT {
                    xs[[b, t, f]] = self.xs[[b, t, f]];
                }
            }
        }
        Batch { xs, ..self.clone() }
    }

    /// A weight for each element of `like`, by its row's name and its place in the row; more padding changes none.
    fn weights(&self, like: &[usize], which: u64) -> ArrayD<f64> {
        ArrayD::from_shape_fn(IxDyn(like), |at| {
            let row = Draw::seed(which).word(self.who[at[0]]);
            0.5 + (1..like.len()).fold(row, |draw, axis| draw.word(at[axis] as u64)).uniform(0)
        })
    }
}

/// All that comes out of a run.
struct Outcome {
    ys: ArrayD<f64>,
    last: Vec<ArrayD<f64>>,
    to_params: Vec<(String, ArrayD<f64>)>,
    to_xs: ArrayD<f64>,
    to_free: Vec<ArrayD<f64>>,
}

fn build<S: Subject>(seed: u64) -> (S, Params) {
    let mut params = Params::seeded(seed);
    let subject = S::make(params.scope("cell"));
    (subject, params)
}

fn weighted<'g>(v: Var<'g>, weights: ArrayD<f64>) -> Var<'g> {
    (v * v.graph().input(weights)).sum_all()
}

/// Σ weight · element over all outputs and the last state's leaves.
fn loss<'g, S: Subject>(batch: &Batch, ys: Var<'g>, last: &S::State<'g>) -> Result<Var<'g>, String> {
    let mut sum = weighted(ys, batch.weights(&ys.shape().map_err(text)?, 100));
    for (i, leaf) in leaves(last).into_iter().take(S::LEAVES).enumerate() {
        sum = sum + weighted(leaf, batch.weights(&leaf.shape().map_err(text)?, 200 + i as u64));
    }
    Ok(sum)
}

fn arrays(vars: &[Var<'_>]) -> Result<Vec<ArrayD<f64>>, String> {
    vars.iter().map(|v| Ok(v.value().map_err(text)?.to_f64())).collect()
}

fn of(gradients: &Gradients, v: Var<'_>) -> Result<ArrayD<f64>, String> {
    let none = || Ok(ArrayD::zeros(IxDyn(&v.shape().map_err(text)?)));
    gradients.of(v).map_or_else(none, |g| Ok(g.to_f64()))
}

fn finish<'g, S: Subject>(
    batch: &Batch,
    params: &Params,
    (xs, free): (Var<'g>, &[Var<'g>]),
    (ys, last): (Var<'g>, &S::State<'g>),
) -> Result<Outcome, String> {
    let gradients = loss::<S>(batch, ys, last)?.backward().map_err(text)?;
    let to_param = |p: Param| {
        let zeros = || ArrayD::zeros(IxDyn(&params.shape(p)));
        (params.name(p).to_string(), gradients.of(p).map_or_else(zeros, |g| g.to_f64()))
    };
    Ok(Outcome {
        ys: ys.value().map_err(text)?.to_f64(),
        last: arrays(&leaves(last))?,
        to_params: params.iter().map(to_param).collect(),
        to_xs: of(&gradients, xs)?,
        to_free: free.iter().map(|&v| of(&gradients, v)).collect::<Result<_, _>>()?,
    })
}

fn run<S: Subject>(subject: &S, params: &Params, batch: &Batch, direction: Direction) -> Result<Outcome, String> {
    let graph = Graph::new(params);
    let xs = graph.input(&batch.xs).watch();
    let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f).watch()).collect();
    let (ys, last) = subject.run(xs, &batch.lengths, subject.start(&free), direction);
    finish::<S>(batch, params, (xs, &free), (ys, &last))
}

fn same(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Found {
    if a.shape() != b.shape() {
        return Err(format!("{what}: shapes {:?} and {:?}", a.shape(), b.shape()));
    }
    match a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits()) {
        Some(i) => Err(format!("{what}[{i}]: {:?} and {:?}", a.iter().nth(i), b.iter().nth(i))),
        None => Ok(()),
    }
}

fn near(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Found {
    if a.shape() != b.shape() {
        return Err(format!("{what}: shapes {:?} and {:?}", a.shape(), b.shape()));
    }
    // Equal infinities are near; a NaN is near nothing.
    let close = |a: f64, b: f64| a == b || (a - b).abs() <= 1e-12 * a.abs().max(1.0);
    match a.iter().zip(b).position(|(&a, &b)| !close(a, b)) {
        Some(i) => Err(format!("{what}[{i}]: {:?} and {:?}", a.iter().nth(i), b.iter().nth(i))),
        None => Ok(()),
    }
}

type Compare = fn(&str, &ArrayD<f64>, &ArrayD<f64>) -> Found;

fn all(compare: Compare, what: &str, a: &[ArrayD<f64>], b: &[ArrayD<f64>]) -> Found {
    if a.len() != b.len() {
        return Err(format!("{what}: {} and {}", a.len(), b.len()));
    }
    a.iter().zip(b).enumerate().try_for_each(|(i, (a, b))| compare(&format!("{what} {i}"), a, b))
}

fn gradients_alike(compare: Compare, a: &Outcome, b: &Outcome) -> Found {
    for ((name, a), (_, b)) in a.to_params.iter().zip(&b.to_params) {
        compare(name, a, b)?;
    }
    Ok(())
}

// The laws.

/// A sequence cut anywhere, the state carried, is the whole: values to the bit with the state detached and attached, gradients
/// to rounding with both parts on one recording.
fn cut_is_whole<S: Subject>(batch: &Batch, at: usize, direction: Direction, seed: u64) -> Found {
    let (subject, params) = build::<S>(seed);
    let params64 = params.to_f64();
    let time = batch.xs.shape()[1];
    let parts = [batch.steps(0, at), batch.steps(at, time)];
    // In the order of reading: which part comes first, and its place along the time axis.
    let order = if direction == Direction::Forward { [0, 1] } else { [1, 0] };
    let real = |part: &Batch| part.lengths.iter().any(|&l| l > 0);
    for params in [&params, &params64] {
        let whole = run(&subject, params, batch, direction)?;
        let mut carried: Option<Vec<Tensor>> = None;
        let mut ys = [None, None];
        for which in order {
            let part = &parts[which];
            if !real(part) {
                continue;
            }
            let graph = Graph::new(params);
            let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f)).collect();
            let start = match carried.take() {
                None => subject.start(&free),
                Some(carried) => subject.attach(&graph, &carried),
            };
            let (y, last) = subject.run(graph.input(&part.xs), &part.lengths, start, direction);
            ys[which] = Some(y.value().map_err(text)?.to_f64());
            carried = Some(detach(&last).map_err(text)?);
        }
        let zeros = |steps: usize| ArrayD::zeros(IxDyn(&[batch.lengths.len(), steps, whole.ys.shape()[2]]));
        let [first, second] = ys;
        let (first, second) = (first.unwrap_or_else(|| zeros(at)), second.unwrap_or_else(|| zeros(time - at)));
        let joined = ndarray::concatenate(Axis(1), &[first.view(), second.view()]).map_err(text)?;
        same("outputs", &whole.ys, &joined)?;
        let last: Vec<ArrayD<f64>> = carried.unwrap_or_default().iter().map(Tensor::to_f64).collect();
        all(same, "last state", &whole.last, &last)?;
    }
    let whole = run(&subject, &params64, batch, direction)?;
    let graph = Graph::new(&params64);
    let xs = graph.input(&batch.xs).watch();
    let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f).watch()).collect();
    let mut state = subject.start(&free);
    let width = whole.ys.shape()[2];
    let mut ys = [graph.zeros([batch.lengths.len(), at, width]), graph.zeros([batch.lengths.len(), time - at, width])];
    for which in order {
        let range = if which == 0 { 0..at } else { at..time };
        if real(&parts[which]) {
            (ys[which], state) = subject.run(xs.slice(1, range), &parts[which].lengths, state, direction);
        }
    }
    let chained = finish::<S>(batch, &params64, (xs, &free), (graph.concat(&ys, 1), &state))?;
    gradients_alike(near, &whole, &chained)?;
    near("gradient of the inputs", &whole.to_xs, &chained.to_xs)?;
    all(near, "gradient of the start", &whole.to_free, &chained.to_free)
}

/// More padding, whatever is in it, changes no bit; no gradient comes from it.
fn padding_is_nothing<S: Subject>(batch: &Batch, more: usize, direction: Direction, seed: u64) -> Found {
    let (subject, params) = build::<S>(seed);
    for params in [&params, &params.to_f64()] {
        let plain = run(&subject, params, &batch.padded(0, 0.0), direction)?;
        for (more, filler) in [(0, 1e30), (0, f64::NAN), (more, 0.0), (more, f64::NAN), (more, f64::INFINITY)] {
            let other = run(&subject, params, &batch.padded(more, filler), direction)?;
            let time = batch.xs.shape()[1];
            let cut = |x: &ArrayD<f64>| x.slice_axis(Axis(1), (0..time).into()).to_owned();
            same("outputs", &plain.ys, &cut(&other.ys))?;
            all(same, "last state", &plain.last, &other.last)?;
            gradients_alike(same, &plain, &other)?;
            same("gradient of the inputs", &plain.to_xs, &cut(&other.to_xs))?;
            all(same, "gradient of the start", &plain.to_free, &other.to_free)?;
            beyond_is_zero(batch, &other)?;
        }
    }
    Ok(())
}

fn beyond_is_zero(batch: &Batch, outcome: &Outcome) -> Found {
    for (what, x) in [("outputs", &outcome.ys), ("gradient of the inputs", &outcome.to_xs)] {
        for (b, &length) in batch.lengths.iter().enumerate() {
            let beyond = x.index_axis(Axis(0), b);
            if beyond.slice_axis(Axis(0), (length..).into()).iter().any(|&x| x != 0.0) {
                return Err(format!("{what}: not zero beyond the length {length} of row {b}"));
            }
        }
    }
    Ok(())
}

/// The rows of a batch in another order give the same results in that order; parameters' gradients to rounding.
fn order_is_nothing<S: Subject>(batch: &Batch, order: &[usize], direction: Direction, seed: u64) -> Found {
    let (subject, params) = build::<S>(seed);
    for params in [&params, &params.to_f64()] {
        let plain = run(&subject, params, batch, direction)?;
        let other = run(&subject, params, &batch.rows(order), direction)?;
        let moved = |x: &ArrayD<f64>| x.select(Axis(0), order);
        let all_moved = |x: &[ArrayD<f64>]| x.iter().map(moved).collect::<Vec<_>>();
        same("outputs", &moved(&plain.ys), &other.ys)?;
        all(same, "last state", &all_moved(&plain.last), &other.last)?;
        same("gradient of the inputs", &moved(&plain.to_xs), &other.to_xs)?;
        all(same, "gradient of the start", &all_moved(&plain.to_free), &other.to_free)?;
        if params.precision() == Precision::F64 {
            gradients_alike(near, &plain, &other)?;
        }
    }
    Ok(())
}

/// A row in a batch is what it is alone, cut to its length; an empty row keeps its initial state and passes its gradient on.
fn rows_are_alone<S: Subject>(batch: &Batch, direction: Direction, seed: u64) -> Found {
    let (subject, params) = build::<S>(seed);
    for params in [&params, &params.to_f64()] {
        let together = run(&subject, params, batch, direction)?;
        beyond_is_zero(batch, &together)?;
        for (b, &length) in batch.lengths.iter().enumerate() {
            let row = |x: &ArrayD<f64>| x.select(Axis(0), &[b]);
            let rows = |x: &[ArrayD<f64>]| x.iter().map(row).collect::<Vec<_>>();
            let steps = |x: &ArrayD<f64>| row(x).slice_axis(Axis(1), (0..length).into()).to_owned();
            if length == 0 {
                let graph = Graph::new(params);
                let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f)).collect();
                let kept = arrays(&leaves(&subject.start(&free)))?;
                all(same, "an empty row's state", &rows(&kept), &rows(&together.last))?;
                continue;
            }
            let alone = run(&subject, params, &batch.rows(&[b]).steps(0, length), direction)?;
            same("outputs", &alone.ys, &steps(&together.ys))?;
            all(same, "last state", &alone.last, &rows(&together.last))?;
            same("gradient of the inputs", &alone.to_xs, &steps(&together.to_xs))?;
            all(same, "gradient of the start", &alone.to_free, &rows(&together.to_free))?;
        }
    }
    Ok(())
}

/// Every row's first free array, which is h0 or stands for it, has a gradient, also where only the outputs are looked at.
fn start_matters<S: Subject>(batch: &Batch, direction: Direction, seed: u64) -> Found {
    let (subject, params) = build::<S>(seed);
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let free: Vec<Var<'_>> = batch.free.iter().map(|f| graph.input(f).watch()).collect();
    let (ys, _) = subject.run(graph.input(&batch.xs), &batch.lengths, subject.start(&free), direction);
    let loss = weighted(ys, batch.weights(&ys.shape().map_err(text)?, 100));
    let gradient = of(&loss.backward().map_err(text)?, free[0])?;
    for (b, &length) in batch.lengths.iter().enumerate() {
        let any = gradient.index_axis(Axis(0), b).iter().any(|&x| x != 0.0);
        let wrong = if length == 0 { any } else { S::SEEN && !any };
        if wrong {
            return Err(format!("row {b} of length {length}: its initial state's gradient is zero: {}", !any));
        }
    }
    Ok(())
}

/// Gradients of parameters, inputs and initial states against central differences and forward mode, through the whole run.
fn gradients_are_right<S: Subject>(batch: &Batch, direction: Direction, seed: u64) -> Found {
    let mut params = Params::seeded(seed);
    let subject = S::make(params.scope("cell"));
    let mut params = params.to_f64();
    let mut data = params.scope("data");
    let mut add =
        |name: String, x: &ArrayD<f64>| data.add_sized(name, x.shape(), init::values(x.iter().copied().collect()));
    let xs = add("xs".into(), &batch.xs);
    // A leaf with −∞ is no number to take differences at.
    let finite = |x: &ArrayD<f64>| x.iter().all(|x| x.is_finite());
    let free: Vec<Result<Param, Tensor>> = batch
        .free
        .iter()
        .enumerate()
        .map(|(i, f)| if finite(f) { Ok(add(format!("free{i}"), f)) } else { Err(Tensor::from(f)) })
        .collect();
    // Written as a function, so that it holds for a recording of any lifetime.
    fn model<'g, S: Subject>(
        graph: &'g Graph<'g>,
        subject: &S,
        (xs, free): (Param, &[Result<Param, Tensor>]),
        lengths: &[usize],
        direction: Direction,
    ) -> Var<'g> {
        let free: Vec<Var<'g>> = free
            .iter()
            .map(|f| match f {
                Ok(p) => graph.param(*p),
                Err(constant) => graph.input(constant),
            })
            .collect();
        let (ys, last) = subject.run(graph.param(xs), lengths, subject.start(&free), direction);
        let mut parts = vec![];
        for v in leaves(&last).into_iter().take(S::LEAVES).chain([ys]) {
            let elements = v.known_shape().map_or(0, |shape| shape.elements());
            parts.push(v.reshape([elements]));
        }
        graph.concat(&parts, 0)
    }
    check::parameters(&params, |graph| model(graph, &subject, (xs, &free), &batch.lengths, direction)).map_err(text)?;
    check::adjoint(&params, |graph| model(graph, &subject, (xs, &free), &batch.lengths, direction)).map_err(text)
}

/// Two cells with the same parameters are the same function, with the same gradients.
fn are_equal<A: Subject, B: Subject>(batch: &Batch, direction: Direction, seed: u64) -> Found {
    let ((a, a_params), (b, b_params)) = (build::<A>(seed), build::<B>(seed));
    let a = run(&a, &a_params.to_f64(), batch, direction)?;
    let b = run(&b, &b_params.to_f64(), batch, direction)?;
    near("outputs", &a.ys, &b.ys)?;
    all(near, "last state", &a.last, &b.last)?;
    gradients_alike(near, &a, &b)?;
    near("gradient of the inputs", &a.to_xs, &b.to_xs)?;
    all(near, "gradient of the start", &a.to_free, &b.to_free)
}

/// 1, 2 and 3 threads give the same bits of loss and gradients.
fn threads_are_nothing<S: Subject>(
    shards: &[Batch],
    seed: u64,
    shard_loss: impl for<'g> Fn(&'g Graph<'g>, &S, &Batch) -> Var<'g> + Sync,
) -> Found {
    let (subject, params) = build::<S>(seed);
    for params in [&params, &params.to_f64()] {
        let mut first: Option<(f64, Vec<ArrayD<f64>>)> = None;
        for threads in 1..=3 {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().map_err(text)?;
            let (sum, gradients) = pool
                .install(|| sharded(params, Some((1, 2)), shards, |graph, shard| shard_loss(graph, &subject, shard)))
                .map_err(text)?;
            let gradients: Vec<ArrayD<f64>> =
                params.iter().filter_map(|p| gradients.of(p)).map(|g| g.to_f64()).collect();
            let Some((one, known)) = &first else {
                first = Some((sum, gradients));
                continue;
            };
            same("loss", &ndarray::arr0(*one).into_dyn(), &ndarray::arr0(sum).into_dyn())?;
            all(same, "gradient", known, &gradients)?;
        }
    }
    Ok(())
}

// The laws hold, for every cell and both directions.

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Lengths from 0 to 5, at least one of them not 0, and a time axis that is a bit longer.
fn lengths() -> impl Strategy<Value = (Vec<usize>, usize)> {
    (prop::collection::vec(0..=5usize, 1..6), 0..3usize).prop_map(|(mut lengths, more)| {
        if lengths.iter().all(|&l| l == 0) {
            lengths[0] = 3;
        }
        let time = lengths.iter().max().copied().unwrap_or(0) + more;
        (lengths, time)
    })
}

macro_rules! laws {
    ($($name:ident: $type:ty),+) => { $(
        mod $name {
            use super::*;

            proptest! {
                #![proptest_config(cases(24))]

                #[test]
                fn a_cut_sequence_is_the_whole((lengths, time) in lengths(), at in 0.0..1.0f64, seed in 0..1000u64) {
                    let batch = Batch::new::<$type>(&lengths, time, seed);
                    for direction in BOTH {
                        cut_is_whole::<$type>(&batch, at.mul(time + 1), direction, seed).map_err(TestCaseError::fail)?;
                    }
                }

                #[test]
                fn padding_changes_nothing((lengths, time) in lengths(), more in 1..20usize, seed in 0..1000u64) {
                    let batch = Batch::new::<$type>(&lengths, time, seed);
                    for direction in BOTH {
                        padding_is_nothing::<$type>(&batch, more, direction, seed).map_err(TestCaseError::fail)?;
                    }
                }

                #[test]
                fn rows_in_any_order((lengths, time) in lengths(), seed in 0..1000u64) {
                    let batch = Batch::new::<$type>(&lengths, time, seed);
                    let mut order: Vec<usize> = (0..lengths.len()).collect();
                    order.sort_by_key(|&b| Draw::seed(seed).word(b as u64).uniform(0).to_bits());
                    for direction in BOTH {
                        order_is_nothing::<$type>(&batch, &order, direction, seed).map_err(TestCaseError::fail)?;
                    }
                }

                #[test]
                fn a_row_is_what_it_is_alone((lengths, time) in lengths(), seed in 0..1000u64) {
                    let batch = Batch::new::<$type>(&lengths, time, seed);
                    for direction in BOTH {
                        rows_are_alone::<$type>(&batch, direction, seed).map_err(TestCaseError::fail)?;
                    }
                }
            }

            // Fixed seeds: at a kink of ReLU, which chance may hit, differences say nothing.
            #[test]
            fn gradients_of_everything() {
                for seed in 0..4 {
                    let batch = Batch::new::<$type>(&[[3, 0, 1], [2, 4, 4], [1, 2, 3], [4, 1, 0]][seed as usize], 4, seed);
                    for direction in BOTH {
                        gradients_are_right::<$type>(&batch, direction, seed).unwrap();
                        start_matters::<$type>(&batch, direction, seed).unwrap();
                    }
                }
            }

            #[test]
            fn threads_change_nothing() {
                let shards: Vec<Batch> = (0..5).map(|i| Batch::new::<$type>(&[5, 2, i + 1], 7, i as u64)).collect();
                threads_are_nothing::<$type>(&shards, 1, shard_loss::<$type>).unwrap();
            }
        }
    )+ };
}
laws!(elman: Elman, elman_relu: Relu, gru: Gru, lstm: Lstm, own: Own, attention: Decoder);

fn shard_loss<'g, S: Subject>(graph: &'g Graph<'g>, subject: &S, batch: &Batch) -> Var<'g> {
    let free: Vec<Var<'g>> = batch.free.iter().map(|f| graph.input(f)).collect();
    let (ys, _) = subject.run(graph.input(&batch.xs), &batch.lengths, subject.start(&free), Direction::Forward);
    (ys * ys).sum_all()
}

/// Products large enough that their own work is spread over threads.
#[test]
fn threads_change_nothing_in_large_products() {
    let mut params = Params::seeded(1);
    let cell = Gru::new(params.scope("rnn"), 96, 160);
    let readout = Linear::new(params.scope("readout"), 160, 512);
    let xs = [0, 1].map(|i| random(&[96, 6, 96], Draw::seed(i)));
    let lengths: Vec<usize> = (0..96).map(|b| 1 + b % 6).collect();
    let all: Vec<_> = (1..=3)
        .map(|threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let (sum, gradients) = pool.install(|| {
                sharded(&params, None, &xs, |graph, xs| {
                    let (ys, _) = unroll(&cell, graph.input(xs), &lengths, cell.initial_state(graph, 96));
                    readout.apply(ys.real_rows(&lengths)).powi(2).sum_all()
                })
                .unwrap()
            });
            (sum.to_bits(), params.iter().map(|p| gradients.of(p).unwrap()).collect::<Vec<_>>())
        })
        .collect();
    assert!(all[0] == all[1] && all[0] == all[2]);
}

// Fused gates are their formulas.

/// A GRU of plain operations, with the same parameters.
struct PlainGru(Params4);
/// An LSTM of plain operations, with the same parameters.
struct PlainLstm(Params4);

struct Params4 {
    weight_ih: Param,
    weight_hh: Param,
    bias_ih: Param,
    bias_hh: Param,
}

impl Params4 {
    fn new(mut scope: Scope<'_>, gates: usize) -> Params4 {
        let rows = gates * HIDDEN;
        let bound = 1.0 / (HIDDEN as f64).sqrt();
        Params4 {
            weight_ih: scope.add("weight_ih_l0", [rows, INPUT], init::uniform(bound)),
            weight_hh: scope.add("weight_hh_l0", [rows, HIDDEN], init::uniform(bound)),
            bias_ih: scope.add("bias_ih_l0", [rows], init::uniform(bound)),
            bias_hh: scope.add("bias_hh_l0", [rows], init::uniform(bound)),
        }
    }
    fn products<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        (x.linear(self.weight_ih, Some(self.bias_ih)), h.linear(self.weight_hh, Some(self.bias_hh)))
    }
}

impl Cell for PlainGru {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, HIDDEN])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (x, u) = self.0.products(x, h);
        let ([x_r, x_z, x_n], [u_r, u_z, u_n]) = (x.chunk::<3>(-1), u.chunk::<3>(-1));
        let (r, z) = ((x_r + u_r).sigmoid(), (x_z + u_z).sigmoid());
        let n = (x_n + r * u_n).tanh();
        let h = (z * -1.0 + 1.0) * n + z * h;
        (h, h)
    }
}

impl Subject for PlainGru {
    fn make(scope: Scope<'_>) -> Self {
        PlainGru(Params4::new(scope, 3))
    }
}

impl Cell for PlainLstm {
    type State<'g> = LstmState<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        LstmState { h: graph.zeros([batch, HIDDEN]), c: graph.zeros([batch, HIDDEN]) }
    }
    fn step<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        let (x, u) = self.0.products(x, h);
        let [i, f, g, o] = (x + u).chunk::<4>(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}

impl Subject for PlainLstm {
    fn make(scope: Scope<'_>) -> Self {
        PlainLstm(Params4::new(scope, 4))
    }
    fn free(batch: usize, draw: Draw) -> Vec<ArrayD<f64>> {
        Lstm::free(batch, draw)
    }
}

proptest! {
    #![proptest_config(cases(32))]

    #[test]
    fn fused_gates_are_their_formulas((lengths, time) in lengths(), seed in 0..1000u64) {
        for direction in BOTH {
            let batch = Batch::new::<Gru>(&lengths, time, seed);
            are_equal::<Gru, PlainGru>(&batch, direction, seed).map_err(TestCaseError::fail)?;
            let batch = Batch::new::<Lstm>(&lengths, time, seed);
            are_equal::<Lstm, PlainLstm>(&batch, direction, seed).map_err(TestCaseError::fail)?;
        }
    }

    #[test]
    fn the_operations_own_gradients(batch in 1..4usize, hidden in 1..20usize, seed in 0..1000u64) {
        let draw = |i: u64| Draw::seed(seed).word(i);
        let x = random(&[batch, 3 * hidden], draw(0)) * 2.0;
        let u = random(&[batch, 3 * hidden], draw(1)) * 2.0;
        let h = random(&[batch, hidden], draw(2));
        check::function(&[x, u, h.clone()], |_, v| gru_gates(v[0], v[1], v[2]))
            .map_err(|e| TestCaseError::fail(e.to_string()))?;

        // The LSTM's gates by way of its cell, whose own inputs are the products of x.
        let mut params = Params::seeded(seed);
        let cell = Lstm::new(params.scope("lstm"), 1, hidden.min(4));
        let hidden = hidden.min(4);
        let mut data = params.scope("data");
        let [x, h, c] = [("x", 4 * hidden), ("h", hidden), ("c", hidden)]
            .map(|(name, width)| data.add(name, [batch, width], init::uniform(1.5)));
        let model = Step { cell: &cell, x, h, c };
        check::parameters(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        check::adjoint(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
    }

    #[test]
    fn attention_s_own_gradients(batch in 1..4usize, places in 1..6usize, width in 1..18usize, seed in 0..1000u64) {
        let mut params = Params::seeded(seed);
        let attention = AdditiveAttention::new(params.scope("attention"), 2, 3, width);
        let mut data = params.scope("data");
        let query = data.add("query", [batch, 2], init::uniform(1.0));
        let keys = data.add("keys", [batch, places, width], init::uniform(1.0));
        let memory = data.add("memory", [batch, places, 3], init::uniform(1.0));
        let lengths: Vec<usize> = (0..batch).map(|b| 1 + (b + seed as usize) % places).collect();
        let model = Look { attention: &attention, query, keys, memory, lengths };
        check::parameters(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
        check::adjoint(&params, |graph| model.run(graph)).map_err(|e| TestCaseError::fail(e.to_string()))?;
    }
}

struct Step<'a> {
    cell: &'a Lstm,
    x: Param,
    h: Param,
    c: Param,
}

impl Step<'_> {
    fn run<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        let state = LstmState { h: graph.param(self.h), c: graph.param(self.c) };
        let (_, LstmState { h, c }) = self.cell.step(graph.param(self.x), state);
        graph.concat(&[h, c], -1)
    }
}

struct Look<'a> {
    attention: &'a AdditiveAttention,
    query: Param,
    keys: Param,
    memory: Param,
    lengths: Vec<usize>,
}

impl Look<'_> {
    fn run<'g>(&self, graph: &'g Graph<'g>) -> Var<'g> {
        let [query, keys, memory] = [self.query, self.keys, self.memory].map(|p| graph.param(p));
        let places = graph.params().shape(self.memory)[1];
        let bias = unspool_nn::attention::padding_bias(graph, &self.lengths, places);
        let (context, weights) = self.attention.attend(query, keys, memory, bias);
        graph.concat(&[context, weights], -1)
    }
}

// Negative controls: for each law something that breaks it, found by the same function.

fn ragged<S: Subject>() -> Batch {
    Batch::new::<S>(&[2, 4, 0, 3], 5, 11)
}

/// Counts its steps outside its state.
struct Counting(Elman, AtomicUsize);

impl Cell for Counting {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.1.store(0, Ordering::Relaxed);
        self.0.inputs(xs)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let steps = self.1.fetch_add(1, Ordering::Relaxed);
        self.0.step(x + steps as f64 * 0.1, h)
    }
}

impl Subject for Counting {
    fn make(scope: Scope<'_>) -> Self {
        Counting(Elman::make(scope), AtomicUsize::new(0))
    }
}

/// Runs every row to the end of the time axis.
struct Heedless(Elman);
wrapped!(Heedless, Elman);
impl Subject for Heedless {
    fn make(scope: Scope<'_>) -> Self {
        Heedless(Elman::make(scope))
    }
    fn run<'g>(&self, xs: Var<'g>, lengths: &[usize], state: Var<'g>, direction: Direction) -> (Var<'g>, Var<'g>) {
        let time = xs.known_shape().map_or(0, |shape| shape[1]);
        unroll_directed(&self.0, xs, &vec![time; lengths.len()], state, direction)
    }
}

/// Looks at the first row of the batch.
struct Nosy(Elman);

impl Cell for Nosy {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.0.inputs(xs)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.0.step(x + h.slice(0, 0..1).sum(&[]) * 0.1, h)
    }
}

impl Subject for Nosy {
    fn make(scope: Scope<'_>) -> Self {
        Nosy(Elman::make(scope))
    }
}

/// Ignores its state.
struct Forgetful(Elman);

impl Cell for Forgetful {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.0.inputs(xs)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.0.step(x, h * 0.0)
    }
}

impl Subject for Forgetful {
    fn make(scope: Scope<'_>) -> Self {
        Forgetful(Elman::make(scope))
    }
}

/// x, whose backward gives 1 % too much; as `forward_mode`, whose tangent does.
struct Wrong {
    forward_mode: bool,
}

impl Operation for Wrong {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "wrong"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.copy_from_slice(inputs[0].data());
    }
    fn backward<E: Element>(&self, _: &Ran<'_, E, ()>, gradient: View<'_, E>, into: &mut Inflow<'_, E>) {
        let factor = E::from_f64(if self.forward_mode { 1.0 } else { 1.01 });
        into.add(0, gradient.data().iter().map(|&g| g * factor).collect());
    }
    fn jvp<E: Element>(&self, _: &Ran<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let factor = E::from_f64(if self.forward_mode { 1.01 } else { 1.0 });
        let Some(v) = tangents[0] else { return };
        output.iter_mut().zip(v.data()).for_each(|(y, &v)| *y = v * factor);
    }
}

/// Has an operation with a wrong derivative, in reverse or in forward mode.
struct Mistaken<const FORWARD_MODE: bool>(Elman);

impl<const FORWARD_MODE: bool> Cell for Mistaken<FORWARD_MODE> {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.0.inputs(xs)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (y, h) = self.0.step(x, h);
        (y, h.graph().apply(Wrong { forward_mode: FORWARD_MODE }, &[h]))
    }
}

impl<const FORWARD_MODE: bool> Subject for Mistaken<FORWARD_MODE> {
    fn make(scope: Scope<'_>) -> Self {
        Mistaken(Elman::make(scope))
    }
}

/// A GRU that keeps where it should write.
struct Swapped(PlainGru);

impl Cell for Swapped {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let (new, _) = self.0.step(x, h);
        let h = new + (new - h) * 1e-9;
        (h, h)
    }
}

impl Subject for Swapped {
    fn make(scope: Scope<'_>) -> Self {
        Swapped(PlainGru::make(scope))
    }
}

#[test]
fn each_law_finds_what_breaks_it() {
    let order = [3, 0, 2, 1];
    for direction in BOTH {
        cut_is_whole::<Elman>(&ragged::<Elman>(), 2, direction, 1).unwrap();
        cut_is_whole::<Counting>(&ragged::<Counting>(), 2, direction, 1).unwrap_err();
        padding_is_nothing::<Elman>(&ragged::<Elman>(), 3, direction, 1).unwrap();
        padding_is_nothing::<Heedless>(&ragged::<Heedless>(), 3, direction, 1).unwrap_err();
        rows_are_alone::<Elman>(&ragged::<Elman>(), direction, 1).unwrap();
        rows_are_alone::<Heedless>(&ragged::<Heedless>(), direction, 1).unwrap_err();
        rows_are_alone::<Nosy>(&ragged::<Nosy>(), direction, 1).unwrap_err();
        order_is_nothing::<Elman>(&ragged::<Elman>(), &order, direction, 1).unwrap();
        // Rows of one length: among others, the longest comes first whatever the order was.
        let even = Batch::new::<Nosy>(&[3; 4], 3, 11);
        order_is_nothing::<Nosy>(&even, &order, direction, 1).unwrap_err();
        start_matters::<Elman>(&ragged::<Elman>(), direction, 1).unwrap();
        start_matters::<Forgetful>(&ragged::<Forgetful>(), direction, 1).unwrap_err();
        // The empty row's state is looked at by an unrolling that runs every row to the end.
        start_matters::<Heedless>(&ragged::<Heedless>(), direction, 1).unwrap_err();
        gradients_are_right::<Elman>(&ragged::<Elman>(), direction, 1).unwrap();
        let wrong = gradients_are_right::<Mistaken<false>>(&ragged::<Elman>(), direction, 1).unwrap_err();
        assert!(wrong.contains("a gradient is wrong"), "{wrong}");
        let wrong = gradients_are_right::<Mistaken<true>>(&ragged::<Elman>(), direction, 1).unwrap_err();
        assert!(wrong.contains('⟨'), "{wrong}");
        are_equal::<Gru, PlainGru>(&ragged::<Gru>(), direction, 1).unwrap();
        are_equal::<Gru, Swapped>(&ragged::<Gru>(), direction, 1).unwrap_err();
    }
    let shards: Vec<Batch> = (0..4).map(|i| Batch::new::<Elman>(&[3, 1], 3, i)).collect();
    threads_are_nothing::<Elman>(&shards, 1, shard_loss::<Elman>).unwrap();
    threads_are_nothing::<Elman>(&shards, 1, |graph, subject, batch| {
        shard_loss(graph, subject, batch) * (1.0 + rayon::current_num_threads() as f64 * 1e-9)
    })
    .unwrap_err();
}

/// A row of a product with a bias has the bits it has alone, narrow and long ones too.
#[test]
fn a_row_of_a_product_is_what_it_is_alone() {
    for width in [1, 2, 3, 17, 600, 3000] {
        let mut params = Params::seeded(1);
        let layer = Linear::new(params.scope("layer"), width, 5);
        let x = random(&[4, width], Draw::seed(2));
        for params in [&params, &params.to_f64()] {
            let graph = Graph::new(params);
            let together = layer.apply(graph.input(&x)).value().unwrap().to_f64();
            for b in 0..4 {
                let alone = layer.apply(graph.input(x.select(Axis(0), &[b]))).value().unwrap().to_f64();
                same(&format!("width {width}"), &together.select(Axis(0), &[b]), &alone).unwrap();
            }
        }
    }
}

/// What does not fit is an error with the caller's line, and no panic.
#[test]
fn what_does_not_fit_is_an_error() {
    let mut params = Params::seeded(0);
    let cell = Gru::make(params.scope("cell"));
    for (lengths, rows) in [(&[2, 1][..], 3), (&[2][..], 1), (&[6, 1][..], 2), (&[0, 0][..], 2), (&[2, 1, 1][..], 2)] {
        let graph = Graph::new(&params);
        let (ys, _) = unroll(&cell, graph.zeros([2, 5, INPUT]), lengths, graph.zeros([rows, HIDDEN]));
        let error = ys.value().unwrap_err().to_string();
        assert!(error.starts_with("unroll") && error.contains("laws.rs"), "{error}");
    }
}
