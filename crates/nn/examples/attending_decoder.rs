//! An encoder, and a decoder that looks at what the encoder wrote: it learns to reverse short sequences.

use ndarray::Array2;
use unspool_graph::{Graph, Params, RngKey, Scope, Var};
use unspool_nn::{
    Adam, AdditiveAttention, Cell, Embedding, Gru, Linear, Result, Sequence, attention::padding_bias, bidirectional,
    schedule::linear_with_warm_up, unroll,
};

unspool_nn::state! {
    /// What the decoder carries. Only `h` changes; the rest is handed on as it is, which costs nothing.
    struct Attending<'g> {
        /// `[batch, hidden]`
        h: Var<'g>,
        /// What the encoder wrote: `[batch, source, memory]`.
        memory: Var<'g>,
        /// The memory as the attention compares it: `[batch, source, hidden]`.
        keys: Var<'g>,
        /// 0 at real places, −∞ at padding: `[batch, source]`.
        padding: Var<'g>,
    }
}

/// A GRU that reads the last symbol beside what its attention found.
struct Decoder {
    cell: Gru,
    attention: AdditiveAttention,
}

impl Decoder {
    fn new(mut scope: Scope<'_>, input_size: usize, memory_size: usize, hidden_size: usize) -> Decoder {
        Decoder {
            cell: Gru::new(scope.scope("cell"), input_size + memory_size, hidden_size),
            attention: AdditiveAttention::new(scope.scope("attention"), hidden_size, memory_size, hidden_size),
        }
    }

    /// The state before the first step, with `memory` to look at.
    fn start<'g>(&self, h: Var<'g>, memory: &Sequence<'g>) -> Attending<'g> {
        let padding = padding_bias(h.graph(), memory.layout());
        Attending { h, memory: memory.padded(), keys: self.attention.keys(memory), padding }
    }
}

impl Cell for Decoder {
    type State<'g> = Attending<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Attending<'g> {
        // Nothing to look at; a decoder begins with `start`.
        let nothing = Sequence::full(graph.zeros([batch, 1, 2 * HIDDEN]));
        self.start(self.cell.initial_state(graph, batch), &nothing)
    }

    fn step<'g>(&self, x: Var<'g>, state: Attending<'g>) -> (Var<'g>, Attending<'g>) {
        let (context, _) = self.attention.attend(state.h, state.keys, state.memory, state.padding);
        let x = x.graph().concat(&[x, context], -1);
        let (h, _) = self.cell.step(x, state.h);
        (h, Attending { h, ..state })
    }
}

const HIDDEN: usize = 24;
const BATCH: usize = 32;
const STEPS: u64 = 1200;
const LONGEST: usize = 6;
/// Symbols are 1 to 8; 0 stands before the first.
const SYMBOLS: usize = 9;

struct Reverser {
    embedding: Embedding,
    forward: Gru,
    backward: Gru,
    bridge: Linear,
    decoder: Decoder,
    readout: Linear,
}

impl Reverser {
    fn new(params: &mut Params) -> Reverser {
        Reverser {
            embedding: Embedding::new(params.scope("embedding"), SYMBOLS, HIDDEN),
            forward: Gru::new(params.scope("forward"), HIDDEN, HIDDEN),
            backward: Gru::new(params.scope("backward"), HIDDEN, HIDDEN),
            bridge: Linear::new(params.scope("bridge"), 2 * HIDDEN, HIDDEN),
            decoder: Decoder::new(params.scope("decoder"), HIDDEN, 2 * HIDDEN, HIDDEN),
            readout: Linear::new(params.scope("readout"), HIDDEN, SYMBOLS),
        }
    }

