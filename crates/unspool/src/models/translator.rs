//! Many-to-many through an encoder and a decoder that attends.

use crate::{
    graph::{CrossEntropy, Graph, Param, Params, Scope, Var, init},
    nn::{
        AdditiveAttention, Cell, Decoder, DecoderSteps, Embedding, Gru, Linear, Result, attention::padding_bias,
        bidirectional, decoding::Decoding, gru_gates, teacher_forcing,
    },
    text::{Padded, Specials, TeacherForcing},
};
use serde::{Deserialize, Serialize};

/// The sizes of a [`Translator`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TranslatorConfig {
    /// How many token ids there are, for both languages together.
    pub vocabulary_size: usize,
    /// Elements of a token's vector.
    pub embedding_size: usize,
    /// Elements of the decoder's state and of each direction of the encoder's.
    pub hidden_size: usize,
    /// The share of elements dropped in training.
    pub dropout: f64,
    /// Label smoothing.
    pub smoothing: f64,
}

impl Default for TranslatorConfig {
    fn default() -> Self {
        TranslatorConfig { vocabulary_size: 4000, embedding_size: 192, hidden_size: 256, dropout: 0.2, smoothing: 0.1 }
    }
}

/// A translation is cut here if the model does not end it: this many times the source's tokens, and some.
const LONGEST_FACTOR: usize = 2;
const LONGEST_EXTRA: usize = 10;

/// A bidirectional GRU reads the source; a GRU that attends to it additively writes the target (Bahdanau, Cho and Bengio 2015).
/// One table of token vectors serves the source, the target and, transposed, the output (Press and Wolf 2017).
///
/// A translation is any [way of decoding](crate::nn::decoding) over the model's [steps](Translator::steps):
///
/// ```
/// use unspool::graph::Params;
/// use unspool::models::{Translator, TranslatorConfig};
/// use unspool::nn::decoding::{Beam, LengthPenalty};
/// use unspool::text::Padded;
///
/// let mut params = Params::seeded(1);
/// let sizes = TranslatorConfig { vocabulary_size: 40, embedding_size: 8, hidden_size: 8, ..TranslatorConfig::default() };
/// let model = Translator::new(&mut params, &sizes);
/// let source = Padded::new(&[vec![5, 6, 7], vec![8]], 0);
/// let beam = Beam::new(5).best(2).penalty(LengthPenalty::Average);
/// let found = model.decoding(&source).beam(&mut model.steps(&params, &source)?, &beam)?;
/// let attention = found[0][0].attention.as_ref().unwrap();                // [tokens (and the end), source]
/// assert_eq!((found.len(), attention.ncols()), (2, 3));
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Translator {
    embedding: Embedding,
    forward: Gru,
    backward: Gru,
    bridge: Linear,
    decoder: AttendingGru,
    readout: Linear,
    output_bias: Param,
    dropout: f64,
}

impl Translator {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &TranslatorConfig) -> Translator {
        let TranslatorConfig { vocabulary_size, embedding_size, hidden_size, dropout, .. } = *config;
        let memory = 2 * hidden_size;
        let deviation = 1.0 / (embedding_size.max(1) as f64).sqrt();
        Translator {
            embedding: Embedding::normal(params.scope("embedding"), vocabulary_size, embedding_size, deviation),
            forward: Gru::new(params.scope("encoder.forward"), embedding_size, hidden_size),
            backward: Gru::new(params.scope("encoder.backward"), embedding_size, hidden_size),
            bridge: Linear::new(params.scope("bridge"), memory, hidden_size),
            decoder: AttendingGru::new(params.scope("decoder"), embedding_size, memory, hidden_size),
            readout: Linear::new(params.scope("readout"), hidden_size + memory + embedding_size, embedding_size),
            output_bias: params.scope("output").add("bias", [vocabulary_size], init::zeros()),
            dropout,
        }
    }

    /// Reads the source and gives the decoder's first state.
    fn encode<'g>(&self, graph: &'g Graph<'g>, source: &Padded) -> TranslatorState<'g> {
        let _scope = graph.scope("encoder");
        let (batch, longest) = source.ids.dim();
        let xs = self.embed(graph, source.ids.view());
        let states = (self.forward.initial_state(graph, batch), self.backward.initial_state(graph, batch));
        let (memory, (last, first)) = bidirectional((&self.forward, &self.backward), xs, &source.lengths, states);
        let memory = memory.dropout(self.dropout);
        TranslatorState {
            h: self.bridge.apply(graph.concat(&[last, first], -1)).tanh(),
            looked: graph.zeros([batch, longest]),
            memory,
            keys: self.decoder.attention.keys(memory, &source.lengths),
            padding: padding_bias(graph, &source.lengths, longest),
        }
    }

    /// Σ of the cross-entropy over the real target tokens, by teacher forcing.
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, source: &Padded, target: &TeacherForcing, smoothing: f64) -> Var<'g> {
        let state = self.encode(graph, source);
        let logits = teacher_forcing(self, graph, target.input.view(), &target.lengths, state);
        taught(logits, target, smoothing)
    }

    /// The steps of translating a batch.
    ///
    /// # Errors
    /// The first error of the encoder's recording.
    pub fn steps<'p, 'd>(&'d self, params: &'p Params, source: &Padded) -> Result<DecoderSteps<'p, 'd, Translator>> {
        DecoderSteps::new(params, self, source.lengths.len(), |graph| self.encode(graph, source))
    }

    /// The rules of translating a batch: from the token of beginning to that of the end; each sentence is cut at twice its source's
    /// tokens and ten, whatever stands beside it. Padding, the beginning and the unknown token are not written.
    pub fn decoding(&self, source: &Padded) -> Decoding {
        rules(source)
    }
}

