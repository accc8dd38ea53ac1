//! From ids to text, one id at a time: whole characters come out, and the bytes of an incomplete one wait.
//!
//! A token need not end where a character does. In byte-level vocabularies one may hold the last byte of a character
//! and the first two of the next, so a token that is decoded alone is often not text.

use super::Tokenizer;
use super::guard::guarded;
use crate::error::Error;

/// How tokens spell text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// Every token is bytes, written in GPT-2's stand-in characters.
    ByteLevel,
    /// A token is text, or a byte by its name: `<0xEA>`.
    ByteFallback,
    /// Every token is text.
    Text,
}

impl Spelling {
    /// The bytes that a token spells; none if it is text.
    fn bytes(self, name: &str) -> Option<Vec<u8>> {
        match self {
            Spelling::ByteLevel => Some(byte_level(name)),
            Spelling::ByteFallback => fallback(name).map(|byte| vec![byte]),
            Spelling::Text => None,
        }
    }
}

/// Decodes ids one at a time. Made by [`Tokenizer::decode_stream`].
///
/// All that [`step`](DecodeStream::step) and at the end [`flush`](DecodeStream::flush) return is, put together, what
/// [`Tokenizer::decode`] returns for all ids. Between two steps at most three bytes wait.
///
/// ```
/// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
/// let options = TokenizerOptions { vocabulary_size: 260, ..Default::default() };
/// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, ["no merges"], &options)?;
/// let ids = tokenizer.encode("굿!")?;                                    // three bytes, and one
/// let mut stream = tokenizer.decode_stream();
/// let pieces = ids.iter().map(|id| stream.step(*id)).collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(pieces, ["", "", "굿", "!"]);
/// stream.step(ids[0])?;
/// assert_eq!(stream.pending(), "굿".as_bytes()[..1].to_vec());
/// assert_eq!(stream.flush(), "\u{fffd}");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DecodeStream<'t> {
    tokenizer: &'t Tokenizer,
    /// The bytes of a character that is not yet whole.
    pending: Vec<u8>,
    /// The last token: whether a space stands between two words, or before the first, depends on it.
    before: Option<u32>,
}

impl<'t> DecodeStream<'t> {
    pub(super) fn new(tokenizer: &'t Tokenizer) -> DecodeStream<'t> {
        DecodeStream { tokenizer, pending: Vec::new(), before: None }
    }

    /// Returns the characters that this id makes whole. Bytes that no further byte could make a character become `�`.
    ///
    /// # Errors
    /// [`Error::IdOutOfVocabulary`], [`Error::Library`].
    pub fn step(&mut self, id: u32) -> Result<String, Error> {
        let Some(name) = self.tokenizer.name(id)? else { return Ok(String::new()) };
        let text = match self.tokenizer.spelling.bytes(&name) {
            // What a decoder does to the beginning of a text, such as taking a space away, is its own business.
            Some(bytes)
                if self.before.is_some() || bytes[..].iter().any(|byte| !byte.is_ascii()) || self.is_byte_level() =>
            {
                self.pending.extend(bytes);
                self.whole_characters()
            }
            _ => self.flush() + &self.behind(id)?,
        };
        self.before = Some(id);
        Ok(text)
    }

    /// Returns what is left at the end: `�` for the bytes of an incomplete character, else nothing.
    pub fn flush(&mut self) -> String {
        let incomplete = std::mem::take(&mut self.pending);
        self.marks(incomplete.len())
    }

    /// Returns the bytes of an incomplete character that wait for more: three at most.
    pub fn pending(&self) -> &[u8] {
        &self.pending
    }

    /// What stands for so many bytes that are no character together: one mark for all of them in byte-level
    /// vocabularies, where they are a piece of a text, and one for each where each is a token.
    fn marks(&self, bytes: usize) -> String {
        let count = if self.is_byte_level() { bytes.min(1) } else { bytes };
        "\u{fffd}".repeat(count)
    }

    fn is_byte_level(&self) -> bool {
        self.tokenizer.spelling == Spelling::ByteLevel
    }

    /// The whole characters of the pending bytes, with marks for those that no further byte could make a character.
    fn whole_characters(&mut self) -> String {
        let mut text = String::new();
        loop {
            let (valid, invalid) = match std::str::from_utf8(&self.pending) {
                Ok(all) => (all.len(), 0),
                Err(error) => (error.valid_up_to(), error.error_len().unwrap_or(0)),
            };
            text.push_str(std::str::from_utf8(&self.pending[..valid]).unwrap_or_default());
            self.pending.drain(..valid + invalid);
            if invalid == 0 {
                return text;
            }
            text.push_str(&self.marks(invalid));
        }
    }

    /// Returns the text of an id after the one before it.
    fn behind(&self, id: u32) -> Result<String, Error> {
        let decode = |ids: &[u32]| self.tokenizer.library_decode(ids);
        let Some(before) = self.before else { return decode(&[id]) };
        let (both, first) = (decode(&[before, id])?, decode(&[before])?);
        Ok(both.strip_prefix(&first).map_or_else(|| common_rest(&both, &first).to_owned(), str::to_owned))
    }
}

/// Returns what follows the common beginning of `first` and `both`: a decoder may take a space away between two tokens.
fn common_rest<'a>(both: &'a str, first: &str) -> &'a str {
    let common = both.chars().zip(first.chars()).take_while(|(a, b)| a == b).map(|(a, _)| a.len_utf8()).sum::<usize>();
    &both[common..]
}

