//! Times whole training steps: `workloads [--threads N] [NAME…]`.
//!
//! A step is forward, backward, clipping by the global norm and Adam, on a batch cut into two shards. Each workload
//! runs three times to warm up, then at least five times and for four seconds. A line of CSV for each: name, peer,
//! threads, median and least milliseconds, tokens a second.

use ndarray::Array2;
use rayon::prelude::*;
use std::{
    ops::Range,
    time::{Duration, Instant},
};
use unspool_graph::{Graph, Param, Params, RngKey, Scope, Tensor, Var, init, lane_sum, vectorize};
use unspool_nn::{
    Adam, Attending, Attention, Cell, Embedding, Gru, Linear, Lstm, LstmState, Result, Rnn, Sequence, bidirectional,
    cells::{GatedDeltaNet, GatedDeltaNetConfig, MinGru},
    optimizer::StepParams,
    quantize, sharded, state_to_tensors, unroll,
};

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let (mut threads, mut names, mut arguments) = (1, vec![], std::env::args().skip(1));
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--threads" => threads = arguments.next().ok_or("--threads needs a number")?.parse()?,
            name => names.push(name.to_string()),
        }
    }
    if let Some(unknown) = names.iter().find(|name| !WORKLOADS.iter().any(|(known, _)| known == name)) {
        let known: Vec<&str> = WORKLOADS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no workload {unknown:?}; there are {}", known.join(", ")).into());
    }
    println!("name,peer,threads,median_ms,min_ms,tokens_per_s");
    let mut asked = WORKLOADS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name));
    // The loop is one of the pool's threads itself: what it shares out, it begins at once.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| asked.try_for_each(|(name, run)| run(&Bench { name, threads })))?;
    Ok(())
}

/// What builds a model and times its steps.
type Workload = fn(&Bench<'_>) -> Result<()>;

const WORKLOADS: [(&str, Workload); 11] = [
    ("rnn_small", rnn_small),
    ("rnn_small_custom", rnn_small_custom),
    ("lstm_custom_256", lstm_custom_256),
    ("lstm_lm_medium", lstm_lm_medium),
    ("sentiment", sentiment),
    ("gru_seq2seq_attn", gru_seq2seq_attn),
    ("infer_step", infer_step),
    ("infer_step_int8", infer_step_int8),
    ("infer_step_read", infer_step_read),
    ("scan_min_gru", scan_min_gru),
    ("delta_rule", delta_rule),
];

struct Bench<'a> {
    name: &'a str,
    threads: usize,
}

