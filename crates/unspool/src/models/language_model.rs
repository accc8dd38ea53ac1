//! A language model of either architecture.

use super::{RecurrentLanguageModel, RecurrentLanguageModelConfig, TransformerLanguageModelConfig};
use crate::{
    graph::{Graph, Params, Var},
    layout::ToLayout,
    nn::{
        CarriedStates, Cell, Decoder, DecoderSteps, Result, TransformerDecoder,
        decoding::{Prediction, StepFunction},
        state_to_tensors,
    },
    text::Padded,
};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The architecture of a [`LanguageModel`], and its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LanguageModelConfig {
    /// Layers of cells.
    Recurrent(RecurrentLanguageModelConfig),
    /// Layers of self-attention.
    Transformer(TransformerLanguageModelConfig),
}

impl LanguageModelConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        match self {
            LanguageModelConfig::Recurrent(config) => config.check(),
            LanguageModelConfig::Transformer(config) => config.check(),
        }
    }

    /// Returns how many token ids there are.
    pub fn vocabulary_size(&self) -> usize {
        match self {
            LanguageModelConfig::Recurrent(config) => config.vocabulary_size,
            LanguageModelConfig::Transformer(config) => config.vocabulary_size,
        }
    }
}

/// Windows of long texts: what is read, and what follows the last tokens of each.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenWindows {
    /// What is read, a window per row.
    pub input: Padded,
    /// How many of the last tokens of each row are predicted.
    pub counts: Vec<usize>,
    /// What follows each of them, row after row.
    pub targets: Vec<u32>,
    /// Which of the streams that are read side by side the rows belong to, and whether all of them begin here. Without
    /// it no state is carried from window to window.
    pub streams: Option<(Range<usize>, bool)>,
}

/// A [`RecurrentLanguageModel`] or a [`TransformerDecoder`], as a configuration says. A recurrence carries its state
/// from window to window, though no gradient (truncated back-propagation through time); a Transformer sees its own
/// window alone.
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::models::{LanguageModel, LanguageModelConfig, RecurrentLanguageModelConfig, TokenWindows};
/// use unspool::nn::{CarriedStates, CellKind, decoding::{Decoding, Sampling}};
/// use unspool::text::Padded;
/// let config = RecurrentLanguageModelConfig {
///     vocabulary_size: 30, embedding_size: 8, cell: CellKind::Gru, layers: 2, hidden_size: 16, dropout: 0.1,
/// };
/// let config = LanguageModelConfig::Recurrent(config);
/// config.check()?;
/// let mut params = Params::seeded(1);
/// let model = LanguageModel::new(&mut params, &config);
/// let (input, carried) = (Padded::new(&[vec![5, 6, 7], vec![8, 9]], 0), CarriedStates::new(2));
/// let windows = TokenWindows { input, counts: vec![3, 1], targets: vec![6, 7, 8, 4], streams: Some((0..2, true)) };
/// let graph = Graph::new(&params);
/// let loss = model.loss(&graph, &windows, &carried).item()?;
/// assert!((loss / 4.0 - 30f64.ln()).abs() < 0.7);                                     // nothing is learned yet
/// assert!(carried.rows(0..2).is_some());                                              // for the next windows
/// let mut steps = model.steps(&params, usize::MAX)?;
/// assert_eq!(Decoding::endless(4, 20).sample(&mut steps, &Sampling::new(7))?[0].tokens.len(), 20);
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub enum LanguageModel {
    /// Layers of cells.
    Recurrent(RecurrentLanguageModel),
    /// Layers of self-attention.
    Transformer(TransformerDecoder),
}

