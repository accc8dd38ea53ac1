//! From words to a tag for each: parts of speech, from the words and their characters.

use super::*;
use serde::Deserialize;
use std::collections::BTreeMap;
use unspool::{
    models::{Tagger, TaggerConfig, TaggerInput, TaggerReader},
    nn::CellKind,
    text::{LabelSet, Padded, Place, Sentence, Specials, Vocabulary, score::accuracy},
};

/// A word that the train part has once is no more known than one it does not have, so that the model learns what to do with those.
const LEAST: u64 = 2;

/// More words than this are not known.
const MOST: usize = 50_000;

/// A tagger.
pub(crate) struct Tagging {
    saved: Saved,
    model: Tagger,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    arch: Arch,
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden: usize,
    bidirectional: bool,
    word_column: usize,
    tag_column: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            arch: Arch::Recurrent,
            cell: CellKind::Lstm,
            layers: 1,
            hidden: 128,
            bidirectional: true,
            word_column: 0,
            tag_column: 0,
            batch_rows: 32,
        }
    }
}

/// What a prediction needs beside the weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    arch: Arch,
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    word_size: usize,
    character_size: usize,
    hidden_size: usize,
    heads: usize,
    bidirectional: bool,
    dropout: f64,
    columns: [usize; 2],
    tags: LabelSet,
    characters: Vocabulary,
    words: Vocabulary,
}

impl Saved {
    fn sentence(&self, words: Vec<String>, tags: Vec<u32>) -> Tagged {
        let ids = words.iter().map(|word| self.words.id_or_unknown(&word.to_lowercase())).collect();
        Tagged { words, ids, tags }
    }

    fn sentences(&self, file: &str, sentences: Vec<Sentence>) -> Result<Vec<Tagged>> {
        let read = |sentence: Sentence| {
            let Ok([words, tags]) = <[Vec<String>; 2]>::try_from(sentence.columns) else {
                return Err(Error::failure(format!("{file}: a word has no tag"), ""));
            };
            let place = |word: usize| Place::new(file, sentence.line + word as u64);
            let tags = tags.iter().enumerate().map(|(word, tag)| self.tags.id_at(|| place(word), tag));
            Ok(self.sentence(words, tags.collect::<std::result::Result<_, _>>()?))
        };
        // A sentence of nothing but what a file leaves out has no words.
        sentences
            .into_iter()
            .map(read)
            .filter(|read| read.as_ref().map_or(true, |read| !read.words.is_empty()))
            .collect()
    }

    fn input(&self, sentences: &[&Tagged]) -> TaggerInput {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut forms, mut form_of) = (vec![], vec![]);
        for word in sentences.iter().flat_map(|sentence| &sentence.words) {
            let number = *numbers.entry(word).or_insert_with(|| {
                forms.push(word.chars().map(|c| self.characters.id_or_unknown(c.encode_utf8(&mut [0; 4]))).collect());
                forms.len() as u32 - 1
            });
            form_of.push(number);
        }
        let pad = Specials::FIXED.pad;
        let ids: Vec<&[u32]> = sentences.iter().map(|sentence| sentence.ids.as_slice()).collect();
        let forms: Vec<Vec<u32>> = forms;
        TaggerInput { words: Padded::new(&ids, pad), forms: Padded::new(&forms, pad), form_of }
    }
}

/// A sentence.
pub(crate) struct Tagged {
    words: Vec<String>,
    ids: Vec<u32>,
    tags: Vec<u32>,
}

/// Some sentences as arrays, and the tag of each word.
pub(crate) struct Batch {
    input: TaggerInput,
    tags: Vec<u32>,
}

impl Tagging {
    /// The tag of each word, and the probability of each tag.
    fn tags(&self, params: &Params, input: &TaggerInput) -> Result<(Vec<u32>, Vec<f64>)> {
        let graph = Graph::inference(params);
        let best = self.model.logits(&graph, input).softmax().top_k(1)?;
        Ok(best.into_iter().flatten().unzip())
    }

    fn shown(&self, words: &[String], tags: &[u32]) -> String {
        let name = |tag: &u32| self.saved.tags.name(*tag).unwrap_or_default();
        words.iter().zip(tags).map(|(word, tag)| format!("{word}/{}", name(tag))).collect::<Vec<_>>().join(" ")
    }
}

