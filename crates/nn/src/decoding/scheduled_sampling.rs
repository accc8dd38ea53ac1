//! Scheduled sampling: training that goes over from the true tokens to the decoder's own.

use super::decoder::one_step;
use crate::{Decoder, Layout, Sequence, cell::move_rows};
use ndarray::{ArrayView2, AsArray, Ix2};
use unspool_graph::{Graph, Result, Var};

/// Gives the probability with which a decoder in training reads the true token, as a function of the step i, which
/// counts from 0 (Bengio, Vinyals, Jaitly and Shazeer 2015, section 2.4).
///
/// ```
/// use unspool_nn::TeacherForcingSchedule;
/// assert_eq!(TeacherForcingSchedule::Linear { start: 1.0, slope: 0.01, least: 0.25 }.at(50), 0.5);
/// assert!(TeacherForcingSchedule::InverseSigmoid { k: 100.0 }.at(0) > 0.99);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TeacherForcingSchedule {
    /// The same at all steps: 1 is teacher forcing, 0 runs free.
    Constant(f64),
    /// max(least, start − slope · i)
    Linear {
        /// At the first step.
        start: f64,
        /// How much it falls per step.
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

impl TeacherForcingSchedule {
    /// Returns the probability at a step, in [0, 1].
    pub fn at(self, step: u64) -> f64 {
        let i = step as f64;
        let truth = match self {
            TeacherForcingSchedule::Constant(truth) => truth,
            TeacherForcingSchedule::Linear { start, slope, least } => (start - slope * i).max(least),
            TeacherForcingSchedule::Exponential { k } => k.powf(i),
            TeacherForcingSchedule::InverseSigmoid { k } => k / (k + (i / k).exp()),
        };
        truth.clamp(0.0, 1.0)
    }
}

/// Trains a decoder as [`teacher_forcing`](crate::teacher_forcing) does, but after the first step each token read is
/// the true one only with probability `truth`, else the one that the decoder itself considered likeliest (Bengio,
/// Vinyals, Jaitly and Shazeer 2015). With `truth` 0 the decoder runs free.
///
/// More in [chapter 11](https://github.com/unspool/unspool/blob/main/docs/11-encoder-decoder.md) of the tutorial.
///
/// The choices are the training step's, `Graph::training`, each the example's own. [`TeacherForcingSchedule`] makes
/// `truth` fall. No gradient flows through a choice. In evaluation, where nothing is drawn, `truth` from ½ on is 1 and
/// below it 0.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{
///     Cell, Embedding, Positions, TransformerConfig, TransformerDecoder, TeacherForcingSchedule, scheduled_sampling,
/// };
/// let mut params = Params::seeded(1);
/// let config = TransformerConfig { size: 8, heads: 2, feedforward: 16, dropout: 0.0, norm_first: true, bias: true };
/// let table = Embedding::normal(params.scope("embedding"), 20, 8, 0.3);
/// let model = TransformerDecoder::language_model(params.scope("decoder"), 1, table, Positions::Sinusoidal, config);
/// let step = 200;
/// let graph = Graph::new(&params).training(7, step);
/// let read = ndarray::array![[1, 5, 6, 7], [1, 8, 0, 0]];
/// let truth = TeacherForcingSchedule::Linear { start: 1.0, slope: 1e-3, least: 0.5 }.at(step); // 0.8
/// let logits = scheduled_sampling(&model, &graph, &read, &[4, 2], model.initial_state(&graph, 2), truth);
/// assert_eq!(*logits.rows().shape()?, [6, 20]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn scheduled_sampling<'a, 'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    ids: impl AsArray<'a, u32, Ix2>,
    lengths: impl Into<Layout>,
    state: D::State<'g>,
    truth: f64,
) -> Sequence<'g> {
    let _scope = graph.layer("decoder");
    let layout = lengths.into();
    let parts = sample(decoder, graph, ids.into(), &layout, state, truth);
    let rows = parts.map(|parts| graph.concat(&parts, 0)).unwrap_or_else(|error| {
        graph.fail(error);
        graph.inert()
    });
    Sequence::new(rows, layout)
}

/// The logits of each step, the running examples in the layout's order.
fn sample<'g, D: Decoder>(
    decoder: &D,
    graph: &'g Graph<'g>,
    ids: ArrayView2<'_, u32>,
    layout: &Layout,
    mut state: D::State<'g>,
    truth: f64,
) -> Result<Vec<Var<'g>>> {
    let tokens = layout.pack(ids).map_err(|why| graph.error("scheduled_sampling", why))?;
    if tokens.is_empty() {
        return Err(graph.error("scheduled_sampling", "there is no real step in the batch"));
    }
    let (key, names) = (graph.next_rng_key(), layout.sorted_names(graph));
    let reads_truth = |row: usize, t: usize| match key {
        Some(key) => key.fold_in(t as u64).uniform(names.id(row)) < truth,
        None => truth >= 0.5,
    };
    if let Some(order) = layout.order() {
        state = move_rows(&state, |leaf| leaf.index_select(order));
    }
    let naming = graph.name_rows(names.clone());
    let (mut parts, mut written, mut count) = (vec![], vec![], layout.batch());
    for (t, &running) in layout.running().iter().enumerate() {
        let _step = graph.at_step(t);
        if running < count {
            state = move_rows(&state, |leaf| leaf.slice(0, 0..running));
            naming.rename(names.first(running));
            count = running;
        }
        let true_tokens = &tokens[layout.start(t)..layout.start(t) + running];
        let read = true_tokens.iter().enumerate().map(|(row, &token)| match written.get(row) {
            Some(&own) if !reads_truth(row, t) => own,
            _ => token,
        });
        let (logits, next) = one_step(decoder, graph, &read.collect::<Vec<_>>(), state);
        parts.push(logits);
        state = next;
        if t + 1 < layout.running().len() {
            written = logits.argmax()?;
        }
    }
    Ok(parts)
}
