//! Many-to-many, aligned: a tag for each word, from the word, its characters and the words around it.

use super::{config, labels};
use crate::{
    graph::{Graph, Params, Var},
    layout::ToLayout,
    nn::{
        AnyCell, CellKind, Embedding, Linear, Positions, Recurrent, RecurrentConfig, Result, Sequence,
        TransformerConfig, TransformerEncoder,
        crf::{Crf, Path},
    },
    text::Padded,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The sizes of a [`Tagger`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaggerConfig {
    /// Number of word ids.
    pub words: usize,
    /// Number of character ids.
    pub characters: usize,
    /// Number of tags.
    pub tags: usize,
    /// Size of a word's own vector.
    pub word_size: usize,
    /// Elements of a character's vector, and of the state that reads a word's characters in each direction.
    pub character_size: usize,
    /// The kind of cell that reads characters and, unless a Transformer does, words.
    pub cell: CellKind,
    /// What reads the words of a sentence.
    pub reader: TaggerReader,
    /// Layers of it.
    pub layers: usize,
    /// Elements of its state in each direction, or of a Transformer's vectors.
    pub hidden_size: usize,
    /// Whether the tags of a sentence are scored together, by a conditional random field.
    #[serde(default)]
    pub crf: bool,
    /// The share of elements dropped in training: of what the words are read as, and before the readout.
    pub dropout: f64,
}

impl TaggerConfig {
    /// Checks that every size is between 1 and 65536, and that the dropout is in [0, 1).
    ///
    /// # Errors
    /// [`Error::Config`](crate::nn::Error::Config) names the first that is not.
    pub fn check(&self) -> Result<()> {
        if let TaggerReader::Transformer { heads } = self.reader {
            config::check(&[("heads", heads)], 0.0)?;
        }
        config::check(
            &[
                ("words", self.words),
                ("characters", self.characters),
                ("tags", self.tags),
                ("word_size", self.word_size),
                ("character_size", self.character_size),
                ("layers", self.layers),
                ("hidden_size", self.hidden_size),
            ],
            self.dropout,
        )
    }
}

/// What reads the words of a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaggerReader {
    /// Cells, in one direction or both.
    Recurrent {
        /// Whether from the end, too.
        bidirectional: bool,
    },
    /// Self-attention with so many heads.
    Transformer {
        /// They divide the hidden size.
        heads: usize,
    },
}

/// The words of some sentences, ready for a [`Tagger`].
#[derive(Clone, Debug, PartialEq)]
pub struct TaggerInput {
    /// Ids of words, `[sentence, word]`.
    pub words: Padded,
    /// Ids of characters of the different forms among them, `[form, character]`.
    pub forms: Padded,
    /// The form of each real word, sentence after sentence.
    pub form_of: Vec<u32>,
}

impl TaggerInput {
    /// Makes a batch of sentences, of which each word has a text and an id. A form that occurs again is spelled once:
    /// `spell` gives the ids of its characters.
    ///
    /// ```
    /// use unspool::models::TaggerInput;
    /// let letters = |word: &str| word.bytes().map(u32::from).collect();
    /// let input = TaggerInput::new(&[(&["a", "bc", "a"], &[4, 5, 4]), (&["bc"], &[5])], letters, 0);
    /// assert_eq!((input.words.lengths, input.form_of), (vec![3, 1], vec![0, 1, 0, 1]));
    /// assert_eq!(input.forms.ids, ndarray::array![[97, 0], [98, 99]]);
    /// ```
    pub fn new<W: AsRef<str>>(sentences: &[(&[W], &[u32])], spell: impl Fn(&str) -> Vec<u32>, pad: u32) -> TaggerInput {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut forms, mut form_of) = (vec![], vec![]);
        for word in sentences.iter().flat_map(|(words, _)| words.iter()) {
            let number = *numbers.entry(word.as_ref()).or_insert_with(|| {
                forms.push(spell(word.as_ref()));
                forms.len() as u32 - 1
            });
            form_of.push(number);
        }
        let ids: Vec<&[u32]> = sentences.iter().map(|(_, ids)| *ids).collect();
        TaggerInput { words: Padded::new(&ids, pad), forms: Padded::new(&forms, pad), form_of }
    }
}

/// A word is its own vector beside the last outputs of a recurrence over its characters, both ways (Ling and others
/// 2015; Plank, Søgaard and Goldberg 2016); what reads the sentence is recurrent, or a Transformer. Each tag is chosen
/// by itself or, with a conditional random field, the tags of a sentence together (Lample and others 2016).
///
/// ```
/// use unspool::graph::{Graph, Params};
/// use unspool::models::{Tagger, TaggerConfig, TaggerInput, TaggerReader};
/// use unspool::{nn::CellKind, text::Padded};
///
/// let config = TaggerConfig {
///     words: 9, characters: 12, tags: 3, word_size: 8, character_size: 4, cell: CellKind::Lstm,
///     reader: TaggerReader::Recurrent { bidirectional: true }, layers: 1, hidden_size: 6, crf: true, dropout: 0.3,
/// };
/// let mut params = Params::seeded(1);
/// let tagger = Tagger::new(&mut params, &config);
/// let input = TaggerInput {
///     words: Padded::new(&[vec![4, 5, 4], vec![6]], 0),
///     forms: Padded::new(&[vec![7, 8], vec![9], vec![7, 10, 11]], 0),
///     form_of: vec![0, 1, 0, 2],
/// };
/// let graph = Graph::new(&params);
/// assert_eq!(*tagger.logits(&graph, &input).rows().shape()?, [4, 3]);                      // real words, tags
/// assert!(tagger.loss(&graph, &input, &[0, 1, 2, 0]).item()? > 0.0);
/// let found = tagger.decode(&graph, &input)?;
/// assert_eq!((found[0].len(), found[1].len()), (3, 1));
/// # Ok::<(), unspool::nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tagger {
    words: Embedding,
    characters: Embedding,
    spelling: Recurrent<AnyCell>,
    reader: Reader,
    readout: Linear,
    crf: Option<Crf>,
    dropout: f64,
}

