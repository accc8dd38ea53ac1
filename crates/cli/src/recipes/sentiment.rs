//! From texts to labels: a recurrence over their tokens.

use super::*;

pub(crate) struct Sentiment {
    pub(crate) saved: Saved,
    tokenizer: Tokenizer,
    model: Classifier,
}

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reader: ReaderOptions,
    #[command(flatten)]
    text: TextOptions,
    #[command(flatten)]
    pairs: PairOptions,
    /// Weights per class that n-grams of 1 to 4 tokens share (hashed); 0 for none [from 0 to 1048576]
    #[arg(long, value_name = "N", default_value = "262144", value_parser = count(0..=1 << 20))]
    ngram_buckets: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    max_length: usize,
    pub(crate) labels: LabelSet,
    model: ClassifierConfig,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    ids: Vec<u32>,
    pub(crate) label: Labels,
    pub(crate) text: String,
}

impl Task for Sentiment {
    const SPEC: Spec = Spec::new("sentiment", "Classify texts, such as film reviews by sentiment", Metric::ACCURACY)
        .training(4, 2e-3, 64)
        .average(0.998)
        .table(&[("text", "document"), ("label", "label")], &[crate::data::NSMC])
        .defaults(&[("dropout", "0.5")]);

    type Options = Options;
    type Saved = Saved;
    type Source = TableRows;
    type Example = Text;
    type Batch = (Padded, Targets);
    type Answer = Vec<(u32, f64)>;

    fn learn(options: &Options, train: &TableRows) -> Result<Learned<Saved>> {
        let tokens = &options.text.tokens;
        let tokenizer = tokens.tokenizer(train, 0..1, &tokens.one_token_each())?;
        let labels = train.labels(1)?;
        let sizes = (tokenizer.vocabulary_size(), options.ngram_buckets, labels.len());
        let model = options.pairs.classifier(&options.reader, sizes);
        Ok(Learned::text(Saved { max_length: options.text.max_length, labels, model }, tokenizer))
    }

    fn build(saved: Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Sentiment> {
        saved.model.check()?;
        let tokenizer = check_tokenizer(tokenizer, saved.model.vocabulary_size)?;
        Ok(Sentiment { model: Classifier::new(params, &saved.model), saved, tokenizer })
    }

    fn initialize(&self, train: &TableRows, params: &mut Params) -> Result<()> {
        // A text that cannot be read is an error when a batch is made of it.
        let text = |(number, row): (usize, Row)| self.example(&row, &Draw::scored(number, Part::Train)).ok();
        let counted = |text: Text| (text.ids, text.label.first());
        Ok(train.read(|rows| self.model.count_ngrams(params, rows.enumerate().filter_map(text).map(counted)))??)
    }

    fn example(&self, row: &Row, draw: &Draw) -> Result<Text> {
        let ids = encode(&row[0], &self.tokenizer, self.saved.max_length, draw)?;
        Ok(Text { ids, label: Labels::new(&self.saved.labels, row.fields.get(1)), text: draw.scored_with(&row[0]) })
    }

    fn lengths(&self, text: &Text) -> (usize, usize) {
        (0, text.ids.len())
    }

    fn labels<'a>(&self, text: &'a Text) -> Option<&'a Labels> {
        Some(&text.label)
    }

    fn batch(&self, texts: &[&Text]) -> Result<Self::Batch> {
        let ids: Vec<&[u32]> = texts.iter().map(|text| text.ids.as_slice()).collect();
        let labels: Vec<&Labels> = texts.iter().map(|text| &text.label).collect();
        Ok((Padded::new(&ids, self.tokenizer.specials().pad), Targets::new(&labels)))
    }

    fn notes(&self, _train: &TableRows, _dev: &[Text], _test: &[Text]) -> Vec<String> {
        let Saved { labels, model, .. } = &self.saved;
        vec![format!("labels: {}; {} tokens known", labels.names().join(", "), model.vocabulary_size)]
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (input, labels): &Self::Batch) -> Var<'g> {
        self.model.loss(graph, input, &labels.ids)
    }

    fn answers(&self, params: &Params, (input, _): &Self::Batch, search: Search) -> Result<Vec<Vec<(u32, f64)>>> {
        let graph = Graph::inference(params);
        let logits = self.model.logits(&graph, input);
        Ok(logits.softmax().top_k(search.count().min(self.saved.labels.len()))?)
    }

    fn contributions(&self, params: &Params, text: &Text, answer: &Self::Answer) -> Result<Option<Contributions>> {
        let (input, _) = self.batch(&[text])?;
        let best: Vec<u32> = answer.iter().map(|(class, _)| *class).take(1).collect();
        let found = self.model.contributions(params, &input, &best)?.concat();
        Ok(Some(parts_of(&text.text, &text.ids, &self.tokenizer)?.into_iter().zip(found).collect()))
    }

    fn score(&self, texts: &[Text], answers: &[Vec<(u32, f64)>]) -> Result<Score> {
        let right: Vec<u32> = texts.iter().map(|text| text.label.first()).collect();
        Score::classes(answers.iter().map(|best| best[0].0), &right, self.saved.labels.names())
    }

    fn show(&self, text: &Text, answer: &Vec<(u32, f64)>, _digits: Digits) -> Shown {
        let labels = &self.saved.labels;
        let given = vec![("text", text.text.clone()), ("label", text.label.names(labels).concat())];
        let name = |(class, p): &(u32, f64)| Some((labels.name(*class)?.to_owned(), *p));
        Shown::probable(given, answer.iter().filter_map(name).collect())
    }
}
