//! From sentences to sentences: an encoder, and a decoder that attends.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use unspool::{
    models::{Teaching, TransformerTranslator, TransformerTranslatorConfig, Translator, TranslatorConfig},
    nn::{
        CellKind, TruthSchedule,
        decoding::{Beam, Decoding, Hypothesis, LengthPenalty, StepFunction},
    },
    text::{Padded, TeacherForcing, TokenKind, TokenizerOptions, score::Bleu},
};
use unspool_task::Columns;

/// Translations are searched for with so many kept at each step.
const BEAM: usize = 5;

/// Maps of attention in the report.
const MAPS: usize = 5;

/// Of the right token's probability in training, this share goes to all tokens alike.
const SMOOTHING: f64 = 0.1;

/// The decoder's own tokens come in over a training's thousandths, until every other token is one.
const SCHEDULE: TruthSchedule = TruthSchedule::Linear { start: 1.0, slope: 0.5e-3, least: 0.5 };

/// A translator.
pub(crate) struct Translation {
    saved: Saved,
    tokenizer: Tokenizer,
    model: Model,
}

enum Model {
    Recurrent(Translator),
    Transformer(TransformerTranslator),
}

/// What the decoder looks at.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum AttentionKind {
    /// All that the encoder wrote.
    Additive,
    /// What the encoder ended with.
    None,
}

/// Which tokens the decoder reads in training.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Policy {
    Always,
    Scheduled,
    Never,
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
    attention: AttentionKind,
    without_attention: bool,
    teacher_forcing: Policy,
    source: Option<String>,
    target: Option<String>,
    vocabulary: usize,
    max_length: usize,
    batch_tokens: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let TranslatorConfig { cell, layers, hidden_size, vocabulary_size, .. } = TranslatorConfig::default();
        Settings {
            arch: Arch::Recurrent,
            cell,
            layers,
            hidden_size,
            attention: AttentionKind::Additive,
            without_attention: false,
            teacher_forcing: Policy::Always,
            source: None,
            target: None,
            vocabulary: vocabulary_size,
            max_length: 100,
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
    max_length: usize,
    arch: Arch,
    vocabulary_size: usize,
    embedding_size: usize,
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    heads: usize,
    attention: AttentionKind,
    dropout: f64,
    teacher_forcing: Policy,
}

impl Translation {
    /// How a batch is translated: the rules, and the model's steps.
    fn steps<'p>(&'p self, params: &'p Params, source: &Padded) -> Result<(Decoding, Box<dyn StepFunction + 'p>)> {
        Ok(match &self.model {
            Model::Recurrent(model) => (model.decoding(source), Box::new(model.steps(params, source)?)),
            Model::Transformer(model) => (model.decoding(source), Box::new(model.steps(params, source)?)),
        })
    }

    /// The likeliest translations of each sentence, `best` at most of each.
    fn search(&self, params: &Params, source: &Padded, best: usize) -> Result<Vec<Vec<Hypothesis>>> {
        let beam = Beam::new(BEAM.max(best)).best(best).penalty(LengthPenalty::Average);
        let (decoding, mut steps) = self.steps(params, source)?;
        Ok(decoding.beam(&mut steps, &beam)?)
    }

    fn greedy(&self, params: &Params, source: &Padded) -> Result<Vec<String>> {
        let (decoding, mut steps) = self.steps(params, source)?;
        decoding.greedy(&mut steps)?.iter().map(|found| self.text(found)).collect()
    }

    /// What was looked at for each token that was written.
    fn looked(&self, source: &[u32], found: &Hypothesis) -> Option<Attention> {
        // A character in several tokens stands at the last of them.
        let pieces = |ids: &[u32]| self.tokenizer.decode_pieces(ids).ok();
        let mut rows = pieces(&found.tokens)?;
        let weights: Vec<Vec<f64>> = found.attention.as_ref()?.rows().into_iter().map(|row| row.to_vec()).collect();
        // The end token was looked for, too.
        rows.resize(weights.len(), String::new());
        Some(Attention { rows, columns: pieces(source)?, weights })
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
#[derive(Serialize, Deserialize)]
pub(crate) struct Translated {
    best: String,
    greedy: String,
}

/// A sentence and its translation, as tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pair {
    source: Vec<u32>,
    target: Vec<u32>,
    /// Empty in the train part, of which nothing is shown.
    source_text: String,
    reference: String,
}

impl Example for Pair {
    fn lengths(&self) -> (usize, usize) {
        (self.source.len(), self.target.len() + 1)
    }
}

/// Sentences and their translations.
pub(crate) struct Pairs {
    rows: Rows<Pair>,
    /// How many sentences were cut.
    cut: usize,
}