impl Task for Tagging {
    const NAME: &'static str = "tagging";
    const ABOUT: &'static str =
        "A tag for each word of a sentence, such as its part of speech, from words and characters";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "words";
    const DATA: &'static str = "";
    const NEEDS_DATA: bool = true;
    const SAMPLES: usize = 2;
    const OPTIONS: &'static [Opt] = &[
        Opt::ARCH,
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt::BIDIRECTIONAL,
        Opt {
            name: "word-column",
            value: "N",
            kind: Kind::Count(0..=1000),
            help: "The column with the words, from 1; 0 for the first, or the second of ten (CoNLL-U)",
        },
        Opt {
            name: "tag-column",
            value: "N",
            kind: Kind::Count(0..=1000),
            help: "The column with the tags, from 1; 0 for the second, or the fourth of ten (CoNLL-U)",
        },
        Opt { name: "batch-rows", value: "SENTENCES", kind: Kind::Count(1..=1_000_000), help: "Sentences in a batch" },
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Vec<Tagged>;
    type Batch = Batch;
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(8, 4e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let usual = if data.is_conllu()? { [2, 4] } else { [1, 2] };
        let chosen = [settings.word_column, settings.tag_column];
        let columns = [0, 1].map(|i| if chosen[i] == 0 { usual[i] } else { chosen[i] });
        let (file, [train, dev, test]) = (data.name(), data.sentences(&columns)?);
        let words = || train.iter().flat_map(|sentence| &sentence.columns[0]);
        let tags = train.iter().flat_map(|sentence| sentence.columns[1].iter().map(|tag| (sentence.line, tag)));
        let saved = Saved {
            arch: settings.arch,
            cell: settings.cell,
            layers: settings.layers,
            word_size: 128,
            character_size: 48,
            hidden_size: settings.hidden,
            heads: (1..=4).rev().find(|heads| settings.hidden.is_multiple_of(*heads)).unwrap_or(1),
            bidirectional: settings.bidirectional,
            dropout: 0.4,
            columns,
            tags: LabelSet::collect(&file, tags)?,
            characters: Vocabulary::count(words().flat_map(|word| word.chars()).map(String::from), LEAST, MOST)?,
            words: Vocabulary::count(words().map(|word| word.to_lowercase()), LEAST, MOST)?,
        };
        let parts = Parts {
            train: saved.sentences(&file, train)?,
            dev: saved.sentences(&file, dev)?,
            test: saved.sentences(&file, test)?,
        };
        Ok(Prepared { saved, tokenizer: None, parts })
    }

