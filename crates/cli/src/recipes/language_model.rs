//! From a text to more of it: the next character, or any other token, given all that went before.
//!
//! The train part is cut into columns that are read side by side, a window of steps at a time. A recurrence carries its
//! state from window to window, though no gradient (truncated back-propagation through time); a Transformer sees its
//! own window alone. The other parts are read in overlapping windows, so that each token is predicted from a window of
//! text before it.

use super::{
    writing::{self, Steps},
    *,
};

use ndarray::Array2;
use std::ops::Range;
use unspool::{
    models::{LanguageModel, LanguageModelConfig},
    nn::{
        CarriedRows, Cell, CellKind, Decoder, Embedding, Positions, TransformerConfig, TransformerDecoder,
        decoding::StepFunction, state_to_tensors,
    },
    prelude::ToLayout,
    text::{
        BpttPosition, BpttStreams, Padded, TokenKind, TokenizerOptions,
        score::{bits_per_character, perplexity},
    },
};

/// Outside training a recurrence reads so many tokens before those that it predicts.
const CONTEXT: usize = 256;

/// Tokens of a sample, and the temperatures it is written at.
const SAMPLE: usize = 300;
const TEMPERATURES: [f64; 2] = [0.5, 1.0];

/// A model of a language.
pub(crate) struct NextToken {
    saved: Saved,
    tokenizer: Tokenizer,
    model: Model,
    carried: CarriedRows,
}

enum Model {
    Recurrent(LanguageModel),
    Transformer(TransformerDecoder),
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
    tokens: String,
    vocabulary: usize,
    window: usize,
    bptt_streams: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            arch: Arch::Recurrent,
            cell: CellKind::Gru,
            layers: 2,
            hidden_size: 256,
            tokens: "characters".into(),
            vocabulary: 1000,
            window: 64,
            bptt_streams: 32,
        }
    }
}

/// What generating needs beside tokenizer and weights.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    arch: Arch,
    #[serde(with = "by_name")]
    cell: CellKind,
    layers: usize,
    vocabulary_size: usize,
    embedding_size: usize,
    hidden_size: usize,
    heads: usize,
    window: usize,
    bptt_streams: usize,
    dropout: f64,
    /// What a text without a prompt goes on from; none in a model from before this was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<u32>,
}

/// A text as tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Encoded {
    ids: Vec<u32>,
    /// Of the text that is predicted: all but the first token.
    characters: u64,
    unknown: usize,
}

/// A part of the text.
pub(crate) struct Text {
    ids: Vec<u32>,
    columns: BpttStreams,
    characters: u64,
    unknown: usize,
}

/// Some windows, or some columns of one.
pub(crate) struct BpttBatches {
    input: Padded,
    /// Which real places, counted row after row, are to be predicted, and what follows there.
    places: Vec<u32>,
    targets: Vec<u32>,
    /// How many of them each row has.
    counts: Vec<usize>,
    /// In training: which columns these are, and whether they begin here.
    columns: Option<(Range<usize>, bool)>,
}

