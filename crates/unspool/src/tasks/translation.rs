//! From sentences to sentences: an encoder, and a decoder that attends.

use super::*;
use crate::program::data::Columns;
use serde::Deserialize;
use unspool::{
    models::{Translator, TranslatorConfig},
    nn::decoding::{Beam, Hypothesis, LengthPenalty},
    text::{Padded, TeacherForcing, TokenKind, TokenizerOptions, score::Bleu, truncate},
};

/// Translations are searched for with so many kept at each step.
const BEAM: usize = 5;

/// Maps of attention in the report.
const MAPS: usize = 5;

/// A translator.
pub(crate) struct Translation {
    saved: Saved,
    tokenizer: Tokenizer,
    model: Translator,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    hidden: usize,
    source: Option<String>,
    target: Option<String>,
    vocabulary: usize,
    longest: usize,
    batch_tokens: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let TranslatorConfig { hidden_size, vocabulary_size, .. } = TranslatorConfig::default();
        Settings {
            hidden: hidden_size,
            source: None,
            target: None,
            vocabulary: vocabulary_size,
            longest: 100,
            batch_tokens: 1200,
        }
    }
}

impl Settings {
    fn columns(&self) -> Columns<'_> {
        Columns {
            options: [("source", self.source.as_deref()), ("target", self.target.as_deref())],
            usual: ["swedish", "english"],
        }
    }
}

/// What a translation needs beside tokenizer and weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    source: String,
    target: String,
    longest: usize,
    model: TranslatorConfig,
}

impl Translation {
    /// The likeliest translations of each sentence, `best` at most of each.
    fn search(&self, params: &Params, source: &Padded, best: usize) -> Result<Vec<Vec<Hypothesis>>> {
        let beam = Beam::new(BEAM.max(best)).best(best).penalty(LengthPenalty::Average);
        Ok(self.model.decoding(source).beam(&mut self.model.steps(params, source)?, &beam)?)
    }

    fn greedy(&self, params: &Params, source: &Padded) -> Result<Vec<String>> {
        let found = self.model.decoding(source).greedy(&mut self.model.steps(params, source)?)?;
        found.iter().map(|found| self.text(found)).collect()
    }

    /// What was looked at for each token that was written.
    fn looked(&self, source: &[u32], found: &Hypothesis) -> Option<Attention> {
        let piece = |id: &u32| self.tokenizer.decode(&[*id]).unwrap_or_default();
        let mut rows: Vec<String> = found.tokens.iter().map(piece).collect();
        let weights: Vec<Vec<f64>> = found.attention.as_ref()?.rows().into_iter().map(|row| row.to_vec()).collect();
        // The end token was looked for, too.
        rows.resize(weights.len(), String::new());
        Some(Attention { rows, columns: source.iter().map(piece).collect(), weights })
    }

    fn text(&self, found: &Hypothesis) -> Result<String> {
        Ok(one_line(&self.tokenizer.decode(&found.tokens)?))
    }
}

/// Bytes are tokens too, so that a model can write the end of a line; a translation is one line.
fn one_line(text: &str) -> String {
    text.trim().replace(['\n', '\r'], " ")
}

/// A translation as the search finds it, and as the likeliest token at each step makes it.
pub(crate) struct Translated {
    best: String,
    greedy: String,
}

/// Sentences and their translations, as tokens.
pub(crate) struct Pairs {
    sources: Vec<Vec<u32>>,
    targets: Vec<Vec<u32>>,
    source_texts: Vec<String>,
    references: Vec<String>,
    cut: usize,
}

impl Pairs {
    fn new(table: &Table, tokenizer: &Tokenizer, longest: usize) -> Result<Pairs> {
        let column = |i: usize| table.rows.iter().map(|row| row[i].to_owned()).collect::<Vec<String>>();
        let (source_texts, references) = (column(0), column(1));
        let mut sources = tokenizer.encode_all(&source_texts)?;
        let mut targets = tokenizer.encode_all(&references)?;
        let cut = truncate(&mut sources, longest).rows + truncate(&mut targets, longest).rows;
        // A text may come to no tokens at all; an encoder needs one.
        let unknown = tokenizer.specials().unk;
        sources.iter_mut().filter(|ids| ids.is_empty()).for_each(|ids| ids.push(unknown));
        Ok(Pairs { sources, targets, source_texts, references, cut })
    }
}

