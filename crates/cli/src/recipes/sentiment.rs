//! From texts to labels: a recurrence over their tokens.

use super::*;
use std::sync::atomic::{AtomicUsize, Ordering};
use unspool::{
    models::{Classifier, ClassifierConfig},
    nn::CellKind,
    text::{LabelSet, Labelled, Padded, Place, TokenKind, score::accuracy},
};
use unspool_task::Columns;

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
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    bidirectional: bool,
    tokens: String,
    vocabulary: usize,
    text: Option<String>,
    label: Option<String>,
    max_length: usize,
    bigram_buckets: usize,
    batch_rows: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            cell: CellKind::Gru,
            layers: 1,
            hidden_size: 128,
            bidirectional: true,
            tokens: "characters".into(),
            vocabulary: 2000,
            text: None,
            label: None,
            max_length: 140,
            bigram_buckets: 1 << 14,
            batch_rows: 64,
        }
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
    max_length: usize,
    labels: LabelSet,
    vocabulary_size: usize,
    bigram_buckets: usize,
    embedding_size: usize,
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    hidden_size: usize,
    bidirectional: bool,
    dropout: f64,
}

/// A text as tokens, and its class.
#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    ids: Vec<u32>,
    /// The number of labels for one that the train part does not have.
    class: u32,
    /// Empty in the train part, of which nothing is shown.
    text: String,
    /// A label that the train part does not have; else empty.
    unknown: String,
}

impl Example for Text {
    fn lengths(&self) -> (usize, usize) {
        (0, self.ids.len())
    }
}

/// Texts and their classes.
pub(crate) struct Texts {
    rows: Rows<Text>,
    /// How many texts were cut.
    cut: usize,
}

impl Texts {
    fn new(
        exchange: &dyn Exchange,
        purpose: Purpose,
        table: &Stream<Row>,
        tokenizer: &Tokenizer,
        labels: &LabelSet,
        max_length: usize,
    ) -> Result<Texts> {
        let (file, cut) = (&table.file, AtomicUsize::new(0));
        let rows = Rows::new(exchange, purpose, table.rows()?, |row| {
            let (class, unknown) = match (labels.id(&row[1]), purpose) {
                (Some(class), _) => (class, String::new()),
                (None, Purpose::Scoring) => (labels.len() as u32, row[1].to_owned()),
                (None, Purpose::Training) => (labels.id_at(|| Place::new(file, row.line), &row[1])?, String::new()),
            };
            let (ids, is_cut) = encode(&row[0], tokenizer, max_length)?;
            cut.fetch_add(usize::from(is_cut), Ordering::Relaxed);
            Ok(Text { ids, class, text: purpose.shown(&row[0]), unknown })
        })?;
        let texts = Texts { rows, cut: all_gather(exchange, cut.into_inner())?.iter().sum() };
        match texts.rows.owned() {
            [first, ..] if texts.unknown().count == texts.rows.owned().len() => {
                let what = format!(
                    "{file}: no row has one of the labels of the train part; the first has `{}`",
                    first.unknown
                );
                Err(Error::failure(what, format!("the labels are {}", some(labels.names()))))
            }
            _ => Ok(texts),
        }
    }

    /// Labels that the train part does not have.
    fn unknown(&self) -> UnknownLabels<'_> {
        UnknownLabels::of(self.rows.owned().iter().map(|text| text.unknown.as_str()).filter(|label| !label.is_empty()))
    }

    /// Of a part that is scored.
    fn classes(&self) -> Vec<u32> {
        self.rows.owned().iter().map(|text| text.class).collect()
    }
}

/// The labels of the train part.
fn labels(train: &Stream<Row>) -> Result<LabelSet> {
    let labels = |rows: &mut dyn Iterator<Item = Row>| {
        LabelSet::collect(&train.file, rows.map(|row| (row.line, row[1].to_owned())))
    };
    Ok(train.read(labels)??)
}