impl Pairs {
    fn new(
        exchange: &dyn Exchange,
        purpose: Purpose,
        table: &Stream<Row>,
        tokenizer: &Tokenizer,
        max_length: usize,
    ) -> Result<Pairs> {
        let cut = AtomicUsize::new(0);
        let rows = Rows::new(exchange, purpose, table.rows()?, |row| {
            let (source, source_cut) = encode(&row[0], tokenizer, max_length)?;
            let (target, target_cut) = encode(&row[1], tokenizer, max_length)?;
            cut.fetch_add(usize::from(source_cut) + usize::from(target_cut), Ordering::Relaxed);
            let [source_text, reference] = [0, 1].map(|i| purpose.shown(&row[i]));
            Ok(Pair { source, target, source_text, reference })
        })?;
        Ok(Pairs { rows, cut: all_gather(exchange, cut.into_inner())?.iter().sum() })
    }
}

impl Task for Translation {
    const NAME: &'static str = "translation";
    const ABOUT: &'static str = "Translate sentences with an encoder and a decoder with attention";
    const METRIC: Metric = Metric { name: "bleu", digits: 2, less_is_better: false };
    const DATA_HELP: &'static str = "TSV file with a header line that names its columns: one file, which is divided by a hash of each line; three \
         (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one with `test`. Or \
         six files of plain text, two for each part, in which equal lines belong together";
    const DATA: &'static str = "tatoeba-eng-swe";
    const SETS: &'static [DataSet] = &[data::TATOEBA_SWE, data::TATOEBA_KOR];
    const SAMPLES: usize = 3;
    const OPTIONS: &'static [Opt] = &[
        Opt::ARCH,
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt {
            name: "attention",
            value: "additive|none",
            kind: Kind::Choice(&["additive", "none"]),
            help: "Attention of a recurrent decoder: over all encoder states (additive), or only the last state (none)",
        },
        Opt {
            name: "without-attention",
            value: "true|false",
            kind: Kind::Switch,
            help: "Also train the same model without attention, for comparison",
        },
        Opt::TEACHER_FORCING,
        Opt {
            name: "source",
            value: "COLUMN",
            kind: Kind::Text,
            help: "Source column [default: swedish; korean for tatoeba-eng-kor]",
        },
        Opt { name: "target", value: "COLUMN", kind: Kind::Text, help: "Target column [default: english]" },
        Opt {
            name: "vocabulary",
            value: "TOKENS",
            kind: Kind::Count(300..=65_000),
            help: "Size of the vocabulary that both languages share",
        },
        Opt {
            name: "max-length",
            value: "TOKENS",
            kind: Kind::Count(1..=limits::LENGTH as u64),
            help: "Maximum length of a sentence; longer ones are cut, and their number is reported",
        },
        Opt {
            name: "batch-tokens",
            value: "TOKENS",
            kind: Kind::Count(1..=10_000_000),
            help: "Tokens per batch on its longer side, padding included",
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
        let (splits, [source, target]) = data.splits(&settings.columns())?;
        let exchange = data.exchange();
        // The tokenizer is trained on the train part alone.
        let tokenizer = trained(exchange, || {
            let options = TokenizerOptions { vocabulary_size: settings.vocabulary, ..TokenizerOptions::default() };
            let train = |rows: &mut dyn Iterator<Item = Row>| {
                Tokenizer::train(TokenKind::ByteLevelBpe, rows.flat_map(|row| row.fields), &options)
            };
            Ok(splits.train.read(train)??)
        })?;
        let parts =
            splits.make(|purpose, table| Pairs::new(exchange, purpose, table, &tokenizer, settings.max_length))?;
        let TranslatorConfig { embedding_size, dropout, .. } = TranslatorConfig::default();
        let saved = Saved {
            source,
            target,
            max_length: settings.max_length,
            arch: settings.arch,
            vocabulary_size: tokenizer.vocabulary_size(),
            embedding_size,
            cell: settings.cell,
            layers: settings.layers,
            hidden_size: settings.hidden_size,
            heads: (1..=4).rev().find(|heads| settings.hidden_size.is_multiple_of(*heads)).unwrap_or(1),
            attention: settings.attention,
            dropout,
            teacher_forcing: settings.teacher_forcing,
        };
        Ok(Prepared { saved, tokenizer: Some(tokenizer), parts })
    }