impl NextToken {
    /// −ln p of each token that is to be predicted.
    fn losses<'g>(&self, graph: &'g Graph<'g>, batch: &BpttBatches) -> Var<'g> {
        let layout = batch.input.layout();
        // The places count real tokens row after row; packed, they are other rows.
        let row = |(b, &length): (usize, &usize)| (0..length).filter_map(|t| layout.row(b, t)).collect::<Vec<_>>();
        let rows: Vec<usize> = layout.lengths().iter().enumerate().flat_map(row).collect();
        let places: Vec<u32> = batch.places.iter().map(|&place| rows[place as usize] as u32).collect();
        let logits = match &self.model {
            Model::Transformer(model) => {
                let xs = model.embedded(graph, &batch.input.ids, &layout);
                let outputs = model.outputs(&xs, model.initial_state(graph, layout.batch()));
                model.logits(outputs.rows().index_select(&places), xs.rows())
            }
            Model::Recurrent(model) => {
                let carried = batch.columns.as_ref().filter(|(_, begin)| !begin);
                let state = match carried.and_then(|(columns, _)| self.carried.rows(columns.clone())) {
                    Some(carried) => model.state_from_tensors(graph, &carried),
                    None => model.initial_state(graph, layout.batch()),
                };
                let xs = model.embedded(graph, &batch.input.ids, &layout);
                let (outputs, state) = model.unroll(&xs, state);
                // The graph keeps an error, and says it when the loss is asked for.
                if let (Some((columns, _)), Ok(state)) = (&batch.columns, state_to_tensors(&state))
                    && let Err(cause) = self.carried.put(columns.clone(), &state)
                {
                    graph.fail(graph.error("carried state", cause.to_string()));
                }
                model.logits(outputs.rows().index_select(&places), xs.rows())
            }
        };
        logits.cross_entropy(&batch.targets)
    }

    /// Writes tokens after a prompt, each as soon as it is chosen.
    fn write(&self, params: &Params, ask: &Generate, write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        let begin = self.saved.begin.unwrap_or(self.tokenizer.specials().bos);
        match &self.model {
            Model::Recurrent(model) => {
                writing::write(Steps::new(params, model, usize::MAX)?, &self.tokenizer, begin, ask, write)
            }
            Model::Transformer(model) => {
                writing::write(Steps::new(params, model, self.saved.window)?, &self.tokenizer, begin, ask, write)
            }
        }
    }
}

impl Encoded {
    fn new(text: &str, tokenizer: &Tokenizer) -> Result<Encoded> {
        let ids = tokenizer.encode(text)?;
        let unknown = ids.iter().filter(|id| **id == tokenizer.specials().unk).count();
        let first = ids.first().map_or(Ok(String::new()), |first| tokenizer.decode(&[*first]))?;
        let characters = tokenizer.normalize(text)?.chars().count().saturating_sub(first.chars().count()) as u64;
        Ok(Encoded { ids, characters, unknown })
    }
}

/// What a text without a prompt goes on from: the end of a line, where the train part has one, else its most frequent
/// token. Either was read in training; no text has the token that begins a sequence.
fn beginning(train: &[u32], tokenizer: &Tokenizer) -> Result<Option<u32>> {
    let unknown = tokenizer.specials().unk;
    if let [end] = tokenizer.encode("\n")?[..]
        && end != unknown
        && train.contains(&end)
    {
        return Ok(Some(end));
    }
    let mut counts = vec![0usize; tokenizer.vocabulary_size()];
    train.iter().filter(|id| **id != unknown).for_each(|id| counts[*id as usize] += 1);
    // Of equals the first.
    let most = (0..counts.len()).rev().max_by_key(|id| counts[*id]).filter(|id| counts[*id] > 0);
    Ok(most.map(|id| id as u32))
}

impl Text {
    fn new(encoded: Encoded, columns: usize, window: usize) -> Result<Text> {
        let Encoded { ids, characters, unknown } = encoded;
        // A short text has fewer columns than were asked for.
        let columns =
            BpttStreams::new(ids.clone(), columns.min(ids.len().saturating_sub(1)).max(1), window).map_err(|_| {
                Error::failure(format!("a text of {} tokens has none to predict", ids.len()), "give a longer text")
            })?;
        Ok(Text { ids, columns, characters, unknown })
    }
}

