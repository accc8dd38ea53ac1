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
    TokenizerOptions { vocabulary_size: 350, minimum_count, ..Default::default() }
}

fn lossy() -> TokenizerOptions {
    TokenizerOptions { lossless: false, ..options(1) }
}

type Trained = LazyLock<Vec<[Tokenizer; 2]>>;

fn train_all(options: &TokenizerOptions) -> Vec<[Tokenizer; 2]> {
    let train = |kind| {
        let tokenizer = Tokenizer::train(kind, TEXTS, options).unwrap();
        [again(&tokenizer), tokenizer]
    };
    KINDS.map(train).into()
}

/// One of each kind, trained once, and the same saved and loaded.
static TRAINED: Trained = LazyLock::new(|| train_all(&options(1)));
/// The same with `<unk>` for what is no token.
static LOSSY: Trained = LazyLock::new(|| train_all(&lossy()));

/// The same for each normal form, in small letters or not.
static NORMALIZING: LazyLock<Vec<Vec<[Tokenizer; 2]>>> = LazyLock::new(|| {
    let forms = [Normalization::Nfc, Normalization::Nfd, Normalization::Nfkc, Normalization::Nfkd];
    let train = |normalization| {
        [false, true].map(|lowercase| train_all(&TokenizerOptions { normalization, lowercase, ..options(1) }))
    };
    forms.into_iter().flat_map(train).collect()
});

fn of_kind(all: &'static Trained, kind: TokenKind) -> &'static [Tokenizer; 2] {
    &all[KINDS.iter().position(|known| *known == kind).unwrap()]
}

fn trained(kind: TokenKind) -> &'static Tokenizer {
    &of_kind(&TRAINED, kind)[1]
}

fn again(tokenizer: &Tokenizer) -> Tokenizer {
    Tokenizer::from_json("again", &tokenizer.to_json().unwrap()).unwrap()
}

/// Any text; what is hard to cut; and what a vocabulary or a decoder might take for its own.
fn any_text() -> impl Strategy<Value = String> {
    let hard = "[가-힣ㄱ-ㅣ\u{1100}-\u{11ff} \u{a0}\u{2028}\u{feff}🌊👨‍👩‍👧\u{301}\u{0}-\u{1f}\u{7f}]*";
    let own =
        ["<eos>", "<unk>", "<0x41>", "<0xFF>", "▁", "Ġ", "##a", "</w>", "�", " ", "  ", "\t", "\r\n", "é", "e\u{301}"];
    let known = prop::sample::select(TEXTS.iter().flat_map(|text| text.split_inclusive(' ')).collect::<Vec<_>>());
    let mixed = prop::collection::vec(prop_oneof![prop::sample::select(own.to_vec()), known], 0..12);
    prop_oneof![any::<String>(), "\\PC*", hard, mixed.prop_map(|parts| parts.concat())]
}