    fn restore(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Translation> {
        let Saved { vocabulary_size, embedding_size, cell, layers, hidden_size, heads, dropout, .. } = saved;
        check_sizes(
            &[
                ("max_length", saved.max_length),
                ("vocabulary_size", vocabulary_size),
                ("embedding_size", embedding_size),
                ("layers", layers),
                ("hidden_size", hidden_size),
                ("heads", heads),
            ],
            dropout,
        )?;
        let tokenizer = check_tokenizer(tokenizer, vocabulary_size)?;
        let model = match saved.arch {
            Arch::Recurrent => {
                let attention = saved.attention == AttentionKind::Additive;
                let sizes =
                    TranslatorConfig { vocabulary_size, embedding_size, cell, layers, hidden_size, attention, dropout };
                Model::Recurrent(Translator::new(params, &sizes))
            }
            Arch::Transformer => {
                let (size, feedforward) = (hidden_size, 4 * hidden_size);
                let sizes = TransformerTranslatorConfig { vocabulary_size, size, heads, feedforward, layers, dropout };
                Model::Transformer(TransformerTranslator::new(params, &sizes))
            }
        };
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
        Pairs::new(data.exchange(), Purpose::Scoring, &table, &self.tokenizer, self.saved.max_length)
    }

    fn lengths(&self, pairs: &Pairs) -> Vec<(usize, usize)> {
        pairs.rows.lengths().to_vec()
    }

    fn fetch(&self, train: &mut Pairs, needed: &[Vec<usize>], exchange: &dyn Exchange) -> Result<()> {
        train.rows.fetch(needed, exchange)
    }

    fn batch(&self, pairs: &Pairs, rows: &[usize], _draw: Option<RngKey>) -> Result<(Padded, TeacherForcing)> {
        let specials = self.tokenizer.specials();
        let rows = pairs.rows.chosen(rows)?;
        let sources: Vec<&[u32]> = rows.iter().map(|pair| pair.source.as_slice()).collect();
        let targets: Vec<&[u32]> = rows.iter().map(|pair| pair.target.as_slice()).collect();
        Ok((Padded::new(&sources, specials.pad), TeacherForcing::new(&targets, specials)))
    }

    fn weight(&self, (_, target): &(Padded, TeacherForcing)) -> usize {
        target.tokens()
    }

    fn tokens(&self, (source, target): &(Padded, TeacherForcing)) -> usize {
        source.tokens() + target.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (source, target): &(Padded, TeacherForcing), progress: f64) -> Var<'g> {
        let truth = match self.saved.teacher_forcing {
            Policy::Always => 1.0,
            Policy::Scheduled => SCHEDULE.at((1000.0 * progress) as u64),
            Policy::Never => 0.0,
        };
        let teaching = Teaching { smoothing: SMOOTHING, truth };
        match &self.model {
            Model::Recurrent(model) => model.loss(graph, source, target, teaching),
            Model::Transformer(model) => model.loss(graph, source, target, teaching),
        }
    }

    fn answers(
        &self,
        params: &Params,
        (source, _): &(Padded, TeacherForcing),
        effort: Search,
    ) -> Result<Vec<Translated>> {
        let greedy = self.greedy(params, source)?;
        if effort == Search::Quick {
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
        let references: Vec<&str> = pairs.rows.owned().iter().map(|pair| pair.reference.as_str()).collect();
        let bleu = |answer: fn(&Translated) -> &str| {
            Bleu::default().score(&answers.iter().map(answer).collect::<Vec<_>>(), &[&references])
        };
        let (best, greedy) = (bleu(|answer| &answer.best)?, bleu(|answer| &answer.greedy)?);
        Ok(Score { value: best.score, signature: Some(best.signature), more: vec![("bleu_greedy", greedy.score)] })
    }

    fn notes(&self, parts: &Parts<Pairs>) -> Vec<String> {
        let Saved { source, target, max_length, vocabulary_size, .. } = &self.saved;
        let mut notes = vec![format!("{source} to {target}, {vocabulary_size} tokens in the vocabulary")];
        let cut = parts.train.cut + parts.dev.cut + parts.test.cut;
        if cut > 0 {
            notes.push(format!("cut to {max_length} tokens: {}", counted(cut as u64, "sentence")));
        }
        notes
    }

    fn comparisons(settings: &Settings) -> Vec<(&'static str, Settings)> {
        let alike = settings.arch == Arch::Recurrent && settings.attention == AttentionKind::Additive;
        let wanted = settings.without_attention && alike;
        let rival = || Settings { attention: AttentionKind::None, without_attention: false, ..settings.clone() };
        if wanted { vec![("without_attention", rival())] } else { vec![] }
    }

    fn row(&self, pairs: &Pairs, number: usize, answer: &Translated) -> Vec<(&'static str, String)> {
        let Some(Pair { source_text, reference, .. }) = pairs.rows.get(number) else { return vec![] };
        vec![("source", source_text.clone()), ("reference", reference.clone()), ("model", answer.best.clone())]
    }

    fn figures(&self, params: &Params, test: &Pairs, _answers: &[Translated]) -> Result<Vec<Figure>> {
        let mut figures = vec![];
        for pair in test.rows.owned().iter().filter(|pair| pair.source.len() > 3).take(MAPS) {
            let ids = &pair.source;
            let source = Padded::new(std::slice::from_ref(ids), self.tokenizer.specials().pad);
            let found = self.search(params, &source, 1)?.into_iter().flatten().next();
            if let Some(map) = found.and_then(|found| self.looked(ids, &found)) {
                figures.push(Figure::Attention {
                    title: format!("Who looks where: {}", pair.source_text),
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
        let cut_to = (ids.len() > self.saved.max_length).then_some(self.saved.max_length);
        ids.truncate(self.saved.max_length);
        let source = Padded::new(std::slice::from_ref(&ids), self.tokenizer.specials().pad);
        let found = self.search(params, &source, ask.best.max(1))?.into_iter().next().unwrap_or_default();
        let best = found.iter().map(|found| Ok((self.text(found)?, found.score))).collect::<Result<Vec<_>>>()?;
        let line = best.first().map_or(String::new(), |(text, _)| text.clone());
        let attention = found.first().filter(|_| ask.attention).and_then(|found| self.looked(&ids, found));
        Ok(Prediction { line, best, attention, cut_to })
    }
}