#[derive(Clone, Debug)]
enum Reader {
    Recurrent(Recurrent<AnyCell>),
    Transformer(Linear, TransformerEncoder),
}

impl Tagger {
    /// Adds the model's parameters.
    pub fn new(params: &mut Params, config: &TaggerConfig) -> Tagger {
        let TaggerConfig { word_size, character_size, hidden_size, layers, dropout, .. } = *config;
        let both = |count| RecurrentConfig { layers: count, bidirectional: true, dropout };
        let words = Embedding::normal(params.scope("words"), config.words, word_size, 0.3);
        let characters = Embedding::normal(params.scope("characters"), config.characters, character_size, 0.3);
        let spelling = Recurrent::of(config.cell, params.scope("spelling"), character_size, character_size, both(1));
        let read = word_size + 2 * character_size;
        let (reader, width) = match config.reader {
            TaggerReader::Recurrent { bidirectional } => {
                let layers = RecurrentConfig { bidirectional, ..both(layers) };
                let reader = Recurrent::of(config.cell, params.scope("reader"), read, hidden_size, layers);
                (Reader::Recurrent(reader), layers.output_size(hidden_size))
            }
            TaggerReader::Transformer { heads } => {
                let (size, feedforward) = (hidden_size, 4 * hidden_size);
                let config = TransformerConfig { size, heads, feedforward, dropout, norm_first: true, bias: true };
                let input = Linear::new(params.scope("input"), read, size);
                let reader = TransformerEncoder::new(params.scope("reader"), layers, Positions::Sinusoidal, config);
                (Reader::Transformer(input, reader), size)
            }
        };
        let readout = Linear::new(params.scope("readout"), width, config.tags);
        let crf = config.crf.then(|| Crf::new(params.scope("crf"), config.tags));
        Tagger { words, characters, spelling, reader, readout, crf, dropout }
    }

    /// Restricts the tags that a conditional random field finds, as [`Crf::allow`] does. Without one nothing changes.
    pub fn allow(mut self, allowed: impl Fn(Option<usize>, Option<usize>) -> bool) -> Tagger {
        self.crf = self.crf.map(|crf| crf.allow(allowed));
        self
    }

    /// Returns the logits of each word, `[.., tags]`.
    ///
    /// # Errors
    /// The graph records an error for another number of forms than of real words.
    #[track_caller]
    pub fn logits<'g>(&self, graph: &'g Graph<'g>, input: &TaggerInput) -> Sequence<'g> {
        let TaggerInput { words, forms, form_of } = input;
        let layout = words.layout();
        let characters = self.characters.sequence(graph, &forms.ids, forms.layout());
        let (spelled, _) = self.spelling.unroll(&characters, self.spelling.initial_state(graph, forms.len()));
        let spelled = graph.layer_fn("spelling", |graph| {
            let form_of = layout.pack_examples(form_of).map_err(|why| graph.error("spelling", why))?;
            Ok(self.spelling.last(&spelled).index_select(&form_of))
        });
        let known = self.words.sequence(graph, &words.ids, &layout);
        let xs = known.concat(&Sequence::from_rows(spelled, &layout)).map(|rows| rows.dropout(self.dropout));
        let ys = match &self.reader {
            Reader::Recurrent(reader) => reader.unroll(&xs, reader.initial_state(graph, words.len())).0,
            Reader::Transformer(input, reader) => reader.apply(&xs.map(|rows| input.apply(rows))),
        };
        ys.map(|rows| self.readout.apply(rows.dropout(self.dropout)))
    }

    /// Returns Σ of the cross-entropy of each word, or of each sentence's tags together, for tags that stand sentence
    /// after sentence. A tag that the model does not have, numbered as one more, costs nothing.
    #[track_caller]
    pub fn loss<'g>(&self, graph: &'g Graph<'g>, input: &TaggerInput, tags: &[u32]) -> Var<'g> {
        let logits = self.logits(graph, input);
        let Some(crf) = &self.crf else { return labels::labels_loss(&logits, tags) };
        graph.layer_fn("crf", |graph| {
            let tags = logits.layout().pack_examples(tags).map_err(|why| graph.error("crf", why))?;
            let tags = Padded::new(&logits.layout().unpack(&tags), 0);
            Ok(crf.losses(&logits, &tags.ids).sum_all())
        })
    }

    /// Returns the best tag of each word and its probability: by itself or, with a conditional random field, given the
    /// tags before it, so that the product over a sentence is the probability of its tags.
    ///
    /// # Errors
    /// The first error of the recording, and those of [`Crf::decode`].
    pub fn decode<'g>(&self, graph: &'g Graph<'g>, input: &TaggerInput) -> Result<Vec<Vec<(u32, f64)>>> {
        let logits = self.logits(graph, input);
        match &self.crf {
            None => Ok(logits.layout().unpack(&logits.rows().softmax().top_k(1)?.concat())),
            Some(crf) => {
                let tags = |path: Path| path.tags.into_iter().zip(path.log_probs);
                let paths = crf.decode(&logits)?.into_iter();
                Ok(paths.map(|path| tags(path).map(|(tag, log_prob)| (tag, log_prob.exp())).collect()).collect())
            }
        }
    }
}