impl Task for NextToken {
    const NAME: &'static str = "language-model";
    const ABOUT: &'static str = "Predict the next token of a text; `generate` then writes more of it";
    const METRIC: Metric = Metric { name: "nats", digits: 4, less_is_better: true };
    const DATA_HELP: &'static str = "File of plain text: one file, whose last tenth is the test part and whose fiftieth before that is the dev part; \
         three (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one with `test`";
    const DATA: &'static str = "tiny-shakespeare";
    const SETS: &'static [DataSet] = &[data::SHAKESPEARE];
    const OPTIONS: &'static [Opt] = &[
        Opt::ARCH,
        Opt::CELL,
        Opt::LAYERS,
        Opt::HIDDEN,
        Opt::TOKENS,
        Opt { name: "vocabulary", value: "TOKENS", kind: Kind::Count(5..=65_000), help: "Vocabulary size" },
        Opt {
            name: "window",
            value: "TOKENS",
            kind: Kind::Count(2..=4096),
            help: "Length of truncated backpropagation; a recurrent state is carried further",
        },
        Opt {
            name: "bptt-streams",
            value: "N",
            kind: Kind::Count(1..=65_536),
            help: "Contiguous streams into which the text is divided and which are read side by side (the batch size)",
        },
    ];

    type Settings = Settings;
    type Saved = Saved;
    type Examples = Text;
    type Batch = BpttBatches;
    /// −ln p of what was to be predicted.
    type Answer = f64;

    fn recipe(settings: &Settings) -> Recipe {
        Recipe { average: Some(0.998), ..Recipe::new(6, 4e-3, BatchSize::Rows(settings.bptt_streams)) }
    }

    fn prepare(settings: &Settings, data: &Data, _seed: u64) -> Result<Prepared<Self>> {
        let exchange = data.exchange();
        // The first process alone reads the text: the others are given its tokens.
        let [train, dev, test] = if exchange.rank() == 0 { data.texts(limits::TEXT)? } else { Default::default() };
        let tokenizer = trained(exchange, || {
            let options = TokenizerOptions { minimum_count: 1, ..one_token_each(settings.vocabulary) };
            Ok(Tokenizer::train(settings.tokens.parse::<TokenKind>()?, [&train], &options)?)
        })?;
        let text = |text: &str| {
            let encoded = broadcast(exchange, || Encoded::new(text, &tokenizer))?;
            Text::new(encoded, settings.bptt_streams, settings.window)
        };
        let parts = Parts { train: text(&train)?, dev: text(&dev)?, test: text(&test)? };
        let heads = (1..=4).rev().find(|heads| settings.hidden_size.is_multiple_of(*heads)).unwrap_or(1);
        let saved = Saved {
            arch: settings.arch,
            cell: settings.cell,
            layers: settings.layers,
            vocabulary_size: tokenizer.vocabulary_size(),
            embedding_size: settings.hidden_size.min(128),
            hidden_size: settings.hidden_size,
            heads,
            window: settings.window,
            bptt_streams: parts.train.columns.columns(),
            dropout: 0.1,
            begin: beginning(&parts.train.ids, &tokenizer)?,
        };
        Ok(Prepared { saved, tokenizer: Some(tokenizer), parts })
    }

    fn restore(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<NextToken> {
        let Saved { vocabulary_size, embedding_size, hidden_size, layers, heads, dropout, cell, .. } = saved;
        check_sizes(
            &[
                ("vocabulary_size", vocabulary_size),
                ("embedding_size", embedding_size),
                ("hidden_size", hidden_size),
                ("layers", layers),
                ("heads", heads),
                ("window", saved.window),
                ("bptt_streams", saved.bptt_streams),
            ],
            dropout,
        )?;
        let tokenizer = check_tokenizer(tokenizer, vocabulary_size)?;
        if let Some(begin) = saved.begin.filter(|begin| *begin as usize >= vocabulary_size) {
            return Err(Error::failure(format!("begin is {begin}"), "it must be less than vocabulary_size"));
        }
        let model = match saved.arch {
            Arch::Recurrent => Model::Recurrent(LanguageModel::new(
                params,
                &LanguageModelConfig { vocabulary_size, embedding_size, cell, layers, hidden_size, dropout },
            )),
            Arch::Transformer => {
                let (size, deviation) = (hidden_size, 1.0 / (hidden_size as f64).sqrt());
                let table = Embedding::normal(params.scope("embedding"), vocabulary_size, size, deviation);
                let config =
                    TransformerConfig { size, heads, feedforward: 4 * size, dropout, norm_first: true, bias: true };
                let (scope, places) = (params.scope("decoder"), Positions::Sinusoidal);
                Model::Transformer(TransformerDecoder::language_model(scope, layers, table, places, config))
            }
        };
        let carried = CarriedRows::new(saved.bptt_streams);
        Ok(NextToken { saved, tokenizer, model, carried })
    }

    fn saved(&self) -> &Saved {
        &self.saved
    }

    fn tokenizer(&self) -> Option<&Tokenizer> {
        Some(&self.tokenizer)
    }

    fn examples(&self, data: &Data) -> Result<Text> {
        let encoded = Encoded::new(&data.text(limits::TEXT)?, &self.tokenizer)?;
        Text::new(encoded, self.saved.bptt_streams, self.saved.window)
    }

    /// Of each window of the text with what is read before it.
    fn lengths(&self, text: &Text) -> Vec<(usize, usize)> {
        let new = self.new_tokens();
        let windows = text.columns.tokens().div_ceil(new);
        (0..windows)
            .map(|n| (0, (text.columns.tokens() - n * new).min(new) + (n * new).min(self.new_tokens())))
            .collect()
    }

    /// In training a batch is a window of all columns: number `window · columns + column`.
    fn order(&self, text: &Text, _size: BatchSize, _seed: u64, _epoch: u64) -> Result<Vec<Vec<usize>>> {
        let (columns, time) = (text.columns.columns(), self.saved.window);
        let (each, longer) = (text.columns.tokens() / columns, text.columns.tokens() % columns);
        let running = |window: usize| if window * time < each { columns } else { longer };
        let windows = text.columns.steps().div_ceil(time);
        Ok((0..windows).map(|window| (window * columns..window * columns + running(window)).collect()).collect())
    }

    fn batch(&self, text: &Text, rows: &[usize], draw: Option<RngKey>) -> Result<BpttBatches> {
        match draw {
            Some(_) => self.columns(text, rows),
            None => Ok(self.windows(text, rows)),
        }
    }

    fn weight(&self, batch: &BpttBatches) -> usize {
        batch.targets.len()
    }

    fn tokens(&self, batch: &BpttBatches) -> usize {
        batch.targets.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &BpttBatches, _progress: f64) -> Var<'g> {
        self.losses(graph, batch).sum_all()
    }

    fn carried(&self) -> Vec<Tensor> {
        self.carried.all()
    }

    fn carry(&self, carried: Vec<Tensor>) -> Result<()> {
        Ok(self.carried.restore(carried)?)
    }

    fn share(&self, exchange: &dyn Exchange) -> Result<()> {
        Ok(self.carried.share(exchange)?)
    }

    fn answers(&self, params: &Params, batch: &BpttBatches, _effort: Search) -> Result<Vec<f64>> {
        let graph = Graph::inference(params);
        let losses = self.losses(&graph, batch).value()?.to_f64();
        let mut losses = losses.into_iter();
        Ok(batch.counts.iter().map(|&count| losses.by_ref().take(count).sum()).collect())
    }

    fn score(&self, text: &Text, answers: &[f64]) -> Result<Score> {
        let nats: f64 = answers.iter().sum();
        let more = vec![
            ("bits_per_character", bits_per_character(nats, text.characters)?),
            ("perplexity", perplexity(nats, text.columns.tokens() as u64)?),
        ];
        Ok(Score { value: nats / text.characters as f64, signature: None, more })
    }

    fn notes(&self, parts: &Parts<Text>) -> Vec<String> {
        let Parts { train, dev, test } = parts;
        let mut notes = vec![format!(
            "{} tokens to train on in {} columns, {} for dev, {} for test; {} kinds of token",
            train.columns.tokens(),
            train.columns.columns(),
            dev.columns.tokens(),
            test.columns.tokens(),
            self.saved.vocabulary_size,
        )];
        if dev.unknown + test.unknown > 0 {
            notes.push(format!("{} tokens of dev and {} of test are unknown", dev.unknown, test.unknown));
        }
        notes
    }

    fn row(&self, text: &Text, number: usize, answer: &f64) -> Vec<(&'static str, String)> {
        let start = number * self.new_tokens();
        let end = (start + self.new_tokens() + 1).min(text.ids.len());
        let shown = text.ids.get(..end).and_then(|ids| window(&self.tokenizer, ids, start).ok()).unwrap_or_default();
        vec![("text", shown), ("nats", format!("{:.3} a token", answer / (end - start - 1).max(1) as f64))]
    }

    fn samples(&self, params: &Params) -> Result<Vec<String>> {
        let write = |temperature| {
            let mut text = format!("at temperature {temperature}:\n");
            let (prompt, length, seed) = (String::new(), SAMPLE, 1);
            let ask = Generate { prompt, length, temperature, top_k: None, top_p: None, seed };
            self.write(params, &ask, &mut |piece| {
                text.push_str(piece);
                Ok(())
            })?;
            Ok(text)
        };
        TEMPERATURES.into_iter().map(write).collect()
    }

    /// What the likeliest tokens after a line are.
    fn predict(&self, params: &Params, line: &str, ask: &Ask) -> Result<Prediction> {
        let mut ids = self.tokenizer.encode(line)?;
        ids.drain(..ids.len().saturating_sub(2 * self.saved.window));
        if ids.is_empty() {
            return Ok(Prediction::default());
        }
        let mut next = None;
        let mut read = |steps: &mut dyn StepFunction| -> Result<()> {
            for id in &ids {
                next = Some(steps.step(&[0], &[*id])?.log_probs);
            }
            Ok(())
        };
        match &self.model {
            Model::Recurrent(model) => read(&mut Steps::new(params, model, usize::MAX)?)?,
            Model::Transformer(model) => read(&mut Steps::new(params, model, self.saved.window)?)?,
        }
        let mut best: Vec<(u32, f64)> = next.iter().flatten().enumerate().map(|(id, p)| (id as u32, *p)).collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        let told = |(id, p): &(u32, f64)| Ok((self.tokenizer.spell(*id)?, p.exp()));
        let best: Vec<(String, f64)> = best.iter().take(ask.best.max(1)).map(told).collect::<Result<_>>()?;
        let line = best.first().map_or(String::new(), |(token, p)| format!("{token:?}\t{p:.4}"));
        Ok(Prediction { line, best, ..Prediction::default() })
    }

    fn generate(&self, params: &Params, ask: &Generate, write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        self.write(params, ask, write)
    }
}

