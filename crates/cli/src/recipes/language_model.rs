//! From a text to more of it: the next character, or any other token, given all that went before.
//!
//! The train part is cut into streams that are read side by side, a window of steps at a time. A recurrence carries its
//! state from window to window, though no gradient (truncated back-propagation through time); a Transformer sees its
//! own window alone. The other parts are read in overlapping windows, so that each token is predicted from a window of
//! text before it.

use super::*;
use crate::{
    long_text::{Text, beginning, new_tokens, starts, streams, windows},
    writing::{self, Steps},
};
use std::ops::Range;
use unspool::{
    models::{LanguageModel, LanguageModelConfig, TransformerLanguageModelConfig},
    nn::{CarriedRows, Cell, Decoder, TransformerDecoder, decoding::StepFunction, state_to_tensors},
    prelude::ToLayout,
    text::{
        Padded, TokenizerOptions,
        score::{bits_per_character, perplexity},
    },
};
use unspool_task::Generate;

/// Tokens of a sample, and the temperatures it is written at.
const SAMPLE: usize = 300;
const TEMPERATURES: [f64; 2] = [0.5, 1.0];

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

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    arch: ArchOptions,
    #[command(flatten)]
    tokens: TokenOptions,
    /// Length of truncated backpropagation; a recurrent state is carried further [from 2 to 4096]
    #[arg(long, value_name = "TOKENS", default_value = "64", value_parser = count(2..=4096))]
    window: usize,
    /// Contiguous streams into which the text is divided and which are read side by side (the batch size) [from 1 to
    /// 65536]
    #[arg(long, value_name = "N", default_value = "32", value_parser = count(1..=65_536))]
    bptt_streams: usize,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    window: usize,
    bptt_streams: usize,
    /// What a text without a prompt goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<u32>,
    model: ModelConfig,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModelConfig {
    Recurrent(LanguageModelConfig),
    Transformer(TransformerLanguageModelConfig),
}

impl ModelConfig {
    fn vocabulary_size(&self) -> usize {
        match self {
            ModelConfig::Recurrent(config) => config.vocabulary_size,
            ModelConfig::Transformer(config) => config.vocabulary_size,
        }
    }
}

/// A window: what is read, and of the last tokens what follows each.
#[derive(Serialize, Deserialize)]
pub(crate) struct Window {
    input: Vec<u32>,
    targets: Vec<u32>,
    /// Characters of the targets.
    characters: u64,
    /// In training, which stream it is of, and whether that begins here.
    stream: Option<(usize, bool)>,
}

/// Some windows.
pub(crate) struct Batch {
    input: Padded,
    /// How many of the last tokens of each row are predicted, and what follows them, row after row.
    counts: Vec<usize>,
    targets: Vec<u32>,
    /// In training, which streams these are, and whether they begin here.
    streams: Option<(Range<usize>, bool)>,
}

impl NextToken {
    /// −ln p of each token that is to be predicted.
    fn losses<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        let layout = batch.input.layout();
        let predicted =
            |(row, (length, count)): (usize, (&usize, &usize))| (length - count..*length).map(move |t| (row, t));
        let places = batch.input.lengths.iter().zip(&batch.counts).enumerate().flat_map(predicted);
        let places: Vec<u32> = places.filter_map(|(row, t)| Some(layout.row(row, t)? as u32)).collect();
        let logits = match &self.model {
            Model::Transformer(model) => {
                let xs = model.embedded(graph, &batch.input.ids, &layout);
                let outputs = model.outputs(&xs, model.initial_state(graph, layout.batch()));
                model.logits(outputs.rows().index_select(&places), xs.rows())
            }
            Model::Recurrent(model) => {
                let carried = batch.streams.as_ref().filter(|(_, begin)| !begin);
                let state = match carried.and_then(|(streams, _)| self.carried.rows(streams.clone())) {
                    Some(carried) => model.state_from_tensors(graph, &carried),
                    None => model.initial_state(graph, layout.batch()),
                };
                let xs = model.embedded(graph, &batch.input.ids, &layout);
                let (outputs, state) = model.unroll(&xs, state);
                // The graph keeps an error, and says it when the loss is asked for.
                if let (Some((streams, _)), Ok(state)) = (&batch.streams, state_to_tensors(&state))
                    && let Err(cause) = self.carried.put(streams.clone(), &state)
                {
                    graph.fail(graph.error("carried state", cause.to_string()));
                }
                model.logits(outputs.rows().index_select(&places), xs.rows())
            }
        };
        logits.cross_entropy(&batch.targets)
    }

    fn new_tokens(&self) -> usize {
        new_tokens(self.saved.window, matches!(self.model, Model::Transformer(_)))
    }
}

