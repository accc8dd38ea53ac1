//! From text to ids and back.
//!
//! A [`Tokenizer`] is trained here ([`Tokenizer::train`]) or loaded from any `tokenizer.json` of Hugging Face's
//! library ([`Tokenizer::load`]); either way the tokenizer behaves and is saved in the same way afterwards.
//! That library does the tokenizing. This module adds guarantees that a model needs: the same bits at every
//! training, special tokens that no text can forge, and files that are checked before they are used.

mod bpe;
mod bpe_dropout;
mod characters;
mod check;
mod corpus;
mod decode;
mod guard;
mod train;
mod words;

use std::fmt;
use std::io::Read;
use std::path::Path;
use std::sync::{Arc, OnceLock};

use tokenizers::{AddedToken, NormalizedString, Normalizer};

use crate::dataset::Source;
use crate::error::Error;
use crate::vocabulary::{Coverage, Specials};

use bpe_dropout::Merges;
use characters::Characters;
use corpus::Cut;
use decode::Spelling;
use guard::guarded;
use words::WordCaches;

pub use decode::DecodeStream;
pub use train::{Normalization, TokenKind, TokenizerOptions};

/// Limits the size of a `tokenizer.json` that is read: the largest in use have some 40 MB.
///
/// ```
/// use unspool_text::{LARGEST_TOKENIZER_FILE, Source, Tokenizer};
/// let endless = Source::reader("endless", std::io::repeat(b' '));
/// let why = Tokenizer::from_source(endless).unwrap_err().to_string();
/// assert_eq!(why, format!("endless: larger than the {LARGEST_TOKENIZER_FILE} bytes allowed"));
/// ```
pub const LARGEST_TOKENIZER_FILE: usize = 128 << 20;

