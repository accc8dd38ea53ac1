//! From a text to more of it: the next character, or any other token, given all that went before.
//!
//! The train part is cut into streams that are read side by side, a window of steps at a time. A recurrence carries its
//! state from window to window, though no gradient (truncated back-propagation through time); a Transformer sees its
//! own window alone. The other parts are read in overlapping windows, so that each token is predicted from a window of
//! text before it.

use super::*;
use crate::{
    long_text::{self, Options, Text, Window, beginning, new_tokens, streams, windows},
    writing,
};
use unspool::text::score::{bits_per_character, perplexity};

/// Tokens of a sample, and the temperatures it is written at.
const SAMPLE: usize = 300;
const TEMPERATURES: [f64; 2] = [0.5, 1.0];

pub(crate) struct NextToken {
    saved: Saved,
    pub(crate) tokenizer: Tokenizer,
    model: LanguageModel,
    /// Those whose probabilities are averaged with the model's.
    others: Vec<(LanguageModel, Params)>,
    carried: CarriedStates,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    window: usize,
    bptt_streams: usize,
    /// What a text without a prompt goes on from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<u32>,
    model: LanguageModelConfig,
}

impl NextToken {
    fn new_tokens(&self) -> usize {
        new_tokens(self.saved.window, matches!(self.model, LanguageModel::Transformer(_)))
    }

    /// The model and the others, with their parameters.
    fn all<'a>(&'a self, params: &'a Params) -> impl Iterator<Item = (&'a LanguageModel, &'a Params)> {
        [(&self.model, params)].into_iter().chain(self.others.iter().map(|(model, params)| (model, params)))
    }

    /// The steps of writing with all of them.
    fn steps<'a>(&'a self, params: &'a Params) -> Result<Ensemble<Box<dyn StepFunction + 'a>>> {
        let steps = self.all(params).map(|(model, params)| Ok(model.steps(params, self.saved.window)?));
        Ok(Ensemble::new(steps.collect::<Result<_>>()?))
    }

    /// What a text without a prompt goes on from.
    fn begin(&self) -> u32 {
        self.saved.begin.unwrap_or(self.tokenizer.specials().bos)
    }
}

impl Task for NextToken {
    const SPEC: Spec =
        Spec::new("language-model", "Predict the next token of a text, to write more", Metric::less("nats", 4))
            .training(6, 4e-3, 1)
            .own_batches()
            .average(0.998)
            .documents(&[("text", "text")], &[crate::data::SHAKESPEARE])
            .defaults(&[("layers", "2"), ("hidden-size", "256"), ("vocabulary", "1000")])
            .input(Input::Prompt);

    type Options = Options;
    type Saved = Saved;
    type Source = Drawn<Text>;
    type Example = Window;
    type Batch = TokenWindows;
    /// For each token that was to be predicted −ln p, then the likeliest tokens after the last one.
    type Answer = (f64, Vec<(u32, f64)>);

    fn batch_size(options: &Options) -> Option<BatchSize> {
        Some(BatchSize::Rows(options.bptt_streams))
    }

    /// The first process alone reads the text: the others are given its tokens.
    fn read(options: &Options, data: &Data) -> Result<Parts<Drawn<Text>>> {
        let TokenOptions { tokens, vocabulary, lowercase, .. } = &options.tokens;
        let given = options.tokens.given()?;
        let json = given.as_ref().map_or(Ok(String::new()), Tokenizer::to_json)?;
        let how: [&str; 4] = [tokens, &vocabulary.to_string(), &lowercase.to_string(), &json];
        let [train, dev, test] = data.prepare(&how, || {
            let texts = data.texts(limits::TEXT)?;
            let how = TokenizerOptions { minimum_count: 1, ..options.tokens.one_token_each() };
            let train = || Ok(Tokenizer::train(options.tokens.kind()?, [&texts[0]], &how)?);
            let tokenizer = given.map_or_else(train, Ok::<_, Error>)?;
            // A text goes as soon as its tokens are there.
            let [train, dev, test] = texts.map(|text| Text::new(&text, &tokenizer));
            Ok([Text { tokenizer: tokenizer.to_json()?, ..train? }, dev?, test?])
        })?;
        let new = new_tokens(options.window, options.arch.is_transformer());
        Ok(Parts {
            train: streams(train, options.bptt_streams, options.window).named(data.document_columns()?),
            dev: windows(dev, new),
            test: windows(test, new),
        })
    }

    fn learn(options: &Options, train: &Drawn<Text>) -> Result<Learned<Saved>> {
        let Text { ids, tokenizer, .. } = train.material();
        let tokenizer = Tokenizer::from_json("the tokenizer", tokenizer)?;
        let model = options.arch.language_model(&options.embedding, tokenizer.vocabulary_size());
        let bptt_streams = options.bptt_streams.min(ids.len() - 1);
        let begin = beginning(ids, &tokenizer)?;
        Ok(Learned::text(Saved { window: options.window, bptt_streams, begin, model }, tokenizer))
    }