impl Bench<'_> {
    /// Times `step`, which works on `tokens` tokens.
    fn time(&self, tokens: usize, seconds: u64, mut step: impl FnMut() -> Result<()>) -> Result<()> {
        for _ in 0..3 {
            step()?;
        }
        let (mut times, begin) = (vec![], Instant::now());
        while times.len() < 2000 && (times.len() < 5 || begin.elapsed() < Duration::from_secs(seconds)) {
            let before = Instant::now();
            step()?;
            times.push(before.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        let (median, least) = (times[times.len() / 2], times[0]);
        let (name, threads, speed) = (self.name, self.threads, tokens as f64 / median);
        println!("{name},unspool,{threads},{:.3},{:.3},{speed:.0}", median * 1e3, least * 1e3);
        Ok(())
    }

    /// Times training steps on a batch that is cut into shards: the mean of `loss` over `count` terms, its gradients by
    /// the threads there are, clipped, and Adam.
    fn train<S: Sync>(
        &self,
        mut params: Params,
        (tokens, count): (usize, usize),
        shards: &[S],
        loss: impl for<'g> Fn(&'g Graph<'g>, &S) -> Var<'g> + Sync,
    ) -> Result<()> {
        let (mut adam, mut step) = (Adam::new(), 0);
        self.time(tokens, 4, || {
            let (_, gradients) = sharded(&params, Some((0, step)), shards, &loss)?;
            adam.step(&mut params, &gradients, StepParams { rate: 1e-3, count: count as f64, max_norm: 5.0 })?;
            step += 1;
            Ok(())
        })
    }

    /// Times training steps of a language model on random text of `vocabulary` words.
    fn language_model<M: LanguageModel + Sync>(
        &self,
        params: Params,
        model: M,
        vocabulary: usize,
        (batch, time): (usize, usize),
    ) -> Result<()> {
        let (xs, ys) = (random(1, vocabulary, (batch, time)), random(2, vocabulary, (batch, time)));
        let shards = halves(batch, |rows| (take(&xs, rows.clone()), take(&ys, rows)));
        self.train(params, (batch * time, batch * time), &shards, |graph, (xs, ys)| {
            model.logits(graph, xs, &vec![time; xs.nrows()]).cross_entropy(ys).sum_all()
        })
    }
}

/// A batch is cut in two, whatever the number of threads.
fn halves<S>(batch: usize, shard: impl Fn(Range<usize>) -> S) -> Vec<S> {
    [0..batch / 2, batch / 2..batch].map(shard).into()
}

fn take(ids: &Array2<u32>, rows: Range<usize>) -> Array2<u32> {
    ids.slice(ndarray::s![rows, ..]).to_owned()
}

/// Random ids below `many`.
fn random(seed: u64, many: usize, shape: (usize, usize)) -> Array2<u32> {
    let draw = RngKey::seed(seed);
    Array2::from_shape_fn(shape, |(b, t)| (draw.uniform((b * shape.1 + t) as u64) * many as f64) as u32)
}

trait LanguageModel {
    /// The logits of each step, `[.., vocabulary]`, for `ids [batch, time]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, ids: &Array2<u32>, lengths: &[usize]) -> Sequence<'g>;
}

/// Cells on top of each other between a table of word vectors and a readout.
struct Layers<C> {
    embedding: Embedding,
    cells: Vec<C>,
    readout: Linear,
}

impl<C: Cell> LanguageModel for Layers<C> {
    fn logits<'g>(&self, graph: &'g Graph<'g>, ids: &Array2<u32>, lengths: &[usize]) -> Sequence<'g> {
        let mut hs = self.embedding.sequence(graph, ids, lengths);
        for cell in &self.cells {
            (hs, _) = unroll(cell, &hs, cell.initial_state(graph, lengths.len()));
        }
        hs.map(|rows| self.readout.apply(rows))
    }
}

fn rnn_small(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let model = Layers {
        embedding: Embedding::new(params.scope("embedding"), 64, 32),
        cells: vec![Rnn::new(params.scope("rnn"), 32, 64)],
        readout: Linear::new(params.scope("readout"), 64, 64),
    };
    bench.language_model(params, model, 64, (16, 64))
}

/// h' = tanh(x·W_xh + h·W_hh + b), as a user writes it.
struct CustomRnn {
    w_xh: Param,
    w_hh: Param,
    bias: Param,
    hidden_size: usize,
}

impl CustomRnn {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> CustomRnn {
        CustomRnn {
            w_xh: scope.add("w_xh", [input_size, hidden_size], init::normal(0.1)),
            w_hh: scope.add("w_hh", [hidden_size, hidden_size], init::normal(0.1)),
            bias: scope.add("bias", [hidden_size], init::zeros()),
            hidden_size,
        }
    }
}

impl Cell for CustomRnn {
    type State<'g> = Var<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, self.hidden_size])
    }

    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let h = (x.matmul(self.w_xh) + h.matmul(self.w_hh) + self.bias).tanh();
        (h, h)
    }
}

fn rnn_small_custom(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let model = Layers {
        embedding: Embedding::new(params.scope("embedding"), 64, 32),
        cells: vec![CustomRnn::new(params.scope("rnn"), 32, 64)],
        readout: Linear::new(params.scope("readout"), 64, 64),
    };
    bench.language_model(params, model, 64, (16, 64))
}

/// An LSTM as a user writes it from its equations.
struct CustomLstm {
    w_x: Param,
    w_h: Param,
    bias: Param,
    hidden_size: usize,
}

