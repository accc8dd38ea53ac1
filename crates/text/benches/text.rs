//! How fast text becomes batches and scores: `cargo bench -p unspool-text`.
//!
//! Three promises: encoding takes at most 1.2 times the library's own time, batching a million sentences' ids less
//! than a microsecond each, BLEU over 100,000 sentence pairs less than two seconds.

use std::hint::black_box;

use criterion::{BatchSize as Setup, Criterion, Throughput, criterion_group, criterion_main};
use unspool_text::score::{Bleu, Chrf, CorpusMetric};
use unspool_text::{BatchSize, Buckets, Padded, Source, Specials, TokenKind, Tokenizer, TokenizerOptions, read_text};

fn shakespeare() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../cli/data/tiny-shakespeare.txt.gz");
    read_text(Source::file(path).expect("the project's data"), 1 << 24).expect("text")
}

fn numbers(seed: u64) -> impl Iterator<Item = usize> {
    // Knuth's MMIX generator: any numbers do, the same each time.
    let next = |state: &u64| state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    std::iter::successors(Some(seed), move |state| Some(next(state))).map(|state| (state >> 33) as usize)
}

fn encoding(criterion: &mut Criterion) {
    let text = shakespeare();
    let lines: Vec<&str> = text.lines().collect();
    let options = TokenizerOptions { vocabulary_size: 4000, ..Default::default() };
    let ours = Tokenizer::train(TokenKind::ByteLevelBpe, &lines, &options).expect("training");
    let library: tokenizers::Tokenizer = ours.to_json().expect("saving").parse().expect("loading");
    let mut group = criterion.benchmark_group("encode tiny-shakespeare");
    group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(20);
    group.bench_function("unspool", |bench| bench.iter(|| ours.encode_all(&lines).expect("encoding").len()));
    group.bench_function("tokenizers", |bench| {
        bench.iter(|| {
            let encode = |line: &&str| library.encode_fast(*line, false).expect("encoding").get_ids().to_vec();
            lines.iter().map(encode).collect::<Vec<_>>().len()
        });
    });
    group.finish();
    let mut group = criterion.benchmark_group("train 4,000 tokens on tiny-shakespeare");
    group.sample_size(10);
    group.bench_function("byte-level BPE", |bench| {
        bench.iter(|| Tokenizer::train(TokenKind::ByteLevelBpe, &lines, &options).expect("training").vocabulary_size());
    });
    group.finish();
}

fn batching(criterion: &mut Criterion) {
    let rows: Vec<Vec<u32>> = numbers(7).take(1_000_000).map(|n| (4..4 + (5 + n % 40) as u32).collect()).collect();
    let mut group = criterion.benchmark_group("batch a million sentences");
    group.throughput(Throughput::Elements(rows.len() as u64)).sample_size(10);
    let buckets = Buckets::new(rows.iter().map(Vec::len), BatchSize::Tokens(4096), 7).expect("a size");
    group.bench_function("order of an epoch", |bench| bench.iter(|| buckets.epoch(black_box(1)).len()));
    group.bench_function("order and padded ids", |bench| {
        bench.iter(|| {
            let mut tokens = 0;
            for batch in buckets.epoch(black_box(1)) {
                let rows: Vec<&[u32]> = batch.iter().map(|row| rows[*row].as_slice()).collect();
                tokens += black_box(Padded::new(&rows, Specials::FIXED.pad)).tokens();
            }
            tokens
        });
    });
    group.finish();
}

fn scoring(criterion: &mut Criterion) {
    let text = shakespeare();
    let lines: Vec<&str> = text.lines().filter(|line| line.len() > 30).collect();
    let references: Vec<&str> = lines.iter().copied().cycle().take(100_000).collect();
    let damaged = |(line, n): (&&str, usize)| {
        let mut words: Vec<&str> = line.split(' ').collect();
        let (a, b) = (n % words.len(), n / 7 % words.len());
        words.swap(a, b);
        words.join(" ")
    };
    let hypotheses: Vec<String> = references.iter().zip(numbers(3)).map(damaged).collect();
    let mut group = criterion.benchmark_group("score 100,000 sentence pairs");
    group.throughput(Throughput::Elements(100_000)).sample_size(10);
    for (name, lowercase) in [("BLEU", false), ("BLEU lowercase", true)] {
        let bleu = Bleu { lowercase, ..Default::default() };
        group.bench_function(name, |bench| {
            bench.iter_batched(
                || (),
                |()| bleu.score(&hypotheses, &[&references]).expect("pairs").score,
                Setup::PerIteration,
            );
        });
    }
    let chrf = Chrf::default();
    group.bench_function("chrF2", |bench| bench.iter(|| chrf.score(&hypotheses, &[&references]).expect("pairs").score));
    group.finish();
}

criterion_group!(benches, encoding, batching, scoring);
criterion_main!(benches);
