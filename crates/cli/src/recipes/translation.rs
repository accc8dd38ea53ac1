//! From sentences to sentences: an encoder, and a decoder that attends.

use super::*;
use ndarray::ArrayView1;
use unspool::{
    models::{Teaching, TransformerTranslator, TransformerTranslatorConfig, Translator, TranslatorConfig},
    nn::{
        TruthSchedule,
        decoding::{Beam, Decoding, Hypothesis, LengthPenalty, StepFunction},
    },
    text::{Padded, TeacherForcing, TokenKind, TokenizerOptions, score::Bleu},
};
use unspool_task::Attention;

/// Translations are searched for with so many kept at each step.
const BEAM: usize = 5;

/// Maps of attention in the report.
const MAPS: usize = 5;

/// Of the right token's probability in training, this share goes to all tokens alike.
const SMOOTHING: f64 = 0.1;

/// The decoder's own tokens come in over a training's thousandths, until every other token is one.
const SCHEDULE: TruthSchedule = TruthSchedule::Linear { start: 1.0, slope: 0.5e-3, least: 0.5 };

pub(crate) struct Translation {
    saved: Saved,
    tokenizer: Tokenizer,
    model: Model,
}

enum Model {
    Recurrent(Translator),
    Transformer(TransformerTranslator),
}

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    arch: ArchOptions,
    /// Attention of a recurrent decoder: over all encoder states (additive), or only the last state (none)
    #[arg(long, value_name = "additive|none", default_value = "additive", value_parser = choice(&["additive", "none"]))]
    attention: String,
    /// Decoder input in training: the reference token (always), its own last token (never), or its own more and more
    /// often (scheduled)
    #[arg(long, value_name = "always|scheduled|never", default_value = "always",
          value_parser = choice(&["always", "scheduled", "never"]))]
    teacher_forcing: String,
    /// Size of the vocabulary that both languages share [from 300 to 65000]
    #[arg(long, value_name = "TOKENS", default_value = "4000", value_parser = count(300..=65_000))]
    vocabulary: usize,
    /// Maximum length of a sentence; longer ones are cut, and their number is reported [from 1 to 10000]
    #[arg(long, value_name = "TOKENS", default_value = "100", value_parser = count(1..=limits::LENGTH))]
    max_length: usize,
    /// Tokens per batch on its longer side, padding included [from 1 to 10000000]
    #[arg(long, value_name = "TOKENS", default_value = "1200", value_parser = count(1..=10_000_000))]
    batch_tokens: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    max_length: usize,
    teacher_forcing: String,
    model: ModelConfig,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum ModelConfig {
    Recurrent(TranslatorConfig),
    Transformer(TransformerTranslatorConfig),
}

/// A sentence and its translation, as tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pair {
    source: Vec<u32>,
    target: Vec<u32>,
    source_text: String,
    reference: String,
}

/// Translations as the search finds them, best first, and as the likeliest token at each step makes one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Translated {
    best: Vec<(String, f64)>,
    greedy: String,
    attention: Option<Attention>,
}

impl Translation {
    /// How a batch is translated: the rules, and the model's steps.
    fn steps<'p>(&'p self, params: &'p Params, source: &Padded) -> Result<(Decoding, Box<dyn StepFunction + 'p>)> {
        Ok(match &self.model {
            Model::Recurrent(model) => (model.decoding(source), Box::new(model.steps(params, source)?)),
            Model::Transformer(model) => (model.decoding(source), Box::new(model.steps(params, source)?)),
        })
    }

    /// What was looked at for each token that was written.
    fn attention(&self, source: &[u32], found: &Hypothesis) -> Option<Attention> {
        // A character in several tokens stands at the last of them.
        let pieces = |ids: &[u32]| self.tokenizer.decode_pieces(ids).ok();
        let mut rows = pieces(&found.tokens)?;
        // In a batch with longer sentences, a sentence is padded; padding has no weight and is not shown.
        let real = |row: ArrayView1<'_, f64>| row.iter().take(source.len()).copied().collect();
        let weights: Vec<Vec<f64>> = found.attention.as_ref()?.rows().into_iter().map(real).collect();
        // The end token was looked for, too.
        rows.resize(weights.len(), String::new());
        Some(Attention { rows, columns: pieces(source)?, weights })
    }

    /// Bytes are tokens too, so that a model can write the end of a line; a translation is one line.
    fn text(&self, found: &Hypothesis) -> Result<String> {
        Ok(self.tokenizer.decode(&found.tokens)?.trim().replace(['\n', '\r'], " "))
    }

    fn recorded<'g>(&self, graph: &'g Graph<'g>, (source, target): &(Padded, TeacherForcing), truth: f64) -> Var<'g> {
        let teaching = Teaching { smoothing: SMOOTHING, truth };
        match &self.model {
            Model::Recurrent(model) => model.loss(graph, source, target, teaching),
            Model::Transformer(model) => model.loss(graph, source, target, teaching),
        }
    }
}