    fn encode<'g>(&self, graph: &'g Graph<'g>, pairs: &Pairs) -> Attending<'g> {
        let xs = self.embedding.sequence(graph, &pairs.source, &pairs.lengths);
        let states = (self.forward.initial_state(graph, BATCH), self.backward.initial_state(graph, BATCH));
        let cells = (&self.forward, &self.backward);
        let (memory, (last, first)) = bidirectional(cells, &xs, states);
        self.decoder.start(self.bridge.apply(graph.concat(&[last, first], -1)).tanh(), &memory)
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, pairs: &Pairs) -> Var<'g> {
        let ys = self.embedding.sequence(graph, &pairs.shifted, &pairs.lengths);
        let (hs, _) = unroll(&self.decoder, &ys, self.encode(graph, pairs));
        hs.map(|rows| self.readout.apply(rows)).cross_entropy(&pairs.targets).mean(&[])
    }

    /// Writes one symbol after another, each read again at the next step: `[batch, LONGEST]`.
    fn greedy(&self, graph: &Graph<'_>, pairs: &Pairs) -> Result<Array2<u32>> {
        let (mut state, mut last, mut steps) = (self.encode(graph, pairs), vec![0; BATCH], vec![]);
        for t in 0..LONGEST {
            let _step = graph.at_step(t);
            let x = graph.embedding(self.embedding.weight, &last, [BATCH], None);
            let (h, next) = self.decoder.step(x, state);
            (last, state) = (self.readout.apply(h).argmax()?, next);
            steps.push(last.clone());
        }
        Ok(Array2::from_shape_fn((BATCH, LONGEST), |(b, t)| steps[t][b]))
    }
}

/// Sequences and their reverses, padded with 0.
struct Pairs {
    source: Array2<u32>,
    lengths: Vec<usize>,
    /// The reverse, one step late: what the decoder reads while it is taught.
    shifted: Array2<u32>,
    /// The reverse.
    targets: Array2<u32>,
}

fn pairs(seed: u64) -> Pairs {
    let draw = RngKey::seed(seed);
    let lengths: Vec<usize> = (0..BATCH).map(|b| 2 + b % (LONGEST - 1)).collect();
    let nothing = || Array2::zeros((BATCH, LONGEST));
    let (mut source, mut shifted, mut targets) = (nothing(), nothing(), nothing());
    for (b, &length) in lengths.iter().enumerate() {
        let symbol = |t: usize| 1 + (draw.uniform((b * LONGEST + t) as u64) * 8.0) as u32;
        let reverse: Vec<u32> = (0..length).rev().map(symbol).collect();
        for t in 0..length {
            (source[[b, t]], targets[[b, t]]) = (symbol(t), reverse[t]);
            if t > 0 {
                shifted[[b, t]] = reverse[t - 1];
            }
        }
    }
    Pairs { source, lengths, shifted, targets }
}

/// Trains, and returns the share of right symbols where the model reads what it wrote itself.
fn run() -> Result<f64> {
    let mut params = Params::seeded(1);
    let model = Reverser::new(&mut params);
    let mut adam = Adam::new();
    for step in 0..STEPS {
        let graph = Graph::new(&params).training(1, step);
        let mut gradients = model.loss(&graph, &pairs(step)).backward()?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, linear_with_warm_up(step, 50, STEPS, 0.01, 0.05))?;
    }

    let new = pairs(1_000_000);
    let written = model.greedy(&Graph::new(&params), &new)?;
    let row = |all: &Array2<u32>| all.slice(ndarray::s![3, ..new.lengths[3]]).to_vec();
    println!("{:?} -> {:?}", row(&new.source), row(&written));
    let real = |b: usize| (0..new.lengths[b]).map(move |t| [b, t]);
    let places: Vec<[usize; 2]> = (0..BATCH).flat_map(real).collect();
    let right = places.iter().filter(|&&place| written[place] == new.targets[place]).count();
    Ok(right as f64 / places.len() as f64)
}

fn main() -> Result<()> {
    println!("symbols right on new sequences: {:.3}", run()?);
    Ok(())
}

#[test]
fn the_decoder_learns_to_reverse() {
    let right = run().unwrap();
    assert!(right > 0.95, "{right}");
}
