//! From characters to characters with spaces: a label for each character, many-to-many and aligned.
//!
//! Korean is written with spaces between its phrases, and readers get by without them; a program that is to count words
//! does not. The labels come free: take the spaces out of a text, and each character was followed by one or was not.

use super::*;
use unicode_segmentation::UnicodeSegmentation;
use unspool::{
    models::PairEmbedding,
    nn::{AnyCell, CellKind, Embedding, Linear, Recurrent, RecurrentConfig, Sequence},
    prelude::ToLayout,
    text::{Padded, TokenKind, score::Confusion},
};
use unspool_task::Columns;

/// Characters beyond this many are unknown to the model; rarer ones teach it little.
const VOCABULARY: usize = 2000;

/// The class of a character that a space follows; that of the others is 0.
const SPACE: usize = 1;

/// A model that puts spaces back.
pub(crate) struct Spacing {
    saved: Saved,
    tokenizer: Tokenizer,
    embedding: Embedding,
    pairs: PairEmbedding,
    recurrence: Recurrent<AnyCell>,
    readout: Linear,
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
    text: Option<String>,
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
            text: None,
            bigram_buckets: 1 << 14,
            batch_rows: 64,
        }
    }
}

/// The one column that is read.
fn column(name: &str) -> Columns<'_> {
    Columns { options: [("text", Some(name)), ("text", Some(name))], usual: [name, name] }
}

/// What a prediction needs beside tokenizer and weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    text: String,
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

/// The characters of a text that are no white space, and for each of them whether white space follows before the next:
/// 1 or 0.
fn characters(text: &str) -> (Vec<char>, Vec<u32>) {
    let (mut characters, mut spaces) = (vec![], vec![]);
    for c in text.trim().chars() {
        match (c.is_whitespace(), spaces.last_mut()) {
            (false, _) => {
                characters.push(c);
                spaces.push(0);
            }
            (true, Some(last)) => *last = 1,
            (true, None) => {}
        }
    }
    (characters, spaces)
}

/// The text that these characters and spaces make. What a reader sees as one character, such as a letter with its
/// accents or a family of emoji, may be several here: no space goes between them.
fn spaced(characters: &[char], spaces: &[u32]) -> String {
    let (bare, mut text, mut read) = (characters.iter().collect::<String>(), String::new(), 0);
    for cluster in bare.graphemes(true) {
        text.push_str(cluster);
        read += cluster.chars().count();
        text.extend((spaces.get(read - 1) == Some(&(SPACE as u32))).then_some(' '));
    }
    text.trim_end().to_owned()
}

fn ids(characters: &[char], tokenizer: &Tokenizer) -> Vec<u32> {
    let unknown = tokenizer.specials().unk;
    characters.iter().map(|c| tokenizer.id(c.encode_utf8(&mut [0; 4])).unwrap_or(unknown)).collect()
}

/// A text without its spaces, and the spaces.
#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    ids: Vec<u32>,
    spaces: Vec<u32>,
    /// With its spaces; empty in the train part, of which nothing is shown.
    text: String,
}

impl Example for Text {
    fn lengths(&self) -> (usize, usize) {
        (0, self.ids.len())
    }
}

/// A text that is read has a character that is no white space: an empty field is an error of the table.
fn texts(exchange: &dyn Exchange, purpose: Purpose, table: &Stream<Row>, tokenizer: &Tokenizer) -> Result<Rows<Text>> {
    Rows::new(exchange, purpose, table.rows()?, |row| {
        let text = tokenizer.normalize(&row[0])?;
        let (characters, spaces) = characters(&text);
        Ok(Text { ids: ids(&characters, tokenizer), spaces, text: purpose.shown(&text) })
    })
}

/// Characters, and the class of each real one, row after row.
pub(crate) struct Batch {
    input: Padded,
    spaces: Vec<u32>,
}

