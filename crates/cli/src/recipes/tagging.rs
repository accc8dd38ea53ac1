//! From words to a tag for each: parts of speech, from the words and their characters.

use super::*;
use std::collections::BTreeMap;
use unspool::{
    models::{Tagger, TaggerConfig, TaggerInput, TaggerReader},
    nn::CellKind,
    text::{LabelSet, Padded, Place, Sentence, Specials, Vocabulary, score::accuracy},
};

/// A word that the train part has once is no more known than one it does not have, so that the model learns what to do
/// with those.
const LEAST: u64 = 2;

/// More words than this are not known.
const MOST: usize = 50_000;

/// Words are looked up composed, so that `é` is one character however it was typed.
const NORMALIZATION: Normalization = Normalization::Nfc;

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
    hidden_size: usize,
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
            hidden_size: 128,
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
    /// The normal form that words and their characters are looked up in: composed, or none in a model from before there
    /// was one.
    #[serde(default)]
    normalization: Normalization,
    tags: LabelSet,
    characters: Vocabulary,
    words: Vocabulary,
}

impl Saved {
    fn sentence(&self, words: Vec<String>, tags: Vec<u32>, unknown: Vec<String>) -> Tagged {
        let id = |word: &String| self.words.id_or_unknown(&self.normalization.apply(word).to_lowercase());
        let ids = words.iter().map(id).collect();
        Tagged { words, ids, tags, unknown }
    }

    /// A sentence of nothing but what a file leaves out has no words, and is no row.
    fn sentences(
        &self,
        exchange: &dyn Exchange,
        purpose: Purpose,
        sentences: &Stream<Sentence>,
    ) -> Result<Rows<Tagged>> {
        let has_words = |read: &Result<Sentence>| read.as_ref().map_or(true, |found| !found.columns[0].is_empty());
        let file = &sentences.file;
        let rows = Rows::new(exchange, purpose, sentences.rows()?.filter(has_words), |sentence| {
            let Ok([words, tags]) = <[Vec<String>; 2]>::try_from(sentence.columns) else {
                return Err(Error::failure(format!("{file}: a word has no tag"), ""));
            };
            let place = |word: usize| Place::new(file, sentence.line + word as u64);
            let mut unknown = vec![];
            let id = |(word, tag): (usize, &String)| match (self.tags.id(tag), purpose) {
                (Some(id), _) => Ok(id),
                (None, Purpose::Training) => Ok(self.tags.id_at(|| place(word), tag)?),
                (None, Purpose::Scoring) => {
                    unknown.push(tag.clone());
                    Ok(self.tags.len() as u32)
                }
            };
            let tags = tags.iter().enumerate().map(id).collect::<Result<_>>()?;
            Ok(self.sentence(words, tags, unknown))
        })?;
        let words = rows.owned().iter().map(|sentence| sentence.words.len()).sum::<usize>();
        match rows.owned().iter().find_map(|sentence| sentence.unknown.first()) {
            Some(first) if unknown(&rows).count == words => {
                let what = format!("{file}: no word has one of the tags of the train part; the first has `{first}`");
                Err(Error::failure(what, format!("the tags are {}", some(self.tags.names()))))
            }
            _ => Ok(rows),
        }
    }

