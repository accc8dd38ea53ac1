//! Training: counting pieces of text, choosing a vocabulary, and writing it down as a `tokenizer.json`.
//!
//! Everything that is trained goes through the same door as what is loaded, so both behave alike.
//! Pieces are cut by the library itself, exactly as they will be when encoding.

use std::collections::HashMap;
use std::str::FromStr;

use serde_json::{Value, json};
use tokenizers::{
    Normalizer, OffsetReferential, OffsetType, PreTokenizer,
    tokenizer::{NormalizedString, PreTokenizedString},
};

use super::{Tokenizer, bpe, guarded};
use crate::error::Error;
use crate::vocabulary::{Specials, Vocabulary};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// Frequent runs of bytes within words (Sennrich et al. 2016, on bytes as in GPT-2): knows every text.
    ByteLevelBpe,
    /// Words: runs of letters, digits and underscores, and runs of other visible characters. Spaces are not kept.
    Word,
    /// Each Unicode character, spaces too.
    Character,
    /// Each Hangul syllable, composed or written as conjoining jamo; each word of other letters or digits;
    /// each other character. Korean with foreign words in it keeps them whole.
    Syllable,
}

impl FromStr for TokenKind {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "bpe" => Ok(TokenKind::ByteLevelBpe),
            "words" => Ok(TokenKind::Word),
            "characters" => Ok(TokenKind::Character),
            "syllables" => Ok(TokenKind::Syllable),
            _ => Err(Error::Option {
                option: "the kind of token",
                found: format!("`{name}`"),
                expected: "bpe, words, characters or syllables",
            }),
        }
    }
}

/// Unicode's normal forms, applied before a text is cut. Decoding gives the normalised text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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

/// How to train a tokenizer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenizerOptions {
    /// The most ids there may be, the four special tokens among them.
    pub vocabulary_size: usize,
    /// What is rarer stays unknown; for byte-level BPE, pairs that are rarer are not merged.
    pub minimum_count: u64,
    /// A Unicode normal form, before all else.
    pub normalization: Normalization,
    /// Whether all letters become small, after the normal form.
    pub lowercase: bool,
}

impl Default for TokenizerOptions {
    /// 8,000 ids, seen twice or more, the text as it is.
    fn default() -> Self {
        TokenizerOptions {
            vocabulary_size: 8000,
            minimum_count: 2,
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
    /// [`Error::VocabularyTooSmall`]: byte-level BPE needs 260 ids, the other kinds 5.
    pub fn train<T: AsRef<str>>(
        kind: TokenKind,
        texts: impl IntoIterator<Item = T>,
        options: &TokenizerOptions,
    ) -> Result<Self, Error> {
        let least =
            if kind == TokenKind::ByteLevelBpe { Specials::NAMES.len() + 256 } else { Specials::NAMES.len() + 1 };
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
                "normalizer": normalizer(options),
                "pre_tokenizer": pre_tokenizer(kind),
                "post_processor": null,
                "decoder": decoder(kind),
                "model": model,
            })
        };
        // An empty model with the right rules cuts the texts; the counted pieces then make the real one.
        let cutter = Self::from_json("training", &frame(words_model(Specials::NAMES)).to_string())?;
        let counts = cutter.count_pieces(texts)?;
        let model = if kind == TokenKind::ByteLevelBpe {
            let learned = bpe::learn(counts, options.vocabulary_size, options.minimum_count);
            json!({"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                   "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                   "vocab": places(&learned.tokens), "merges": learned.merges})
        } else {
            let vocabulary = Vocabulary::from_counts(counts, options.minimum_count, options.vocabulary_size)?;
            words_model(vocabulary.tokens())
        };
        Self::from_json("trained", &frame(model).to_string())
    }

    /// How often each piece stands in the texts, in the order of the pieces.
    fn count_pieces<T: AsRef<str>>(&self, texts: impl IntoIterator<Item = T>) -> Result<Vec<(String, u64)>, Error> {
        let mut counts: HashMap<String, u64> = HashMap::new();
        for text in texts {
            let cut = guarded("cut a text", || {
                let mut text = NormalizedString::from(text.as_ref());
                if let Some(normalizer) = self.inner.get_normalizer() {
                    normalizer.normalize(&mut text)?;
                }
                let mut pieces = PreTokenizedString::from(text);
                if let Some(pre_tokenizer) = self.inner.get_pre_tokenizer() {
                    pre_tokenizer.pre_tokenize(&mut pieces)?;
                }
                Ok(pieces)
            })?;
            for (piece, ..) in cut.get_splits(OffsetReferential::Normalized, OffsetType::None) {
                match counts.get_mut(piece) {
                    Some(count) => *count += 1,
                    None => {
                        counts.insert(piece.to_owned(), 1);
                    }
                }
            }
        }
        counts.remove("");
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable();
        Ok(counts)
    }
}

fn normalizer(options: &TokenizerOptions) -> Value {
    let form = match options.normalization {
        Normalization::None => None,
        Normalization::Nfc => Some(json!({"type": "NFC"})),
        Normalization::Nfd => Some(json!({"type": "NFD"})),
        Normalization::Nfkc => Some(json!({"type": "NFKC"})),
        Normalization::Nfkd => Some(json!({"type": "NFKD"})),
    };
    match (form, options.lowercase) {
        (None, false) => Value::Null,
        (Some(form), false) => form,
        (None, true) => json!({"type": "Lowercase"}),
        (Some(form), true) => json!({"type": "Sequence", "normalizers": [form, {"type": "Lowercase"}]}),
    }
}

fn pre_tokenizer(kind: TokenKind) -> Value {
    match kind {
        TokenKind::ByteLevelBpe => byte_level(),
        TokenKind::Word => json!({"type": "Whitespace"}),
        TokenKind::Character => json!({"type": "FixedLength", "length": 1}),
        TokenKind::Syllable => {
            json!({"type": "Split", "pattern": {"Regex": SYLLABLES}, "behavior": "Isolated", "invert": false})
        }
    }
}

fn decoder(kind: TokenKind) -> Value {
    match kind {
        TokenKind::ByteLevelBpe => byte_level(),
        TokenKind::Word => Value::Null,
        TokenKind::Character | TokenKind::Syllable => json!({"type": "Fuse"}),
    }
}

fn byte_level() -> Value {
    json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true})
}

fn words_model<T: AsRef<str>>(tokens: impl AsRef<[T]>) -> Value {
    json!({"type": "WordLevel", "vocab": places(tokens.as_ref()), "unk_token": "<unk>"})
}

fn places<T: AsRef<str>>(tokens: &[T]) -> Value {
    Value::Object(tokens.iter().enumerate().map(|(id, token)| (token.as_ref().to_owned(), json!(id))).collect())
}
