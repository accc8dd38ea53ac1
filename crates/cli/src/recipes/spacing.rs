//! From characters to characters with spaces: a label for each character, many-to-many and aligned.
//!
//! Korean is written with spaces between its phrases, and readers get by without them; a program that is to count words
//! does not. The labels come free: take the spaces out of a text, and each character was followed by one or was not.

use super::*;
use crate::spaces::{SPACE, THRESHOLD, characters, spaced};

/// Characters beyond this many are unknown to the model; rarer ones teach it little.
const VOCABULARY: usize = 2000;

pub(crate) struct Spacing {
    pub(crate) tokenizer: Tokenizer,
    model: CharacterTagger,
}

#[derive(Clone, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    reader: ReaderOptions,
    #[command(flatten)]
    pairs: PairOptions,
}

/// A text without its spaces, and the spaces.
#[derive(Serialize, Deserialize)]
pub(crate) struct Text {
    ids: Vec<u32>,
    spaces: Vec<u32>,
    /// With its spaces.
    pub(crate) text: String,
}

impl Task for Spacing {
    const SPEC: Spec = Spec::new(
        "spacing",
        "Insert the missing spaces into texts, with a label for each character",
        Metric::more("f1", 4),
    )
    .training(6, 4e-3, 64)
    .average(0.998)
    .unit("characters")
    .table(&[("text", "document")], &[crate::data::NSMC])
    .defaults(&[("dropout", "0.6")])
    .samples(3);

    type Options = Options;
    type Saved = SavedModel<CharacterTaggerConfig>;
    type Source = TableRows;
    type Example = Text;
    type Batch = (Padded, Vec<u32>);
    type Answer = Vec<u32>;

    fn learn(Options { reader, pairs }: &Options, train: &TableRows) -> Result<Learned<Self::Saved>> {
        let tokenizer = train.tokenizer(0..1, TokenKind::Character, &one_token_each(VOCABULARY))?;
        let model = pairs.character_tagger(reader, tokenizer.vocabulary_size(), 2);
        Ok(Learned::text(SavedModel { model }, tokenizer))
    }

    fn build(SavedModel { model }: Self::Saved, tokenizer: Option<Tokenizer>, params: &mut Params) -> Result<Spacing> {
        model.check()?;
        let tokenizer = check_tokenizer(tokenizer, model.vocabulary_size)?;
        Ok(Spacing { tokenizer, model: CharacterTagger::new(params, &model) })
    }

    /// In the normal form that the tokenizer reads texts in. A text that is read has a character that is no white
    /// space: an empty field is an error of the table.
    fn example(&self, row: &Row, draw: &Draw) -> Result<Text> {
        let (text, unknown) = (self.tokenizer.normalize(&row[0])?, self.tokenizer.specials().unk);
        let (characters, spaces) = characters(&text);
        let id = |c: &char| self.tokenizer.id(c.encode_utf8(&mut [0; 4])).unwrap_or(unknown);
        Ok(Text { ids: characters.iter().map(id).collect(), spaces, text: draw.scored_with(&text) })
    }

    fn lengths(&self, text: &Text) -> (usize, usize) {
        (0, text.ids.len())
    }

    fn batch(&self, texts: &[&Text]) -> Result<(Padded, Vec<u32>)> {
        let ids: Vec<&[u32]> = texts.iter().map(|text| text.ids.as_slice()).collect();
        let spaces = texts.iter().flat_map(|text| &text.spaces).copied().collect();
        Ok((Padded::new(&ids, self.tokenizer.specials().pad), spaces))
    }

    fn loss<'g>(&self, graph: &'g Graph<'g>, (input, spaces): &(Padded, Vec<u32>)) -> Var<'g> {
        self.model.loss(graph, input, spaces)
    }

    fn answers(&self, params: &Params, (input, _): &(Padded, Vec<u32>), _search: Search) -> Result<Vec<Vec<u32>>> {
        let graph = Graph::inference(params);
        let logits = self.model.logits(&graph, input);
        let probabilities = logits.rows().softmax().to_f64()?;
        let spaces: Vec<u32> = probabilities.outer_iter().map(|p| u32::from(p[[SPACE]] >= THRESHOLD)).collect();
        Ok(logits.layout().unpack(&spaces))
    }

    /// Of the spaces between characters; that none follows the last is no merit, and changes nothing in an F1 of
    /// spaces.
    fn score(&self, texts: &[Text], answers: &[Vec<u32>]) -> Result<Score> {
        let spaces: Vec<u32> = texts.iter().flat_map(|text| &text.spaces).copied().collect();
        let confusion = Confusion::new(&answers.concat(), &spaces, 2)?;
        let more = [("precision", confusion.precision(SPACE)), ("recall", confusion.recall(SPACE))];
        Ok(Score::from(confusion.f1(SPACE)).with(more))
    }

    fn show(&self, Text { text, .. }: &Text, answer: &Vec<u32>, _digits: Digits) -> Shown {
        let (characters, spaces) = characters(text);
        Shown::answer(vec![("text", spaced(&characters, &spaces))], spaced(&characters, answer))
    }
}
