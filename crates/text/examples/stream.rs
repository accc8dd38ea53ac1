//! Streams a text of any size, a file or standard input, gzip or not, into padded batches in bounded memory:
//!
//! ```console
//! $ cargo run --release -p unspool-text --example stream -- corpus.txt
//! $ zcat corpus.txt.gz | cargo run --release -p unspool-text --example stream -- -
//! ```
//!
//! A sample at the beginning trains the tokenizer; reading, tokenizing and sorting by length run ahead on another
//! thread. A line that cannot be read ends it with its number and the reason.

use unspool_text::{
    BatchSize, Error, Padded, Parallel, Prefetch, Source, StreamingBatches, TokenKind, Tokenizer, TokenizerOptions,
};

/// Lines that train the tokenizer, lines sorted by length at a time, tokens a batch, and batches read ahead.
const SAMPLE: usize = 10_000;
const WINDOW: usize = 20_000;
const TOKENS: usize = 8_192;
const AHEAD: usize = 8;

fn main() -> Result<(), Error> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "-".into());
    let source = if path == "-" { Source::stdin() } else { Source::file(&path)? };
    let mut lines = Parallel::plain(source)?.allow_empty();
    let sample: Vec<_> = lines.by_ref().take(SAMPLE).collect::<Result<_, _>>()?;
    let options = TokenizerOptions { vocabulary_size: 2_000, ..Default::default() };
    let tokenizer = Tokenizer::train(TokenKind::Character, sample.iter().map(|row| &row[0]), &options)?;
    let pad = tokenizer.specials().pad;

    let rows = sample.into_iter().map(Ok).chain(lines).map(move |row| tokenizer.encode(&row?[0]));
    let windows =
        StreamingBatches::new(rows, WINDOW, BatchSize::Tokens(TOKENS), 1, 0, |ids: &Vec<u32>| (0, ids.len()))?;
    let (mut batches, mut sentences, mut tokens, mut places) = (0u64, 0u64, 0u64, 0u64);
    for batch in Prefetch::new(AHEAD, windows)? {
        let batch = Padded::new(&batch?, pad);
        batches += 1;
        sentences += batch.len() as u64;
        tokens += batch.tokens() as u64;
        places += batch.ids.len() as u64;
    }
    let padding = 100.0 * (1.0 - tokens as f64 / places.max(1) as f64);
    println!("{batches} batches, {sentences} sentences, {tokens} tokens, {padding:.2} % padding");
    Ok(())
}
