//! One-to-many: a picture in, words out.

use super::{ConvEncoder, ConvEncoderConfig, config, seq2seq::search};
use crate::{
    graph::{Graph, Params, Var},
    layout::ToLayout,
    nn::{
        AnyCell, AnyState, Cell, CellKind, Decoder, DecoderSteps, Embedding, Linear, Result, Stack, State,
        decoding::{Beam, Decoding, Hypothesis},
        leaves, teacher_forcing,
    },
    text::{DecoderInput, Specials, TeacherForcing},
};
use ndarray::{Array3, aview1};
use serde::{Deserialize, Serialize};

/// The sizes of a [`Captioner`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaptionerConfig {
    /// The convolution that looks at the picture.
    pub eye: ConvEncoderConfig,
    /// The kind of cell.
    pub cell: CellKind,
    /// Number of layers of cells.
    pub layers: usize,
    /// Size of a cell's state.
    pub hidden_size: usize,
    /// Size of a word's vector.
    pub embedding_size: usize,
    /// Number of words, including the special ones.
    pub vocabulary_size: usize,
    /// What is read after the first step: the word before, or nothing.
    pub feed: DecoderInput,
    /// The special tokens of the tokenizer, which say where a text begins and ends.
    pub specials: Specials,
}

impl CaptionerConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        self.eye.check()?;
        config::check(
            &[
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
                ("embedding_size", self.embedding_size),
                ("vocabulary_size", self.vocabulary_size),
            ],
            self.eye.dropout,
        )
    }
}

/// A [`ConvEncoder`] on the picture, whose features become the first state of a recurrence that writes the words
/// (Vinyals and others 2015):
///
/// - h₀ = tanh(W·look(picture) + b), in every layer; an LSTM's c₀ is the same
/// - h_t = cell(x_t, h_{t−1}), logits_t = readout(h_t)
///
/// A cell whose state does not begin with a hidden vector `[batch, hidden_size]`, such as one that keeps a matrix or
/// complex numbers, is shown the picture as its first input instead, before the first word, as in that paper:
///
/// - s₀ = the state after cell(W·look(picture) + b, initial state), where W maps to a word's vector
///
/// x₀ is the vector of `<bos>`; x_t is that of the word before, or zeros ([`DecoderInput`]).
///
/// ```
/// use unspool::{graph::{Graph, Params}, models::{Captioner, CaptionerConfig, ConvEncoderConfig}};
/// use unspool::{nn::{CellKind, decoding::Beam}, text::{DecoderInput, Specials, TeacherForcing}};
/// let eye = ConvEncoderConfig { height: 8, width: 12, channels: 2, features: 16, dropout: 0.0 };
/// let config = CaptionerConfig {
///     eye, cell: CellKind::Gru, layers: 1, hidden_size: 8, embedding_size: 4, vocabulary_size: 10,
///     feed: DecoderInput::Back,
///     specials: Specials::FIXED,
/// };
/// let mut params = Params::seeded(0);
/// let model = Captioner::new(&mut params, &config);
/// let pictures = ndarray::Array3::zeros((2, 8, 12));                                 // [batch, height, width]
/// let captions = TeacherForcing::new(&[vec![5, 6, 7], vec![8]], Specials::FIXED);
/// let graph = Graph::new(&params);
/// let loss = model.loss(graph.input(&pictures), &captions).item()?;
/// assert!((loss / captions.tokens() as f64 - 10f64.ln()).abs() < 0.7);              // nothing is learned yet
/// let best = model.decode(&params, &pictures, 5, Some(&Beam::new(3).best(3)))?;
/// assert!(best[0][0].log_prob >= best[0][1].log_prob);                              // the likeliest first
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Captioner {
    eye: ConvEncoder,
    start: Start,
    writer: CaptionDecoder,
}

/// How the writer learns of the picture.
#[derive(Clone, Debug)]
enum Start {
    /// The map makes the hidden vector of each layer's first state.
    State(Linear),
    /// The map makes an input that is read before the first word.
    Input(Linear),
}