/// Turns text into token ids and token ids into text.
///
/// Encoding adds no special tokens (batches do), and a text that contains the name of a special token,
/// such as `<eos>`, never encodes to that token.
///
/// ```
/// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
///
/// let texts = ["low lower lowest", "new newer newest"];
/// let options = TokenizerOptions { vocabulary_size: 270, ..Default::default() };
/// let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, texts, &options)?;
///
/// let ids = tokenizer.encode("the newest 한글 🌊")?;
/// assert_eq!(tokenizer.decode(&ids)?, "the newest 한글 🌊");
/// let again = Tokenizer::from_json("again", &tokenizer.to_json()?)?;
/// assert_eq!(again.encode("the newest 한글 🌊")?, ids);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    /// The name in errors.
    file: Arc<str>,
    spelling: Spelling,
    specials: Specials,
    /// Ids that no text may produce, in order: the special tokens but `<unk>`.
    reserved: Vec<u32>,
    size: usize,
    cut: Cut,
    /// A shorter way to the ids, where tokens are characters.
    characters: Option<Characters>,
    /// The same, where they are parts of words.
    words: Option<WordCaches>,
    /// Its merges, or none, once somebody has asked for them.
    merges: OnceLock<Option<Arc<Merges>>>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Unreadable`], [`Error::FileTooLarge`], and all of [`Tokenizer::from_json`].
    pub fn load(path: impl AsRef<Path>) -> Result<Self, Error> {
        Self::from_source(Source::file(path)?)
    }

    /// Reads a `tokenizer.json` from any source, as [`Tokenizer::load`] does from a path.
    pub fn from_source(source: Source) -> Result<Self, Error> {
        let file = source.name().to_owned();
        let unreadable = |cause| Error::reading(&file, cause);
        let mut json = Vec::new();
        let reader = source.into_reader()?;
        reader.take(LARGEST_TOKENIZER_FILE as u64 + 1).read_to_end(&mut json).map_err(unreadable)?;
        if json.len() > LARGEST_TOKENIZER_FILE {
            return Err(Error::FileTooLarge { file, limit: LARGEST_TOKENIZER_FILE });
        }
        let json = String::from_utf8(json)
            .map_err(|error| Error::TokenizerFile { file: file.clone(), reason: error.utf8_error().to_string() })?;
        Self::from_json(&file, &json)
    }

    /// Makes a tokenizer of the text of a `tokenizer.json`; `file` names it in errors.
    ///
    /// Features that no tokenizer in use needs are refused where they could cost unbounded time: words of
    /// WordPiece over 256 characters, Unigram tokens nested deeper than a hundred, patterns that look ahead or back
    /// without end or refer to their own groups, and more than 65,536 added tokens.
    ///
    /// Ids stay those of the file. Padding, unknown, begin and end are found by their usual names
    /// (`<pad>`, `[PAD]`, `<s>`, `</s>`, `<|endoftext|>`, …); those that are missing are added after the last id.
    ///
    /// # Errors
    /// [`Error::TokenizerFile`] when ids are not 0, 1, 2, … without holes, a merge or template names a token that
    /// the vocabulary does not have, the file pads, truncates or drops out by itself, or the library refuses it.
    pub fn from_json(file: &str, json: &str) -> Result<Self, Error> {
        let fault = |reason: String| Error::TokenizerFile { file: file.to_owned(), reason };
        let json = json.strip_prefix('\u{feff}').unwrap_or(json);
        let checked = check::check(json).map_err(fault)?;
        let mut inner: tokenizers::Tokenizer = guarded(file, "load", || json.parse()).map_err(|error| match error {
            Error::Library { reason, .. } => fault(reason),
            other => other,
        })?;
        for (token, id) in &checked.tokens {
            if inner.token_to_id(token) != Some(*id) {
                return Err(fault(format!("token `{token}` does not get the id {id} that the file gives it")));
            }
        }
        inner.set_encode_special_tokens(true);
        let mut size = checked.tokens.len();
        let mut special = |names: &[&str], known: Option<u32>| -> Result<u32, Error> {
            let found = known.or_else(|| names.iter().find_map(|name| inner.token_to_id(name)));
            if let Some(id) = found {
                return Ok(id);
            }
            let token = AddedToken::from(names[0], true).normalized(false);
            guarded(file, "add a special token", || inner.add_special_tokens([token]))?;
            let id = inner.token_to_id(names[0]).filter(|id| *id as usize == size);
            size += 1;
            id.ok_or_else(|| fault(format!("`{}` cannot be added behind the last id", names[0])))
        };
        let specials = Specials {
            pad: special(&["<pad>", "[PAD]", "<|pad|>", "<|padding|>"], None)?,
            unk: special(&["<unk>", "[UNK]", "<|unk|>"], checked.unknown)?,
            bos: special(&["<bos>", "<s>", "[BOS]", "<|begin_of_text|>", "<|startoftext|>", "[CLS]"], None)?,
            eos: special(&["<eos>", "</s>", "[EOS]", "<|end_of_text|>", "<|endoftext|>", "[SEP]"], None)?,
        };
        let mut reserved = checked.special;
        reserved.extend([specials.pad, specials.bos, specials.eos]);
        reserved.retain(|id| *id != specials.unk);
        reserved.sort_unstable();
        reserved.dedup();
        let (file, spelling, cut) = (Arc::from(file), checked.spelling, checked.cut);
        let tokens = || checked.tokens.iter().map(|(token, id)| (token.as_str(), *id));
        let characters = checked.characters.map(|form| Characters::new(tokens(), &reserved, specials.unk, form));
        let words = checked.words.map(WordCaches::new);
        let merges = OnceLock::new();
        Ok(Tokenizer { inner, file, spelling, specials, reserved, size, cut, characters, words, merges })
    }

    /// Returns the tokenizer as a `tokenizer.json`; equal tokenizers give equal text.
    pub fn to_json(&self) -> Result<String, Error> {
        guarded(&self.file, "save", || self.inner.to_string(true))
    }

    /// Writes a `tokenizer.json` with [`unspool_files::write`], so the path holds the old file or the new one, whole.
    ///
    /// # Errors
    /// [`Error::Unwritable`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let json = self.to_json()?;
        unspool_files::write(path, json).map_err(|cause| Error::Unwritable { file: path.display().to_string(), cause })
    }

    /// Returns the ids of a text, without special tokens.
    ///
    /// # Errors
    /// [`Error::Library`], for tokenizers from elsewhere (an unknown character and no unknown token, for one).
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        if let Some(characters) = self.characters.as_ref().filter(|characters| characters.know(text)) {
            return Ok(characters.encode(text));
        }
        match self.words.as_ref().filter(|words| words.know(text)) {
            Some(words) => words.encode(text, |word| self.encode_by_library(word)),
            None => self.encode_by_library(text),
        }
    }

    fn encode_by_library(&self, text: &str) -> Result<Vec<u32>, Error> {
        let encoding = guarded(&self.file, "encode", || self.inner.encode_fast(text, false))?;
        Ok(self.permitted(encoding.get_ids()))
    }

    /// Returns the ids of a text, and for each the position of the byte after its last one.
    pub(crate) fn encode_with_ends(&self, text: &str) -> Result<(Vec<u32>, Vec<usize>), Error> {
        let encoding = guarded(&self.file, "encode", || self.inner.encode(text, false))?;
        let ends = encoding.get_offsets().iter().map(|(_, end)| *end).collect();
        Ok((self.permitted(encoding.get_ids()), ends))
    }

    /// A vocabulary of words can hold `</s>` as a word; a text must not end a sequence with it.
    fn permitted(&self, ids: &[u32]) -> Vec<u32> {
        let permit = |id: &u32| if self.reserved.binary_search(id).is_ok() { self.specials.unk } else { *id };
        ids.iter().map(permit).collect()
    }

    /// Encodes each text, as [`Tokenizer::encode`] does.
    pub fn encode_all<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Vec<Vec<u32>>, Error> {
        texts.into_iter().map(|text| self.encode(text.as_ref())).collect()
    }

    /// Returns a text as the tokenizer reads it: in its normal form and case.
    ///
    /// ```
    /// use unspool_text::{Normalization, TokenKind, Tokenizer, TokenizerOptions};
    /// let options = TokenizerOptions { normalization: Normalization::Nfc, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::Character, ["한"], &options)?;
    /// assert_eq!(tokenizer.normalize("\u{1112}\u{1161}\u{11ab}")?, "한");
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Library`].
    pub fn normalize(&self, text: &str) -> Result<String, Error> {
        let Some(normalizer) = self.inner.get_normalizer() else { return Ok(text.to_owned()) };
        let mut text = NormalizedString::from(text);
        guarded(&self.file, "normalize", || normalizer.normalize(&mut text))?;
        Ok(text.get().to_owned())
    }

    /// Returns the number of ids: the width of a model's embedding and of its output.
    pub fn vocabulary_size(&self) -> usize {
        self.size
    }

    /// Returns the ids of padding, unknown, begin and end.
    pub fn specials(&self) -> Specials {
        self.specials
    }

    /// Returns a token's id.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Returns an id's token, as the vocabulary writes it (byte-level tokens are written in GPT-2's stand-in
    /// characters).
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// Counts how many tokens of the texts become `<unk>`: see [`Coverage::unknown_rate`].
    pub fn coverage<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Coverage, Error> {
        let mut coverage = Coverage::default();
        for text in texts {
            let ids = self.encode(text.as_ref())?;
            coverage.tokens += ids.len() as u64;
            coverage.unknown += ids.iter().filter(|id| **id == self.specials.unk).count() as u64;
        }
        Ok(coverage)
    }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokenizer").field("size", &self.size).field("specials", &self.specials).finish_non_exhaustive()
    }
}
