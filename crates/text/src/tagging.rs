//! One tag per word, where words are cut into pieces.
//!
//! Tags belong to words, but a model reads sub-words. Each word's pieces are found by their place in the text, and the
//! tag is assigned to one of them: the last has seen the whole word, and the first is the usual choice for models that
//! read in both directions. The other pieces have weight 0.

use std::ops::Range;

use ndarray::Array2;

use crate::batch::Padded;
use crate::error::Error;
use crate::tokenizer::Tokenizer;

/// Holds the ids of a sentence of words, and which of them make up each word.
///
/// ```
/// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
///
/// let options = TokenizerOptions { minimum_count: 1, vocabulary_size: 300, ..Default::default() };
/// let tokenizer = Tokenizer::train(TokenKind::Character, ["in medias res"], &options)?;
/// let aligned = tokenizer.encode_words(&["in", "res"])?;
/// assert_eq!(aligned.ids.len(), 6);
/// assert_eq!(aligned.pieces, [0..2, 3..6]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Aligned {
    /// The ids of the words with single spaces between.
    pub ids: Vec<u32>,
    /// `[word]`: the places of its pieces among the ids; never empty.
    pub pieces: Vec<Range<usize>>,
}

impl Tokenizer {
    /// Returns the ids of words, cut as in running text, with the places of each word's pieces.
    ///
    /// A word that normalizes to nothing, such as white space, becomes an `<unk>`.
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn encode_words<W: AsRef<str>>(&self, words: &[W]) -> Result<Aligned, Error> {
        let mut text = String::new();
        let mut spans = Vec::with_capacity(words.len());
        for word in words {
            if !spans.is_empty() {
                text.push(' ');
            }
            let start = text.len();
            text.push_str(word.as_ref());
            spans.push(start..text.len());
        }
        let mut aligned = Aligned::default();
        let mut word = 0;
        let mut start = None;
        let (ids, ends) = self.encode_with_ends(&text)?;
        let unknown = self.specials().unk;
        let close = |aligned: &mut Aligned, start: &mut Option<usize>| {
            let end = aligned.ids.len();
            let range = start.take().map(|start| start..end).unwrap_or_else(|| {
                aligned.ids.push(unknown);
                end..end + 1
            });
            aligned.pieces.push(range);
        };
        for (id, end) in ids.into_iter().zip(ends) {
            // A piece belongs to the word that holds its last byte: byte-level pieces begin with the space before.
            while word < spans.len() && end > spans[word].end {
                close(&mut aligned, &mut start);
                word += 1;
            }
            if word < spans.len() && end > spans[word].start {
                start = start.or(Some(aligned.ids.len()));
            }
            aligned.ids.push(id);
        }
        while aligned.pieces.len() < spans.len() {
            close(&mut aligned, &mut start);
        }
        Ok(aligned)
    }
}

/// Chooses which piece of a word carries its tag.
///
/// ```
/// use unspool_text::TagAt;
/// let pieces = 3..6;                                                           // a word cut into three
/// assert_eq!((TagAt::FirstPiece.place(&pieces), TagAt::LastPiece.place(&pieces)), (3, 5));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TagAt {
    /// The first.
    FirstPiece,
    /// The last.
    LastPiece,
}

impl TagAt {
    /// Returns the place of a word's tag among the ids.
    pub fn place(self, pieces: &Range<usize>) -> usize {
        match self {
            TagAt::FirstPiece => pieces.start,
            TagAt::LastPiece => pieces.end.saturating_sub(1),
        }
    }
}

/// Holds sentences with a tag per word, for aligned many-to-many tasks.
///
/// More in [chapter 6](https://github.com/unspool/unspool/blob/main/docs/06-aligned.md) of the tutorial.
///
/// ```
/// use unspool_text::{Aligned, TagAt, Tagged};
///
/// let sentences = [
///     Aligned { ids: vec![5, 6, 7], pieces: vec![0..2, 2..3] },
///     Aligned { ids: vec![8], pieces: vec![0..1] },
/// ];
/// let batch = Tagged::new(&sentences, &[vec![1, 2], vec![3]], TagAt::LastPiece, 0)?;
/// assert_eq!(batch.tags, ndarray::array![[0, 1, 2], [3, 0, 0]]);
/// assert_eq!(batch.weights, ndarray::array![[0.0, 1.0, 1.0], [1.0, 0.0, 0.0]]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Tagged {
    /// `[batch, time]` with lengths.
    pub input: Padded,
    /// `[batch, time]`: a word's tag at the piece that has it, 0 elsewhere.
    pub tags: Array2<u32>,
    /// `[batch, time]`: 1 at the pieces that have a tag.
    pub weights: Array2<f32>,
}