impl LanguageModel {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &LanguageModelConfig) -> LanguageModel {
        match config {
            LanguageModelConfig::Recurrent(config) => {
                LanguageModel::Recurrent(RecurrentLanguageModel::new(params, config))
            }
            LanguageModelConfig::Transformer(config) => LanguageModel::Transformer(config.build(params)),
        }
    }

    /// Returns −ln p of each token that is to be predicted, `[tokens]`. A recurrence goes on from the states that its
    /// streams carry, and stores the states after the windows there.
    ///
    /// # Errors
    /// The graph records an error for states that cannot be carried.
    #[track_caller]
    pub fn losses<'g>(&self, graph: &'g Graph<'g>, windows: &TokenWindows, carried: &CarriedStates) -> Var<'g> {
        let TokenWindows { input, counts, targets, streams } = windows;
        let layout = input.layout();
        let predicted =
            |(row, (length, count)): (usize, (&usize, &usize))| (length - count..*length).map(move |t| (row, t));
        let places = input.lengths.iter().zip(counts).enumerate().flat_map(predicted);
        let places: Vec<u32> = places.filter_map(|(row, t)| Some(layout.row(row, t)? as u32)).collect();
        let logits = match self {
            LanguageModel::Transformer(model) => {
                let xs = model.embedded(graph, &input.ids, &layout);
                let outputs = model.outputs(&xs, model.initial_state(graph, layout.batch()));
                model.logits(outputs.rows().index_select(&places), xs.rows())
            }
            LanguageModel::Recurrent(model) => {
                let before = streams.as_ref().filter(|(_, begin)| !begin);
                let state = match before.and_then(|(streams, _)| carried.rows(streams.clone())) {
                    Some(before) => model.state_from_tensors(graph, &before),
                    None => model.initial_state(graph, layout.batch()),
                };
                let xs = model.embedded(graph, &input.ids, &layout);
                let (outputs, state) = model.unroll(&xs, state);
                // The graph keeps an error, and says it when the loss is asked for.
                if let (Some((streams, _)), Ok(state)) = (streams, state_to_tensors(&state))
                    && let Err(cause) = carried.put(streams.clone(), &state)
                {
                    graph.fail(graph.error("carried state", cause.to_string()));
                }
                model.logits(outputs.rows().index_select(&places), xs.rows())
            }
        };
        logits.cross_entropy(targets)
    }

    /// Returns Σ of the [`losses`](LanguageModel::losses).
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, windows: &TokenWindows, carried: &CarriedStates) -> Var<'g> {
        self.losses(graph, windows, carried).sum_all()
    }

    /// Returns the steps of writing one text, for any [way of decoding](crate::nn::decoding). A Transformer that has
    /// read `window` tokens begins anew with the later half of them.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn steps<'a>(&'a self, params: &'a Params, window: usize) -> Result<Box<dyn StepFunction + 'a>> {
        Ok(match self {
            LanguageModel::Recurrent(model) => Box::new(first_steps(params, model)?),
            LanguageModel::Transformer(model) => Box::new(WindowedSteps::new(params, model, window)?),
        })
    }

    /// Returns the `count` likeliest tokens after a text with their probabilities, the likeliest first.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn next_tokens(&self, params: &Params, text: &[u32], count: usize, window: usize) -> Result<Vec<(u32, f64)>> {
        let (mut steps, mut next) = (self.steps(params, window)?, None);
        for token in text {
            next = Some(steps.step(&[0], &[*token])?.log_probs);
        }
        let probability = |(token, log_prob): (usize, &f64)| (token as u32, log_prob.exp());
        let mut best: Vec<(u32, f64)> = next.iter().flatten().enumerate().map(probability).collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        best.truncate(count);
        Ok(best)
    }
}

fn first_steps<'p, 'd, D: Decoder>(params: &'p Params, decoder: &'d D) -> Result<DecoderSteps<'p, 'd, D>> {
    DecoderSteps::new(params, decoder, 1, |graph| decoder.initial_state(graph, 1))
}

/// The steps of a decoder that has read at most so many tokens: then it begins anew with the later half of them.
struct WindowedSteps<'p, 'd, D> {
    params: &'p Params,
    decoder: &'d D,
    steps: DecoderSteps<'p, 'd, D>,
    read: Vec<u32>,
    window: usize,
}

impl<'p, 'd, D: Decoder> WindowedSteps<'p, 'd, D> {
    fn new(params: &'p Params, decoder: &'d D, window: usize) -> Result<Self> {
        let steps = first_steps(params, decoder)?;
        Ok(WindowedSteps { params, decoder, steps, read: vec![], window: window.max(2) })
    }
}

impl<D: Decoder> StepFunction for WindowedSteps<'_, '_, D> {
    fn sentences(&self) -> usize {
        1
    }

    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        if self.read.len() >= self.window {
            self.read.drain(..self.window.div_ceil(2));
            self.steps = first_steps(self.params, self.decoder)?;
            for token in &self.read {
                self.steps.step(&[0], &[*token])?;
            }
        }
        self.read.extend(tokens);
        self.steps.step(parents, tokens)
    }
}
