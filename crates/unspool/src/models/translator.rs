//! Many-to-many through an encoder and a decoder that attends.

use crate::{
    graph::{CrossEntropy, Error, Graph, Param, Params, Scope, Tensor, Var, init},
    nn::{
        AdditiveAttention, Cell, Embedding, Gru, Linear, attention::padding_bias, bidirectional, detach, gru_gates,
        unroll,
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

/// A bidirectional GRU reads the source; a GRU that attends to it additively writes the target (Bahdanau, Cho and Bengio 2015).
/// One table of token vectors serves the source, the target and, transposed, the output (Press and Wolf 2017).
#[derive(Clone, Debug)]
pub struct Translator {
    embedding: Embedding,
    forward: Gru,
    backward: Gru,
    bridge: Linear,
    decoder: Decoder,
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
            decoder: Decoder::new(params.scope("decoder"), embedding_size, memory, hidden_size),
            readout: Linear::new(params.scope("readout"), hidden_size + memory + embedding_size, embedding_size),
            output_bias: params.scope("output").add("bias", [vocabulary_size], init::zeros()),
            dropout,
        }
    }

    /// Token vectors `[batch, time, embedding]`, scaled so that their elements have variance 1.
    fn embed<'g>(&self, graph: &'g Graph<'g>, ids: ndarray::ArrayView2<'_, u32>) -> Var<'g> {
        let vectors = self.embedding.apply(graph, ids);
        let width = vectors.known_shape().map_or(1, |shape| shape.last_axis());
        (vectors * (width as f64).sqrt()).dropout(self.dropout)
    }

    /// Reads the source and gives the decoder's first state.
    fn encode<'g>(&self, graph: &'g Graph<'g>, source: &Padded) -> DecoderState<'g> {
        let _scope = graph.scope("encoder");
        let batch = source.lengths.len();
        let xs = self.embed(graph, source.ids.view());
        let states = (self.forward.initial_state(graph, batch), self.backward.initial_state(graph, batch));
        let (memory, (last, first)) = bidirectional((&self.forward, &self.backward), xs, &source.lengths, states);
        let memory = memory.dropout(self.dropout);
        DecoderState {
            h: self.bridge.apply(graph.concat(&[last, first], -1)).tanh(),
            memory,
            keys: self.decoder.attention.keys(memory),
            padding: padding_bias(graph, &source.lengths, source.ids.ncols()),
        }
    }

    /// Logits `[rows, vocabulary]` from what the decoder gave and was given, `[rows, …]`.
    fn logits<'g>(&self, outputs: Var<'g>, xs: Var<'g>) -> Var<'g> {
        let graph = outputs.graph();
        let features = graph.concat(&[outputs, xs], -1);
        let features = self.readout.apply(features).tanh().dropout(self.dropout);
        features.linear(self.embedding.weight, Some(self.output_bias))
    }

    /// Σ of the cross-entropy over the real target tokens, by teacher forcing.
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, source: &Padded, target: &TeacherForcing, smoothing: f64) -> Var<'g> {
        let state = self.encode(graph, source);
        let _scope = graph.scope("decoder");
        let xs = self.embed(graph, target.input.view());
        let (outputs, _) = unroll(&self.decoder, xs, &target.lengths, state);
        let logits = self.logits(outputs.real_rows(&target.lengths), xs.real_rows(&target.lengths));
        let targets: Vec<u32> = target
            .lengths
            .iter()
            .zip(target.target.rows())
            .flat_map(|(&length, row)| row.iter().take(length).copied().collect::<Vec<_>>())
            .collect();
        logits.cross_entropy_with(&targets, CrossEntropy::new().smoothing(smoothing)).sum_all()
    }

    /// The likeliest token at each step, fed back, until the end token or `longest` steps: ids of each row without the end token.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn greedy(&self, params: &Params, source: &Padded, longest: usize) -> Result<Vec<Vec<u32>>, Error> {
        let (batch, specials) = (source.lengths.len(), Specials::FIXED);
        let mut graph = Graph::new(params);
        let mut carried = detach(&self.encode(&graph, source))?;
        let mut written = vec![vec![]; batch];
        let (mut last, mut done) = (vec![specials.bos; batch], vec![false; batch]);
        for _ in 0..longest {
            graph.reset();
            let (ids, next) = self.step(&graph, &last, &carried)?;
            for (row, &id) in ids.iter().enumerate() {
                done[row] |= id == specials.eos;
                if !done[row] {
                    written[row].push(id);
                }
            }
            if done.iter().all(|&done| done) {
                break;
            }
            (last, carried) = (ids, next);
        }
        Ok(written)
    }

    /// One step of decoding: the likeliest next tokens, and the state after them.
    fn step<'g>(
        &self,
        graph: &'g Graph<'g>,
        last: &[u32],
        carried: &[Tensor],
    ) -> Result<(Vec<u32>, Vec<Tensor>), Error> {
        let ids = ndarray::Array2::from_shape_fn((last.len(), 1), |(row, _)| last[row]);
        let state = self.decoder.attach(graph, carried);
        let x = self.embed(graph, ids.view()).index(1, 0);
        let (output, state) = self.decoder.advance(x, state);
        let best = self.logits(output, x).argmax()?;
        Ok((best, detach(&state)?))
    }
}

crate::nn::state! {
    /// What the decoder carries. All but `h` stay as they are for a whole sentence.
    struct DecoderState<'g> {
        /// `[batch, hidden]`.
        h: Var<'g>,
        /// The encoder's outputs `[batch, source, memory]`.
        memory: Var<'g>,
        /// Their keys for the attention.
        keys: Var<'g>,
        /// 0 at real places, −∞ at padding.
        padding: Var<'g>,
    }
}

/// A GRU whose input at each step is the last token's vector and what the attention found in the source. Its output is both its
/// state and that context.
#[derive(Clone, Debug)]
struct Decoder {
    input: Linear,
    context: Linear,
    hidden: Linear,
    attention: AdditiveAttention,
}

impl Decoder {
    fn new(mut scope: Scope<'_>, input_size: usize, memory_size: usize, hidden_size: usize) -> Decoder {
        Decoder {
            input: Linear::new(scope.scope("input"), input_size, 3 * hidden_size),
            context: Linear::without_bias(scope.scope("context"), memory_size, 3 * hidden_size),
            hidden: Linear::new(scope.scope("hidden"), hidden_size, 3 * hidden_size),
            attention: AdditiveAttention::new(scope.scope("attention"), hidden_size, memory_size, hidden_size),
        }
    }
}

impl Cell for Decoder {
    type State<'g> = DecoderState<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> DecoderState<'g> {
        // An empty memory: a translation starts from what the encoder gives.
        let params = graph.params();
        let (hidden, memory) = (params.shape(self.hidden.weight)[1], params.shape(self.context.weight)[1]);
        DecoderState {
            h: graph.zeros([batch, hidden]),
            memory: graph.zeros([batch, 1, memory]),
            keys: graph.zeros([batch, 1, hidden]),
            padding: graph.zeros([batch, 1]),
        }
    }

    fn inputs<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.input.apply(xs)
    }

    fn step<'g>(&self, x: Var<'g>, state: DecoderState<'g>) -> (Var<'g>, DecoderState<'g>) {
        let (context, _) = self.attention.attend(state.h, state.keys, state.memory, state.padding);
        let h = gru_gates(x + self.context.apply(context), self.hidden.apply(state.h), state.h);
        (x.graph().concat(&[h, context], -1), DecoderState { h, ..state })
    }
}
