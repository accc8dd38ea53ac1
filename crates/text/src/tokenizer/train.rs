//! Training: counting pieces of text, choosing a vocabulary, and writing it down as a `tokenizer.json`.
//!
//! A trained tokenizer is read from its file like a loaded one, so that both behave alike.
//! The library itself cuts the pieces, exactly as it will when encoding.

use std::borrow::Cow;
use std::collections::HashMap;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokenizers::{
    Normalizer, OffsetReferential, OffsetType, PreTokenizer,
    tokenizer::{NormalizedString, PreTokenizedString},
};

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfd_quick};

use super::characters::CharacterCounts;
use super::guard::guarded;
use super::{Tokenizer, bpe};
use crate::error::Error;
use crate::named::named;
use crate::vocabulary::{Specials, Vocabulary};

/// Chooses what a token is.
///
/// ```
/// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
///
/// let tokens = |kind: &str| -> Result<Vec<String>, unspool_text::Error> {
///     let options = TokenizerOptions { vocabulary_size: 300, minimum_count: 1, ..Default::default() };
///     let tokenizer = Tokenizer::train(kind.parse::<TokenKind>()?, ["See, 굿!", "See"], &options)?;
///     Ok(tokenizer.encode("See 굿")?.into_iter().filter_map(|id| tokenizer.token(id)).collect())
/// };
/// assert_eq!(tokens("words")?, [" See", " 굿"]);                           // a space belongs to the word after it
/// assert_eq!(tokens("characters")?, ["S", "e", "e", " ", "굿"]);
/// assert_eq!(tokens("syllables")?, ["See", " ", "굿"]);
/// assert_eq!(tokens("bpe")?, ["See", "Ġêµ¿"]);                             // bytes in GPT-2's stand-ins
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Frequent runs of bytes within words (Sennrich et al. 2016, on bytes as in GPT-2): knows every text.
    ByteLevelBpe,
    /// Words: runs of letters, digits and underscores, and runs of other visible characters. A space before a word
    /// belongs to it, and one is added in front of the text, so that its first word is a word like any other.
    Word,
    /// Each Unicode character, spaces too.
    Character,
    /// Each Hangul syllable, composed or written as conjoining jamo; each word of other letters or digits;
    /// each other character. Korean with foreign words in it keeps them whole.
    Syllable,
}

named! {
    TokenKind, "the kind of token",
    "bpe" => ByteLevelBpe, "words" => Word, "characters" => Character, "syllables" => Syllable,
}

/// Names Unicode's normal form that is applied before a text is cut. Decoding gives the normalized text.
///
/// ```
/// use unspool_text::{Normalization, TokenKind, Tokenizer, TokenizerOptions};
/// let given_back = |normalization, text: &str| -> Result<String, unspool_text::Error> {
///     let options = TokenizerOptions { normalization, ..Default::default() };
///     let tokenizer = Tokenizer::train(TokenKind::ByteLevelBpe, [text], &options)?;
///     tokenizer.decode(&tokenizer.encode(text)?)
/// };
/// assert_eq!(given_back(Normalization::None, "ﬁ e\u{301}")?, "ﬁ e\u{301}");
/// assert_eq!(given_back(Normalization::Nfc, "ﬁ e\u{301}")?, "ﬁ é");
/// assert_eq!(given_back(Normalization::Nfkd, "ﬁ é")?, "fi e\u{301}");
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalization {
    /// The text as it is.
    #[default]
    None,
    /// Composed: what most keyboards type. Hangul from macOS file names is decomposed without it.
    Nfc,
    /// Decomposed: a Hangul syllable becomes its jamo.
    Nfd,
    /// Composed, and compatibility characters replaced (`ﬁ` becomes `fi`, `１` becomes `1`).
    Nfkc,
    /// Decomposed, and compatibility characters replaced.
    Nfkd,
}

named! {
    Normalization, "the normal form of Unicode",
    "none" => None, "nfc" => Nfc, "nfd" => Nfd, "nfkc" => Nfkc, "nfkd" => Nfkd,
}