impl Task for NextToken {
    const SPEC: Spec = Spec::new(
        "language-model",
        "Predict the next token of a text; `generate` then writes more of it",
        Metric::less("nats", 4),
    )
    .training(6, 4e-3, 1)
    .own_batches()
    .average(0.998)
    .data(
        "File of plain text: one file, whose last tenth is the test part and whose fiftieth before that is the dev \
         part; three (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one \
         with `test`",
        &[crate::data::SHAKESPEARE],
    )
    .defaults(&[("layers", "2"), ("hidden-size", "256"), ("vocabulary", "1000")]);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Text>;
    type Example = Window;
    type Batch = Batch;
    /// For each token that was to be predicted −ln p, then the likeliest tokens after the last one.
    type Answer = (f64, Vec<(u32, f64)>);

    fn batch_size(options: &Options) -> Option<BatchSize> {
        Some(BatchSize::Rows(options.bptt_streams))
    }

    /// The first process alone reads the text: the others are given its tokens.
    fn read(options: &Options, data: &Data) -> Result<Parts<Drawn<Text>>> {
        let [train, dev, test] = data.once(|| {
            let texts = data.texts(limits::TEXT)?;
            let how = TokenizerOptions { minimum_count: 1, ..one_token_each(options.tokens.vocabulary) };
            let tokenizer = Tokenizer::train(options.tokens.kind()?, [&texts[0]], &how)?;
            let json = tokenizer.to_json()?;
            let [mut train, dev, test] = [0, 1, 2].map(|part| Text::new(&texts[part], &tokenizer));
            if let Ok(train) = &mut train {
                train.tokenizer = json;
            }
            Ok([train?, dev?, test?])
        })?;
        let window = options.window;
        let new = new_tokens(window, options.arch.is_transformer());
        Ok(Parts {
            train: streams(train, options.bptt_streams, window),
            dev: windows(dev, new),
            test: windows(test, new),
        })
    }

    fn learn(options: &Options, train: &Drawn<Text>) -> Result<Learned<Saved>> {
        let Text { ids, tokenizer, .. } = train.material();
        let tokenizer = Tokenizer::from_json("the tokenizer", tokenizer)?;
        let RecurrentOptions { cell, layers, hidden_size } = options.arch.recurrent;
        let (vocabulary_size, dropout) = (tokenizer.vocabulary_size(), 0.1);
        let model = match options.arch.is_transformer() {
            false => ModelConfig::Recurrent(LanguageModelConfig {
                vocabulary_size,
                embedding_size: hidden_size.min(128),
                cell,
                layers,
                hidden_size,
                dropout,
            }),
            true => {
                let heads = options.arch.heads();
                let config = TransformerLanguageModelConfig { vocabulary_size, hidden_size, heads, layers, dropout };
                ModelConfig::Transformer(config)
            }
        };
        let bptt_streams = options.bptt_streams.min(ids.len() - 1);
        let begin = beginning(ids, &tokenizer)?;
        Ok(Learned::text(Saved { window: options.window, bptt_streams, begin, model }, tokenizer))
    }

