//! From words to a tag for each: parts of speech, from the words and their characters.

use super::*;
use crate::tagged::{LEAST, MOST, NORMALIZATION, Options, Tagged, lower, tagged};

pub(crate) struct Tagging {
    pub(crate) saved: Saved,
    model: Tagger,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Saved {
    word_columns: Vec<String>,
    pub(crate) tags: LabelSet,
    scheme: Option<TagScheme>,
    characters: Vocabulary,
    words: Vocabulary,
    model: TaggerConfig,
}

impl Task for Tagging {
    const SPEC: Spec = Spec::new(
        "tagging",
        "Tag each word of a sentence, such as with its part of speech, from words and characters",
        Metric::ACCURACY,
    )
    .training(8, 4e-3, 32)
    .unit("words")
    .sentences()
    .defaults(&[("cell", "lstm"), ("dropout", "0.4")])
    .samples(2);

    type Options = Options;
    type Saved = Saved;
    type Source = Stream<Sentence>;
    type Example = Tagged;
    type Batch = (TaggerInput, Targets);
    /// The tag of each word, and its probability.
    type Answer = Vec<(u32, f64)>;

    fn read(options: &Options, data: &Data) -> Result<Parts<Stream<Sentence>>> {
        data.sentences([options.word_column.as_deref(), options.tag_column.as_deref()])
    }

    fn learn(options: &Options, train: &Stream<Sentence>) -> Result<Learned<Saved>> {
        let column = |mut sentence: Sentence, number: usize| std::mem::take(&mut sentence.columns[number]).into_iter();
        let lined = |sentence: Sentence| (sentence.line, column(sentence, 1));
        let tags = |(line, tags): (u64, std::vec::IntoIter<String>)| tags.map(move |tag| (line, tag));
        let tags = train.read(|rows| LabelSet::collect(&train.file, rows.map(lined).flat_map(tags)))??;
        let scheme = train.read(|rows| spans::scheme(&tags, rows))?;
        let vocabulary = |pieces: fn(String) -> Vec<String>| {
            let words = |row| column(row, 0).flat_map(pieces);
            train.read(|rows| Vocabulary::count(rows.flat_map(words), LEAST, MOST))
        };
        let characters = vocabulary(|word| NORMALIZATION.apply(&word).chars().map(String::from).collect())??;
        let words = vocabulary(|word| vec![lower(&word)])??;
        let RecurrentOptions { cell, layers, hidden_size } = options.arch.recurrent;
        let model = TaggerConfig {
            words: words.len(),
            characters: characters.len(),
            tags: tags.len(),
            word_size: options.embedding.embedding_size,
            character_size: 48,
            cell,
            reader: match options.arch.is_transformer() {
                false => TaggerReader::Recurrent { bidirectional: options.direction.bidirectional },
                true => TaggerReader::Transformer { heads: options.arch.heads() },
            },
            layers,
            hidden_size,
            crf: options.output == "crf",
            dropout: options.embedding.dropout,
        };
        Ok(Saved { word_columns: train.columns.clone(), tags, scheme, characters, words, model }.into())
    }

    fn build(saved: Saved, _: Option<Tokenizer>, params: &mut Params) -> Result<Tagging> {
        saved.model.check()?;
        let sizes = [saved.words.len(), saved.characters.len(), saved.tags.len()];
        if sizes != [saved.model.words, saved.model.characters, saved.model.tags] {
            let what = format!("the lists of words, characters and tags have {sizes:?} entries");
            return Err(Error::failure(what, "the run folder must hold the files of one training, unchanged"));
        }
        let mut model = Tagger::new(params, &saved.model);
        if let Some(scheme) = saved.scheme {
            let name = |tag: Option<usize>| tag.and_then(|tag| saved.tags.name(tag as u32));
            model = model.allow(|tag, next| scheme.allows(name(tag), name(next)));
        }
        Ok(Tagging { model, saved })
    }

    fn read_to_score(&self, data: &Data) -> Result<Stream<Sentence>> {
        data.all_sentences(&self.saved.word_columns)
    }