impl Normalization {
    /// All forms.
    pub(super) const ALL: [Normalization; 5] =
        [Normalization::None, Normalization::Nfc, Normalization::Nfd, Normalization::Nfkc, Normalization::Nfkd];

    /// Returns a text in this form; no copy is made of one that clearly is.
    ///
    /// ```
    /// use unspool_text::Normalization;
    /// assert_eq!(Normalization::Nfc.apply("\u{1112}\u{1161}\u{11ab}"), "한");
    /// assert_eq!(Normalization::Nfd.apply("é").chars().count(), 2);
    /// assert!(matches!(Normalization::Nfc.apply("한"), std::borrow::Cow::Borrowed("한")));
    /// ```
    pub fn apply(self, text: &str) -> Cow<'_, str> {
        match self {
            _ if self.surely_has(text) => Cow::Borrowed(text),
            Normalization::None => Cow::Borrowed(text),
            Normalization::Nfc => Cow::Owned(text.nfc().collect()),
            Normalization::Nfd => Cow::Owned(text.nfd().collect()),
            Normalization::Nfkc => Cow::Owned(text.nfkc().collect()),
            Normalization::Nfkd => Cow::Owned(text.nfkd().collect()),
        }
    }

    /// Whether a text is in this form; false where only a closer look could tell.
    pub(super) fn surely_has(self, text: &str) -> bool {
        text.is_ascii()
            || match self {
                Normalization::None => true,
                Normalization::Nfc => is_nfc_quick(text.chars()) == IsNormalized::Yes,
                Normalization::Nfd => is_nfd_quick(text.chars()) == IsNormalized::Yes,
                Normalization::Nfkc | Normalization::Nfkd => false,
            }
    }
}

/// Holds the options for training a tokenizer.
///
/// ```
/// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
///
/// let options = TokenizerOptions { minimum_count: 1, ..Default::default() };
/// let lossless = Tokenizer::train(TokenKind::Character, ["a rose"], &options)?;
/// let lossy = Tokenizer::train(TokenKind::Character, ["a rose"], &TokenizerOptions { lossless: false, ..options })?;
/// assert_eq!((lossless.vocabulary_size(), lossy.vocabulary_size()), (4 + 256 + 6, 4 + 6));
///
/// assert_eq!(lossless.decode(&lossless.encode("a rös")?)?, "a rös");
/// assert_eq!(lossy.decode(&lossy.encode("a rös")?)?, "a r<unk>s");
/// assert_eq!((lossless.encode("ö")?.len(), lossy.encode("ö")?.len()), (2, 1));      // two bytes; `<unk>`
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerOptions {
    /// The largest number of ids, including the four special tokens.
    pub vocabulary_size: usize,
    /// Pieces that are rarer do not become tokens; with byte-level BPE, rarer pairs are not merged.
    pub minimum_count: u64,
    /// Whether decoding returns every text unchanged. A piece that is not a token is then spelled in characters that
    /// are tokens, or else in its UTF-8 bytes, for which 256 ids follow the special ones. Decoding byte-level BPE
    /// always does.
    ///
    /// If not, `<unk>` replaces each character, syllable or word that is not a token, and words are returned with one
    /// space between them, whatever was there. A model that predicts something for each character or word needs this.
    pub lossless: bool,
    /// The Unicode normal form that is applied first.
    pub normalization: Normalization,
    /// Whether texts are converted to lowercase, after the normal form.
    pub lowercase: bool,
}

impl Default for TokenizerOptions {
    /// 8,000 ids, seen twice or more, every text given back, the text as it is.
    fn default() -> Self {
        TokenizerOptions {
            vocabulary_size: 8000,
            minimum_count: 2,
            lossless: true,
            normalization: Normalization::None,
            lowercase: false,
        }
    }
}

