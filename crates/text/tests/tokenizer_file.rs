//! Tokenizer files from elsewhere: good ones work with their own ids, bad ones are refused with a reason.

use std::io::{Read, repeat};

use serde_json::{Value, json};
use unspool_text::{Error, Source, Specials, Tokenizer};

/// A small BPE of words with an end-of-word suffix, which is loaded though it cannot be trained here.
fn bpe() -> Value {
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
        "normalizer": {"type": "Lowercase"},
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": null,
        "decoder": {"type": "BPEDecoder", "suffix": "</w>"},
        "model": {
            "type": "BPE", "dropout": null, "unk_token": "<unk>", "continuing_subword_prefix": null,
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
            "vocab": {"<unk>": 0, "l": 1, "o": 2, "w</w>": 3, "lo": 4, "low</w>": 5},
            "merges": [["l", "o"], ["lo", "w</w>"]]
        }
    })
}

fn word_piece() -> Value {
    let special = |id: u32, content: &str| {
        json!({"id": id, "content": content, "single_word": false,
        "lstrip": false, "rstrip": false, "normalized": false, "special": true})
    };
    json!({
        "version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [special(0, "[PAD]"), special(1, "[UNK]"), special(2, "[CLS]"), special(3, "[SEP]")],
        "normalizer": null,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]}}
        },
        "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": false},
        "model": {
            "type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3, "un": 4, "##spool": 5, "한": 6, "##글": 7}
        }
    })
}

fn load(file: &Value) -> Result<Tokenizer, Error> {
    Tokenizer::from_json("t.json", &file.to_string())
}

/// The reason why a file, changed at one place, is refused.
fn refused(mut file: Value, place: &str, value: Value) -> String {
    let (parent, key) = place.rsplit_once('/').unwrap();
    let parent = file.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(list) => list[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
    let reason = load(&file).map(|_| "accepted").unwrap_err().to_string();
    reason.strip_prefix("t.json: not a usable tokenizer: ").unwrap_or(&reason).to_owned()
}

#[test]
fn a_loaded_tokenizer_keeps_its_ids_and_gets_the_special_tokens_it_lacks() {
    let tokenizer = load(&bpe()).unwrap();
    assert_eq!(tokenizer.encode("LOW lo x").unwrap(), [5, 1, 0, 0]);
    assert_eq!(tokenizer.decode(&[5, 5]).unwrap(), "low low");
    assert_eq!(tokenizer.specials(), Specials { pad: 6, unk: 0, bos: 7, eos: 8 });
    assert_eq!(tokenizer.vocabulary_size(), 9);
    let again = Tokenizer::from_json("again", &tokenizer.to_json().unwrap()).unwrap();
    assert_eq!((again.specials(), again.vocabulary_size()), (tokenizer.specials(), 9));
}

#[test]
fn usual_names_of_special_tokens_are_known_and_no_text_forges_them() {
    let tokenizer = load(&word_piece()).unwrap();
    assert_eq!(tokenizer.specials(), Specials { pad: 0, unk: 1, bos: 2, eos: 3 });
    assert_eq!(tokenizer.encode("unspool 한글").unwrap(), [4, 5, 6, 7]);
    assert_eq!(tokenizer.decode(&[2, 4, 5, 6, 7, 3, 0]).unwrap(), "unspool 한글");
    assert_eq!(tokenizer.encode("un [SEP] [CLS]").unwrap(), [4, 1, 1]);
}

#[test]
fn a_unigram_file_works() {
    let file = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "post_processor": null,
        "decoder": {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": true},
        "model": {"type": "Unigram", "unk_id": 0, "byte_fallback": false,
                  "vocab": [["<unk>", 0.0], ["▁", -1.0], ["▁a", -1.5], ["b", -2.0]]}
    });
    let tokenizer = load(&file).unwrap();
    assert_eq!(tokenizer.encode("a ab").unwrap(), [2, 2, 3]);
    assert_eq!(tokenizer.decode(&[2, 2, 3]).unwrap(), "a ab");
    assert_eq!(refused(file.clone(), "/model/unk_id", json!(4)), "`unk_id` 4 is not in the vocabulary");
    assert_eq!(refused(file.clone(), "/model/vocab/3", json!(["", -1])), "token 3 of the vocabulary has no name");
    assert_eq!(refused(file, "/model/vocab/3", json!(["▁a", -1])), "token `▁a` occurs twice in the vocabulary");
}

