//! From sentences to sentences: an encoder, and a decoder that attends.

use super::*;

/// Maps of attention in the report.
const MAPS: usize = 5;

/// The decoder's own tokens come in over a training's thousandths, until every other token is one.
const SCHEDULE: TeacherForcingSchedule = TeacherForcingSchedule::Linear { start: 1.0, slope: 0.5e-3, least: 0.5 };

pub(crate) struct Translation {
    saved: Saved,
    tokenizers: PairTokenizers,
    model: Translator,
    decoder: Decoder,
}

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    arch: ArchOptions,
    #[command(flatten)]
    tokens: PairTokenOptions,
    #[command(flatten)]
    embedding: EmbeddingOptions,
    #[command(flatten)]
    search: SearchOptions,
    /// Attention of a recurrent decoder: over all encoder states (additive), or only the last state (none)
    #[arg(long, value_name = "KIND", default_value = "additive", value_parser = choice(&["additive", "none"]))]
    attention: String,
    /// Decoder input in training: the reference token (always), its own last token (never), or its own more and more
    /// often (scheduled)
    #[arg(long, value_name = "KIND", default_value = "always", help_heading = "Training",
          value_parser = choice(&["always", "scheduled", "never"]))]
    teacher_forcing: String,
    /// Label smoothing: the share of the right token's probability that all tokens get equally [from 0 to 0.95]
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share, help_heading = "Training")]
    label_smoothing: f64,
    /// Maximum length of a sentence; longer ones are cut, and their number is reported [from 1 to 10000]
    #[arg(long, value_name = "TOKENS", default_value = "100", value_parser = count(1..=limits::LENGTH),
          help_heading = "Data")]
    max_length: usize,
    /// Tokens per batch on its longer side, padding included [from 1 to 10000000]
    #[arg(long, value_name = "TOKENS", default_value = "1200", value_parser = count(1..=10_000_000),
          help_heading = "Training")]
    batch_tokens: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    max_length: usize,
    teacher_forcing: String,
    label_smoothing: f64,
    search: SearchOptions,
    model: TranslatorConfig,
}

/// A sentence and its translation, as tokens.
#[derive(Serialize, Deserialize)]
pub(crate) struct Pair {
    source: Vec<u32>,
    target: Vec<u32>,
    pub(crate) source_text: String,
    reference: String,
}