impl Task for Translation {
    const SPEC: Spec = Spec::new(
        "translation",
        "Translate sentences with an encoder and a decoder with attention",
        Metric::more("bleu", 2),
    )
    .training(7, 3e-3, 1)
    .own_batches()
    .table(&[("source", "swedish"), ("target", "english")], &[crate::data::TATOEBA_SWE, crate::data::TATOEBA_KOR])
    .data(
        "TSV file with a header line that names its columns: one file, which is divided by a hash of each line; three \
         (TRAIN DEV TEST); or a folder with one file whose name contains `train`, one with `dev`, and one with \
         `test`. Or six files of plain text, two for each part, in which equal lines belong together",
        &[crate::data::TATOEBA_SWE, crate::data::TATOEBA_KOR],
    )
    .compare(&[("without_attention", &[("attention", "none")])])
    .defaults(&[("hidden-size", "256")])
    .samples(3);

    type Options = Options;
    type Saved = Saved;
    type Source = TableRows;
    type Example = Pair;
    type Batch = (Padded, TeacherForcing);
    type Answer = Translated;

    fn batch_size(options: &Options) -> Option<BatchSize> {
        Some(BatchSize::Tokens(options.batch_tokens))
    }

    fn learn(options: &Options, train: &TableRows) -> Result<Learned<Saved>> {
        let how = TokenizerOptions { vocabulary_size: options.vocabulary, ..TokenizerOptions::default() };
        let both = |rows: &mut dyn Iterator<Item = Row>| {
            Tokenizer::train(TokenKind::ByteLevelBpe, rows.flat_map(|row| row.fields), &how)
        };
        let (tokenizer, usual) = (train.read(both)??, TranslatorConfig::default());
        let RecurrentOptions { cell, layers, hidden_size } = options.arch.recurrent;
        let vocabulary_size = tokenizer.vocabulary_size();
        let model = match options.arch.is_transformer() {
            false => ModelConfig::Recurrent(TranslatorConfig {
                vocabulary_size,
                cell,
                layers,
                hidden_size,
                attention: options.attention == "additive",
                specials: tokenizer.specials(),
                ..usual
            }),
            true => ModelConfig::Transformer(TransformerTranslatorConfig {
                vocabulary_size,
                size: hidden_size,
                heads: options.arch.heads(),
                feedforward: 4 * hidden_size,
                layers,
                dropout: usual.dropout,
                specials: tokenizer.specials(),
            }),
        };
        let Options { max_length, teacher_forcing, .. } = options.clone();
        Ok(Learned::text(Saved { max_length, teacher_forcing, model }, tokenizer))
    }

    fn build(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Translation> {
        let (model, vocabulary_size) = match &saved.model {
            ModelConfig::Recurrent(config) => {
                config.check()?;
                (Model::Recurrent(Translator::new(params, config)), config.vocabulary_size)
            }
            ModelConfig::Transformer(config) => {
                config.check()?;
                (Model::Transformer(TransformerTranslator::new(params, config)), config.vocabulary_size)
            }
        };
        Ok(Translation { saved, tokenizer: check_tokenizer(tokenizer, vocabulary_size)?, model })
    }

    fn example(&self, row: &Row, draw: &Draw) -> Result<Pair> {
        let ids = |text: &str| encode(text, &self.tokenizer, self.saved.max_length, draw);
        let target = row.fields.get(1).map(String::as_str);
        Ok(Pair {
            source: ids(&row[0])?,
            target: target.map_or(Ok(vec![]), ids)?,
            source_text: draw.shown(&row[0]),
            reference: draw.shown(target.unwrap_or_default()),
        })
    }

    fn read_line(&self, line: &str, draw: &Draw) -> Result<Pair> {
        self.example(&Row { line: 0, fields: vec![line.trim().to_owned()], hash: 0 }, draw)
    }

    fn lengths(&self, pair: &Pair) -> (usize, usize) {
        (pair.source.len(), pair.target.len() + 1)
    }

    fn batch(&self, pairs: &[&Pair]) -> Result<(Padded, TeacherForcing)> {
        let specials = self.tokenizer.specials();
        let sources: Vec<&[u32]> = pairs.iter().map(|pair| pair.source.as_slice()).collect();
        let targets: Vec<&[u32]> = pairs.iter().map(|pair| pair.target.as_slice()).collect();
        Ok((Padded::new(&sources, specials.pad), TeacherForcing::new(&targets, specials)))
    }

    fn loss_count(&self, (_, target): &(Padded, TeacherForcing)) -> usize {
        target.tokens()
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, batch: &(Padded, TeacherForcing)) -> Var<'g> {
        self.recorded(graph, batch, 1.0)
    }