/// Hangul syllables (composed with an optional trailing jamo, or two to three conjoining jamo), words of other
/// letters, marks and digits, or any one character. Oniguruma, with which Python's `tokenizers` is built, must read
/// the pattern in the same way: `(?s:.)` for "any one" would be an error there.
const SYLLABLES: &str = "[\u{AC00}-\u{D7A3}][\u{11A8}-\u{11FF}]?\
    |[\u{1100}-\u{115F}][\u{1160}-\u{11A7}][\u{11A8}-\u{11FF}]?\
    |(?:(?![\u{1100}-\u{11FF}\u{3130}-\u{318F}\u{AC00}-\u{D7A3}])[\\p{L}\\p{M}\\p{N}])+\
    |[\\s\\S]";

/// A word or a run of other visible characters, with one space before it, or any space. Nothing lies between them.
const SPACED_WORDS: &str = " ?\\w+| ?[^\\w\\s]+|\\s";

impl Tokenizer {
    /// Trains a tokenizer on texts. The same texts in the same or any other order give the same tokenizer.
    ///
    /// Special tokens have the ids of [`Specials::FIXED`].
    ///
    /// ```
    /// use unspool_text::{TokenKind, Tokenizer, TokenizerOptions};
    ///
    /// let reviews = ["굿입니다!! 만화도 굿!", "만화 CGI 굿"];
    /// let options = TokenizerOptions { minimum_count: 1, ..Default::default() };
    /// let tokenizer = Tokenizer::train(TokenKind::Syllable, reviews, &options)?;
    /// let ids = tokenizer.encode("CGI도 굿")?;
    /// let tokens: Vec<_> = ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect();
    /// assert_eq!(tokens, ["CGI", "도", " ", "굿"]);
    /// # Ok::<(), unspool_text::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::VocabularyTooSmall`]: 260 ids are the least, and 5 for what is not [`TokenizerOptions::lossless`].
    pub fn train<T: AsRef<str> + Sync>(
        kind: TokenKind,
        texts: impl IntoIterator<Item = T>,
        options: &TokenizerOptions,
    ) -> Result<Self, Error> {
        let alphabet = if kind == TokenKind::ByteLevelBpe || options.lossless { 256 } else { 1 };
        let least = Specials::NAMES.len() + alphabet;
        if options.vocabulary_size < least {
            return Err(Error::VocabularyTooSmall { asked: options.vocabulary_size, least });
        }
        let frame = |model: Value| {
            let special = |(id, name): (usize, &&str)| {
                (name != &"<unk>").then(|| {
                    json!({"id": id, "content": name, "single_word": false, "lstrip": false, "rstrip": false,
                           "normalized": false, "special": true})
                })
            };
            json!({
                "version": "1.0", "truncation": null, "padding": null,
                "added_tokens": Specials::NAMES.iter().enumerate().filter_map(special).collect::<Vec<_>>(),
                "normalizer": normalizer(kind, options),
                "pre_tokenizer": pre_tokenizer(kind, options.lossless),
                "post_processor": null,
                "decoder": decoder(kind, options.lossless),
                "model": model,
            })
        };
        // An empty model with the right rules cuts the texts; the counted pieces then make the real one.
        let cutter = Self::from_json("training", &frame(words_model(Specials::NAMES)).to_string())?;
        let counts = cutter.count_pieces(texts)?;
        let model = if kind == TokenKind::ByteLevelBpe {
            let learned = bpe::learn(counts, options.vocabulary_size, options.minimum_count);
            bpe_model(&learned.tokens, &learned.merges, false)
        } else if options.lossless {
            bpe_model(&spelling(counts, options)?, &[], true)
        } else {
            let vocabulary = Vocabulary::from_counts(counts, options.minimum_count, options.vocabulary_size)?;
            words_model(vocabulary.tokens())
        };
        Self::from_json("trained", &frame(model).to_string())
    }