impl Spacing {
    /// The logits of each character, `[.., 2]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, input: &Padded) -> Sequence<'g> {
        let (layout, dropout) = (input.layout(), self.saved.dropout);
        let characters = self.embedding.sequence(graph, &input.ids, &layout);
        let pairs = self.pairs.sequence(graph, &input.ids, &layout);
        let xs = characters.zip(&pairs, |characters, pairs| (characters + pairs).dropout(dropout));
        let (hs, _) = self.recurrence.unroll(&xs, self.recurrence.initial_state(graph, input.len()));
        hs.map(|rows| self.readout.apply(rows.dropout(dropout)))
    }

    /// The class of each character of each row.
    fn spaces(&self, params: &Params, input: &Padded) -> Result<Vec<Vec<u32>>> {
        let graph = Graph::inference(params);
        let logits = self.logits(&graph, input);
        Ok(logits.layout().unpack(&logits.rows().argmax()?))
    }
}

impl Task for Spacing {
    const NAME: &'static str = "spacing";
    const ABOUT: &'static str = "Insert the missing spaces into texts, with a label for each character";
    const METRIC: Metric = Metric { name: "f1", digits: 4, less_is_better: false };
    const UNIT: &'static str = "characters";
    const DATA_HELP: &'static str = TABLE_HELP;
    const DATA: &'static str = "nsmc-sample";
    const SETS: &'static [DataSet] = &[data::NSMC];
    const SAMPLES: usize = 3;
    const OPTIONS: &'static [Opt] = &[
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt::BIDIRECTIONAL,
        Opt { name: "text", value: "COLUMN", kind: Kind::Text, help: "Column of the texts [default: document]" },
        Opt::BIGRAM_BUCKETS,
        Opt::batch_rows("TEXTS", "Texts per batch"),
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Rows<Text>;
    type Batch = Batch;
    type Answer = Vec<u32>;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe { average: Some(0.998), ..Recipe::new(6, 4e-3, BatchSize::Rows(settings.batch_rows)) }
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let (splits, [text, _]) = data.splits(&column(settings.text.as_deref().unwrap_or("document")))?;
        let exchange = data.exchange();
        let tokenizer = trained(exchange, || {
            let options = one_token_each(VOCABULARY);
            Ok(splits.train.read(|rows| Tokenizer::train(TokenKind::Character, rows.map(first_field), &options))??)
        })?;
        let parts = splits.make(|purpose, table| texts(exchange, purpose, table, &tokenizer))?;
        let saved = Saved {
            text,
            vocabulary_size: tokenizer.vocabulary_size(),
            bigram_buckets: settings.bigram_buckets,
            embedding_size: 128,
            cell: settings.cell,
            layers: settings.layers,
            hidden_size: settings.hidden_size,
            bidirectional: settings.bidirectional,
            dropout: 0.4,
        };
        Ok(Prepared { saved, tokenizer: Some(tokenizer), parts })
    }

    fn restore(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Spacing> {
        let Saved {
            vocabulary_size,
            bigram_buckets,
            embedding_size,
            layers,
            hidden_size,
            bidirectional,
            cell,
            dropout,
            ..
        } = saved;
        check_sizes(
            &[
                ("vocabulary_size", vocabulary_size),
                ("bigram_buckets", bigram_buckets),
                ("embedding_size", embedding_size),
                ("layers", layers),
                ("hidden_size", hidden_size),
            ],
            dropout,
        )?;
        let tokenizer = check_tokenizer(tokenizer, vocabulary_size)?;
        let embedding = Embedding::normal(params.scope("embedding"), vocabulary_size, embedding_size, 0.3);
        let pairs = PairEmbedding::new(params.scope("pairs"), bigram_buckets, embedding_size);
        let make = |scope: unspool::graph::Scope<'_>, input, output| cell.build(scope, input, output);
        let layers = RecurrentConfig { layers, bidirectional, dropout };
        let recurrence = Recurrent::new(params.scope("recurrence"), make, embedding_size, hidden_size, layers);
        let width = if bidirectional { 2 * hidden_size } else { hidden_size };
        let readout = Linear::new(params.scope("readout"), width, 2);
        Ok(Spacing { saved, tokenizer, embedding, pairs, recurrence, readout })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn tokenizer(&self) -> Option<&Tokenizer> {
        Some(&self.tokenizer)
    }

    fn examples(&self, data: &Data) -> Result<Rows<Text>> {
        texts(data.exchange(), Purpose::Scoring, &data.table(&column(&self.saved.text))?, &self.tokenizer)
    }

    fn lengths(&self, texts: &Rows<Text>) -> Vec<(usize, usize)> {
        texts.lengths().to_vec()
    }

    fn fetch(&self, train: &mut Rows<Text>, needed: &[Vec<usize>], exchange: &dyn Exchange) -> Result<()> {
        train.fetch(needed, exchange)
    }

    fn batch(&self, texts: &Rows<Text>, rows: &[usize], _draw: Option<RngKey>) -> Result<Batch> {
        let rows = texts.chosen(rows)?;
        let ids: Vec<&[u32]> = rows.iter().map(|text| text.ids.as_slice()).collect();
        let spaces = rows.iter().flat_map(|text| &text.spaces).copied().collect();
        Ok(Batch { input: Padded::new(&ids, self.tokenizer.specials().pad), spaces })
    }

    fn weight(&self, batch: &Batch) -> usize {
        batch.spaces.len()
    }

    fn tokens(&self, batch: &Batch) -> usize {
        batch.spaces.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch, _progress: f64) -> Var<'g> {
        labels_loss(&self.logits(graph, &batch.input), &batch.spaces)
    }

    fn answers(&self, params: &Params, batch: &Batch, _effort: Search) -> Result<Vec<Vec<u32>>> {
        self.spaces(params, &batch.input)
    }

    /// Of the spaces between characters; that none follows the last is no merit, and changes nothing in an F1 of
    /// spaces.
    fn score(&self, texts: &Rows<Text>, answers: &[Vec<u32>]) -> Result<Score> {
        let spaces: Vec<u32> = texts.owned().iter().flat_map(|text| &text.spaces).copied().collect();
        let confusion = Confusion::new(&answers.concat(), &spaces, 2)?;
        let more = vec![("precision", confusion.precision(SPACE)), ("recall", confusion.recall(SPACE))];
        Ok(Score { value: confusion.f1(SPACE), signature: None, more })
    }

    fn row(&self, texts: &Rows<Text>, number: usize, answer: &Vec<u32>) -> Vec<(&'static str, String)> {
        let Some(Text { text, .. }) = texts.get(number) else { return vec![] };
        let (characters, spaces) = characters(text);
        vec![("text", spaced(&characters, &spaces)), ("model", spaced(&characters, answer))]
    }

    /// The answer is in the normal form that the tokenizer reads texts in.
    fn predict(&self, params: &Params, line: &str, _ask: &Ask) -> Result<Prediction> {
        let (characters, _) = characters(&self.tokenizer.normalize(line)?);
        if characters.is_empty() {
            return Ok(Prediction::default());
        }
        let input = Padded::new(&[ids(&characters, &self.tokenizer)], self.tokenizer.specials().pad);
        let spaces = self.spaces(params, &input)?.concat();
        Ok(Prediction { line: spaced(&characters, &spaces), ..Prediction::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_are_taken_out_and_put_back() {
        let (found, spaces) = characters("  이 영화\t 최고 ");
        assert_eq!(
            (found.iter().collect::<String>(), spaces.as_slice()),
            ("이영화최고".into(), [1, 0, 1, 0, 0].as_slice())
        );
        assert_eq!(spaced(&found, &spaces), "이 영화 최고");
        assert_eq!(spaced(&found, &[0, 0, 0, 0, 1]), "이영화최고");
        assert_eq!(characters(" \t"), (vec![], vec![]));
    }

    #[test]
    fn no_space_goes_inside_of_what_a_reader_sees_as_one_character() {
        let everywhere = |text: &str| {
            let characters: Vec<char> = text.chars().collect();
            spaced(&characters, &vec![1; characters.len()])
        };
        // 안녕 as macOS writes it, in conjoining jamo.
        let (an, nyeong) = ("\u{110b}\u{1161}\u{11ab}", "\u{1102}\u{1167}\u{11bc}");
        assert_eq!(everywhere(&format!("{an}{nyeong}")), format!("{an} {nyeong}"));
        for one in ["👩\u{200d}👩\u{200d}👧", "e\u{301}", "🇸🇪", "👍🏽", "நி", "1\u{fe0f}\u{20e3}"] {
            assert_eq!(everywhere(&format!("a{one}b")), format!("a {one} b"));
        }
        assert_eq!(everywhere("좋은"), "좋 은");
    }
}
