//! Times whole training steps: `workloads [--threads N] [NAME…]`.
//!
//! A step is forward, backward, clipping by the global norm and Adam. Each workload runs three times to warm up, then at least
//! five times and for four seconds. A line of CSV for each: name, peer, threads, median and least milliseconds, tokens a second.

use ndarray::Array2;
use std::time::{Duration, Instant};
use unspool_graph::{Draw, Graph, Param, Params, Scope, Tensor, Var, init};
use unspool_nn::{Adam, Cell, Elman, Embedding, Linear, Lstm, LstmState, Result, bidirectional, detach, unroll};

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
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    println!("name,peer,threads,median_ms,min_ms,tokens_per_s");
    for (name, run) in WORKLOADS.iter().filter(|(name, _)| names.is_empty() || names.iter().any(|n| n == name)) {
        run(&Bench { name, threads })?;
    }
    Ok(())
}

/// What builds a model and times its steps.
type Workload = fn(&Bench<'_>) -> Result<()>;

const WORKLOADS: [(&str, Workload); 6] = [
    ("rnn_small", rnn_small),
    ("rnn_small_custom", rnn_small_custom),
    ("lstm_custom_256", lstm_custom_256),
    ("lstm_lm_medium", lstm_lm_medium),
    ("sentiment", sentiment),
    ("infer_step", infer_step),
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

    /// Times training steps by `loss`.
    fn train(&self, tokens: usize, mut params: Params, loss: impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>) -> Result<()> {
        let (mut adam, mut step) = (Adam::new(), 0);
        self.time(tokens, 4, || {
            train_step(&mut params, &mut adam, step, &loss)?;
            step += 1;
            Ok(())
        })
    }

    /// Times training steps of a language model on random text of `vocabulary` words.
    fn language_model<M: LanguageModel>(
        &self,
        params: Params,
        model: M,
        vocabulary: usize,
        (batch, time): (usize, usize),
    ) -> Result<()> {
        let (xs, ys) = (random(1, vocabulary, (batch, time)), random(2, vocabulary, (batch, time)));
        let targets: Vec<u32> = ys.iter().copied().collect();
        let lengths = vec![time; batch];
        self.train(batch * time, params, |graph| model.logits(graph, &xs, &lengths).cross_entropy(&targets).mean(&[]))
    }
}

fn train_step(
    params: &mut Params,
    adam: &mut Adam,
    step: u64,
    loss: &impl for<'g> Fn(&'g Graph<'g>) -> Var<'g>,
) -> Result<()> {
    let graph = Graph::new(params).training(0, step);
    let mut gradients = backward(&graph, loss)?;
    gradients.clip_norm(5.0)?;
    adam.step(params, &gradients, 1e-3)
}

fn backward<'g>(
    graph: &'g Graph<'g>,
    loss: &impl for<'a> Fn(&'a Graph<'a>) -> Var<'a>,
) -> Result<unspool_graph::Gradients> {
    Ok(loss(graph).backward()?)
}

/// Random ids below `many`.
fn random(seed: u64, many: usize, shape: (usize, usize)) -> Array2<u32> {
    let draw = Draw::seed(seed);
    Array2::from_shape_fn(shape, |(b, t)| (draw.uniform((b * shape.1 + t) as u64) * many as f64) as u32)
}

trait LanguageModel {
    /// `ids [batch, time] -> [batch · time, vocabulary]`
    fn logits<'g>(&self, graph: &'g Graph<'g>, ids: &Array2<u32>, lengths: &[usize]) -> Var<'g>;
}

/// Cells on top of each other between a table of word vectors and a readout.
struct Layers<C> {
    embedding: Embedding,
    cells: Vec<C>,
    readout: Linear,
}

impl<C: Cell> LanguageModel for Layers<C> {
    fn logits<'g>(&self, graph: &'g Graph<'g>, ids: &Array2<u32>, lengths: &[usize]) -> Var<'g> {
        let mut hs = self.embedding.apply(graph, ids.view());
        for cell in &self.cells {
            (hs, _) = unroll(cell, hs, lengths, cell.initial_state(graph, lengths.len()));
        }
        self.readout.apply(hs.real_rows(lengths))
    }
}

fn rnn_small(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let model = Layers {
        embedding: Embedding::new(params.scope("embedding"), 64, 32),
        cells: vec![Elman::new(params.scope("rnn"), 32, 64)],
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

    let draw = Draw::seed(3);
    let mut lengths: Vec<usize> = (0..BATCH).map(|b| 10 + (draw.uniform(b as u64) * 61.0) as usize).collect();
    lengths[0] = 100;
    let ids = random(1, 8000, (BATCH, 100));
    let labels: Vec<u32> = random(2, 2, (BATCH, 1)).into_iter().collect();
    bench.train(lengths.iter().sum(), params, |graph| {
        let states = (forward.initial_state(graph, BATCH), backward.initial_state(graph, BATCH));
        let xs = embedding.apply(graph, ids.view());
        let (_, (last, first)) = bidirectional((&forward, &backward), xs, &lengths, states);
        readout.apply(graph.concat(&[last.h, first.h], -1)).cross_entropy(&labels).mean(&[])
    })
}

/// One token of greedy decoding.
fn infer_step(bench: &Bench<'_>) -> Result<()> {
    let mut params = Params::seeded(0);
    let embedding = Embedding::new(params.scope("embedding"), 8000, 256);
    let cell = Lstm::new(params.scope("rnn"), 256, 512);
    let readout = Linear::new(params.scope("readout"), 512, 8000);

    fn next(
        (embedding, cell, readout): (&Embedding, &Lstm, &Linear),
        graph: &Graph<'_>,
        last: u32,
        carried: &[Tensor],
    ) -> Result<(u32, Vec<Tensor>)> {
        let state = if carried.is_empty() { cell.initial_state(graph, 1) } else { cell.attach(graph, carried) };
        let x = graph.embedding(embedding.weight, &[last], [1], None);
        let (h, state) = cell.advance(x, state);
        Ok((readout.apply(h).argmax()?[0], detach(&state)?))
    }

    let mut graph = Graph::new(&params);
    let (mut last, mut carried) = (0, vec![]);
    bench.time(1, 2, || {
        graph.reset();
        (last, carried) = next((&embedding, &cell, &readout), &graph, last, &carried)?;
        Ok(())
    })
}