impl CustomLstm {
    fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> CustomLstm {
        CustomLstm {
            w_x: scope.add("w_x", [input_size, 4 * hidden_size], init::normal(0.05)),
            w_h: scope.add("w_h", [hidden_size, 4 * hidden_size], init::normal(0.05)),
            bias: scope.add("bias", [4 * hidden_size], init::zeros()),
            hidden_size,
        }
    }
}

impl Cell for CustomLstm {
    type State<'g> = LstmState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> LstmState<'g> {
        let zeros = graph.zeros([batch, self.hidden_size]);
        LstmState { h: zeros, c: zeros }
    }

    fn step<'g>(&self, x: Var<'g>, LstmState { h, c }: LstmState<'g>) -> (Var<'g>, LstmState<'g>) {
        let [i, f, g, o] = (x.matmul(self.w_x) + h.matmul(self.w_h) + self.bias).chunk(1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, LstmState { h, c })
    }
}

fn lstm_custom_256(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let model = Layers {
        embedding: Embedding::new(params.scope("embedding"), 2000, 256),
        cells: vec![CustomLstm::new(params.scope("rnn"), 256, 256)],
        readout: Linear::new(params.scope("readout"), 256, 2000),
    };
    bench.language_model(params, model, 2000, (32, 64))
}

fn lstm_lm_medium(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let model = Layers {
        embedding: Embedding::new(params.scope("embedding"), 10_000, 650),
        cells: (0..2).map(|level| Lstm::new(params.scope(format!("rnn.{level}")), 650, 650)).collect(),
        readout: Linear::new(params.scope("readout"), 650, 10_000),
    };
    bench.language_model(params, model, 10_000, (20, 35))
}

fn sentiment(bench: &Bench<'_>) -> Result<()> {
    const BATCH: usize = 64;
    let mut params = Params::seeded(0);
    let embedding = Embedding::new(params.scope("embedding"), 8000, 128);
    let forward = Lstm::new(params.scope("forward"), 128, 128);
    let backward = Lstm::new(params.scope("backward"), 128, 128);
    let readout = Linear::new(params.scope("readout"), 256, 2);

    let draw = RngKey::seed(3);
    let mut lengths: Vec<usize> = (0..BATCH).map(|b| 10 + (draw.uniform(b as u64) * 61.0) as usize).collect();
    lengths[0] = 100;
    let (ids, labels) = (random(1, 8000, (BATCH, 100)), random(2, 2, (BATCH, 1)));
    let shards = halves(BATCH, |rows| (take(&ids, rows.clone()), &lengths[rows.clone()], take(&labels, rows)));
    bench.train(params, (lengths.iter().sum(), BATCH), &shards, |graph, (ids, lengths, labels)| {
        let states = (forward.initial_state(graph, lengths.len()), backward.initial_state(graph, lengths.len()));
        let xs = embedding.sequence(graph, ids, *lengths);
        let (_, (last, first)) = bidirectional((&forward, &backward), &xs, states);
        let labels: Vec<u32> = labels.iter().copied().collect();
        readout.apply(graph.concat(&[last.h, first.h], -1)).cross_entropy(&labels).sum_all()
    })
}

fn gru_seq2seq_attn(bench: &Bench<'_>) -> Result<()> {
    const BATCH: usize = 64;
    const TIME: usize = 15;
    let mut params = Params::seeded(0);
    let source = Embedding::new(params.scope("source"), 8000, 256);
    let target = Embedding::new(params.scope("target"), 8000, 256);
    let (forward, backward) =
        (Gru::new(params.scope("forward"), 256, 256), Gru::new(params.scope("backward"), 256, 256));
    let bridge = Linear::new(params.scope("bridge"), 512, 512);
    let attention = Attention::additive(params.scope("attention"), 512, 512, 512);
    let decoder = Attending::new(Gru::new(params.scope("decoder"), 256 + 512, 512), attention, 512);
    let readout = Linear::new(params.scope("readout"), 1024, 8000);

    let [xs, ys, targets] = [1, 2, 3].map(|seed| random(seed, 8000, (BATCH, TIME)));
    let shards = halves(BATCH, |rows| [&xs, &ys, &targets].map(|ids| take(ids, rows.clone())));
    bench.train(params, (BATCH * TIME, BATCH * TIME), &shards, |graph, [xs, ys, targets]| {
        let (batch, lengths) = (xs.nrows(), vec![TIME; xs.nrows()]);
        let states = (forward.initial_state(graph, batch), backward.initial_state(graph, batch));
        let (memory, (last, first)) =
            bidirectional((&forward, &backward), &source.sequence(graph, xs, &lengths), states);
        let h = bridge.apply(graph.concat(&[last, first], -1)).tanh();
        let state = decoder.start(h, &memory);
        let (outputs, _) = unroll(&decoder, &target.sequence(graph, ys, &lengths), state);
        outputs.map(|rows| readout.apply(rows)).cross_entropy(targets).sum_all()
    })
}