/// The characters that the tokens from `start` on complete: those that end in an earlier token or behind the last are
/// left out.
fn window(tokenizer: &Tokenizer, ids: &[u32], start: usize) -> Result<String> {
    // No character has more than four bytes, so an incomplete one begins in one of three tokens before.
    let from = start.saturating_sub(3);
    let mut stream = tokenizer.decode_stream();
    let pieces = ids[from..].iter().map(|id| stream.step(*id)).collect::<std::result::Result<Vec<_>, _>>()?;
    Ok(pieces[start - from..].concat())
}

impl NextToken {
    /// Outside training, tokens that are predicted at a time, and those that are read before them: as many. A
    /// Transformer knows no place beyond its window; a recurrence has learned to look further.
    fn new_tokens(&self) -> usize {
        match self.saved.arch {
            Arch::Recurrent => self.saved.window.max(CONTEXT),
            Arch::Transformer => self.saved.window / 2,
        }
    }

    /// Some columns of a window of all.
    fn columns(&self, text: &Text, rows: &[usize]) -> Result<BpttBatches> {
        let all = text.columns.columns();
        let first = rows.first().copied().unwrap_or(0);
        let (window, columns) = (first / all, first % all..first % all + rows.len());
        let position = BpttPosition { step: window * self.saved.window };
        let Some(window) = text.columns.from(position)?.next() else {
            return Err(Error::failure(format!("window {window} lies behind the text's end"), ""));
        };
        let lengths = window.lengths.get(columns.clone()).unwrap_or_default().to_vec();
        let time = lengths.iter().copied().max().unwrap_or(0);
        let ids = Array2::from_shape_fn((lengths.len(), time), |(row, t)| window.input[[columns.start + row, t]]);
        let each = |(row, &length): (usize, &usize)| (0..length).map(move |t| (row, t));
        let places = lengths.iter().enumerate().flat_map(each);
        let targets: Vec<u32> = places.map(|(row, t)| window.target[[columns.start + row, t]]).collect();
        let (places, counts) = ((0..targets.len() as u32).collect(), lengths.clone());
        Ok(BpttBatches {
            input: Padded { ids, lengths },
            places,
            targets,
            counts,
            columns: Some((columns, window.first)),
        })
    }