/// Translations as the search finds them, best first, and as the likeliest token at each step makes one.
#[derive(Serialize, Deserialize)]
pub(crate) struct Translated {
    pub(crate) best: Vec<(String, f64)>,
    pub(crate) greedy: String,
    pub(crate) attention: Option<Attention>,
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
    .compare(&[("without_attention", &[("attention", "none")])])
    .defaults(&[
        ("hidden-size", "256"),
        ("tokens", "bpe"),
        ("vocabulary", "4000"),
        ("embedding-size", "192"),
        ("dropout", "0.2"),
    ])
    .samples(3)
    .prefixed();

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
        let tokenizers = options.tokens.tokenizers(train)?;
        let model = options.arch.translator(&options.embedding, options.attention == "additive", &tokenizers);
        let Options { max_length, teacher_forcing, label_smoothing, search, .. } = options.clone();
        Ok(Learned::pairs(Saved { max_length, teacher_forcing, label_smoothing, search, model }, tokenizers))
    }

    fn build(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Translation> {
        Self::build_with_source(saved, None, tokenizer, params)
    }

    fn build_with_source(
        saved: Saved,
        source: Option<Tokenizer>,
        tokenizer: Option<Tokenizer>,
        params: &mut Params,
    ) -> Result<Translation> {
        saved.model.check()?;
        saved.search.check()?;
        let tokenizers = PairTokenizers::check(source, tokenizer, saved.model.vocabulary_sizes())?;
        let (model, decoder) = (Translator::new(params, &saved.model), Decoder::usual(&saved.search));
        Ok(Translation { model, saved, tokenizers, decoder })
    }

    fn decode_with(&mut self, options: &DecodingOptions, others: Vec<(Self, Params)>) -> Result<()> {
        let others = others.into_iter().map(|(other, params)| (other.model, params)).collect();
        self.decoder = Decoder::usual(&self.saved.search).with(options, &self.tokenizers.target, others)?;
        Ok(())
    }

    fn example(&self, row: &Row, draw: &Draw) -> Result<Pair> {
        let ids = |side: usize, text: &str| encode(text, self.tokenizers.both()[side], self.saved.max_length, draw);
        let target = row.fields.get(1).map(String::as_str);
        Ok(Pair {
            source: ids(0, &row[0])?,
            target: target.map_or(Ok(vec![]), |text| ids(1, text))?,
            source_text: draw.scored_with(&row[0]),
            reference: draw.scored_with(target.unwrap_or_default()),
        })
    }

    fn read_line(&self, line: &str, draw: &Draw) -> Result<Pair> {
        let mut row = TableRows::row_of_line(line.trim())?;
        if let Some((source, target)) = line.split_once('\t').filter(|_| self.decoder.reads_targets()) {
            row.fields = [source, target].map(|text| text.trim().to_owned()).to_vec();
        }
        self.example(&row, draw)
    }

    fn read_prefixed(&self, line: &str, prefix: &str, draw: &Draw) -> Result<Pair> {
        let pair = self.example(&TableRows::row_of_line(line.trim())?, draw)?;
        let (source, _) = self.batch(&[&pair])?;
        Ok(Pair { target: self.decoder.prefix(&self.model, &self.tokenizers.target, &source, prefix)?, ..pair })
    }

    fn lengths(&self, pair: &Pair) -> (usize, usize) {
        (pair.source.len(), pair.target.len() + 1)
    }

    fn batch(&self, pairs: &[&Pair]) -> Result<Self::Batch> {
        let [of_source, specials] = self.tokenizers.both().map(Tokenizer::specials);
        let sources: Vec<&[u32]> = pairs.iter().map(|pair| pair.source.as_slice()).collect();
        let targets: Vec<&[u32]> = pairs.iter().map(|pair| pair.target.as_slice()).collect();
        Ok((Padded::new(&sources, of_source.pad), TeacherForcing::new(&targets, specials)))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (source, target): &Self::Batch) -> Var<'g> {
        let label_smoothing = self.saved.label_smoothing;
        self.model.loss(graph, source, target, LossOptions { label_smoothing, teacher_forcing_ratio: 1.0 })
    }

    fn training_loss<'g>(&self, graph: &'g Graph<'g>, (source, target): &Self::Batch, progress: f64) -> Var<'g> {
        let teacher_forcing_ratio = match self.saved.teacher_forcing.as_str() {
            "scheduled" => SCHEDULE.at((1000.0 * progress) as u64),
            "never" => 0.0,
            _ => 1.0,
        };
        let label_smoothing = self.saved.label_smoothing;
        self.model.loss(graph, source, target, LossOptions { label_smoothing, teacher_forcing_ratio })
    }

    fn answers(&self, params: &Params, (source, target): &Self::Batch, search: Search) -> Result<Vec<Translated>> {
        let greedy = match search {
            Search::Best { .. } => vec![String::new(); source.len()],
            _ => self.decoder.greedy((&self.model, params), &self.tokenizers.target, source)?,
        };
        if search == Search::Quick {
            let quick = |text: String| Translated { best: vec![(text.clone(), 0.0)], greedy: text, attention: None };
            return Ok(greedy.into_iter().map(quick).collect());
        }
        let both = self.tokenizers.both();
        let (model, targets, count) = ((&self.model, params), target.rows(), search.count());
        let found = self.decoder.decode(model, both, source, &targets, count, search.has_prefix())?;
        let rows = found.into_iter().zip(greedy).enumerate().map(|(row, (found, greedy))| {
            let first = found.first().filter(|_| search.wants_attention());
            let attention = first.and_then(|(.., one)| Attention::of_row(both, source, row, one));
            Translated { best: found.into_iter().map(|(text, score, _)| (text, score)).collect(), greedy, attention }
        });
        Ok(rows.collect())
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

    fn alternatives(&self, params: &Params, pair: &Pair, count: usize) -> Result<Option<Vec<Alternative>>> {
        let (tokenizer, (source, _)) = (&self.tokenizers.target, self.batch(&[pair])?);
        self.decoder.alternatives((&self.model, params), tokenizer, &source, &pair.target, count).map(Some)
    }

    fn show(&self, pair: &Pair, Translated { best, attention, .. }: &Translated, _digits: Digits) -> Shown {
        let given = vec![("source", pair.source_text.clone()), ("reference", pair.reference.clone())];
        Shown { attention: attention.clone(), ..Shown::best(given, best.clone()) }
    }

    fn notes(&self, train: &TableRows, _dev: &[Pair], _test: &[Pair]) -> Vec<String> {
        let size = self.tokenizers.target.vocabulary_size();
        vec![format!("{}, {size} tokens in the vocabulary", train.columns.join(" to "))]
    }

    fn figures(&self, params: &Params, test: &[Pair], _answers: &[Translated]) -> Result<Vec<Figure>> {
        let mut figures = vec![];
        for pair in test.iter().filter(|pair| pair.source.len() > 3).take(MAPS) {
            let search = Search::Best { count: 1, attention: true, prefix: false };
            let found = self.answers(params, &self.batch(&[pair])?, search)?.into_iter().next();
            if let Some(map) = found.and_then(|found| found.attention) {
                let title = format!("Who looks where: {}", pair.source_text);
                figures.push(Figure::Attention { title, map: map.over_words() });
            }
        }
        Ok(figures)
    }
}
