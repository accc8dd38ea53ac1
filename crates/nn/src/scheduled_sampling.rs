//! Scheduled sampling: training that goes over from the true tokens to the decoder's own.

use crate::{Decoder, cell::move_rows, decoder::one_step};
use ndarray::ArrayView2;
use unspool_graph::{Graph, Var};

/// With which probability a decoder in training reads the true token, as a function of the step i, which counts from 0
/// (Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4).
///
/// ```
/// use unspool_nn::TruthSchedule;
/// assert_eq!(TruthSchedule::Linear { start: 1.0, slope: 0.01, least: 0.25 }.at(50), 0.5);
/// assert!(TruthSchedule::InverseSigmoid { k: 100.0 }.at(0) > 0.99);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TruthSchedule {
    /// The same at all steps: 1 is teacher forcing, 0 runs free.
    Constant(f64),
    /// max(least, start − slope · i)
    Linear {
        /// At the first step.
        start: f64,
        /// How much it falls a step.
        slope: f64,
        /// Where it stays.
        least: f64,
    },
    /// kⁱ, with k below 1
    Exponential {
        /// The factor of a step.
        k: f64,
    },
    /// k / (k + e^{i/k}), with k from 1 on
    InverseSigmoid {
        /// The greater, the later it falls: it is ½ at step k ln k.
        k: f64,
    },
}

impl TruthSchedule {
    /// The probability at a step, in [0, 1].
    pub fn at(self, step: u64) -> f64 {
        let i = step as f64;
        let truth = match self {
            TruthSchedule::Constant(truth) => truth,
            TruthSchedule::Linear { start, slope, least } => (start - slope * i).max(least),
            TruthSchedule::Exponential { k } => k.powf(i),
            TruthSchedule::InverseSigmoid { k } => k / (k + (i / k).exp()),
        };
        truth.clamp(0.0, 1.0)
    }
}

/// As [`teacher_forcing`](crate::teacher_forcing), but after the first step each token read is the true one only with probability `truth`, else the one that
/// the decoder itself held likeliest (Bengio, Vinyals, Jaitly and Shazeer 2015). With `truth` 0 the decoder runs free.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// The choices are the training step's, `Graph::training`, each the example's own. [`TruthSchedule`] makes
/// `truth` fall. No gradient flows through a choice. In evaluation, where nothing is drawn, `truth` from ½ on is 1 and
/// below it 0.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Embedding, Positions, TransformerConfig, TransformerDecoder, TruthSchedule, scheduled_sampling};
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.0, norm_first: true, bias: true };
/// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
/// let model = TransformerDecoder::language_model(params.scope("decoder"), 1, table, Positions::Sinusoidal, config);
/// let step = 200;
/// let graph = Graph::new(&params).training(7, step);
/// let (read, lengths) = (ndarray::array![[1, 5, 6, 7], [1, 8, 0, 0]], [4, 2]);
/// let truth = TruthSchedule::Linear { start: 1.0, slope: 1e-3, least: 0.5 }.at(step); // 0.8
/// let logits = scheduled_sampling(&model, &graph, read.view(), &lengths, model.initial_state(&graph, 2), truth);
/// assert_eq!(*logits.shape()?, [6, 20]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn scheduled_sampling<'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    ids: ArrayView2<'_, u32>,
    lengths: &[usize],
    state: D::State<'g>,
    truth: f64,
) -> Var<'g> {
    let _scope = graph.layer("decoder");
    let (batch, time) = ids.dim();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    if lengths.len() != batch || longest > time || longest == 0 {
        let why = format!("{batch} rows of {time} tokens do not fit lengths {lengths:?}");
        graph.fail(unspool_graph::Error::Argument { operation: "scheduled_sampling", why, at: graph.place() });
        return graph.inert();
    }
    let (key, rows_before) = (graph.draw(), graph.rows());
    let name = |row: usize| rows_before.as_ref().and_then(|rows| rows.get(row).copied()).unwrap_or(row as u32);
    let reads_truth = |row: usize, t: usize| match key {
        Some(key) => key.word(t as u64).uniform(u64::from(name(row))) < truth,
        None => truth >= 0.5,
    };
    let starts: Vec<u32> = lengths.iter().scan(0, |sum, &n| Some(std::mem::replace(sum, *sum + n) as u32)).collect();
    let mut sources = vec![0u32; lengths.iter().sum()];
    let (mut running, mut state, mut parts, mut written): (Vec<usize>, _, Vec<Var<'g>>, Vec<u32>) =
        ((0..batch).collect(), state, vec![], vec![]);
    let mut made = 0u32;
    for t in 0..longest {
        graph.at_step(Some(t));
        let going: Vec<u32> = (0..running.len() as u32).filter(|&i| lengths[running[i as usize]] > t).collect();
        if going.len() < running.len() {
            state = move_rows(&state, |leaf| leaf.rows(&going));
            written = going.iter().filter_map(|&i| written.get(i as usize).copied()).collect();
            running = going.iter().map(|&i| running[i as usize]).collect();
        }
        graph.set_rows(Some(running.iter().map(|&row| name(row)).collect()));
        let token = |(i, &row): (usize, &usize)| match written.get(i) {
            Some(&own) if !reads_truth(row, t) => own,
            _ => ids[[row, t]],
        };
        let tokens: Vec<u32> = running.iter().enumerate().map(token).collect();
        let (logits, next) = one_step(decoder, graph, &tokens, state);
        for &row in &running {
            sources[starts[row] as usize + t] = made;
            made += 1;
        }
        parts.push(logits);
        state = next;
        if t + 1 < longest {
            // The graph keeps the error; what follows would be inert.
            let Ok(best) = logits.argmax() else { break };
            written = best;
        }
    }
    graph.at_step(None);
    graph.set_rows(rows_before);
    if graph.check().is_err() {
        return graph.inert();
    }
    let count = sources.len();
    graph.arrange_rows(&parts, sources.into(), [count])
}