impl Tagged {
    /// Pads sentences and puts their tags in place.
    ///
    /// # Errors
    /// [`Error::Count`] when there is not one list of tags per sentence and one tag per word.
    pub fn new<R: AsRef<[u32]>>(sentences: &[Aligned], tags: &[R], at: TagAt, pad: u32) -> Result<Self, Error> {
        if sentences.len() != tags.len() {
            return Err(Error::Count { what: "lists of tags", found: tags.len(), expected: sentences.len() });
        }
        let rows: Vec<&[u32]> = sentences.iter().map(|sentence| sentence.ids.as_slice()).collect();
        let input = Padded::new(&rows, pad);
        let mut placed = Array2::zeros(input.ids.dim());
        let mut weights = Array2::zeros(input.ids.dim());
        for (row, (sentence, tags)) in sentences.iter().zip(tags).enumerate() {
            let tags = tags.as_ref();
            if tags.len() != sentence.pieces.len() {
                return Err(Error::Count { what: "tags", found: tags.len(), expected: sentence.pieces.len() });
            }
            for (pieces, tag) in sentence.pieces.iter().zip(tags) {
                let place = at.place(pieces);
                if place >= sentence.ids.len() {
                    let expected = sentence.ids.len();
                    return Err(Error::Count { what: "ids up to a word's end", found: place + 1, expected });
                }
                placed[[row, place]] = *tag;
                weights[[row, place]] = 1.0;
            }
        }
        Ok(Tagged { input, tags: placed, weights })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{TokenKind, TokenizerOptions};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static TOKENIZERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
        let kinds = [TokenKind::ByteLevelBpe, TokenKind::Word, TokenKind::Character, TokenKind::Syllable];
        let train = |kind| {
            [crate::Normalization::None, crate::Normalization::Nfkd].map(|normalization| {
                [true, false].map(|lossless| {
                    let options = TokenizerOptions {
                        vocabulary_size: 270,
                        minimum_count: 1,
                        lossless,
                        normalization,
                        lowercase: true,
                    };
                    Tokenizer::train(kind, ["abc cab 한"], &options).unwrap()
                })
            })
        };
        kinds.into_iter().flat_map(train).flatten().collect()
    });

    proptest! {
        #[test]
        fn every_word_has_pieces_in_order_whatever_it_holds(
            words in prop::collection::vec("[a-c한 \u{301}]{0,4}|\\PC{0,3}", 0..8),
        ) {
            for tokenizer in TOKENIZERS.iter() {
                let aligned = tokenizer.encode_words(&words).unwrap();
                prop_assert_eq!(aligned.pieces.len(), words.len());
                let mut end = 0;
                for pieces in &aligned.pieces {
                    prop_assert!(end <= pieces.start && pieces.start < pieces.end && pieces.end <= aligned.ids.len());
                    end = pieces.end;
                }
            }
        }
    }

    #[test]
    fn byte_level_pieces_take_the_space_before_their_word() {
        let options = TokenizerOptions { vocabulary_size: 270, minimum_count: 1, ..Default::default() };
        let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, ["a bb a bb bb"], &options).unwrap();
        let aligned = tokenizer.encode_words(&["a", "bb", "bc"]).unwrap();
        let pieces: Vec<Vec<String>> = aligned
            .pieces
            .iter()
            .map(|range| aligned.ids[range.clone()].iter().map(|id| tokenizer.token(*id).unwrap()).collect())
            .collect();
        // A space that stands alone as a token belongs to no word.
        assert_eq!(pieces, [vec!["a"], vec!["Ġbb"], vec!["b", "c"]]);
        assert_eq!(tokenizer.decode(&aligned.ids).unwrap(), "a bb bc");
    }

    #[test]
    fn counts_must_agree() {
        let sentence = Aligned { ids: vec![5, 6], pieces: vec![0..1, 1..2] };
        let message = |tags: &[Vec<u32>]| {
            Tagged::new(std::slice::from_ref(&sentence), tags, TagAt::FirstPiece, 0).unwrap_err().to_string()
        };
        assert_eq!(message(&[]), "0 lists of tags where 1 were expected");
        assert_eq!(message(&[vec![1, 2, 3]]), "3 tags where 2 were expected");
    }
}