    fn example(&self, sentence: &Sentence, _draw: &Draw) -> Result<Tagged> {
        let [words, tags] = sentence.columns.as_slice() else {
            return Err(Error::failure("a word has no tag", "each line has a word and its tag"));
        };
        let ids = words.iter().map(|word| self.saved.words.id_or_unknown(&lower(word))).collect();
        Ok(Tagged { words: words.clone(), ids, tags: Labels::new(&self.saved.tags, tags) })
    }

    /// Words with spaces between.
    fn read_line(&self, line: &str, draw: &Draw) -> Result<Tagged> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        self.example(&Sentence { line: 0, columns: vec![words, vec![]], hash: 0 }, draw)
    }

    fn lengths(&self, sentence: &Tagged) -> (usize, usize) {
        (0, sentence.words.len())
    }

    fn labels<'a>(&self, sentence: &'a Tagged) -> Option<&'a Labels> {
        Some(&sentence.tags)
    }

    fn batch(&self, sentences: &[&Tagged]) -> Result<Self::Batch> {
        let id = |c: char| self.saved.characters.id_or_unknown(c.encode_utf8(&mut [0; 4]));
        let spell = |word: &str| NORMALIZATION.apply(word).chars().map(id).collect();
        let rows: Vec<_> = sentences.iter().map(|one| (one.words.as_slice(), one.ids.as_slice())).collect();
        let tags: Vec<&Labels> = sentences.iter().map(|sentence| &sentence.tags).collect();
        Ok((TaggerInput::new(&rows, spell, Specials::FIXED.pad), Targets::new(&tags)))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (input, tags): &Self::Batch) -> Var<'g> {
        self.model.loss(graph, input, &tags.ids)
    }

    fn answers(&self, params: &Params, (input, _): &Self::Batch, _search: Search) -> Result<Vec<Vec<(u32, f64)>>> {
        let graph = Graph::inference(params);
        Ok(self.model.decode(&graph, input)?)
    }

    fn score(&self, sentences: &[Tagged], answers: &[Vec<(u32, f64)>]) -> Result<Score> {
        let right: Vec<u32> = sentences.iter().flat_map(|sentence| sentence.tags.ids()).copied().collect();
        let tags = |answer: &Vec<(u32, f64)>| answer.iter().map(|(tag, _)| *tag).collect::<Vec<_>>();
        let found: Vec<Vec<u32>> = answers.iter().map(tags).collect();
        let pairs = found.iter().map(Vec::as_slice).zip(sentences.iter().map(|sentence| &sentence.tags));
        let f1 = self.saved.scheme.and_then(|_| spans::f1(&self.saved.tags, pairs)).map(|f1| ("span_f1", f1));
        Ok(Score::classes(found.concat(), &right, self.saved.tags.names())?.with(f1))
    }

    /// The score is the sum of the tags' log-probabilities.
    fn show(&self, Tagged { words, tags, .. }: &Tagged, answer: &Vec<(u32, f64)>, _digits: Digits) -> Shown {
        let set = &self.saved.tags;
        let found = answer.iter().map(|(tag, _)| set.name(*tag).unwrap_or_default());
        let score = answer.iter().map(|(_, p)| p.ln()).sum();
        Shown::best(vec![("right", tagged(words, tags.names(set)))], vec![(tagged(words, found), score)])
    }

    fn notes(&self, train: &Stream<Sentence>, dev: &[Tagged], test: &[Tagged]) -> Vec<String> {
        let unknown = |part: &[Tagged]| {
            let ids = part.iter().flat_map(|sentence| &sentence.ids);
            let unknown = ids.clone().filter(|id| **id == Specials::FIXED.unk).count();
            100.0 * unknown as f64 / ids.count().max(1) as f64
        };
        let Saved { words, tags, .. } = &self.saved;
        let known = format!("{} words and {} tags known", words.len(), tags.len());
        let known =
            format!("{known}; of the words of dev {:.1} % are not, of test {:.1} %", unknown(dev), unknown(test));
        let invalid = |scheme| train.read(|rows| spans::note(scheme, &train.file, rows)).ok().flatten();
        [known].into_iter().chain(self.saved.scheme.and_then(invalid)).collect()
    }
}
