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
    assert_eq!(refused(file, "/model/vocab/3", json!(["▁a", -1])), "token `▁a` stands twice in the vocabulary");
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
    let bert = json!({"type": "Sequence", "processors": [{"type": "BertProcessing", "sep": ["[SEP]", 9], "cls": ["[CLS]", 2]}]});
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
    assert!(error.starts_with("the tokenizer failed to encode: chunk size must be non-zero"), "{error}");
}

#[test]
fn a_file_without_end_is_refused_in_bounded_memory() {
    let endless = Source::reader("endless", repeat(b' ').take(u64::MAX));
    let error = Tokenizer::from_source(endless).unwrap_err().to_string();
    assert_eq!(error, "endless: larger than the 134217728 bytes allowed");
    let bytes = Source::bytes("bytes", b"\xff".as_slice());
    assert!(Tokenizer::from_source(bytes).unwrap_err().to_string().starts_with("bytes: not a usable tokenizer: "));
}