/// A language model that writes one token after another.
struct Writer {
    embedding: Embedding,
    cell: Lstm,
    readout: Linear,
}

impl Writer {
    fn new(params: &mut Params) -> Writer {
        Writer {
            embedding: Embedding::new(params.scope("embedding"), 8000, 256),
            cell: Lstm::new(params.scope("rnn"), 256, 512),
            readout: Linear::new(params.scope("readout"), 512, 8000),
        }
    }

    fn next(&self, graph: &Graph<'_>, last: u32, carried: &[Tensor]) -> Result<(u32, Vec<Tensor>)> {
        let state = if carried.is_empty() {
            self.cell.initial_state(graph, 1)
        } else {
            self.cell.state_from_tensors(graph, carried)
        };
        let x = graph.embedding(self.embedding.weight, &[last], [1], None);
        let (h, state) = self.cell.step(x, state);
        Ok((self.readout.apply(h).argmax()?[0], state_to_tensors(&state)?))
    }

    fn time(&self, bench: &Bench<'_>, params: &Params) -> Result<()> {
        let mut graph = Graph::new(params);
        let (mut last, mut carried) = (0, vec![]);
        bench.time(1, 2, || {
            graph.reset();
            (last, carried) = self.next(&graph, last, &carried)?;
            Ok(())
        })
    }
}

/// One token of greedy decoding.
fn infer_step(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    Writer::new(&mut params).time(bench, &params)
}

/// The same with weights of 8 bits.
fn infer_step_int8(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let writer = Writer::new(&mut params);
    quantize(&mut params)?;
    writer.time(bench, &params)
}

/// The limit of `infer_step`: reads the weights that its products read, and does nothing else.
fn infer_step_read(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    Writer::new(&mut params);
    let read = params.iter().filter(|&p| !params.name(p).starts_with("embedding"));
    let weights: Vec<f32> = read.flat_map(|p| params.elements_of(p).unwrap_or_default()).copied().collect();
    let part = weights.len().div_ceil(bench.threads);
    bench.time(1, 2, || {
        let sum: f32 = weights
            .par_chunks(part)
            .map(|part| {
                vectorize(
                    #[inline(always)]
                    || lane_sum(part),
                )
            })
            .sum();
        std::hint::black_box(sum);
        Ok(())
    })
}

/// A language model of 64 symbols around one cell of width 256.
fn one_cell<C: Cell>(params: &mut Params, make: impl FnOnce(Scope<'_>, usize, usize) -> C) -> Layers<C> {
    Layers {
        embedding: Embedding::new(params.scope("embedding"), 64, 256),
        cells: vec![make(params.scope("rnn"), 256, 256)],
        readout: Linear::new(params.scope("readout"), 256, 64),
    }
}

fn scan_min_gru(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let model = one_cell(&mut params, MinGru::new);
    bench.language_model(params, model, 64, (8, 4096))
}

fn delta_rule(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let config = GatedDeltaNetConfig { heads: 4, key_size: None };
    let model = one_cell(&mut params, |scope, from, to| GatedDeltaNet::with_config(scope, from, to, config));
    bench.language_model(params, model, 64, (4, 2048))
}
