//! From texts to labels: a bidirectional recurrence over characters.

use super::*;
use crate::program::data::Columns;
use serde::Deserialize;
use unspool::{
    models::{Classifier, ClassifierConfig},
    text::{
        LabelSet, Labelled, Padded, Place, TokenKind, TokenizerOptions,
        score::{Confusion, accuracy},
        truncate,
    },
};

/// Characters beyond this many are unknown to the model; rarer ones teach it little.
const VOCABULARY: usize = 2000;

/// A classifier of texts.
pub(crate) struct Sentiment {
    saved: Saved,
    tokenizer: Tokenizer,
    model: Classifier,
}

/// Its options.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Settings {
    hidden: usize,
    text: Option<String>,
    label: Option<String>,
    longest: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings { hidden: 128, text: None, label: None, longest: 140, batch_rows: 64 }
    }
}

impl Settings {
    fn columns(&self) -> Columns<'_> {
        Columns {
            options: [("text", self.text.as_deref()), ("label", self.label.as_deref())],
            usual: ["document", "label"],
        }
    }
}

/// What a prediction needs beside tokenizer and weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    text: String,
    label: String,
    longest: usize,
    labels: LabelSet,
    model: ClassifierConfig,
}

/// Texts as tokens, and their classes.
pub(crate) struct Texts {
    texts: Vec<String>,
    ids: Vec<Vec<u32>>,
    classes: Vec<u32>,
    cut: usize,
}

impl Texts {
    fn new(table: &Table, tokenizer: &Tokenizer, labels: &LabelSet, longest: usize) -> Result<Texts> {
        let classes = table
            .rows
            .iter()
            .map(|row| labels.id_at(|| Place::new(&table.file, row.line), &row[1]))
            .collect::<std::result::Result<_, _>>()?;
        let texts: Vec<String> = table.rows.iter().map(|row| row[0].to_owned()).collect();
        let mut ids = tokenizer.encode_all(&texts)?;
        let cut = truncate(&mut ids, longest).rows;
        // A text may come to no tokens at all; a recurrence needs one.
        let unknown = tokenizer.specials().unk;
        ids.iter_mut().filter(|ids| ids.is_empty()).for_each(|ids| ids.push(unknown));
        Ok(Texts { texts, ids, classes, cut })
    }
}

/// The labels are the train part's; those of a whole file that was split are that file's, in the order of its lines.
fn labels(splits: &Splits) -> Result<LabelSet> {
    let mut tables = vec![&splits.train];
    if splits.train.file == splits.dev.file {
        tables.extend([&splits.dev, &splits.test]);
    }
    let mut found: Vec<(u64, &str)> =
        tables.iter().flat_map(|table| table.rows.iter().map(|row| (row.line, &row[1]))).collect();
    found.sort_by_key(|(line, _)| *line);
    Ok(LabelSet::collect(&splits.train.file, found)?)
}

impl Task for Sentiment {
    const NAME: &'static str = "sentiment";
    const ABOUT: &'static str = "From texts to labels: a bidirectional recurrence over characters";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "characters";
    const DATA: &'static str = "nsmc-sample";
    const OPTIONS: &'static [Opt] = &[
        Opt::HIDDEN,
        Opt { name: "text", value: "COLUMN", kind: Kind::Text, help: "The column with the texts [default: document]" },
        Opt {
            name: "label",
            value: "COLUMN",
            kind: Kind::Text,
            help: "The column with the labels, all names or all whole numbers [default: label]",
        },
        Opt {
            name: "longest",
            value: "CHARACTERS",
            kind: Kind::Count(1..=10_000),
            help: "Characters of a text that are read; what is longer is cut, and counted",
        },
        Opt { name: "batch-rows", value: "TEXTS", kind: Kind::Count(1..=1_000_000), help: "Texts in a batch" },
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Texts;
    type Batch = Labelled;
    type Answer = (u32, f64);

    fn recipe(settings: &Settings) -> Recipe {
        Recipe::new(4, 2e-3, BatchSize::Rows(settings.batch_rows))
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let splits = data.splits(&settings.columns())?;
        let labels = labels(&splits)?;
        let options = TokenizerOptions { vocabulary_size: VOCABULARY, ..TokenizerOptions::default() };
        let tokenizer = Tokenizer::train(TokenKind::Character, splits.train.rows.iter().map(|row| &row[0]), &options)?;
        let parts = Parts::of(&splits, |table| Texts::new(table, &tokenizer, &labels, settings.longest))?;
        let model = ClassifierConfig {
            vocabulary_size: tokenizer.vocabulary_size(),
            embedding_size: 128,
            hidden_size: settings.hidden,
            classes: labels.len(),
            dropout: 0.3,
        };
        let [text, label] = splits.columns;
        let saved = Saved { text, label, labels, longest: settings.longest, model };
        Ok(Prepared { saved, tokenizer: Some(tokenizer), parts })
    }