    /// Returns how often each piece occurs in the texts, in the order of the pieces. Texts are cut on all threads;
    /// counts are sums of whole numbers, so the threads do not show in them.
    pub(super) fn count_pieces<T: AsRef<str> + Sync>(
        &self,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Vec<(String, u64)>, Error> {
        let threads = rayon::current_num_threads();
        let mut counts: Vec<Counts> = (0..threads).map(|_| Counts::default()).collect();
        let mut texts = texts.into_iter();
        loop {
            // Enough for all threads, but not all texts at once.
            let (mut some, mut bytes) = (vec![], 0);
            while bytes < threads * (1 << 20)
                && let Some(text) = texts.next()
            {
                bytes += text.as_ref().len().max(64);
                some.push(text);
            }
            if some.is_empty() {
                break;
            }
            let blocks: Vec<&str> = some.iter().flat_map(|text| self.cut.blocks(text.as_ref())).collect();
            let share = blocks.len().div_ceil(threads).max(1);
            blocks
                .par_chunks(share)
                .zip(&mut counts)
                .try_for_each(|(blocks, counts)| blocks.iter().try_for_each(|block| self.count_block(block, counts)))?;
        }
        let mut all = HashMap::<String, u64>::new();
        let mut seen = HashMap::<String, u64>::new();
        for Counts { pieces, characters, words } in counts {
            pieces.into_iter().chain(characters.into_iter()).for_each(|(piece, n)| *all.entry(piece).or_default() += n);
            words.into_iter().for_each(|(word, n)| *seen.entry(word).or_default() += n);
        }
        // The library says once for each word what its pieces are.
        for (word, n) in seen {
            self.pieces(&word, |piece| *all.entry(piece.to_owned()).or_default() += n)?;
        }
        let mut counts: Vec<_> = all.into_iter().collect();
        counts.retain(|(piece, _)| !piece.is_empty());
        counts.sort_unstable();
        Ok(counts)
    }

    fn count_block(&self, block: &str, Counts { pieces, characters, words }: &mut Counts) -> Result<(), Error> {
        if self.characters.as_ref().is_some_and(|known| known.know(block)) {
            characters.add(block);
            return Ok(());
        }
        if self.words.as_ref().is_some_and(|known| known.know(block)) {
            super::words::words(block).for_each(|word| count(words, word));
            return Ok(());
        }
        self.pieces(block, |piece| count(pieces, piece))
    }

    /// Cuts a text by the library.
    fn pieces(&self, text: &str, mut each: impl FnMut(&str)) -> Result<(), Error> {
        let pieces = guarded(&self.file, "cut a text", || {
            let mut text = NormalizedString::from(text);
            if let Some(normalizer) = self.inner.get_normalizer() {
                normalizer.normalize(&mut text)?;
            }
            let mut pieces = PreTokenizedString::from(text);
            if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut pieces)?;
            }
            Ok(pieces)
        })?;
        pieces.get_splits(OffsetReferential::Normalized, OffsetType::None).iter().for_each(|(piece, ..)| each(piece));
        Ok(())
    }
}

/// Counts a piece, of which a string is made only once.
fn count(counts: &mut HashMap<String, u64>, piece: &str) {
    match counts.get_mut(piece) {
        Some(count) => *count += 1,
        None => {
            counts.insert(piece.to_owned(), 1);
        }
    }
}

/// What a thread has counted.
#[derive(Default)]
struct Counts {
    pieces: HashMap<String, u64>,
    /// Words that are still to be cut by the library.
    words: HashMap<String, u64>,
    characters: CharacterCounts,
}

/// The special tokens, the bytes, and as many of the counted pieces as there is room for.
fn spelling(counts: Vec<(String, u64)>, options: &TokenizerOptions) -> Result<Vec<String>, Error> {
    let mut tokens = Vec::from(Specials::NAMES.map(str::to_owned));
    tokens.extend((0..=u8::MAX).map(|byte| format!("<{byte:#04X}>")));
    if options.vocabulary_size > tokens.len() {
        let known = Vocabulary::from_counts(counts, options.minimum_count, options.vocabulary_size - 256)?;
        tokens.extend_from_slice(&known.tokens()[Specials::NAMES.len()..]);
    }
    Ok(tokens)
}