impl Task for Sentiment {
    const NAME: &'static str = "sentiment";
    const ABOUT: &'static str = "Classify texts, such as film reviews by sentiment";
    const METRIC: Metric = Metric { name: "accuracy", digits: 4, less_is_better: false };
    const UNIT: &'static str = "tokens";
    const DATA_HELP: &'static str = TABLE_HELP;
    const DATA: &'static str = "nsmc-sample";
    const SETS: &'static [DataSet] = &[data::NSMC];
    const OPTIONS: &'static [Opt] = &[
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt::BIDIRECTIONAL,
        Opt::TOKENS,
        Opt {
            name: "vocabulary",
            value: "TOKENS",
            kind: Kind::Count(5..=65_000),
            help: "Vocabulary size; rarer tokens are encoded as unknown",
        },
        Opt { name: "text", value: "COLUMN", kind: Kind::Text, help: "Column of the texts [default: document]" },
        Opt {
            name: "label",
            value: "COLUMN",
            kind: Kind::Text,
            help: "Column of the labels, all of them names or all of them integers [default: label]",
        },
        Opt {
            name: "max-length",
            value: "TOKENS",
            kind: Kind::Count(1..=limits::LENGTH as u64),
            help: "Maximum length of a text; longer texts are cut, and their number is reported",
        },
        Opt::BIGRAM_BUCKETS,
        Opt::batch_rows("TEXTS", "Texts per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Texts;
    type Batch = Labelled;
    type Answer = (u32, f64);

    fn recipe(settings: &Settings) -> Recipe {
        Recipe { average: Some(0.998), ..Recipe::new(4, 2e-3, BatchSize::Rows(settings.batch_rows)) }
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let (splits, [text, label]) = data.splits(&settings.columns())?;
        let exchange = data.exchange();
        let labels = broadcast(exchange, || labels(&splits.train))?;
        let tokenizer = trained(exchange, || {
            let (kind, options) = (settings.tokens.parse::<TokenKind>()?, one_token_each(settings.vocabulary));
            Ok(splits.train.read(|rows| Tokenizer::train(kind, rows.map(first_field), &options))??)
        })?;
        let parts = splits
            .make(|purpose, table| Texts::new(exchange, purpose, table, &tokenizer, &labels, settings.max_length))?;
        let saved = Saved {
            text,
            label,
            max_length: settings.max_length,
            labels,
            vocabulary_size: tokenizer.vocabulary_size(),
            bigram_buckets: settings.bigram_buckets,
            embedding_size: 128,
            cell: settings.cell,
            layers: settings.layers,
            hidden_size: settings.hidden_size,
            bidirectional: settings.bidirectional,
            dropout: 0.5,
        };
        Ok(Prepared { saved, tokenizer: Some(tokenizer), parts })
    }

    fn restore(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Sentiment> {
        let Saved {
            vocabulary_size,
            bigram_buckets,
            embedding_size,
            cell,
            layers,
            hidden_size,
            bidirectional,
            dropout,
            ..
        } = saved;
        let classes = saved.labels.len();
        check_sizes(
            &[
                ("max_length", saved.max_length),
                ("vocabulary_size", vocabulary_size),
                ("bigram_buckets", bigram_buckets),
                ("embedding_size", embedding_size),
                ("layers", layers),
                ("hidden_size", hidden_size),
                ("the number of labels", classes),
            ],
            dropout,
        )?;
        let tokenizer = check_tokenizer(tokenizer, vocabulary_size)?;
        let model = Classifier::new(
            params,
            &ClassifierConfig {
                vocabulary_size,
                bigram_buckets,
                embedding_size,
                cell,
                layers,
                hidden_size,
                bidirectional,
                classes,
                dropout,
            },
        );
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
        let Saved { labels, max_length, .. } = &self.saved;
        Texts::new(data.exchange(), Purpose::Scoring, &table, &self.tokenizer, labels, *max_length)
    }

    fn lengths(&self, texts: &Texts) -> Vec<(usize, usize)> {
        texts.rows.lengths().to_vec()
    }

    fn fetch(&self, train: &mut Texts, needed: &[Vec<usize>], exchange: &dyn Exchange) -> Result<()> {
        train.rows.fetch(needed, exchange)
    }

    fn batch(&self, texts: &Texts, rows: &[usize], _draw: Option<RngKey>) -> Result<Labelled> {
        let rows = texts.rows.chosen(rows)?;
        let ids: Vec<&[u32]> = rows.iter().map(|text| text.ids.as_slice()).collect();
        let classes: Vec<u32> = rows.iter().map(|text| text.class).collect();
        Ok(Labelled::new(&ids, &classes, self.tokenizer.specials().pad)?)
    }

    fn weight(&self, batch: &Labelled) -> usize {
        count_of_known(&batch.labels, self.saved.labels.len())
    }

    fn tokens(&self, batch: &Labelled) -> usize {
        batch.input.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Labelled, _progress: f64) -> Var<'g> {
        cross_entropy_of_known(self.model.logits(graph, &batch.input), &batch.labels, self.saved.labels.len()).sum_all()
    }

    fn answers(&self, params: &Params, batch: &Labelled, _effort: Search) -> Result<Vec<(u32, f64)>> {
        let graph = Graph::inference(params);
        let best = self.model.logits(&graph, &batch.input).softmax().top_k(1)?;
        Ok(best.into_iter().flatten().collect())
    }

    fn score(&self, texts: &Texts, answers: &[(u32, f64)]) -> Result<Score> {
        let classes: Vec<u32> = answers.iter().map(|(class, _)| *class).collect();
        let value = accuracy(&classes, &texts.classes())?;
        Ok(Score { value, signature: None, more: texts.unknown().score().into_iter().collect() })
    }

    fn notes(&self, parts: &Parts<Texts>) -> Vec<String> {
        let mut notes = vec![format!(
            "labels: {}; {} tokens known",
            self.saved.labels.names().join(", "),
            self.saved.vocabulary_size
        )];
        let cut = parts.train.cut + parts.dev.cut + parts.test.cut;
        if cut > 0 {
            notes.push(format!("cut to {} tokens: {}", self.saved.max_length, counted(cut as u64, "text")));
        }
        notes.extend(
            [("dev", &parts.dev), ("test", &parts.test)]
                .iter()
                .filter_map(|(name, part)| part.unknown().note(name, "label")),
        );
        notes
    }

    fn row(&self, texts: &Texts, number: usize, (class, probability): &(u32, f64)) -> Vec<(&'static str, String)> {
        let Some(row) = texts.rows.get(number) else { return vec![] };
        let name = |class| self.saved.labels.name(class).unwrap_or(&row.unknown).to_owned();
        vec![
            ("text", row.text.clone()),
            ("label", name(row.class)),
            ("model", format!("{} ({probability:.2})", name(*class))),
        ]
    }

    fn figures(&self, _params: &Params, test: &Texts, answers: &[(u32, f64)]) -> Result<Vec<Figure>> {
        let classes: Vec<u32> = answers.iter().map(|(class, _)| *class).collect();
        let right = test.classes();
        Ok(vec![Figure::confusion(&classes, &right, with_unknown(self.saved.labels.names(), &right))?])
    }

    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let specials = self.tokenizer.specials();
        let (ids, is_cut) = encode(line, &self.tokenizer, self.saved.max_length)?;
        let graph = Graph::inference(params);
        let probabilities = self.model.logits(&graph, &Padded::new(&[ids], specials.pad)).softmax();
        let best = probabilities.top_k(ask.best.clamp(1, self.saved.labels.len()))?.concat();
        let name = |(class, p): &(u32, f64)| Some((self.saved.labels.name(*class)?.to_owned(), *p));
        let cut_to = is_cut.then_some(self.saved.max_length);
        Ok(Prediction { cut_to, ..Prediction::of(best.iter().filter_map(name).collect()) })
    }
}