    fn training_loss<'g>(&self, graph: &'g Graph<'g>, batch: &(Padded, TeacherForcing), progress: f64) -> Var<'g> {
        let truth = match self.saved.teacher_forcing.as_str() {
            "scheduled" => SCHEDULE.at((1000.0 * progress) as u64),
            "never" => 0.0,
            _ => 1.0,
        };
        self.recorded(graph, batch, truth)
    }

    fn answers(
        &self,
        params: &Params,
        (source, _): &(Padded, TeacherForcing),
        search: Search,
    ) -> Result<Vec<Translated>> {
        let (decoding, mut steps) = self.steps(params, source)?;
        let greedy = match search {
            Search::Best { .. } => vec![String::new(); source.len()],
            _ => decoding.greedy(&mut steps)?.iter().map(|found| self.text(found)).collect::<Result<_>>()?,
        };
        if search == Search::Quick {
            let quick = |text: String| Translated { best: vec![(text.clone(), 0.0)], greedy: text, attention: None };
            return Ok(greedy.into_iter().map(quick).collect());
        }
        let beam = Beam::new(BEAM.max(search.count())).best(search.count()).penalty(LengthPenalty::Average);
        let (decoding, mut steps) = self.steps(params, source)?;
        let found = decoding.beam(&mut steps, &beam)?.into_iter().zip(greedy).enumerate();
        let translated = |(row, (found, greedy)): (usize, (Vec<Hypothesis>, String))| {
            let best = found.iter().map(|found| Ok((self.text(found)?, found.score))).collect::<Result<Vec<_>>>()?;
            let ids: Vec<u32> = source.ids.row(row).iter().take(source.lengths[row]).copied().collect();
            let wanted = matches!(search, Search::Best { attention: true, .. });
            let first = found.first().filter(|_| wanted);
            Ok(Translated { best, greedy, attention: first.and_then(|found| self.attention(&ids, found)) })
        };
        found.map(translated).collect()
    }

    fn score(&self, pairs: &[Pair], answers: &[Translated]) -> Result<Score> {
        let references: Vec<&str> = pairs.iter().map(|pair| pair.reference.as_str()).collect();
        let bleu = |answer: fn(&Translated) -> &str| {
            Bleu::default().score(&answers.iter().map(answer).collect::<Vec<_>>(), &[&references])
        };
        let best = bleu(|answer| answer.best.first().map_or("", |(text, _)| text))?;
        let more = [("bleu_greedy", bleu(|answer| &answer.greedy)?.score)];
        Ok(Score { signature: Some(best.signature), ..Score::from(best.score).with(more) })
    }

    fn show(&self, pair: &Pair, Translated { best, attention, .. }: &Translated, _digits: Digits) -> Shown {
        let given = vec![("source", pair.source_text.clone()), ("reference", pair.reference.clone())];
        Shown { attention: attention.clone(), ..Shown::best(given, best.clone()) }
    }

    fn notes(&self, train: &TableRows, _dev: &[Pair], _test: &[Pair]) -> Vec<String> {
        let size = self.tokenizer.vocabulary_size();
        vec![format!("{}, {size} tokens in the vocabulary", train.columns.join(" to "))]
    }

    fn figures(&self, params: &Params, test: &[Pair], _answers: &[Translated]) -> Result<Vec<Figure>> {
        let mut figures = vec![];
        for pair in test.iter().filter(|pair| pair.source.len() > 3).take(MAPS) {
            let search = Search::Best { count: 1, attention: true };
            let found = self.answers(params, &self.batch(&[pair])?, search)?.into_iter().next();
            if let Some(map) = found.and_then(|found| found.attention) {
                let title = format!("Who looks where: {}", pair.source_text);
                figures.push(Figure::Attention { title, map: map.over_words() });
            }
        }
        Ok(figures)
    }
}