    fn build(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<NextToken> {
        limits::check("window", saved.window)?;
        limits::check("bptt_streams", saved.bptt_streams)?;
        saved.model.check()?;
        let tokenizer = check_tokenizer(tokenizer, saved.model.vocabulary_size())?;
        if let Some(begin) = saved.begin.filter(|begin| *begin as usize >= tokenizer.vocabulary_size()) {
            return Err(Error::failure(format!("begin is {begin}"), "it must be less than vocabulary_size"));
        }
        let model = LanguageModel::new(params, &saved.model);
        let carried = CarriedStates::new(saved.bptt_streams);
        Ok(NextToken { carried, saved, tokenizer, model, others: vec![] })
    }

    fn decode_with(&mut self, options: &DecodingOptions, others: Vec<(Self, Params)>) -> Result<()> {
        writing::check_usual(options)?;
        self.others = others.into_iter().map(|(other, params)| (other.model, params)).collect();
        Ok(())
    }

    fn read_to_score(&self, data: &Data) -> Result<Drawn<Text>> {
        Ok(windows(Text::new(&data.text(limits::TEXT)?, &self.tokenizer)?, self.new_tokens()))
    }

    fn example(&self, text: &Text, draw: &Draw) -> Result<Window> {
        let Saved { bptt_streams, window, .. } = self.saved;
        Ok(match draw.is_training() {
            true => Window::of_stream(text, draw.number(), bptt_streams, window),
            false => Window::of_part(text, draw.number(), self.new_tokens()),
        })
    }

    fn read_line(&self, line: &str, _draw: &Draw) -> Result<Window> {
        let mut input = self.tokenizer.encode(line)?;
        input.drain(..input.len().saturating_sub(2 * self.saved.window));
        Ok(Window::asked(input))
    }

    fn lengths(&self, window: &Window) -> (usize, usize) {
        (0, window.length())
    }

    fn batch(&self, windows: &[&Window]) -> Result<TokenWindows> {
        Ok(Window::batch(windows, self.tokenizer.specials().pad))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &TokenWindows) -> Var<'g> {
        self.model.loss(graph, batch, &self.carried)
    }

    fn carried(&self) -> Option<&CarriedStates> {
        Some(&self.carried)
    }

    fn answers(&self, params: &Params, batch: &TokenWindows, search: Search) -> Result<Vec<Self::Answer>> {
        if let Search::Best { count, .. } = search {
            let rows = batch.input.ids.outer_iter().zip(&batch.input.lengths);
            let window = self.saved.window;
            let next = |ids: &[u32]| {
                let all = self.all(params).map(|(one, params)| Ok(one.next_tokens(params, ids, usize::MAX, window)?));
                Ok((0.0, writing::likeliest(&all.collect::<Result<Vec<_>>>()?, count)))
            };
            return rows.map(|(ids, length)| next(&ids.to_vec()[..*length])).collect();
        }
        let all = self.all(params).map(|(model, params)| {
            Ok(model.losses(&Graph::inference(params), batch, &self.carried).to_f64()?.into_iter().collect())
        });
        let mut losses = writing::losses_together(&all.collect::<Result<Vec<_>>>()?).into_iter();
        Ok(batch.counts.iter().map(|&count| (losses.by_ref().take(count).sum(), vec![])).collect())
    }

    fn score(&self, windows: &[Window], answers: &[Self::Answer]) -> Result<Score> {
        let nats: f64 = answers.iter().map(|(nats, _)| nats).sum();
        let characters: u64 = windows.iter().map(|window| window.characters).sum();
        let tokens: usize = windows.iter().map(|window| window.predicted).sum();
        let more = [
            ("bits_per_character", bits_per_character(nats, characters)?),
            ("perplexity", perplexity(nats, tokens as u64)?),
        ];
        Ok(Score::from(nats / characters as f64).with(more))
    }

    fn show(&self, window: &Window, (nats, best): &Self::Answer, _digits: Digits) -> Shown {
        let shown = window.ids.to_vec(0..window.ids.len());
        let from = shown.len().saturating_sub(window.predicted + 1);
        let text = writing::window(&self.tokenizer, &shown, from).unwrap_or_default();
        if window.predicted == 0 {
            let spelled = |(id, p): &(u32, f64)| Some((self.tokenizer.spell(*id).ok()?, *p));
            let best: Vec<(String, f64)> = best.iter().filter_map(spelled).collect();
            let answer = best.first().map_or(String::new(), |(token, _)| format!("{token:?}"));
            return Shown { answer, ..Shown::probable(vec![("text", text)], best) };
        }
        let nats = nats / window.predicted as f64;
        Shown::answer(vec![("text", text)], format!("{nats:.3} nats a token"))
    }

    fn notes(&self, train: &Drawn<Text>, dev: &[Window], test: &[Window]) -> Vec<String> {
        long_text::notes(train.material(), self.saved.bptt_streams, dev, test, &self.tokenizer)
    }

    fn samples(&self, params: &Params) -> Result<Vec<String>> {
        let sample =
            |temperature| writing::sample(self.steps(params)?, &self.tokenizer, self.begin(), SAMPLE, temperature);
        TEMPERATURES.into_iter().map(sample).collect()
    }

    fn generate(&self, params: &Params, ask: &Continuation, write: &mut dyn FnMut(&str) -> Result<()>) -> Result<()> {
        writing::write(self.steps(params)?, &self.tokenizer, self.begin(), ask, write)
    }
}