    fn input(&self, sentences: &[&Tagged]) -> TaggerInput {
        let mut numbers: BTreeMap<&str, u32> = BTreeMap::new();
        let (mut forms, mut form_of) = (vec![], vec![]);
        for word in sentences.iter().flat_map(|sentence| &sentence.words) {
            let number = *numbers.entry(word).or_insert_with(|| {
                let form = self.normalization.apply(word);
                forms.push(form.chars().map(|c| self.characters.id_or_unknown(c.encode_utf8(&mut [0; 4]))).collect());
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
#[derive(Serialize, Deserialize)]
pub(crate) struct Tagged {
    words: Vec<String>,
    ids: Vec<u32>,
    /// The number of tags for one that the train part does not have.
    tags: Vec<u32>,
    /// The tags that the train part does not have, in the order of their words.
    unknown: Vec<String>,
}

impl Example for Tagged {
    fn lengths(&self) -> (usize, usize) {
        (0, self.words.len())
    }
}

/// The tags of all words of a part that is scored.
fn right(sentences: &Rows<Tagged>) -> Vec<u32> {
    sentences.owned().iter().flat_map(|sentence| &sentence.tags).copied().collect()
}

/// Tags of a part that is scored which the train part does not have.
fn unknown(sentences: &Rows<Tagged>) -> UnknownLabels<'_> {
    UnknownLabels::of(sentences.owned().iter().flat_map(|sentence| &sentence.unknown).map(String::as_str))
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
        let logits = self.model.logits(&graph, input);
        let best = logits.layout().unpack(&logits.rows().softmax().top_k(1)?.concat());
        Ok(best.into_iter().flatten().unzip())
    }

    /// Words with their tags; those that the train part does not have are in `unknown`, in their order.
    fn shown(&self, words: &[String], tags: &[u32], unknown: &[String]) -> String {
        let mut unknown = unknown.iter();
        let mut name =
            |tag: &u32| self.saved.tags.name(*tag).or_else(|| unknown.next().map(String::as_str)).unwrap_or_default();
        words.iter().zip(tags).map(|(word, tag)| format!("{word}/{}", name(tag))).collect::<Vec<_>>().join(" ")
    }
}

/// The tags, characters and words of the train part.
fn learned(train: &Stream<Sentence>) -> Result<(LabelSet, Vocabulary, Vocabulary)> {
    let column = |mut sentence: Sentence, number: usize| std::mem::take(&mut sentence.columns[number]);
    let tags = train.read(|sentences| {
        let tags = sentences.flat_map(|sentence| {
            let line = sentence.line;
            column(sentence, 1).into_iter().map(move |tag| (line, tag))
        });
        LabelSet::collect(&train.file, tags)
    })??;
    let characters = train.read(|sentences| {
        let words = sentences.flat_map(|sentence| column(sentence, 0));
        let characters = |word: String| NORMALIZATION.apply(&word).chars().map(String::from).collect::<Vec<_>>();
        Vocabulary::count(words.flat_map(characters), LEAST, MOST)
    })??;
    let words = train.read(|sentences| {
        let words = sentences.flat_map(|sentence| column(sentence, 0));
        Vocabulary::count(words.map(|word| NORMALIZATION.apply(&word).to_lowercase()), LEAST, MOST)
    })??;
    Ok((tags, characters, words))
}

/// Added up place by place.
fn summed(counts: &[Vec<u64>]) -> Vec<u64> {
    let places = counts.first().map_or(0, Vec::len);
    (0..places).map(|place| counts.iter().filter_map(|counts| counts.get(place)).sum()).collect()
}

impl Task for Tagging {
    const NAME: &'static str = "tagging";
    const ABOUT: &'static str =
        "Tag each word of a sentence, such as with its part of speech, from words and characters";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "words";
    const DATA_HELP: &'static str = "File with a word per line, its columns separated by tabs, and a blank line after each sentence (CoNLL, CoNLL-U). \
         One file, which is divided by a hash of each sentence; three (TRAIN DEV TEST); or a folder with one file whose \
         name contains `train`, one with `dev`, and one with `test`";
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
            help: "Column of the words, counted from 1; 0 for the first, or for the second of ten (CoNLL-U)",
        },
        Opt {
            name: "tag-column",
            value: "N",
            kind: Kind::Count(0..=1000),
            help: "Column of the tags, counted from 1; 0 for the second, or for the fourth of ten (CoNLL-U)",
        },
        Opt::batch_rows("SENTENCES", "Sentences per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Rows<Tagged>;
    type Batch = Batch;
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(8, 4e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let usual = if data.is_conllu()? { [2, 4] } else { [1, 2] };
        let chosen = [settings.word_column, settings.tag_column];
        let columns = [0, 1].map(|i| if chosen[i] == 0 { usual[i] } else { chosen[i] });
        let (sentences, exchange) = (data.sentences(&columns)?, data.exchange());
        let (tags, characters, words) = broadcast(exchange, || learned(&sentences.train))?;
        let saved = Saved {
            arch: settings.arch,
            cell: settings.cell,
            layers: settings.layers,
            word_size: 128,
            character_size: 48,
            hidden_size: settings.hidden_size,
            heads: (1..=4).rev().find(|heads| settings.hidden_size.is_multiple_of(*heads)).unwrap_or(1),
            bidirectional: settings.bidirectional,
            dropout: 0.4,
            columns,
            normalization: NORMALIZATION,
            tags,
            characters,
            words,
        };
        let parts = sentences.make(|purpose, sentences| saved.sentences(exchange, purpose, sentences))?;
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

    fn examples(&self, data: &Data) -> Result<Rows<Tagged>> {
        let sentences = data.all_sentences(&self.saved.columns)?;
        self.saved.sentences(data.exchange(), Purpose::Scoring, &sentences)
    }

    fn lengths(&self, sentences: &Rows<Tagged>) -> Vec<(usize, usize)> {
        sentences.lengths().to_vec()
    }

    fn fetch(&self, train: &mut Rows<Tagged>, needed: &[Vec<usize>], exchange: &dyn Exchange) -> Result<()> {
        train.fetch(needed, exchange)
    }

    fn batch(&self, sentences: &Rows<Tagged>, rows: &[usize], _draw: Option<RngKey>) -> Result<Batch> {
        let rows = sentences.chosen(rows)?;
        let tags = rows.iter().flat_map(|sentence| &sentence.tags).copied().collect();
        Ok(Batch { input: self.saved.input(&rows), tags })
    }

    fn weight(&self, batch: &Batch) -> usize {
        count_of_known(&batch.tags, self.saved.tags.len())
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.tags.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        labels_loss(&self.model.logits(graph, &batch.input), &batch.tags)
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<Vec<u32>>> {
        let mut tags = self.tags(params, &batch.input)?.0.into_iter();
        Ok(batch.input.words.lengths.iter().map(|&length| tags.by_ref().take(length).collect()).collect())
    }

    fn score(&self, sentences: &Rows<Tagged>, answers: &[Vec<u32>]) -> Result<Score> {
        let value = accuracy(&answers.concat(), &right(sentences))?;
        Ok(Score { value, signature: None, more: unknown(sentences).score().into_iter().collect() })
    }

    fn notes(&self, parts: &Parts<Rows<Tagged>>) -> Vec<String> {
        let words_unknown = |part: &Rows<Tagged>| {
            let ids = part.owned().iter().flat_map(|sentence| &sentence.ids);
            let (unknown, all) =
                ids.fold((0, 0), |(n, all), id| (n + usize::from(*id == Specials::FIXED.unk), all + 1));
            100.0 * unknown as f64 / f64::from(all.max(1))
        };
        let mut notes = vec![format!(
            "{} words and {} tags known; of the words of dev {:.1} % are not, of test {:.1} %",
            self.saved.words.len(),
            self.saved.tags.len(),
            words_unknown(&parts.dev),
            words_unknown(&parts.test)
        )];
        notes.extend(
            [("dev", &parts.dev), ("test", &parts.test)]
                .iter()
                .filter_map(|(name, part)| unknown(part).note(name, "tag")),
        );
        notes
    }

    /// The most frequent tag of each word of the train part, and of all words for those it does not have. Each process
    /// counts its own sentences.
    fn baselines(&self, parts: &Parts<Rows<Tagged>>, exchange: &dyn Exchange) -> Result<Vec<(&'static str, f64)>> {
        let none = || vec![0u64; self.saved.tags.len()];
        let asked = || parts.test.owned().iter().flat_map(|sentence| &sentence.words);
        let mut of_word: BTreeMap<&str, Vec<u64>> = asked().map(|word| (word.as_str(), none())).collect();
        let mut of_all = none();
        for (word, tag) in parts.train.owned().iter().flat_map(|sentence| sentence.words.iter().zip(&sentence.tags)) {
            of_all[*tag as usize] += 1;
            if let Some(counts) = of_word.get_mut(word.as_str()) {
                counts[*tag as usize] += 1;
            }
        }
        let counted: Vec<u64> = of_word.values().chain([&of_all]).flatten().copied().collect();
        let counted = summed(&all_gather(exchange, counted)?);
        let mut counted = counted.chunks(self.saved.tags.len());
        let of_word: BTreeMap<&str, &[u64]> = of_word.into_keys().zip(counted.by_ref()).collect();
        let of_all = counted.next().unwrap_or_default();
        // Of equals the first.
        let most = |counts: &[u64]| (0..counts.len()).rev().max_by_key(|tag| counts[*tag]).unwrap_or(0) as u32;
        let seen = |word: &str| of_word.get(word).copied().filter(|counts| counts.iter().any(|count| *count > 0));
        let guesses: Vec<u32> = asked().map(|word| most(seen(word).unwrap_or(of_all))).collect();
        Ok(vec![("most_frequent_tag", accuracy(&guesses, &right(&parts.test))?)])
    }

    fn row(&self, sentences: &Rows<Tagged>, number: usize, answer: &Vec<u32>) -> Vec<(&'static str, String)> {
        let Some(Tagged { words, tags, unknown, .. }) = sentences.get(number) else { return vec![] };
        vec![("right", self.shown(words, tags, unknown)), ("model", self.shown(words, answer, &[]))]
    }

    fn figures(&self, _params: &Params, test: &Rows<Tagged>, answers: &[Vec<u32>]) -> Result<Vec<Figure>> {
        let right = right(test);
        Ok(vec![Figure::confusion(&answers.concat(), &right, with_unknown(self.saved.tags.names(), &right))?])
    }

    /// Words with spaces between, as `word/TAG`; the score is the sum of the tags' log-probabilities.
    fn predict(&self, params: &Params, line: &str, _ask: &Ask) -> Result<Prediction> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        if words.is_empty() {
            return Ok(Prediction::default());
        }
        let sentence = self.saved.sentence(words, vec![], vec![]);
        let (tags, probabilities) = self.tags(params, &self.saved.input(&[&sentence]))?;
        let line = self.shown(&sentence.words, &tags, &[]);
        let score = probabilities.iter().map(|p| p.ln()).sum();
        Ok(Prediction { best: vec![(line.clone(), score)], line, ..Prediction::default() })
    }
}
