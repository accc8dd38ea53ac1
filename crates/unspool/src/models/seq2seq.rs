//! Many-to-many: an encoder reads a text, and a decoder writes another.

use crate::{
    graph::{CrossEntropy, Graph, Params, Var},
    layout::ToLayout,
    nn::{
        Decoder, DecoderSteps, Result,
        decoding::{Beam, Decoding, Hypothesis},
        scheduled_sampling, teacher_forcing,
    },
    text::{Padded, Specials, TeacherForcing},
};

/// A text is cut here if the decoder does not end it: this many times the source's tokens, and some.
const LONGEST_FACTOR: usize = 2;
const LONGEST_EXTRA: usize = 10;

/// Reads a source, for a decoder of type `D`. See [`Seq2Seq`].
pub trait Encoder<D: Decoder> {
    /// Records the source, and returns the state in which the decoder begins.
    fn encode<'g>(&self, decoder: &D, graph: &'g Graph<'g>, source: &Padded) -> D::State<'g>;
}

/// How a model that writes is trained.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossOptions {
    /// Label smoothing (Szegedy and others 2016).
    pub label_smoothing: f64,
    /// The probability with which each token read in training is the true one, and not the decoder's own: 1 is teacher
    /// forcing. See [`scheduled_sampling`].
    pub teacher_forcing_ratio: f64,
}

/// An encoder reads the source, and a decoder writes the target from what the encoder gives it (Sutskever, Vinyals and
/// Le 2014; Cho and others 2014). The two may share parameters, such as a table of token vectors.
///
/// [`RecurrentTranslator`](super::RecurrentTranslator) and
/// [`TransformerTranslator`](super::TransformerTranslator) are made so. With an encoder of your own:
///
/// ```
/// use unspool::graph::{Graph, Params, Var};
/// use unspool::models::{Encoder, LossOptions, Seq2Seq};
/// use unspool::nn::{Embedding, Gru, Linear, TokenModel, decoding::Beam};
/// use unspool::{prelude::ToLayout, text::{Padded, Specials, TeacherForcing}};
///
/// type Writer = TokenModel<Gru>;
///
/// /// The mean of the source's vectors.
/// struct Mean(Embedding);
///
/// impl Encoder<Writer> for Mean {
///     fn encode<'g>(&self, _: &Writer, graph: &'g Graph<'g>, source: &Padded) -> Var<'g> {
///         self.0.sequence(graph, &source.ids, source.layout()).mean()
///     }
/// }
///
/// let mut params = Params::seeded(1);
/// let embedding = Embedding::new(params.scope("embedding"), 12, 8);
/// let cell = Gru::new(params.scope("cell"), 8, 8);
/// let readout = Linear::new(params.scope("readout"), 8, 12);
/// let decoder = Writer { embedding, cell, readout };
/// let model = Seq2Seq::from_parts(Mean(decoder.embedding), decoder, Specials::FIXED);
/// let source = Padded::new(&[vec![5, 6, 7], vec![8]], Specials::FIXED.pad);
/// let target = TeacherForcing::new(&[vec![6], vec![9, 9]], Specials::FIXED);
/// let graph = Graph::new(&params);
/// let loss = model.loss(&graph, &source, &target, LossOptions { label_smoothing: 0.1, teacher_forcing_ratio: 1.0 });
/// assert!((loss.item()? / target.tokens() as f64 - 12f64.ln()).abs() < 0.7);          // nothing is learned yet
/// let best = model.decode(&params, &source, Some(&Beam::new(3).best(2)))?;
/// assert_eq!((best.len(), best[0].len()), (2, 2));                                    // two texts for each source
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Seq2Seq<E, D> {
    encoder: E,
    decoder: D,
    specials: Specials,
}

impl<E: Encoder<D>, D: Decoder> Seq2Seq<E, D> {
    /// Joins an encoder and a decoder. The special tokens are those of the tokenizer.
    pub fn from_parts(encoder: E, decoder: D, specials: Specials) -> Seq2Seq<E, D> {
        Seq2Seq { encoder, decoder, specials }
    }

    /// Returns the decoder.
    pub fn decoder(&self) -> &D {
        &self.decoder
    }

    /// Returns Σ of the cross-entropy over the real target tokens. Outside training the decoder always reads the true
    /// ones.
    #[track_caller]
    pub fn loss<'g>(
        &self,
        graph: &'g Graph<'g>,
        source: &Padded,
        target: &TeacherForcing,
        options: LossOptions,
    ) -> Var<'g> {
        let (layout, state) = (target.layout(), self.encoder.encode(&self.decoder, graph, source));
        let logits = if options.teacher_forcing_ratio < 1.0 && graph.is_training() {
            scheduled_sampling(&self.decoder, graph, &target.input, layout, state, options.teacher_forcing_ratio)
        } else {
            teacher_forcing(&self.decoder, graph, &target.input, layout, state)
        };
        logits.cross_entropy_with(&target.target, CrossEntropy::new().smoothing(options.label_smoothing)).sum_all()
    }

    /// Returns the texts that a beam finds for each source, best first; without a beam the one that takes the likeliest
    /// token at each step.
    ///
    /// # Errors
    /// The first error of a recording.
    pub fn decode(&self, params: &Params, source: &Padded, beam: Option<&Beam>) -> Result<Vec<Vec<Hypothesis>>> {
        search(&self.decoding(source), &mut self.steps(params, source)?, beam)
    }

    /// Returns the steps of writing for a batch of sources, for any [way of decoding](crate::nn::decoding).
    ///
    /// # Errors
    /// The first error of the encoder's recording.
    pub fn steps<'p, 'd>(&'d self, params: &'p Params, source: &Padded) -> Result<DecoderSteps<'p, 'd, D>> {
        let Seq2Seq { encoder, decoder, .. } = self;
        DecoderSteps::new(params, decoder, source.len(), |graph| encoder.encode(decoder, graph, source))
    }

    /// Returns the rules of writing for a batch of sources: from the token of beginning to that of the end. Each text
    /// is cut at twice its source's tokens and ten, whatever else is in the batch. Padding, the beginning and the
    /// unknown token are not written.
    pub fn decoding(&self, source: &Padded) -> Decoding {
        let Specials { pad, bos, eos, unk } = self.specials;
        let longest = |&n: &usize| n * LONGEST_FACTOR + LONGEST_EXTRA;
        let lengths: Vec<usize> = source.lengths.iter().map(longest).collect();
        Decoding::new(bos, eos, 0).max_lengths(lengths).banned([pad, bos, unk].map(|token| vec![token]))
    }
}

/// What a beam finds, or without one what takes the likeliest token at each step.
pub(super) fn search(
    decoding: &Decoding,
    steps: &mut impl crate::nn::decoding::StepFunction,
    beam: Option<&Beam>,
) -> Result<Vec<Vec<Hypothesis>>> {
    match beam {
        Some(beam) => decoding.beam(steps, beam),
        None => Ok(decoding.greedy(steps)?.into_iter().map(|one| vec![one]).collect()),
    }
}
