//! Any bytes as a tokenizer file: refused, or a tokenizer that keeps its promises.
//!
//! Panics inside the library are caught, not printed, and become errors, so a fuzzer does not stop at them.

use unspool_text::{Source, Tokenizer};

/// What lies behind the first zero byte is a text for the tokenizer before it.
pub(crate) fn run(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == 0).unwrap_or(data.len());
    let (file, text) = data.split_at(at);
    let Ok(tokenizer) = Tokenizer::from_source(Source::bytes("fuzz", file.to_vec())) else { return };
    let size = tokenizer.vocabulary_size();
    let specials = tokenizer.specials();
    let text = String::from_utf8_lossy(text);
    for text in ["a 한글 <eos></s>[SEP]", &text] {
        let Ok(ids) = tokenizer.encode(text) else { continue };
        assert!(ids.iter().all(|id| (*id as usize) < size));
        assert!(!ids.iter().any(|id| [specials.pad, specials.bos, specials.eos].contains(id) && *id != specials.unk));
        let _ = tokenizer.decode(&ids);
        let mut stream = tokenizer.decode_stream();
        for id in &ids {
            let _ = stream.step(*id);
            assert!(stream.pending().len() <= 3);
        }
        let words: Vec<&str> = text.split(' ').collect();
        if let Ok(aligned) = tokenizer.encode_words(&words) {
            assert_eq!(aligned.pieces.len(), words.len());
            assert!(aligned.pieces.iter().all(|pieces| !pieces.is_empty() && pieces.end <= aligned.ids.len()));
        }
    }
    let json = tokenizer.to_json().expect("what was loaded can be saved");
    let again = Tokenizer::from_json("again", &json).expect("what was saved can be loaded");
    assert_eq!((again.vocabulary_size(), again.specials()), (size, specials));
}
