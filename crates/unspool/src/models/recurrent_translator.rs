//! Many-to-many through a recurrent encoder and a recurrent decoder that attends.

use super::{Encoder, Seq2Seq, config};
use crate::{
    graph::{Graph, Param, Params, Scope, Var, init},
    layout::ToLayout,
    nn::{
        AdditiveAttention, AnyCell, Cell, CellKind, Decoder, Embedding, Linear, Recurrent, RecurrentConfig, Result,
        Sequence, attention::padding_bias, gru_gates,
    },
    text::{Padded, Specials},
};
use ndarray::aview1;
use serde::{Deserialize, Serialize};

/// The sizes of a [`RecurrentTranslator`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecurrentTranslatorConfig {
    /// Number of token ids: those of both languages together, or of the target alone.
    pub vocabulary_size: usize,
    /// Number of token ids of the source, where it has a table of vectors of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_vocabulary_size: Option<usize>,
    /// Size of a token's vector.
    pub embedding_size: usize,
    /// The kind of the encoder's cells; the decoder's is a GRU.
    pub cell: CellKind,
    /// Number of layers of the encoder.
    pub layers: usize,
    /// Elements of the decoder's state and of each direction of the encoder's.
    pub hidden_size: usize,
    /// Whether the decoder attends to all that the encoder wrote. Otherwise it reads at each step what the encoder
    /// ended with.
    pub attention: bool,
    /// The share of elements dropped in training.
    pub dropout: f64,
    /// The special tokens of the tokenizer, which say where a text begins and ends.
    pub specials: Specials,
}

impl RecurrentTranslatorConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        config::check(
            &[
                ("vocabulary_size", self.vocabulary_size),
                ("source_vocabulary_size", self.source_vocabulary_size.unwrap_or(1)),
                ("embedding_size", self.embedding_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
            ],
            self.dropout,
        )
    }
}

impl Default for RecurrentTranslatorConfig {
    fn default() -> Self {
        RecurrentTranslatorConfig {
            vocabulary_size: 4000,
            source_vocabulary_size: None,
            embedding_size: 192,
            cell: CellKind::Gru,
            layers: 1,
            hidden_size: 256,
            attention: true,
            dropout: 0.2,
            specials: Specials::FIXED,
        }
    }
}

/// A bidirectional recurrence reads the source; a GRU that attends to it additively writes the target (Bahdanau, Cho
/// and Bengio 2015). Without attention the GRU reads a summary of the source at each step (Cho and others 2014). One
/// table of token vectors serves the source, the target and, transposed, the output (Press and Wolf 2017), unless the
/// source has a vocabulary of its own.
///
/// ```
/// use unspool::graph::Params;
/// use unspool::models::{RecurrentTranslator, RecurrentTranslatorConfig};
/// use unspool::nn::decoding::{Beam, LengthPenalty};
/// use unspool::text::Padded;
///
/// let mut params = Params::seeded(1);
/// let sizes = RecurrentTranslatorConfig {
///     vocabulary_size: 40, embedding_size: 8, hidden_size: 8, ..RecurrentTranslatorConfig::default()
/// };
/// let model = RecurrentTranslator::new(&mut params, &sizes);
/// let source = Padded::new(&[vec![5, 6, 7], vec![8]], 0);
/// let beam = Beam::new(5).best(2).penalty(LengthPenalty::Average);
/// let found = model.decode(&params, &source, Some(&beam))?;
/// let attention = found[0][0].attention.as_ref().unwrap();                // [tokens (and the end), source]
/// assert_eq!((found.len(), attention.ncols()), (2, 3));
/// # Ok::<(), unspool::nn::Error>(())
/// ```
pub type RecurrentTranslator = Seq2Seq<RecurrentEncoder, RecurrentDecoder>;