/// Σ of the cross-entropy of `logits [Σ lengths, vocabulary]` over the real target tokens.
#[track_caller]
pub(super) fn taught<'g>(logits: Var<'g>, target: &TeacherForcing, smoothing: f64) -> Var<'g> {
    let rows = target.lengths.iter().zip(target.target.rows());
    let targets: Vec<u32> = rows.flat_map(|(&length, row)| row.into_iter().take(length).copied()).collect();
    logits.cross_entropy_with(&targets, CrossEntropy::new().smoothing(smoothing)).sum_all()
}

/// How a batch is translated, by any model.
pub(super) fn rules(source: &Padded) -> Decoding {
    let specials = Specials::FIXED;
    let longest = |&n: &usize| n * LONGEST_FACTOR + LONGEST_EXTRA;
    Decoding::new(specials.bos, specials.eos, 0)
        .max_lengths(source.lengths.iter().map(longest).collect::<Vec<_>>())
        .banned(vec![specials.pad, specials.bos, specials.unk])
}

impl Cell for Translator {
    type State<'g> = TranslatorState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> TranslatorState<'g> {
        // An empty memory: a translation starts from what the encoder gives.
        let params = graph.params();
        let (hidden, memory) = (params.shape(self.bridge.weight)[0], params.shape(self.bridge.weight)[1]);
        TranslatorState {
            h: graph.zeros([batch, hidden]),
            looked: graph.zeros([batch, 1]),
            memory: graph.zeros([batch, 1, memory]),
            keys: graph.zeros([batch, 1, hidden]),
            padding: graph.zeros([batch, 1]),
        }
    }

    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.decoder.input.apply(xs)
    }

    /// The last token's vector and what the attention found in the source make the next state. The output is both the state and
    /// that context.
    fn step<'g>(&self, x: Var<'g>, state: TranslatorState<'g>) -> (Var<'g>, TranslatorState<'g>) {
        let AttendingGru { context: of_context, hidden, attention, .. } = &self.decoder;
        let (context, looked) = attention.attend(state.h, state.keys, state.memory, state.padding);
        let h = gru_gates(x + of_context.apply(context), hidden.apply(state.h), state.h);
        (x.graph().concat(&[h, context], -1), TranslatorState { h, looked, ..state })
    }
}

impl Decoder for Translator {
    /// Scaled so that the elements have variance 1.
    fn embed<'g>(&self, graph: &'g Graph<'g>, ids: ndarray::ArrayView2<'_, u32>) -> Var<'g> {
        let vectors = self.embedding.apply(graph, ids);
        let width = vectors.known_shape().map_or(1, |shape| shape.last_axis());
        (vectors * (width as f64).sqrt()).dropout(self.dropout)
    }

    fn logits<'g>(&self, outputs: Var<'g>, xs: Var<'g>) -> Var<'g> {
        let features = outputs.graph().concat(&[outputs, xs], -1);
        let features = self.readout.apply(features).tanh().dropout(self.dropout);
        features.linear(self.embedding.weight, Some(self.output_bias))
    }

    fn attention<'g>(&self, _: &'g Graph<'g>, state: &TranslatorState<'g>) -> Option<Var<'g>> {
        Some(state.looked)
    }
}

crate::nn::state! {
    /// What a [`Translator`] carries from token to token. The memory, its keys and its padding stay as they are for a whole sentence.
    pub struct TranslatorState<'g> {
        /// `[batch, hidden]`.
        h: Var<'g>,
        /// The last step's weights over the source, `[batch, source]`.
        looked: Var<'g>,
        /// The encoder's outputs `[batch, source, memory]`.
        memory: Var<'g>,
        /// Their keys for the attention.
        keys: Var<'g>,
        /// 0 at real places, −∞ at padding.
        padding: Var<'g>,
    }
}

/// The weights of a GRU that reads a token's vector and a context, and of its attention.
#[derive(Clone, Debug)]
struct AttendingGru {
    input: Linear,
    context: Linear,
    hidden: Linear,
    attention: AdditiveAttention,
}

impl AttendingGru {
    fn new(mut scope: Scope<'_>, input_size: usize, memory_size: usize, hidden_size: usize) -> AttendingGru {
        AttendingGru {
            input: Linear::new(scope.scope("input"), input_size, 3 * hidden_size),
            context: Linear::without_bias(scope.scope("context"), memory_size, 3 * hidden_size),
            hidden: Linear::new(scope.scope("hidden"), hidden_size, 3 * hidden_size),
            attention: AdditiveAttention::new(scope.scope("attention"), hidden_size, memory_size, hidden_size),
        }
    }
}
