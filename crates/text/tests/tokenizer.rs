//! Laws of tokenizers, trained here and loaded.

use std::sync::LazyLock;

use proptest::prelude::*;
use unspool_text::{Normalization, Specials, TokenKind, Tokenizer, TokenizerOptions};

const TEXTS: [&str; 6] = [
    "Tom hasn't called Mary yet. <eos> is no end, <pad> no padding.",
    "Jag är jätteförvirrad. Jag är inte förvirrad.",
    "이정도까지 낮은 평점 받을만한 영화는 아닌것같은데...",
    "굿입니다!! 만화도 굿! ㅋㅋㅋㅋㅋ",
    "tabs\tand  spaces \n and lines, 1,000.50 € 🌊🌊",
    "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af} decomposed",
];
const KINDS: [TokenKind; 4] = [TokenKind::ByteLevelBpe, TokenKind::Word, TokenKind::Character, TokenKind::Syllable];

fn options(minimum_count: u64) -> TokenizerOptions {
    TokenizerOptions { vocabulary_size: 300, minimum_count, ..Default::default() }
}

/// One of each kind, trained once, and the same saved and loaded.
static TRAINED: LazyLock<Vec<[Tokenizer; 2]>> = LazyLock::new(|| {
    let train = |kind| {
        let tokenizer = Tokenizer::train(kind, TEXTS, &options(1)).unwrap();
        [again(&tokenizer), tokenizer]
    };
    KINDS.map(train).into()
});

fn trained(kind: TokenKind) -> &'static Tokenizer {
    &TRAINED[KINDS.iter().position(|known| *known == kind).unwrap()][1]
}

fn again(tokenizer: &Tokenizer) -> Tokenizer {
    Tokenizer::from_json("again", &tokenizer.to_json().unwrap()).unwrap()
}

proptest! {
    #[test]
    fn byte_level_decoding_gives_back_any_text(text in prop_oneof![any::<String>(), "\\PC*", "[가-힣ㄱ-ㅣ\u{1100}-\u{11ff} 🌊👨‍👩‍👧\u{0}-\u{1f}]*"]) {
        let tokenizer = trained(TokenKind::ByteLevelBpe);
        let ids = tokenizer.encode(&text).unwrap();
        prop_assert_eq!(tokenizer.decode(&ids).unwrap(), text);
        prop_assert!(ids.iter().all(|id| *id > 3));
    }

    #[test]
    fn characters_and_syllables_give_back_what_they_know(picks in prop::collection::vec((0usize..6, 0usize..60, 1usize..30), 0..5)) {
        let text: String = picks.iter().flat_map(|(text, skip, take)| TEXTS[*text].chars().skip(*skip).take(*take)).collect();
        let tokenizer = trained(TokenKind::Character);
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
        // A part of a word may be unknown as a word; lines put together are not.
        let tokenizer = trained(TokenKind::Syllable);
        let text = picks.iter().map(|(text, ..)| TEXTS[*text]).collect::<Vec<_>>().join(" ");
        prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
    }

    #[test]
    fn no_text_encodes_to_padding_begin_or_end(
        parts in prop::collection::vec(prop_oneof![Just("<eos>"), Just("<pad>"), Just("<bos>"), Just("<unk>"), Just(" "), Just("a"), Just("한")], 0..8),
    ) {
        let text = parts.concat();
        for tokenizer in TRAINED.iter().flatten() {
            let Specials { pad, bos, eos, .. } = tokenizer.specials();
            prop_assert!(tokenizer.encode(&text).unwrap().iter().all(|id| ![pad, bos, eos].contains(id)));
        }
    }
}

#[test]
fn special_tokens_have_fixed_ids() {
    for kind in KINDS {
        let tokenizer = trained(kind);
        assert_eq!(tokenizer.specials(), Specials::FIXED);
        for (id, name) in (0..).zip(Specials::NAMES) {
            assert_eq!((tokenizer.id(name), tokenizer.token(id).as_deref()), (Some(id), Some(name)));
        }
    }
}