impl RecurrentTranslator {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &RecurrentTranslatorConfig) -> RecurrentTranslator {
        let RecurrentTranslatorConfig { vocabulary_size, embedding_size, hidden_size, dropout, .. } = *config;
        let memory = 2 * hidden_size;
        let layers = RecurrentConfig { layers: config.layers, bidirectional: true, dropout };
        let deviation = 1.0 / (embedding_size.max(1) as f64).sqrt();
        let table = |scope: Scope<'_>, size: usize| Embedding::normal(scope, size, embedding_size, deviation);
        let embedding = table(params.scope("embedding"), vocabulary_size);
        let source = config.source_vocabulary_size.map(|size| table(params.scope("source_embedding"), size));
        let encoder = RecurrentEncoder {
            embedding: source,
            recurrence: Recurrent::of(config.cell, params.scope("encoder"), embedding_size, hidden_size, layers),
            bridge: Linear::new(params.scope("bridge"), memory, hidden_size),
        };
        let decoder = RecurrentDecoder {
            embedding,
            gru: ContextGru::new(params.scope("decoder"), embedding_size, memory, hidden_size, config.attention),
            readout: Linear::new(params.scope("readout"), hidden_size + memory + embedding_size, embedding_size),
            output_bias: params.scope("output").add("bias", [vocabulary_size], init::zeros()),
            dropout,
        };
        Seq2Seq::from_parts(encoder, decoder, config.specials)
    }
}

/// Reads a source in both directions, for a [`RecurrentDecoder`]. It is made by [`RecurrentTranslator::new`].
#[derive(Clone, Debug)]
pub struct RecurrentEncoder {
    /// Its own table of token vectors; without one it reads with the decoder's.
    embedding: Option<Embedding>,
    recurrence: Recurrent<AnyCell>,
    bridge: Linear,
}

impl Encoder<RecurrentDecoder> for RecurrentEncoder {
    fn encode<'g>(
        &self,
        decoder: &RecurrentDecoder,
        graph: &'g Graph<'g>,
        source: &Padded,
    ) -> RecurrentDecoderState<'g> {
        let _scope = graph.scope("encoder");
        let (batch, attention) = (source.len(), &decoder.gru.attention);
        let embedding = self.embedding.as_ref().unwrap_or(&decoder.embedding);
        let xs = embedding.sequence(graph, &source.ids, source.layout()).map(|rows| decoder.scaled(rows));
        let (outputs, _) = self.recurrence.unroll(&xs, self.recurrence.initial_state(graph, batch));
        let summary = self.recurrence.last(&outputs);
        let memory = match attention {
            Some(_) => outputs,
            None => Sequence::full(summary.unsqueeze(1)),
        };
        let memory = memory.map(|rows| rows.dropout(decoder.dropout));
        RecurrentDecoderState {
            h: self.bridge.apply(summary).tanh(),
            looked: graph.zeros([batch, memory.layout().time()]),
            memory: memory.padded(),
            keys: attention.as_ref().map(|attention| attention.keys(&memory)),
            padding: padding_bias(graph, memory.layout()),
        }
    }
}

/// Writes a text with a GRU that attends to what a [`RecurrentEncoder`] read, or has a summary of it. It is made by
/// [`RecurrentTranslator::new`].
#[derive(Clone, Debug)]
pub struct RecurrentDecoder {
    embedding: Embedding,
    gru: ContextGru,
    readout: Linear,
    output_bias: Param,
    dropout: f64,
}

impl RecurrentDecoder {
    /// Vectors of tokens, with elements of variance 1 and dropout.
    fn scaled<'g>(&self, vectors: Var<'g>) -> Var<'g> {
        let width = vectors.known_shape().map_or(1, |shape| shape.last_axis());
        (vectors * (width as f64).sqrt()).dropout(self.dropout)
    }
}

impl Cell for RecurrentDecoder {
    type State<'g> = RecurrentDecoderState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> RecurrentDecoderState<'g> {
        // An empty memory: a translation starts from what the encoder gives.
        let params = graph.params();
        let (hidden, memory) = (params.shape(self.gru.hidden.weight)[1], params.shape(self.gru.context.weight)[1]);
        RecurrentDecoderState {
            h: graph.zeros([batch, hidden]),
            looked: graph.zeros([batch, 1]),
            memory: graph.zeros([batch, 1, memory]),
            keys: self.gru.attention.as_ref().map(|_| graph.zeros([batch, 1, hidden])),
            padding: graph.zeros([batch, 1]),
        }
    }

    fn step<'g>(&self, x: Var<'g>, state: RecurrentDecoderState<'g>) -> (Var<'g>, RecurrentDecoderState<'g>) {
        self.step_projected(x, self.project(x), state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.gru.input.apply(xs)
    }