impl Captioner {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &CaptionerConfig) -> Captioner {
        let CaptionerConfig { embedding_size, hidden_size, vocabulary_size, .. } = *config;
        let cells = (0..config.layers).map(|layer| {
            let input_size = if layer == 0 { embedding_size } else { hidden_size };
            config.cell.build(params.scope(format!("writer.{layer}")), input_size, hidden_size)
        });
        let cells = Stack::new(cells.collect::<Vec<_>>()).dropout(config.eye.dropout);
        let eye = ConvEncoder::new(params.scope("eye"), &config.eye);
        let features = config.eye.features;
        let start = if begins_with_vector(params, &cells, hidden_size) {
            Start::State(Linear::new(params.scope("start"), features, hidden_size))
        } else {
            Start::Input(Linear::new(params.scope("start"), features, embedding_size))
        };
        Captioner {
            eye,
            start,
            writer: CaptionDecoder {
                embedding: Embedding::new(params.scope("embedding"), vocabulary_size, embedding_size)
                    .padding(config.specials.pad),
                cells,
                readout: Linear::new(params.scope("readout"), hidden_size, vocabulary_size),
                feed: config.feed,
                specials: config.specials,
            },
        }
    }

    /// What the writer knows before the first word, of pictures `[batch, height, width]`.
    #[track_caller]
    fn first_state<'g>(&self, pictures: Var<'g>) -> <CaptionDecoder as Cell>::State<'g> {
        let batch = pictures.known_shape().map_or(0, |shape| shape[0]);
        let initial = self.writer.initial_state(pictures.graph(), batch);
        let seen = self.eye.look(pictures);
        let seen = match &self.start {
            Start::State(map) => map.apply(seen).tanh(),
            Start::Input(map) => return self.writer.step(map.apply(seen), initial).1,
        };
        let first = |state: AnyState<'g>| {
            let given = |(i, leaf)| if i == 0 || matches!(state, AnyState::Lstm(_)) { seen } else { leaf };
            let given: Vec<Var<'g>> = leaves(&state).into_iter().enumerate().map(given).collect();
            state.rebuild(&mut given.into_iter())
        };
        initial.into_iter().map(first).collect()
    }

    /// Returns Σ of the cross-entropy over the words of the captions, `<eos>` counted, for pictures
    /// `[batch, height, width]`.
    #[track_caller]
    pub fn loss<'g>(&self, pictures: Var<'g>, captions: &TeacherForcing) -> Var<'g> {
        let (graph, state) = (pictures.graph(), self.first_state(pictures));
        let logits = teacher_forcing(&self.writer, graph, &captions.input, captions.layout(), state);
        logits.cross_entropy(&captions.target).sum_all()
    }

    /// Returns the captions that a beam finds for each picture, best first, without a beam the one that takes the
    /// likeliest word at each step; at most `max_length` words, `<eos>` counted.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn decode(
        &self,
        params: &Params,
        pictures: &Array3<f32>,
        max_length: usize,
        beam: Option<&Beam>,
    ) -> Result<Vec<Vec<Hypothesis>>> {
        let Specials { bos, eos, .. } = self.writer.specials;
        let batch = pictures.dim().0;
        let mut steps =
            DecoderSteps::new(params, &self.writer, batch, |graph| self.first_state(graph.input(pictures)))?;
        search(&Decoding::new(bos, eos, max_length), &mut steps, beam)
    }
}

/// Whether the first leaf of every layer's state is `[batch, hidden_size]`.
fn begins_with_vector(params: &Params, cells: &Stack<AnyCell>, hidden_size: usize) -> bool {
    let graph = Graph::new(params);
    let vector = |state: &AnyState<'_>| {
        leaves(state).first().and_then(|leaf| leaf.known_shape()).is_some_and(|shape| *shape == [1, hidden_size])
    };
    cells.initial_state(&graph, 1).iter().all(vector)
}

/// The recurrence between words.
#[derive(Clone, Debug)]
struct CaptionDecoder {
    embedding: Embedding,
    cells: Stack<AnyCell>,
    readout: Linear,
    feed: DecoderInput,
    specials: Specials,
}

impl Cell for CaptionDecoder {
    type State<'g> = <Stack<AnyCell> as Cell>::State<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        self.cells.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        self.cells.step(x, state)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cells.project(xs)
    }
    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        self.cells.step_projected(x, projected, state)
    }
}

impl Decoder for CaptionDecoder {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        match self.feed {
            DecoderInput::Back => self.embedding.apply(graph, aview1(tokens)),
            DecoderInput::Zero => {
                let Specials { bos, pad, .. } = self.specials;
                let first: Vec<u32> = tokens.iter().map(|&id| if id == bos { bos } else { pad }).collect();
                self.embedding.apply(graph, aview1(&first))
            }
        }
    }
    fn logits<'g>(&self, outputs: Var<'g>, _xs: Var<'g>) -> Var<'g> {
        self.readout.apply(outputs)
    }
}