#[test]
fn training_again_gives_the_same_bits_in_any_order_of_the_texts() {
    for kind in KINDS {
        let first = trained(kind).to_json().unwrap();
        let mut texts = TEXTS;
        for _ in 0..3 {
            texts.rotate_left(1);
            let again = Tokenizer::train(kind, texts, &options(1)).unwrap();
            assert_eq!(again.to_json().unwrap(), first, "{kind:?}");
        }
    }
}

#[test]
fn saving_and_loading_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for kind in KINDS {
        let tokenizer = trained(kind);
        let path = folder.path().join("tokenizer.json");
        tokenizer.save(&path).unwrap();
        let loaded = Tokenizer::load(&path).unwrap();
        assert_eq!(loaded.to_json().unwrap(), tokenizer.to_json().unwrap());
        assert_eq!(loaded.vocabulary_size(), tokenizer.vocabulary_size());
        for text in TEXTS {
            assert_eq!(loaded.encode(text).unwrap(), tokenizer.encode(text).unwrap());
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}

#[test]
fn words_come_back_with_one_space_between() {
    let tokenizer = trained(TokenKind::Word);
    let ids = tokenizer.encode("Tom  called\tMary.").unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "Tom called Mary .");
    assert_eq!(tokenizer.decode(&tokenizer.encode("Tom zzz").unwrap()).unwrap(), "Tom <unk>");
    assert_eq!(tokenizer.coverage(["Tom zzz"]).unwrap().unknown_rate(), 0.5);
}

#[test]
fn syllables_composed_or_not_are_one_token_each() {
    let tokenizer = trained(TokenKind::Syllable);
    for text in ["한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"] {
        assert_eq!(tokenizer.encode(text).unwrap().len(), 2, "{text}");
    }
    let composing = TokenizerOptions { normalization: Normalization::Nfc, ..options(1) };
    let tokenizer = Tokenizer::train(TokenKind::Syllable, ["한글"], &composing).unwrap();
    let ids = tokenizer.encode("\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}").unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "한글");
}

#[test]
fn normal_form_and_lower_case_come_before_all_else() {
    let small = TokenizerOptions { normalization: Normalization::Nfkc, lowercase: true, ..options(1) };
    for kind in KINDS {
        let tokenizer = Tokenizer::train(kind, ["ﬁsh ÄRLIG"], &small).unwrap();
        let ids = again(&tokenizer).encode("FISH ärlig").unwrap();
        assert_eq!(tokenizer.decode(&ids).unwrap(), "fish ärlig", "{kind:?}");
    }
}

#[test]
fn a_vocabulary_below_the_alphabet_is_an_error_and_none_is_exceeded() {
    let small =
        |kind, vocabulary_size| Tokenizer::train(kind, TEXTS, &TokenizerOptions { vocabulary_size, ..options(1) });
    let error = small(TokenKind::ByteLevelBpe, 259).unwrap_err().to_string();
    assert_eq!(error, "a vocabulary of 259 is too small: the special tokens and the alphabet need 260");
    assert_eq!(small(TokenKind::ByteLevelBpe, 260).unwrap().vocabulary_size(), 260);
    assert!(small(TokenKind::Word, 4).is_err());
    for kind in KINDS {
        assert!(small(kind, 270).unwrap().vocabulary_size() <= 270);
    }
}

#[test]
fn a_million_spaces_come_back() {
    let tokenizer = trained(TokenKind::ByteLevelBpe);
    let text = format!("a{}b", " ".repeat(1_000_000));
    assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
}

#[test]
fn an_id_outside_the_vocabulary_is_an_error() {
    let error = trained(TokenKind::Word).decode(&[9999]).unwrap_err().to_string();
    assert!(error.starts_with("id 9999 is outside the vocabulary of "), "{error}");
}