pub(super) fn normalizer(kind: TokenKind, options: &TokenizerOptions) -> Value {
    let form = match options.normalization {
        Normalization::None => None,
        Normalization::Nfc => Some("NFC"),
        Normalization::Nfd => Some("NFD"),
        Normalization::Nfkc => Some("NFKC"),
        Normalization::Nfkd => Some("NFKD"),
    };
    let mut rules: Vec<Value> = form.into_iter().map(|form| json!({"type": form})).collect();
    if options.lowercase {
        rules.push(json!({"type": "Lowercase"}));
    }
    if kind == TokenKind::Word && options.lossless {
        rules.push(json!({"type": "Prepend", "prepend": " "}));
    }
    match rules.len() {
        0 => Value::Null,
        1 => rules.remove(0),
        _ => json!({"type": "Sequence", "normalizers": rules}),
    }
}

/// Of a tokenizer's file that cuts texts as such a kind of token does, and changes nothing but their form: that form.
pub(super) fn plain_rules(file: &Value, kind: TokenKind, lossless: bool) -> Option<Normalization> {
    let rule = |name: &str| file.get(name).unwrap_or(&Value::Null);
    let is_special = |token: &Value| token.get("special").and_then(Value::as_bool) == Some(true);
    let is_plain = *rule("pre_tokenizer") == pre_tokenizer(kind, lossless)
        && rule("post_processor").is_null()
        && rule("added_tokens").as_array().is_some_and(|all| all.iter().all(is_special));
    Normalization::ALL.into_iter().filter(|_| is_plain).find(|&normalization| {
        let options = TokenizerOptions { lossless, normalization, ..TokenizerOptions::default() };
        *rule("normalizer") == normalizer(kind, &options)
    })
}

pub(super) fn pre_tokenizer(kind: TokenKind, lossless: bool) -> Value {
    let split =
        |pattern| json!({"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    match kind {
        TokenKind::ByteLevelBpe => byte_level(),
        TokenKind::Word if lossless => split(SPACED_WORDS),
        TokenKind::Word => json!({"type": "Whitespace"}),
        TokenKind::Character => json!({"type": "FixedLength", "length": 1}),
        TokenKind::Syllable => split(SYLLABLES),
    }
}

/// The way back: bytes become characters, tokens stand side by side, the space that was put in front goes.
fn decoder(kind: TokenKind, lossless: bool) -> Value {
    let fuse = json!({"type": "Fuse"});
    let spelled = json!({"type": "ByteFallback"});
    match kind {
        TokenKind::ByteLevelBpe => byte_level(),
        TokenKind::Word if lossless => {
            let strip = json!({"type": "Strip", "content": " ", "start": 1, "stop": 0});
            json!({"type": "Sequence", "decoders": [spelled, fuse, strip]})
        }
        TokenKind::Word => Value::Null,
        TokenKind::Character | TokenKind::Syllable if lossless => {
            json!({"type": "Sequence", "decoders": [spelled, fuse]})
        }
        TokenKind::Character | TokenKind::Syllable => fuse,
    }
}

fn byte_level() -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})
}

/// Tokens and merges. With `spelled`, a piece that is a token is that token, and what is none falls to characters and
/// bytes.
fn bpe_model(tokens: &[String], merges: &[(String, String)], spelled: bool) -> Value {
    json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
           "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": spelled, "ignore_merges": spelled,
           "vocab": places(tokens), "merges": merges})
}

fn words_model<T: AsRef<str>>(tokens: impl AsRef<[T]>) -> Value {
    json!({"type": "WordLevel", "vocab": places(tokens.as_ref()), "unk_token": "<unk>"})
}

fn places<T: AsRef<str>>(tokens: &[T]) -> Value {
    Value::Object(tokens.iter().enumerate().map(|(id, token)| (token.as_ref().to_owned(), json!(id))).collect())
}