    fn restore(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Sentiment> {
        let sizes = &saved.model;
        check_sizes(
            &[
                ("longest", saved.longest),
                ("vocabulary_size", sizes.vocabulary_size),
                ("embedding_size", sizes.embedding_size),
                ("hidden_size", sizes.hidden_size),
                ("classes", sizes.classes),
            ],
            sizes.dropout,
        )?;
        let tokenizer = check_tokenizer(tokenizer, sizes.vocabulary_size)?;
        if saved.labels.len() != sizes.classes {
            return Err(Error::failure(
                format!("classes is {}, where there are {} labels", sizes.classes, saved.labels.len()),
                "it must be as the training wrote it",
            ));
        }
        let model = Classifier::new(params, sizes);
        Ok(Sentiment { saved, tokenizer, model })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn tokenizer(&self) -> Option<&Tokenizer> {
        Some(&self.tokenizer)
    }

    fn examples(&self, data: &Data) -> Result<Texts> {
        let usual = [self.saved.text.as_str(), self.saved.label.as_str()];
        let table = data.table(&Columns { options: [("text", None), ("label", None)], usual })?;
        Texts::new(&table, &self.tokenizer, &self.saved.labels, self.saved.longest)
    }

    fn lengths(&self, texts: &Texts) -> Vec<(usize, usize)> {
        texts.ids.iter().map(|ids| (0, ids.len())).collect()
    }

    fn batch(&self, texts: &Texts, rows: &[usize], _draw: Option<Draw>) -> Result<Labelled> {
        let ids: Vec<&[u32]> = rows.iter().map(|row| texts.ids[*row].as_slice()).collect();
        let classes: Vec<u32> = rows.iter().map(|row| texts.classes[*row]).collect();
        Ok(Labelled::new(&ids, &classes, self.tokenizer.specials().pad)?)
    }

    fn weight(&self, batch: &Labelled) -> usize {
        batch.labels.len()
    }

    fn tokens(&self, batch: &Labelled) -> usize {
        batch.input.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Labelled, _progress: f64) -> Var<'g> {
        self.model.logits(graph, &batch.input).cross_entropy(&batch.labels).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Labelled, _effort: Effort) -> Result<Vec<(u32, f64)>> {
        let graph = Graph::new(params);
        let best = self.model.logits(&graph, &batch.input).softmax().top_k(1)?;
        Ok(best.into_iter().flatten().collect())
    }

    fn score(&self, texts: &Texts, answers: &[(u32, f64)]) -> Result<Score> {
        let classes: Vec<u32> = answers.iter().map(|(class, _)| *class).collect();
        Ok(accuracy(&classes, &texts.classes)?.into())
    }

    fn notes(&self, parts: &Parts<Texts>) -> Vec<String> {
        let mut notes = vec![format!(
            "labels: {}; {} characters known",
            self.saved.labels.names().join(", "),
            self.saved.model.vocabulary_size
        )];
        let cut = parts.train.cut + parts.dev.cut + parts.test.cut;
        if cut > 0 {
            notes.push(format!("{cut} texts were cut to {} characters", self.saved.longest));
        }
        notes
    }

    fn row(&self, texts: &Texts, number: usize, (class, probability): &(u32, f64)) -> Vec<(&'static str, String)> {
        let name = |class| self.saved.labels.name(class).unwrap_or_default().to_owned();
        vec![
            ("text", texts.texts[number].clone()),
            ("label", name(texts.classes[number])),
            ("model", format!("{} ({probability:.2})", name(*class))),
        ]
    }

    fn figures(&self, _params: &Params, test: &Texts, answers: &[(u32, f64)]) -> Result<Vec<Figure>> {
        let classes: Vec<u32> = answers.iter().map(|(class, _)| *class).collect();
        let confusion = Confusion::new(&classes, &test.classes, self.saved.labels.len())?;
        let counts = confusion.counts().rows().into_iter().map(|row| row.to_vec()).collect();
        Ok(vec![Figure::Confusion { labels: self.saved.labels.names().to_vec(), counts }])
    }

    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let specials = self.tokenizer.specials();
        let mut ids = self.tokenizer.encode(line)?;
        ids.truncate(self.saved.longest);
        if ids.is_empty() {
            ids.push(specials.unk);
        }
        let graph = Graph::new(params);
        let probabilities = self.model.logits(&graph, &Padded::new(&[ids], specials.pad)).softmax();
        let best = probabilities.top_k(ask.best.clamp(1, self.saved.labels.len()))?.concat();
        let name = |(class, p): &(u32, f64)| Some((self.saved.labels.name(*class)?.to_owned(), *p));
        let best: Vec<(String, f64)> = best.iter().filter_map(name).collect();
        let line = best.first().map_or(String::new(), |(label, p)| format!("{label}\t{p:.4}"));
        Ok(Prediction { line, best, attention: None })
    }
}
