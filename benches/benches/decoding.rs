//! Writing 32 tokens for 8 sentences with an LSTM of 256 over 4,000 words: greedily, by a beam and at random.
//!
//!     cargo bench -p unspool-benches --bench decoding

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use unspool_graph::Params;
use unspool_nn::{
    Cell, DecoderSteps, Embedding, Linear, Lstm, TokenModel,
    decoding::{Beam, Decoding, Sampling},
};

const SENTENCES: usize = 8;
const TOKENS: usize = 32;
const WORDS: usize = 4000;

fn decoding(criterion: &mut Criterion) {
    let mut params = Params::seeded(1);
    let model = TokenModel {
        embedding: Embedding::new(params.scope("embedding"), WORDS, 256),
        cell: Lstm::new(params.scope("rnn"), 256, 256),
        readout: Linear::new(params.scope("readout"), 256, WORDS),
    };
    let steps = || {
        DecoderSteps::new(&params, &model, SENTENCES, |graph| model.initial_state(graph, SENTENCES)).expect("a state")
    };
    let endless = Decoding::endless(1, TOKENS);
    let mut group = criterion.benchmark_group("decoding");
    group.sample_size(10).throughput(Throughput::Elements((SENTENCES * TOKENS) as u64));
    group.bench_function("greedy", |bencher| bencher.iter(|| black_box(endless.greedy(&mut steps()).expect("tokens"))));
    group.bench_function("beam of 5", |bencher| {
        bencher.iter(|| black_box(endless.beam(&mut steps(), &Beam::new(5)).expect("tokens")))
    });
    let sampling = Sampling::new(7).temperature(0.8).top_k(40).top_p(0.9);
    group.bench_function("sampling", |bencher| {
        bencher.iter(|| black_box(endless.sample(&mut steps(), &sampling).expect("tokens")))
    });
    group.finish();
}

criterion_group!(benches, decoding);
criterion_main!(benches);
