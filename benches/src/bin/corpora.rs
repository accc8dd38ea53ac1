//! Corpora of any size, and how long the library `tokenizers` alone takes for one: what `benches/corpora.sh` compares
//! the first step of a training with.
//!
//!     corpora write text|pairs|reviews|series MEGABYTES SOURCE FILE
//!     corpora tokenize characters|bpe VOCABULARY FILE COLUMNS
//!
//! `write` draws sentences from the lines of a small corpus and puts two of them side by side, so that the words are
//! real ones, and no two lines of the result need be alike. `tokenize` trains a tokenizer on the first so many columns
//! of each line and encodes them, on as many threads as `RAYON_NUM_THREADS` says, and prints the seconds of both.
#![forbid(unsafe_code)]

use std::{
    env,
    error::Error,
    fs::File,
    io::{BufRead, BufReader, BufWriter, Write},
    time::Instant,
};
use tokenizers::{
    DecoderWrapper, Model, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl, Trainer,
    models::{
        bpe::{BPE, BpeTrainer},
        wordlevel::{WordLevel, WordLevelTrainer},
    },
    normalizers::unicode::NFC,
    pre_tokenizers::{byte_level::ByteLevel, fixed_length::FixedLength},
};
use unspool_graph::RngKey;
use unspool_text::{Lines, Source};

/// Lines that are encoded at a time: their encodings take some hundred bytes per byte.
const AT_A_TIME: usize = 10_000;

type Done<T> = Result<T, Box<dyn Error + Send + Sync>>;

fn main() -> Done<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["write", kind, megabytes, source, file] => write(kind, 1_000_000 * megabytes.parse::<u64>()?, source, file),
        ["tokenize", "characters", vocabulary, file, columns] => {
            let tokenizer = tokenizer(WordLevel::default(), FixedLength::new(1), Some(NFC))?;
            let mut trainer = WordLevelTrainer::builder();
            let trainer = trainer.vocab_size(vocabulary.parse()?).show_progress(false).build()?;
            tokenize(tokenizer, trainer, file, columns.parse()?)
        }
        ["tokenize", "bpe", vocabulary, file, columns] => {
            let tokenizer = tokenizer(BPE::default(), ByteLevel::new(false, true, true), None)?;
            let trainer = BpeTrainer::builder().vocab_size(vocabulary.parse()?).min_frequency(2).show_progress(false);
            let trainer = trainer.initial_alphabet(ByteLevel::alphabet().into_iter().collect()).build();
            tokenize(tokenizer, trainer, file, columns.parse()?)
        }
        _ => {
            Err("usage: corpora write KIND MEGABYTES SOURCE FILE | corpora tokenize KIND VOCABULARY FILE COLUMNS"
                .into())
        }
    }
}

/// Writes about so many bytes.
fn write(kind: &str, bytes: u64, source: &str, file: &str) -> Done<()> {
    let lines = Lines::open(Source::file(source)?)?.collect::<Result<Vec<_>, _>>()?;
    let (header, lines) = match kind {
        "text" => (None, &lines[..]),
        _ => lines.split_first().map(|(header, rest)| (Some(header), rest)).ok_or("the source is empty")?,
    };
    let mut out = BufWriter::new(File::create(file)?);
    if let Some(header) = header {
        writeln!(out, "{header}")?;
    }
    let (key, mut written, mut number) = (RngKey::seed(1), 0, 0);
    while written < bytes {
        let draw = |n: u64| lines[(key.bits(n) % lines.len() as u64) as usize].as_str();
        let line = match kind {
            "series" => format!("{},{}", number / 2, 100.0 + (number as f64 / 50.0).sin() + key.normal(number)),
            "text" => draw(number).to_owned(),
            _ => {
                let (a, b) = (draw(2 * number), draw(2 * number + 1));
                let both = a.split('\t').zip(b.split('\t')).enumerate();
                // A label stays one label.
                let fields = both.map(|(column, (a, b))| match kind == "reviews" && column > 0 {
                    true => a.to_owned(),
                    false => format!("{a} {b}"),
                });
                fields.collect::<Vec<_>>().join("\t")
            }
        };
        writeln!(out, "{line}")?;
        written += line.len() as u64 + 1;
        number += 1;
    }
    out.flush()?;
    eprintln!("{file}: {number} lines, {written} bytes");
    Ok(())
}

type Tokenizer<M, P> = TokenizerImpl<M, NormalizerWrapper, P, PostProcessorWrapper, DecoderWrapper>;

fn tokenizer<M: Model, P: Into<PreTokenizerWrapper>>(
    model: M,
    pre_tokenizer: P,
    normalizer: Option<NFC>,
) -> Done<Tokenizer<M, PreTokenizerWrapper>> {
    let mut tokenizer = TokenizerImpl::new(model);
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer.into()));
    tokenizer.with_normalizer(normalizer.map(NormalizerWrapper::from))?;
    Ok(tokenizer)
}

/// Trains and encodes, and prints `train encode` in seconds.
fn tokenize<M, T>(
    mut tokenizer: Tokenizer<M, PreTokenizerWrapper>,
    mut trainer: T,
    file: &str,
    columns: usize,
) -> Done<()>
where
    M: Model + Send + Sync,
    T: Trainer<Model = M> + Sync,
{
    let texts = || -> Done<_> {
        let fields = move |line: std::io::Result<String>| {
            let line = line.unwrap_or_default();
            line.split('\t').take(columns).map(str::to_owned).collect::<Vec<_>>()
        };
        Ok(BufReader::new(File::open(file)?).lines().flat_map(fields))
    };
    let began = Instant::now();
    tokenizer.train(&mut trainer, texts()?)?;
    let trained = began.elapsed();
    let (mut texts, mut tokens) = (texts()?, 0);
    loop {
        let some: Vec<String> = texts.by_ref().take(AT_A_TIME).collect();
        if some.is_empty() {
            break;
        }
        tokens += tokenizer.encode_batch(some, false)?.iter().map(|encoding| encoding.len()).sum::<usize>();
    }
    let all = began.elapsed();
    eprintln!("{tokens} tokens");
    println!("{:.1} {:.1}", trained.as_secs_f64(), (all - trained).as_secs_f64());
    Ok(())
}