proptest! {
    #[test]
    fn decoding_gives_back_any_text(text in any_text()) {
        for tokenizer in TRAINED.iter().flatten() {
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(&tokenizer.decode(&ids).unwrap(), &text, "{:?}", tokenizer);
            prop_assert!(ids.iter().all(|id| *id > 3));
        }
    }

    #[test]
    fn decoding_gives_back_the_normal_form(text in any_text()) {
        for kinds in NORMALIZING.iter() {
            let through = |[tokenizer, _]: &[Tokenizer; 2]| {
                tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap()
            };
            // Four kinds that cut the text in four ways give the same one: what the rules make of it.
            let normal = through(&kinds[0]);
            for kind in kinds {
                prop_assert_eq!(&through(kind), &normal, "{:?}", kind);
            }
        }
    }

    #[test]
    fn a_lossy_tokenizer_gives_back_known_characters_and_one_unknown_token_for_each_other(text in any_text()) {
        for tokenizer in of_kind(&LOSSY, TokenKind::Character) {
            let known = |character: char| tokenizer.id(character.encode_utf8(&mut [0; 4])).is_some();
            let wanted: String =
                text.chars().map(|c| if known(c) { c.to_string() } else { "<unk>".into() }).collect();
            let ids = tokenizer.encode(&text).unwrap();
            prop_assert_eq!(ids.len(), text.chars().count());
            prop_assert_eq!(tokenizer.decode(&ids).unwrap(), wanted);
        }
    }

    #[test]
    fn lossy_syllables_and_words_stand_for_themselves_or_are_unknown(
        parts in prop::collection::vec(
            (
                prop::sample::select(vec!["굿", "Tom", "평", "!", "휔", "Tim", "🌍"]),
                prop::sample::select(vec![" ", "\t", "  \n "]),
            ),
            1..12,
        ),
    ) {
        let text: String = parts.iter().flat_map(|(part, space)| [*part, *space]).collect();
        let unless_known =
            |known: &[&str], part: &str| if known.contains(&part) { part.to_owned() } else { "<unk>".into() };
        let syllables: String = parts
            .iter()
            .flat_map(|(part, space)| [unless_known(&["굿", "Tom", "평", "!"], part), (*space).to_owned()])
            .collect();
        for tokenizer in of_kind(&LOSSY, TokenKind::Syllable) {
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), &syllables[..]);
        }
        // In the texts `굿` and `평` are words only together with others.
        let words: Vec<String> = parts.iter().map(|(part, _)| unless_known(&["굿", "Tom", "!"], part)).collect();
        for tokenizer in of_kind(&LOSSY, TokenKind::Word) {
            prop_assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), words.join(" "));
        }
    }

    #[test]
    fn no_text_encodes_to_padding_begin_or_end(
        parts in prop::collection::vec(
            prop::sample::select(vec!["<eos>", "<pad>", "<bos>", "<unk>", " ", "a", "한"]),
            0..8,
        ),
    ) {
        let text = parts.concat();
        for tokenizer in TRAINED.iter().chain(LOSSY.iter()).flatten() {
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
fn lossy_words_come_back_with_one_space_between() {
    let tokenizer = &of_kind(&LOSSY, TokenKind::Word)[1];
    let ids = tokenizer.encode("Tom  called\tMary.").unwrap();
    assert_eq!(tokenizer.decode(&ids).unwrap(), "Tom called Mary .");
    assert_eq!(tokenizer.decode(&tokenizer.encode("Tom zzz").unwrap()).unwrap(), "Tom <unk>");
    assert_eq!(tokenizer.coverage(["Tom zzz"]).unwrap().unknown_rate(), 0.5);
}

#[test]
fn a_word_is_the_same_token_at_the_front_and_behind_a_space() {
    let tokenizer = trained(TokenKind::Word);
    let [tom, called, dot] = tokenizer.encode("Tom called.").unwrap()[..] else { panic!() };
    assert_eq!(tokenizer.encode("called Tom").unwrap(), [called, tom]);
    assert_eq!(tokenizer.token(tom).as_deref(), Some(" Tom"));
    assert_eq!(tokenizer.token(dot).as_deref(), Some("."));
    // A space that the text begins with is another space.
    assert_eq!(tokenizer.encode(" Tom").unwrap()[1..], [tom]);
}

#[test]
fn bytes_that_are_no_text_together_are_shown_as_such() {
    for kind in [TokenKind::Word, TokenKind::Character, TokenKind::Syllable] {
        let tokenizer = trained(kind);
        let byte = |byte: u8| tokenizer.id(&format!("<0x{byte:02X}>")).unwrap();
        assert_eq!(tokenizer.decode(&[byte(0xed), byte(0x95), byte(0x9c)]).unwrap(), "한");
        assert_eq!(tokenizer.decode(&[byte(0xed), byte(0x95)]).unwrap(), "��");
    }
}

#[test]
fn syllables_composed_or_not_are_one_token_each() {
    let tokenizer = &of_kind(&LOSSY, TokenKind::Syllable)[1];
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
    for kind in KINDS {
        assert!(small(kind, 259).is_err());
        assert!((260..=270).contains(&small(kind, 270).unwrap().vocabulary_size()));
    }
    let lossy =
        |vocabulary_size| Tokenizer::train(TokenKind::Word, TEXTS, &TokenizerOptions { vocabulary_size, ..lossy() });
    assert!(lossy(4).is_err());
    assert_eq!(lossy(5).unwrap().vocabulary_size(), 5);
}

#[test]
fn twenty_thousand_spaces_come_back() {
    let text = format!("a{}b", " ".repeat(20_000));
    for kind in KINDS {
        let tokenizer = trained(kind);
        assert_eq!(tokenizer.decode(&tokenizer.encode(&text).unwrap()).unwrap(), text);
    }
}

#[test]
fn an_id_outside_the_vocabulary_is_an_error() {
    let error = trained(TokenKind::Word).decode(&[9999]).unwrap_err().to_string();
    assert!(error.starts_with("id 9999 is outside the vocabulary of "), "{error}");
}