    /// The last token's vector and what the attention found in the source make the next state. The output is both the
    /// state and that context.
    fn step_projected<'g>(
        &self,
        x: Var<'g>,
        projected: Var<'g>,
        state: RecurrentDecoderState<'g>,
    ) -> (Var<'g>, RecurrentDecoderState<'g>) {
        let ContextGru { context: of_context, hidden, attention, .. } = &self.gru;
        let (context, looked) = match (attention, state.keys) {
            (Some(attention), Some(keys)) => attention.attend(state.h, keys, state.memory, state.padding),
            _ => (state.memory.squeeze(1), state.looked),
        };
        let h = gru_gates(projected + of_context.apply(context), hidden.apply(state.h), state.h);
        (x.graph().concat(&[h, context], -1), RecurrentDecoderState { h, looked, ..state })
    }
}

impl Decoder for RecurrentDecoder {
    /// Scaled so that the elements have variance 1.
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        self.scaled(self.embedding.apply(graph, aview1(tokens)))
    }

    fn logits<'g>(&self, outputs: Var<'g>, xs: Var<'g>) -> Var<'g> {
        let features = outputs.graph().concat(&[outputs, xs], -1);
        let features = self.readout.apply(features).tanh().dropout(self.dropout);
        features.linear(self.embedding.weight, Some(self.output_bias))
    }

    fn attention<'g>(&self, _: &'g Graph<'g>, state: &RecurrentDecoderState<'g>) -> Option<Var<'g>> {
        self.gru.attention.as_ref().map(|_| state.looked)
    }
}

crate::nn::state! {
    /// What a [`RecurrentDecoder`] carries from token to token. The memory, its keys and its padding stay as they are
    /// for a whole sentence.
    ///
    /// ```
    /// use unspool::graph::{Graph, Params};
    /// use unspool::models::{
    ///     RecurrentDecoder, RecurrentDecoderState, RecurrentEncoder, RecurrentTranslator, RecurrentTranslatorConfig,
    ///     Seq2Seq,
    /// };
    /// use unspool::nn::{Cell, leaves};
    /// let sizes = RecurrentTranslatorConfig {
    ///     vocabulary_size: 40, embedding_size: 8, hidden_size: 8, ..RecurrentTranslatorConfig::default()
    /// };
    /// let mut params = Params::seeded(1);
    /// let model: Seq2Seq<RecurrentEncoder, RecurrentDecoder> = RecurrentTranslator::new(&mut params, &sizes);
    /// let graph = Graph::new(&params);
    /// let state: RecurrentDecoderState<'_> = model.decoder().initial_state(&graph, 2);
    /// // A row for each sentence.
    /// assert!(leaves(&state).iter().all(|leaf| leaf.shape().is_ok_and(|shape| shape[0] == 2)));
    /// # Ok::<(), unspool::graph::Error>(())
    /// ```
    pub struct RecurrentDecoderState<'g> {
        /// `[batch, hidden]`.
        h: Var<'g>,
        /// The last step's weights over the source, `[batch, source]`.
        looked: Var<'g>,
        /// The encoder's outputs `[batch, source, memory]`, or without attention what it ended with
        /// `[batch, 1, memory]`.
        memory: Var<'g>,
        /// The outputs' keys for the attention, if there is one.
        keys: Option<Var<'g>>,
        /// 0 at real places, −∞ at padding.
        padding: Var<'g>,
    }
}

/// The weights of a GRU that reads a token's vector and a context, and of the attention that finds the context.
#[derive(Clone, Debug)]
struct ContextGru {
    input: Linear,
    context: Linear,
    hidden: Linear,
    attention: Option<AdditiveAttention>,
}

impl ContextGru {
    fn new(
        mut scope: Scope<'_>,
        input_size: usize,
        memory_size: usize,
        hidden_size: usize,
        attends: bool,
    ) -> ContextGru {
        ContextGru {
            input: Linear::new(scope.scope("input"), input_size, 3 * hidden_size),
            context: Linear::without_bias(scope.scope("context"), memory_size, 3 * hidden_size),
            hidden: Linear::new(scope.scope("hidden"), hidden_size, 3 * hidden_size),
            attention: attends
                .then(|| AdditiveAttention::new(scope.scope("attention"), hidden_size, memory_size, hidden_size)),
        }
    }
}