#[test]
fn ids_must_be_small_whole_numbers_without_a_hole() {
    let with = |id: Value| {
        let mut file = bpe();
        file["model"]["vocab"]["o"] = id;
        load(&file).unwrap_err().to_string()
    };
    assert!(with(json!(-1)).ends_with("token `o` has the id -1, not a small whole number"));
    assert!(with(json!(4294967296u64)).ends_with("token `o` has the id 4294967296, not a small whole number"));
    assert!(with(json!(1)).ends_with("token `o` has the id 1 where 2 is next"));
    assert!(with(json!(6)).ends_with("ids must be 0, 1, 2, …: token `w</w>` has the id 3 where 2 is next"));
}

#[test]
fn merges_must_lie_inside_the_vocabulary() {
    let merges = |merges| refused(bpe(), "/model/merges", merges);
    assert_eq!(merges(json!([["l", "x"]])), "merge 0 (`l` `x`) needs `x`, not in the vocabulary");
    assert_eq!(merges(json!([["o", "l"]])), "merge 0 (`o` `l`) needs `ol`, not in the vocabulary");
    assert_eq!(merges(json!(["l o", "lo"])), "merge 1 is not a pair");
    assert_eq!(merges(json!({})), "`model` has no `merges`");
    let mut file = bpe();
    file["model"]["continuing_subword_prefix"] = json!("한국어");
    assert!(load(&file).unwrap_err().to_string().ends_with("merge 0 lacks the prefix `한국어`"));
}

#[test]
fn what_a_batch_or_a_seed_must_decide_is_no_business_of_the_file() {
    let padding = json!({"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": null, "pad_id": 0,
        "pad_type_id": 0, "pad_token": "[PAD]"});
    assert_eq!(refused(bpe(), "/padding", padding), "it pads by itself; set `padding` to null, batches do that here");
    assert!(refused(bpe(), "/truncation", json!({"max_length": 2})).starts_with("it truncates by itself"));
    assert_eq!(refused(bpe(), "/model/dropout", json!(0.1)), "`dropout` makes encoding random; set it to null");
}

#[test]
fn template_tokens_must_be_in_the_vocabulary() {
    let ids = |ids| refused(word_piece(), "/post_processor/special_tokens/[CLS]/ids", ids);
    let missing = "the template's token `[CLS]` is not in the vocabulary under its id";
    assert_eq!((ids(json!([99])), ids(json!([3]))), (missing.into(), missing.into()));
    assert_eq!(ids(json!([])), "the template's token `[CLS]` has 0 ids, 1 tokens");
    let bert = json!({"type": "BertProcessing", "sep": ["[SEP]", 9], "cls": ["[CLS]", 2]});
    let bert = json!({"type": "Sequence", "processors": [bert]});
    assert_eq!(
        refused(word_piece(), "/post_processor", bert),
        "the template's token `[SEP]` is not in the vocabulary under its id"
    );
}

#[test]
fn unknown_and_added_tokens_must_agree_with_the_model() {
    assert_eq!(refused(bpe(), "/model/unk_token", json!("?")), "unknown token `?` is not in the vocabulary");
    assert_eq!(
        refused(word_piece(), "/added_tokens/0/id", json!(9)),
        "token `[PAD]` has the id 0 in the model and 9 as an added token"
    );
    assert_eq!(refused(word_piece(), "/added_tokens/0/content", json!("")), "an added token has no `content`");
}

#[test]
fn rules_that_lengthen_a_text_without_end_are_refused() {
    let double = json!({"type": "Replace", "pattern": {"String": "a"}, "content": "aa"});
    let doubles = |count| json!({"type": "Sequence", "normalizers": vec![double.clone(); count]});
    assert_eq!(refused(bpe(), "/normalizer", doubles(40)), "its rules can lengthen a text more than 4096 times");
    let bytes = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false});
    let bytes = json!({"type": "Sequence", "pretokenizers": vec![bytes; 13]});
    assert_eq!(refused(bpe(), "/pre_tokenizer", bytes), "its rules can lengthen a text more than 4096 times");
    let mut file = bpe();
    file["normalizer"] = doubles(4);
    assert!(load(&file).is_ok());
}