    fn build(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<NextToken> {
        limits::check("window", saved.window)?;
        limits::check("bptt_streams", saved.bptt_streams)?;
        let tokenizer = check_tokenizer(tokenizer, saved.model.vocabulary_size())?;
        if let Some(begin) = saved.begin.filter(|begin| *begin as usize >= tokenizer.vocabulary_size()) {
            return Err(Error::failure(format!("begin is {begin}"), "it must be less than vocabulary_size"));
        }
        let model = match saved.model {
            ModelConfig::Recurrent(config) => {
                config.check()?;
                Model::Recurrent(LanguageModel::new(params, &config))
            }
            ModelConfig::Transformer(config) => {
                config.check()?;
                Model::Transformer(config.build(params))
            }
        };
        Ok(NextToken { carried: CarriedRows::new(saved.bptt_streams), saved, tokenizer, model })
    }

    fn read_to_score(&self, data: &Data) -> Result<Drawn<Text>> {
        Ok(windows(Text::new(&data.text(limits::TEXT)?, &self.tokenizer)?, self.new_tokens()))
    }

    fn example(&self, text: &Text, draw: &Draw) -> Result<Window> {
        let (ids, number, tokens) = (&text.ids, draw.number(), text.ids.len() - 1);
        if draw.is_training() {
            let streams = self.saved.bptt_streams;
            let (step, stream, starts) =
                (number / streams * self.saved.window, number % streams, starts(tokens, streams));
            let start = starts[stream] + step;
            let end = (start + self.saved.window).min(starts[stream + 1]).max(start);
            let (input, targets) = (ids[start..end].to_vec(), ids[start + 1..=end].to_vec());
            return Ok(Window { input, targets, characters: 0, stream: Some((stream, step == 0)) });
        }
        let new = self.new_tokens();
        let (from, until) = (number * new, (number * new + new).min(tokens));
        // The characters of the text are those of all windows; a window has its share of them.
        let share = |tokens_until: usize| text.characters as u128 * tokens_until as u128 / tokens as u128;
        let characters = (share(until) - share(from)) as u64;
        let (input, targets) = (ids[from.saturating_sub(new)..until].to_vec(), ids[from + 1..=until].to_vec());
        Ok(Window { input, targets, characters, stream: None })
    }

    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Window> {
        let mut input = self.tokenizer.encode(line)?;
        input.drain(..input.len().saturating_sub(2 * self.saved.window));
        Ok(Window { input, targets: vec![], characters: 0, stream: None })
    }

    fn lengths(&self, window: &Window) -> (usize, usize) {
        (0, window.input.len())
    }

    fn batch(&self, windows: &[&Window]) -> Result<Batch> {
        let inputs: Vec<&[u32]> = windows.iter().map(|window| window.input.as_slice()).collect();
        let numbers: Option<Vec<usize>> = windows.iter().map(|window| Some(window.stream?.0)).collect();
        let begin = windows.first().and_then(|window| window.stream).is_some_and(|(_, begin)| begin);
        // Streams that stand side by side carry their states on.
        let in_order = numbers.filter(|all| all.windows(2).all(|pair| pair[0] + 1 == pair[1]));
        let streams = in_order.and_then(|all| Some((*all.first()?..*all.last()? + 1, begin)));
        Ok(Batch {
            input: Padded::new(&inputs, self.tokenizer.specials().pad),
            counts: windows.iter().map(|window| window.targets.len()).collect(),
            targets: windows.iter().flat_map(|window| &window.targets).copied().collect(),
            streams,
        })
    }

    fn loss_count(&self, batch: &Batch) -> usize {
        batch.targets.len()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Var<'g> {
        self.losses(graph, batch).sum_all()
    }

    fn carried(&self) -> Option<&CarriedRows> {
        Some(&self.carried)
    }

    fn answers(&self, params: &Params, batch: &Batch, search: Search) -> Result<Vec<Self::Answer>> {
        if let Search::Best { count, .. } = search {
            let rows = batch.input.ids.outer_iter().zip(&batch.input.lengths);
            return rows.map(|(ids, length)| self.likeliest(params, &ids.to_vec()[..*length], count)).collect();
        }
        let graph = Graph::inference(params);
        let mut losses = self.losses(&graph, batch).value()?.to_f64().into_iter();
        Ok(batch.counts.iter().map(|&count| (losses.by_ref().take(count).sum(), vec![])).collect())
    }

    fn score(&self, windows: &[Window], answers: &[Self::Answer]) -> Result<Score> {
        let nats: f64 = answers.iter().map(|(nats, _)| nats).sum();
        let characters: u64 = windows.iter().map(|window| window.characters).sum();
        let tokens: usize = windows.iter().map(|window| window.targets.len()).sum();
        let more = [
            ("bits_per_character", bits_per_character(nats, characters)?),
            ("perplexity", perplexity(nats, tokens as u64)?),
        ];
        Ok(Score::from(nats / characters as f64).with(more))
    }

    fn show(&self, window: &Window, (nats, best): &Self::Answer, _digits: Digits) -> Shown {
        let shown: Vec<u32> = window.input.iter().chain(window.targets.last()).copied().collect();
        let from = shown.len().saturating_sub(window.targets.len() + 1);
        let text = writing::window(&self.tokenizer, &shown, from).unwrap_or_default();
        if window.targets.is_empty() {
            let spelled = |(id, p): &(u32, f64)| Some((self.tokenizer.spell(*id).ok()?, *p));
            let best: Vec<(String, f64)> = best.iter().filter_map(spelled).collect();
            let answer = best.first().map_or(String::new(), |(token, _)| format!("{token:?}"));
            return Shown { answer, ..Shown::probable(vec![("text", text)], best) };
        }
        let nats = nats / window.targets.len() as f64;
        Shown::answer(vec![("text", text)], format!("{nats:.3} nats a token"))
    }

    fn notes(&self, train: &Drawn<Text>, dev: &[Window], test: &[Window]) -> Vec<String> {
        let tokens = |part: &[Window]| part.iter().map(|window| window.targets.len()).sum::<usize>();
        let unknown = |part: &[Window]| {
            let unk = self.tokenizer.specials().unk;
            part.iter().flat_map(|window| &window.targets).filter(|id| **id == unk).count()
        };
        let mut notes = vec![format!(
            "{} tokens to train on in {} columns, {} for dev, {} for test; {} kinds of token",
            train.material().ids.len() - 1,
            self.saved.bptt_streams,
            tokens(dev),
            tokens(test),
            self.tokenizer.vocabulary_size(),
        )];
        if unknown(dev) + unknown(test) > 0 {
            notes.push(format!("{} tokens of dev and {} of test are unknown", unknown(dev), unknown(test)));
        }
        notes
    }

    fn samples(&self, params: &Params) -> Result<Vec<String>> {
        let write = |temperature| {
            let mut text = format!("at temperature {temperature}:\n");
            let (prompt, length, seed) = (String::new(), SAMPLE, 1);
            let ask = Generate { prompt, length, temperature, top_k: None, top_p: None, seed };
            self.generate(params, &ask, &mut |piece| {
                text.push_str(piece);
                Ok(())
            })?;
            Ok(text)
        };
        TEMPERATURES.into_iter().map(write).collect()
    }

    fn generate(&self, params: &Params, ask: &Generate, write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
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

impl NextToken {
    /// What the likeliest tokens after some are.
    fn likeliest(&self, params: &Params, ids: &[u32], count: usize) -> Result<(f64, Vec<(u32, f64)>)> {
        let mut next = None;
        let mut read = |steps: &mut dyn StepFunction| -> Result<()> {
            for id in ids {
                next = Some(steps.step(&[0], &[*id])?.log_probs);
            }
            Ok(())
        };
        match &self.model {
            Model::Recurrent(model) => read(&mut Steps::new(params, model, usize::MAX)?)?,
            Model::Transformer(model) => read(&mut Steps::new(params, model, self.saved.window)?)?,
        }
        let mut best: Vec<(u32, f64)> =
            next.iter().flatten().enumerate().map(|(id, log_prob)| (id as u32, log_prob.exp())).collect();
        best.sort_by(|a, b| b.1.total_cmp(&a.1));
        best.truncate(count);
        Ok((0.0, best))
    }
}
