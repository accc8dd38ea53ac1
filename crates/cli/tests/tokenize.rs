//! `unspool tokenize`: what is trained, encoded and decoded, and what is refused.

mod common;

use common::{refuses, run, succeeds};
use std::fs;

const TEXT: &str = "low lower lowest\n새로운 영화\n\nnew newer newest <eos>\n";

#[test]
fn what_is_encoded_decodes_to_the_same_text() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (kind, vocabulary) in [("bpe", "300"), ("words", "300"), ("characters", "300"), ("syllables", "300")] {
        let train =
            ["tokenize", "train", "--kind", kind, "--vocabulary", vocabulary, "--minimum-count", "1", "--overwrite"];
        succeeds(at, &[&train[..], &["--out", "a.json"]].concat(), TEXT.as_bytes());
        fs::write(at.join("text"), TEXT).unwrap();
        succeeds(at, &[&train[..], &["--out", "b.json", "text"]].concat(), b"");
        assert!(fs::read(at.join("a.json")).unwrap() == fs::read(at.join("b.json")).unwrap(), "{kind}");

        let ids = succeeds(at, &["tokenize", "encode", "--tokenizer", "a.json", "text"], b"");
        assert_eq!(ids.lines().count(), 4);
        let words = ids.split_whitespace().map(|id| id.parse::<u32>().unwrap());
        // No text is an end of its own making: id 3 is the end.
        assert!(words.clone().all(|id| id != 3) && words.count() > 4, "{ids}");
        let text = succeeds(at, &["tokenize", "decode", "--tokenizer", "a.json"], ids.as_bytes());
        assert_eq!(text, TEXT, "{kind}");
    }
    let small =
        ["tokenize", "train", "--kind", "words", "--lowercase", "--normalization", "nfc", "--minimum-count", "1"];
    succeeds(at, &small, "Bra FILM\n".as_bytes());
    let tokenizer = ["tokenize", "encode", "--tokenizer", "."];
    assert_eq!(succeeds(at, &tokenizer, b"bra film\n"), succeeds(at, &tokenizer, b"BRA Film\n"));
}

#[test]
fn what_is_no_token_is_spelled_or_unknown_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let text = "low\tseas  \u{1f30a}\n";
    for (unknown, wanted) in [(&[][..], text), (&["--unknown"][..], "low <unk> <unk>\n")] {
        let train = ["tokenize", "train", "--kind", "words", "--minimum-count", "1", "--overwrite"];
        succeeds(at, &[&train[..], unknown].concat(), TEXT.as_bytes());
        let ids = succeeds(at, &["tokenize", "encode", "--tokenizer", "tokenizer.json"], text.as_bytes());
        assert_eq!(succeeds(at, &["tokenize", "decode", "--tokenizer", "."], ids.as_bytes()), wanted);
    }
}

#[test]
fn wrong_files_ids_and_sizes_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("text"), TEXT).unwrap();
    fs::write(at.join("bytes"), b"fine\n\xff\n").unwrap();
    let characters = ["tokenize", "train", "--kind", "characters", "text", "--out", "characters.json"];
    succeeds(at, &characters, b"");
    refuses(at, &["tokenize", "train", "--vocabulary", "100", "text"], 2, "--vocabulary");
    refuses(at, &["tokenize", "train", "--kind", "vowels", "text"], 2, "--kind");
    refuses(at, &["tokenize", "train", "nowhere"], 1, "nowhere: cannot read");
    refuses(at, &["tokenize", "train", "bytes"], 1, "bytes:2: not UTF-8");
    refuses(at, &["tokenize", "train", "text", "--out", "no/where.json"], 1, "no/where.json: cannot write");
    refuses(at, &["tokenize", "encode", "text"], 2, "--tokenizer");
    refuses(at, &["tokenize", "encode", "--tokenizer", "text"], 1, "text: not a usable tokenizer");
    refuses(at, &["tokenize", "decode", "--tokenizer", "nowhere.json"], 1, "nowhere.json: cannot read");

    for (ids, saying) in
        [("5 6\n5 x 6\n", "standard input:2: `x` is not a token id"), ("5\n9999\n", ":2: id 9999 is outside")]
    {
        let output = run(at, &["tokenize", "decode", "--tokenizer", "characters.json"], ids.as_bytes());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(1) && said.contains(saying), "{said}");
        // The line before the wrong one has its answer.
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
    }
}