#[test]
fn what_is_no_tokenizer_is_refused() {
    let reason = |json: &str| Tokenizer::from_json("t", json).unwrap_err().to_string();
    assert_eq!(reason("{"), "t: not a usable tokenizer: EOF while parsing an object at line 1 column 1");
    assert_eq!(reason("[]"), "t: not a usable tokenizer: the file is not a JSON object");
    assert_eq!(reason("{}"), "t: not a usable tokenizer: there is no `model`");
    assert_eq!(reason(r#"{"model": {}}"#), "t: not a usable tokenizer: `model` has no `type`");
    assert!(reason(&"[".repeat(100_000)).contains("recursion limit"));
    assert!(refused(bpe(), "/model/type", json!("GPT")).starts_with("model type `GPT` is none of"));
    assert_eq!(refused(bpe(), "/model/vocab", json!({})), "unknown token `<unk>` is not in the vocabulary");
    assert!(!refused(bpe(), "/version", json!("9")).is_empty());
    assert!(!refused(bpe(), "/pre_tokenizer", json!({"type": "Split", "pattern": {"Regex": "("}})).is_empty());
}

#[test]
fn a_panic_inside_the_library_is_an_error() {
    let mut file = bpe();
    // The library divides a text into pieces of 0 characters.
    file["pre_tokenizer"] = json!({"type": "FixedLength", "length": 0});
    let error = load(&file).unwrap().encode("low").unwrap_err().to_string();
    assert!(error.starts_with("t.json: the tokenizer failed to encode: chunk size must be non-zero"), "{error}");
}

#[test]
fn a_file_without_end_is_refused_in_bounded_memory() {
    let endless = Source::reader("endless", repeat(b' ').take(u64::MAX));
    let error = Tokenizer::from_source(endless).unwrap_err().to_string();
    assert_eq!(error, "endless: larger than the 134217728 bytes allowed");
    let bytes = Source::bytes("bytes", b"\xff".as_slice());
    assert!(Tokenizer::from_source(bytes).unwrap_err().to_string().starts_with("bytes: not a usable tokenizer: "));
}

/// Set for the process whose standard error is looked at.
const CHILD: &str = "UNSPOOL_TEXT_PANICS";

/// Run by the test below in a process of its own: one panic inside the library, one outside.
#[test]
fn child() {
    if std::env::var_os(CHILD).is_some() {
        let mut file = bpe();
        file["pre_tokenizer"] = json!({"type": "FixedLength", "length": 0});
        let tokenizer = load(&file).unwrap();
        let failed = (0..3).map(|_| {
            std::thread::spawn({
                let tokenizer = tokenizer.clone();
                move || tokenizer.encode("low").is_err()
            })
        });
        assert!(failed.collect::<Vec<_>>().into_iter().all(|thread| thread.join().unwrap()));
        assert!(std::thread::spawn(|| panic!("a panic of somebody else")).join().is_err());
    }
}

#[test]
fn a_panic_inside_the_library_is_not_printed_and_others_are() {
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["child", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8(child.stderr).unwrap();
    assert!(child.status.success(), "{said}");
    assert_eq!(said.matches("panicked").count(), 1, "{said}");
    assert!(said.contains("a panic of somebody else") && !said.contains("chunk size"), "{said}");
}

#[test]
fn work_at_one_place_of_a_text_is_bounded() {
    let long = refused(word_piece(), "/model/max_input_chars_per_word", json!(1_000_000_000));
    assert_eq!(long, "`max_input_chars_per_word` is 1000000000; it must be 256 or less");
    let nested = |most: usize| {
        let tokens: Vec<Value> = (1..=most).map(|length| json!(["a".repeat(length), -1.0])).collect();
        let mut file = bpe();
        file["model"] = json!({"type": "Unigram", "unk_id": 0, "vocab": tokens, "byte_fallback": false});
        load(&file).map_err(|error| error.to_string())
    };
    assert!(nested(64).is_ok());
    assert!(nested(400).unwrap_err().contains("too many tokens begin with each other, up to one of "));
    assert!(nested(2000).is_err());
    let long = json!([["<unk>", 0.0], ["a".repeat(1025), -1.0]]);
    let long = json!({"type": "Unigram", "unk_id": 0, "vocab": long, "byte_fallback": false});
    assert_eq!(refused(bpe(), "/model", long), "a token has 1025 bytes; the longest may have 1024");

    let split = |regex: &str| {
        let mut file = bpe();
        file["pre_tokenizer"] =
            json!({"type": "Split", "pattern": {"Regex": regex}, "behavior": "Isolated", "invert": false});
        load(&file).map(drop).map_err(|error| error.to_string().split_once("tokenizer: ").unwrap().1.to_owned())
    };
    for bad in ["(?=(a+)+b)a", "a(?![^b]*c)", "(?<=x+)a", "x|(?:y(?>(?=.{2,})))"] {
        assert_eq!(split(bad), Err(format!("the pattern `{bad}` looks ahead or back without end")));
    }
    for bad in ["(a*)*\\1b", "(a)?(?(1)b|c)"] {
        assert_eq!(split(bad), Err(format!("the pattern `{bad}` refers to one of its own groups")));
    }
    // What GPT-2, GPT-4 and Llama 3 cut by.
    for good in [
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
            r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        concat!(
            r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}",
            r"| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+",
        ),
        r"(?:(?![x])[\p{L}\p{M}\p{N}])+|[\s\S]",
    ] {
        assert_eq!(split(good), Ok(()));
    }
    // Nothing of this is a matter of where the rule stands.
    let replace = json!({"type": "Replace", "pattern": {"Regex": "(?=a*b)"}, "content": "x"});
    let nested = json!({"type": "Sequence", "normalizers": [replace]});
    assert!(refused(bpe(), "/normalizer", nested).contains("without end"));
}

#[test]
fn added_tokens_are_many_but_not_without_bound() {
    let with = |count: usize| {
        let mut file = bpe();
        let first = file["model"]["vocab"].as_object().unwrap().len();
        let token = |n: usize| {
            json!({"id": first + n, "content": format!("<{n}>"), "single_word": false, "lstrip": false, "rstrip": false,
                   "normalized": false, "special": true})
        };
        file["added_tokens"] = (0..count).map(token).collect();
        load(&file).map_err(|error| error.to_string())
    };
    assert!(with(70_000).unwrap_err().ends_with("70000 added tokens are too many: there may be 65536"));
    let many = with(3_000).unwrap();
    // The name of a special token in a text is a word like others, however many there are.
    assert!(many.encode(&"<7> <2999> ".repeat(3000)).unwrap().iter().all(|id| (*id as usize) < many.vocabulary_size()));
}

#[test]
fn a_byte_order_mark_is_no_part_of_the_file() {
    let json = format!("\u{feff}{}", bpe());
    assert!(Tokenizer::from_json("t", &json).is_ok());
    assert!(Tokenizer::from_source(Source::bytes("t", json.into_bytes())).is_ok());
}

#[test]
fn rules_that_make_no_sense_are_refused_or_fail_with_the_files_name() {
    let rule = |kind: &str, more: Value| {
        let mut rule = json!({"type": kind});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let regex = |pattern: &str| json!({"pattern": {"Regex": pattern}, "content": "x"});
    let split = |pattern: &str| json!({"pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false});
    let cases = [
        ("/normalizer", rule("Precompiled", json!({"precompiled_charsmap": "AAAA"}))),
        ("/normalizer", rule("Precompiled", json!({"precompiled_charsmap": "AAQAAP////8="}))),
        ("/normalizer", rule("Precompiled", json!({"precompiled_charsmap": ""}))),
        ("/normalizer", rule("Replace", regex("(?=)"))),
        ("/normalizer", rule("Replace", regex("()"))),
        ("/normalizer", rule("Replace", regex("a{1000}{1000}{1000}"))),
        ("/normalizer", rule("Replace", regex("(((((((((((((((((((("))),
        ("/pre_tokenizer", rule("Split", split("()"))),
        ("/pre_tokenizer", rule("Split", split("(?=)"))),
        ("/pre_tokenizer", rule("FixedLength", json!({"length": 0}))),
        ("/decoder", rule("Strip", json!({"content": "x", "start": 1u64 << 63, "stop": 1u64 << 63}))),
        ("/model/unk_token", Value::Null),
        ("/model/continuing_subword_prefix", json!("##########")),
        ("/model/vocab/o", json!(1e30)),
        ("/normalizer", json!([[[[]]]])),
    ];
    for (place, value) in cases {
        let mut file = bpe();
        *file.pointer_mut(place).unwrap() = value.clone();
        let used = load(&file).and_then(|tokenizer| {
            let ids = tokenizer.encode(&"low \u{1f30a} lower\n".repeat(20))?;
            tokenizer.normalize("low")?;
            tokenizer.decode(&ids)
        });
        if let Err(error) = used {
            assert!(error.to_string().starts_with("t.json: "), "{place} {value}: {error}");
        }
    }
}