    fn restore(saved: Saved, _tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Tagging> {
        let Saved { cell, layers, word_size, character_size, hidden_size, heads, bidirectional, dropout, .. } = saved;
        check_sizes(
            &[
                ("layers", layers),
                ("word_size", word_size),
                ("character_size", character_size),
                ("hidden_size", hidden_size),
                ("heads", heads),
                ("the number of words", saved.words.len()),
                ("the number of characters", saved.characters.len()),
                ("the number of tags", saved.tags.len()),
            ],
            dropout,
        )?;
        let config = TaggerConfig {
            words: saved.words.len(),
            characters: saved.characters.len(),
            tags: saved.tags.len(),
            word_size,
            character_size,
            cell,
            reader: match saved.arch {
                Arch::Recurrent => TaggerReader::Recurrent { bidirectional },
                Arch::Transformer => TaggerReader::Transformer { heads },
            },
            layers,
            hidden_size,
            dropout,
        };
        Ok(Tagging { model: Tagger::new(params, &config), saved })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn examples(&self, data: &Data) -> Result<Vec<Tagged>> {
        self.saved.sentences(&data.name(), data.all_sentences(&self.saved.columns)?)
    }

    fn lengths(&self, sentences: &Vec<Tagged>) -> Vec<(usize, usize)> {
        sentences.iter().map(|sentence| (0, sentence.words.len())).collect()
    }

    fn batch(&self, sentences: &Vec<Tagged>, rows: &[usize], _draw: Option<Draw>) -> Result<Batch> {
        let rows: Vec<&Tagged> = rows.iter().map(|row| &sentences[*row]).collect();
        let tags = rows.iter().flat_map(|sentence| &sentence.tags).copied().collect();
        Ok(Batch { input: self.saved.input(&rows), tags })
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.tags.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.tags.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        self.model.logits(graph, &batch.input).cross_entropy(&batch.tags).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Effort) -> Result<Vec<Vec<u32>>> {
        let mut tags = self.tags(params, &batch.input)?.0.into_iter();
        Ok(batch.input.words.lengths.iter().map(|&length| tags.by_ref().take(length).collect()).collect())
    }

    fn score(&self, sentences: &Vec<Tagged>, answers: &[Vec<u32>]) -> Result<Score> {
        let right: Vec<u32> = sentences.iter().flat_map(|sentence| &sentence.tags).copied().collect();
        Ok(accuracy(&answers.concat(), &right)?.into())
    }

    fn notes(&self, parts: &Parts<Vec<Tagged>>) -> Vec<String> {
        let unknown = |part: &[Tagged]| {
            let ids = part.iter().flat_map(|sentence| &sentence.ids);
            let (unknown, all) =
                ids.fold((0, 0), |(n, all), id| (n + usize::from(*id == Specials::FIXED.unk), all + 1));
            100.0 * unknown as f64 / f64::from(all.max(1))
        };
        vec![format!(
            "{} words and {} tags known; of the words of dev {:.1} % are not, of test {:.1} %",
            self.saved.words.len(),
            self.saved.tags.len(),
            unknown(&parts.dev),
            unknown(&parts.test)
        )]
    }

    /// The most frequent tag of each word of the train part, and of all words for those it does not have.
    fn baselines(&self, parts: &Parts<Vec<Tagged>>) -> Result<Vec<(&'static str, f64)>> {
        let none = || vec![0u64; self.saved.tags.len()];
        let (mut of_word, mut of_all) = (BTreeMap::<&str, Vec<u64>>::new(), none());
        for (word, tag) in parts.train.iter().flat_map(|sentence| sentence.words.iter().zip(&sentence.tags)) {
            of_word.entry(word).or_insert_with(none)[*tag as usize] += 1;
            of_all[*tag as usize] += 1;
        }
        // Of equals the first.
        let most = |counts: &[u64]| (0..counts.len()).rev().max_by_key(|tag| counts[*tag]).unwrap_or(0) as u32;
        let words = parts.test.iter().flat_map(|sentence| &sentence.words);
        let guesses: Vec<u32> = words.map(|word| most(of_word.get(word.as_str()).unwrap_or(&of_all))).collect();
        let right: Vec<u32> = parts.test.iter().flat_map(|sentence| &sentence.tags).copied().collect();
        Ok(vec![("most_frequent_tag", accuracy(&guesses, &right)?)])
    }

    fn row(&self, sentences: &Vec<Tagged>, number: usize, answer: &Vec<u32>) -> Vec<(&'static str, String)> {
        let Tagged { words, tags, .. } = &sentences[number];
        vec![("right", self.shown(words, tags)), ("model", self.shown(words, answer))]
    }

    fn figures(&self, _params: &Params, test: &Vec<Tagged>, answers: &[Vec<u32>]) -> Result<Vec<Figure>> {
        let right: Vec<u32> = test.iter().flat_map(|sentence| &sentence.tags).copied().collect();
        Ok(vec![Figure::confusion(&answers.concat(), &right, self.saved.tags.names().to_vec())?])
    }

    /// Words with spaces between, as `word/TAG`; the score is the sum of the tags' log-probabilities.
    fn predict(&self, params: &Params, line: &str, _ask: &Ask) -> Result<Prediction> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return Ok(Prediction::default());
        }
        let sentence = self.saved.sentence(words, vec![]);
        let (tags, probabilities) = self.tags(params, &self.saved.input(&[&sentence]))?;
        let line = self.shown(&sentence.words, &tags);
        let score = probabilities.iter().map(|p| p.ln()).sum();
        Ok(Prediction { best: vec![(line.clone(), score)], line, attention: None })
    }
}