    /// Windows of the whole text, each with what is read before it.
    fn windows(&self, text: &Text, rows: &[usize]) -> BpttBatches {
        let (mut input, mut places, mut targets, mut counts, mut real) = (vec![], vec![], vec![], vec![], 0);
        for row in rows {
            let new = row * self.new_tokens();
            let start = new.saturating_sub(self.new_tokens());
            let end = (new + self.new_tokens()).min(text.columns.tokens());
            input.push(&text.ids[start..end]);
            places.extend((new - start..end - start).map(|t| (real + t) as u32));
            targets.extend_from_slice(&text.ids[new + 1..=end]);
            counts.push(end - new);
            real += end - start;
        }
        let input = Padded::new(&input, self.tokenizer.specials().pad);
        BpttBatches { input, places, targets, counts, columns: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokenizer(kind: TokenKind, text: &str, size: usize) -> Tokenizer {
        Tokenizer::train(kind, [text], &TokenizerOptions { minimum_count: 1, ..one_token_each(size) }).unwrap()
    }

    #[test]
    fn windows_show_whole_characters_wherever_they_are_cut() {
        let text = "샀쉀쑀윀셀 싀잀삀씀. ".repeat(9);
        let bpe = tokenizer(TokenKind::ByteLevelBpe, &text, 268);
        let ids = bpe.encode(&text).unwrap();
        let mut shown = String::new();
        for (number, _) in ids.chunks(5).enumerate() {
            let end = (5 * number + 5).min(ids.len());
            shown += &window(&bpe, &ids[..end], 5 * number).unwrap();
        }
        assert_eq!(shown, text);
    }

    #[test]
    fn a_text_without_a_prompt_goes_on_from_a_token_that_was_trained() {
        let begins = |kind, text: &str| {
            let tokenizer = tokenizer(kind, text, 300);
            let ids = tokenizer.encode(text).unwrap();
            let begin = beginning(&ids, &tokenizer).unwrap().unwrap();
            assert!(ids.contains(&begin));
            tokenizer.token(begin).unwrap()
        };
        let lines = "the fox\nthe dog\n";
        assert_eq!(begins(TokenKind::Character, lines), "\n");
        assert_eq!(begins(TokenKind::ByteLevelBpe, lines), "Ċ");
        assert_eq!(begins(TokenKind::Syllable, lines), "\n");
        // Words have no ends of lines.
        assert_eq!(begins(TokenKind::Word, lines), "the");
        assert_eq!(begins(TokenKind::Character, "aab"), "a");
    }

    #[test]
    fn characters_are_counted_in_the_form_they_are_read_in() {
        let tokenizer = tokenizer(TokenKind::Character, "한글", 300);
        let decomposed = Encoded::new("\u{1112}\u{1161}\u{11ab}글", &tokenizer).unwrap();
        let composed = Encoded::new("한글", &tokenizer).unwrap();
        assert_eq!((decomposed.ids, decomposed.characters), (composed.ids, 1));
    }
}