/// The byte that `<0xEA>` names.
fn fallback(name: &str) -> Option<u8> {
    let digits = name.strip_prefix("<0x")?.strip_suffix('>')?;
    u8::from_str_radix(digits, 16).ok().filter(|_| digits.len() == 2)
}

/// The bytes that a token of stand-in characters spells; a token with any other character is itself.
fn byte_level(name: &str) -> Vec<u8> {
    name.chars().map(byte_of).collect::<Option<_>>().unwrap_or_else(|| name.as_bytes().to_vec())
}

/// GPT-2's stand-ins: visible Latin-1 characters stand for themselves, the other 68 bytes are U+0100 and up, in order.
fn byte_of(c: char) -> Option<u8> {
    let visible = |byte: u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    match u8::try_from(c) {
        Ok(byte) => visible(byte).then_some(byte),
        Err(_) => (0..=u8::MAX).filter(|byte| !visible(*byte)).nth((u32::from(c) - 0x100) as usize),
    }
}

impl Tokenizer {
    /// Begins to decode ids one at a time, in whole characters.
    ///
    /// See [`DecodeStream`].
    pub fn decode_stream(&self) -> DecodeStream<'_> {
        DecodeStream::new(self)
    }

    /// Returns the text of each id in its place: a character belongs to the id that completes it, an incomplete one at
    /// the end to the last. Put together they are the text of all.
    ///
    /// ```
    /// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
    /// let options = TokenizerOptions { vocabulary_size: 260, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, ["no merges"], &options)?;
    /// assert_eq!(tokenizer.decode_pieces(&tokenizer.encode("é!")?)?, ["", "é", "!"]);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn decode_pieces(&self, ids: &[u32]) -> Result<Vec<String>, Error> {
        let mut stream = self.decode_stream();
        let mut pieces = ids.iter().map(|id| stream.step(*id)).collect::<Result<Vec<String>, _>>()?;
        if let Some(last) = pieces.last_mut() {
            last.push_str(&stream.flush());
        }
        Ok(pieces)
    }

    /// Returns the text of one id alone, for a list of tokens: whole characters as they are, other bytes by their
    /// names.
    ///
    /// ```
    /// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
    /// let options = TokenizerOptions { vocabulary_size: 260, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, ["no merges"], &options)?;
    /// let ids = tokenizer.encode("é!")?;
    /// let spelled = ids.iter().map(|&id| tokenizer.spell(id)).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!(spelled, ["<0xC3>", "<0xA9>", "!"]);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Tokenizer::decode`].
    pub fn spell(&self, id: u32) -> Result<String, Error> {
        let Some(bytes) = self.name(id)?.and_then(|name| self.spelling.bytes(&name)) else {
            return self.library_decode(&[id]);
        };
        let mut text = String::new();
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            text.extend(chunk.invalid().iter().map(|byte| format!("<0x{byte:02X}>")));
        }
        Ok(text)
    }

    /// Returns the text of ids; padding, begin and end are left out.
    ///
    /// A tokenizer trained here returns exactly the text that was encoded, whatever is in it, in the chosen normal form
    /// and case. One that is not [`lossless`](super::TokenizerOptions::lossless) returns `<unk>` for each character,
    /// syllable or word that it does not know, and its words with one space between them. What a tokenizer from
    /// elsewhere returns depends on its file. Bytes that are not UTF-8 together, as a model may write them, become `�`.
    ///
    /// ```
    /// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
    /// let options = TokenizerOptions { vocabulary_size: 270, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::Word, ["to be or not to be"], &options)?;
    /// let text = "  To be \t— or, 한글: 🌊!";
    /// assert_eq!(tokenizer.decode(&tokenizer.encode(text)?)?, text);
    /// assert!(tokenizer.decode(&[9999]).is_err());
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::IdOutOfVocabulary`], [`Error::Library`].
    pub fn decode(&self, ids: &[u32]) -> Result<String, Error> {
        if let Some(&id) = ids.iter().find(|id| **id as usize >= self.size) {
            return Err(Error::IdOutOfVocabulary { id, size: self.size });
        }
        let text = self.library_decode(ids)?;
        // The library gives up a whole run of bytes for one that is wrong in it.
        if self.spelling == Spelling::ByteFallback && text.contains(char::REPLACEMENT_CHARACTER) {
            return Ok(self.decode_pieces(ids)?.concat());
        }
        Ok(text)
    }

    fn library_decode(&self, ids: &[u32]) -> Result<String, Error> {
        guarded(&self.file, "decode", || self.inner.decode(ids, true))
    }

    /// A token as the vocabulary writes it, unless it is a special one, which stands for no text.
    fn name(&self, id: u32) -> Result<Option<String>, Error> {
        let outside = Error::IdOutOfVocabulary { id, size: self.size };
        let name = self.inner.id_to_token(id).filter(|_| (id as usize) < self.size).ok_or(outside)?;
        let special = self.inner.get_added_vocabulary().is_special_token(&name);
        Ok((!special).then_some(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokenizer::{Normalization, TokenKind, TokenizerOptions};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static TOKENIZERS: LazyLock<Vec<Tokenizer>> = LazyLock::new(|| {
        let kinds = [TokenKind::ByteLevelBpe, TokenKind::Word, TokenKind::Character, TokenKind::Syllable];
        let train = |kind| {
            [true, false].map(|lossless| {
                let options = TokenizerOptions {
                    vocabulary_size: 280,
                    minimum_count: 1,
                    lossless,
                    normalization: Normalization::None,
                    lowercase: false,
                };
                Tokenizer::train(kind, ["the cat 굿굿 sat, 샀쉀쑀 🌊"], &options).unwrap()
            })
        };
        kinds.into_iter().flat_map(train).collect()
    });

    proptest! {
        #[test]
        fn pieces_are_the_text_and_no_more_than_three_bytes_wait(
            text in "[a-c ]{0,3}|[굿샀é🌊 ]{0,6}|\\PC{0,6}", random in prop::collection::vec(0u32..280, 0..12),
        ) {
            for tokenizer in TOKENIZERS.iter() {
                let size = tokenizer.vocabulary_size() as u32;
                let written: Vec<u32> = random.iter().map(|id| id % size).collect();
                for ids in [tokenizer.encode(&text).unwrap(), written] {
                    let mut stream = tokenizer.decode_stream();
                    let mut said = String::new();
                    for id in &ids {
                        said += &stream.step(*id).unwrap();
                        prop_assert!(stream.pending().len() <= 3);
                    }
                    said += &stream.flush();
                    prop_assert_eq!(&said, &tokenizer.decode(&ids).unwrap());
                    prop_assert_eq!(tokenizer.decode_pieces(&ids).unwrap().concat(), said);
                }
            }
        }
    }

    #[test]
    fn tokens_that_end_one_character_and_begin_the_next_never_spoil_a_text() {
        // Every syllable begins with the same two bytes, so the most frequent pairs lie across characters.
        let text = "샀쉀쑀윀셀 싀잀삀씀. ".repeat(40);
        let options = TokenizerOptions { vocabulary_size: 275, minimum_count: 2, ..Default::default() };
        let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, [&text], &options).unwrap();
        let ids = tokenizer.encode(&text).unwrap();
        let across = ids.iter().filter(|id| tokenizer.decode(&[**id]).unwrap().contains('\u{fffd}')).count();
        assert!(across > 100, "{across}");
        let mut stream = tokenizer.decode_stream();
        let pieces: Vec<String> = ids.iter().map(|id| stream.step(*id).unwrap()).collect();
        assert_eq!((pieces.concat(), stream.flush()), (text, String::new()));
    }

    #[test]
    fn a_wrong_byte_costs_itself_and_not_its_neighbours() {
        let tokenizer = &TOKENIZERS[4]; // characters, spelled in bytes where unknown
        let mut ids = tokenizer.encode("é").unwrap();
        assert_eq!(ids.len(), 2);
        ids.push(ids[0]);
        assert_eq!(tokenizer.decode(&ids).unwrap(), "é\u{fffd}");
        assert!(tokenizer.decode_stream().step(9999).is_err());
        assert_eq!(tokenizer.decode_stream().step(tokenizer.specials().eos).unwrap(), "");
    }
}