impl Task for Translation {
    const NAME: &'static str = "translation";
    const ABOUT: &'static str =
        "From sentences to sentences in another language: an encoder, and a decoder that attends";
    const METRIC: Metric = Metric { name: "bleu", digits: 2, less_is_better: false };
    const DATA: &'static str = "tatoeba-eng-swe";
    const SAMPLES: usize = 3;
    const OPTIONS: &'static [Opt] = &[
        Opt::HIDDEN,
        Opt {
            name: "source",
            value: "COLUMN",
            kind: Kind::Text,
            help: "The column to translate from [default: swedish; korean for tatoeba-eng-kor]",
        },
        Opt {
            name: "target",
            value: "COLUMN",
            kind: Kind::Text,
            help: "The column to translate into [default: english]",
        },
        Opt {
            name: "vocabulary",
            value: "TOKENS",
            kind: Kind::Count(300..=65_000),
            help: "Entries in the vocabulary of both languages together",
        },
        Opt {
            name: "longest",
            value: "TOKENS",
            kind: Kind::Count(1..=10_000),
            help: "Tokens of a sentence that are read; what is longer is cut, and counted",
        },
        Opt {
            name: "batch-tokens",
            value: "TOKENS",
            kind: Kind::Count(1..=10_000_000),
            help: "Tokens in a batch on its longer side, padding counted",
        },
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Pairs;
    type Batch = (Padded, TeacherForcing);
    type Answer = Translated;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(7, 3e-3, BatchSize::Tokens(settings.batch_tokens))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let splits = data.splits(&settings.columns())?;
        // The tokenizer is trained on the train part alone.
        let texts = splits.train.rows.iter().flat_map(|row| [&row[0], &row[1]]);
        let options = TokenizerOptions { vocabulary_size: settings.vocabulary, ..TokenizerOptions::default() };
        let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, texts, &options)?;
        let parts = Parts::of(&splits, |table| Pairs::new(table, &tokenizer, settings.longest))?;
        let model = TranslatorConfig {
            vocabulary_size: tokenizer.vocabulary_size(),
            hidden_size: settings.hidden,
            ..TranslatorConfig::default()
        };
        let [source, target] = splits.columns;
        let saved = Saved { source, target, longest: settings.longest, model };
        Ok(Prepared { saved, tokenizer: Some(tokenizer), parts })
    }

    fn restore(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Translation> {
        let sizes = &saved.model;
        check_sizes(
            &[
                ("longest", saved.longest),
                ("vocabulary_size", sizes.vocabulary_size),
                ("embedding_size", sizes.embedding_size),
                ("hidden_size", sizes.hidden_size),
            ],
            sizes.dropout,
        )?;
        let tokenizer = check_tokenizer(tokenizer, sizes.vocabulary_size)?;
        let model = Translator::new(params, sizes);
        Ok(Translation { saved, tokenizer, model })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn tokenizer(&self) -> Option<&Tokenizer> {
        Some(&self.tokenizer)
    }

    fn examples(&self, data: &Data) -> Result<Pairs> {
        let usual = [self.saved.source.as_str(), self.saved.target.as_str()];
        let table = data.table(&Columns { options: [("source", None), ("target", None)], usual })?;
        Pairs::new(&table, &self.tokenizer, self.saved.longest)
    }

    fn lengths(&self, pairs: &Pairs) -> Vec<(usize, usize)> {
        pairs.sources.iter().zip(&pairs.targets).map(|(source, target)| (source.len(), target.len() + 1)).collect()
    }

    fn batch(&self, pairs: &Pairs, rows: &[usize], _draw: Option<Draw>) -> Result<(Padded, TeacherForcing)> {
        let specials = self.tokenizer.specials();
        let sources: Vec<&[u32]> = rows.iter().map(|row| pairs.sources[*row].as_slice()).collect();
        let targets: Vec<&[u32]> = rows.iter().map(|row| pairs.targets[*row].as_slice()).collect();
        Ok((Padded::new(&sources, specials.pad), TeacherForcing::new(&targets, specials)))
    }

    fn weight(&self, (_, target): &(Padded, TeacherForcing)) -> usize {
        target.tokens()
    }

    fn tokens(&self, (source, target): &(Padded, TeacherForcing)) -> usize {
        source.tokens() + target.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (source, target): &(Padded, TeacherForcing), _progress: f64) -> Var<'g> {
        self.model.loss(graph, source, target, self.saved.model.smoothing)
    }

    fn answers(
        &self,
        params: &Params,
        (source, _): &(Padded, TeacherForcing),
        effort: Effort,
    ) -> Result<Vec<Translated>> {
        let greedy = self.greedy(params, source)?;
        if effort == Effort::Quick {
            return Ok(greedy.into_iter().map(|text| Translated { best: text.clone(), greedy: text }).collect());
        }
        let best = self.search(params, source, 1)?;
        best.iter()
            .zip(greedy)
            .map(|(found, greedy)| {
                let best = found.first().map_or(Ok(String::new()), |found| self.text(found))?;
                Ok(Translated { best, greedy })
            })
            .collect()
    }

    fn score(&self, pairs: &Pairs, answers: &[Translated]) -> Result<Score> {
        let bleu = |answer: fn(&Translated) -> &str| {
            Bleu::default().score(&answers.iter().map(answer).collect::<Vec<_>>(), &[&pairs.references])
        };
        let (best, greedy) = (bleu(|answer| &answer.best)?, bleu(|answer| &answer.greedy)?);
        Ok(Score { value: best.score, signature: Some(best.signature), more: vec![("bleu_greedy", greedy.score)] })
    }

    fn notes(&self, parts: &Parts<Pairs>) -> Vec<String> {
        let Saved { source, target, longest, model } = &self.saved;
        let mut notes = vec![format!("{source} to {target}, {} tokens in the vocabulary", model.vocabulary_size)];
        let cut = parts.train.cut + parts.dev.cut + parts.test.cut;
        if cut > 0 {
            notes.push(format!("{cut} sentences were cut to {longest} tokens"));
        }
        notes
    }

    fn row(&self, pairs: &Pairs, number: usize, answer: &Translated) -> Vec<(&'static str, String)> {
        vec![
            ("source", pairs.source_texts[number].clone()),
            ("reference", pairs.references[number].clone()),
            ("model", answer.best.clone()),
        ]
    }

    fn figures(&self, params: &Params, test: &Pairs, _answers: &[Translated]) -> Result<Vec<Figure>> {
        let shown = (0..test.sources.len()).filter(|row| test.sources[*row].len() > 3).take(MAPS);
        let mut figures = vec![];
        for row in shown {
            let ids = &test.sources[row];
            let source = Padded::new(std::slice::from_ref(ids), self.tokenizer.specials().pad);
            let found = self.search(params, &source, 1)?.into_iter().flatten().next();
            if let Some(map) = found.and_then(|found| self.looked(ids, &found)) {
                figures.push(Figure::Attention {
                    title: format!("Who looks where: {}", test.source_texts[row]),
                    map: map.over_words(),
                });
            }
        }
        Ok(figures)
    }

    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let mut ids = self.tokenizer.encode(line.trim())?;
        if ids.is_empty() {
            return Ok(Prediction::default());
        }
        ids.truncate(self.saved.longest);
        let source = Padded::new(std::slice::from_ref(&ids), self.tokenizer.specials().pad);
        let found = self.search(params, &source, ask.best.max(1))?.into_iter().next().unwrap_or_default();
        let best = found.iter().map(|found| Ok((self.text(found)?, found.score))).collect::<Result<Vec<_>>>()?;
        let line = best.first().map_or(String::new(), |(text, _)| text.clone());
        let attention = found.first().filter(|_| ask.attention).and_then(|found| self.looked(&ids, found));
        Ok(Prediction { line, best, attention })
    }
}
