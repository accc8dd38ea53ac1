//! Optimizations change results by rounding alone: 20 steps of training with and without them stay together.
//!
//! The plain computation gathers no gradients, packs no weights, has no fused cells and no vector code
//! ([`set_reference_mode`](unspool_graph::set_reference_mode)), and runs each row alone and without padding, so no
//! padding is skipped. The losses of all 20 steps differ by at most [`SINGLE`] or [`DOUBLE`] of their size. This is the
//! only test of its process, since the switch is the process's.

use ndarray::{Array2, Axis};
use unspool_graph::{Graph, Params, Precision, RngKey, Var, set_reference_mode};
use unspool_nn::{
    Adam, Cell, Embedding, Gru, Linear, Lstm, LstmConfig, Positions, Recurrent, RecurrentConfig, Rnn,
    TransformerConfig, TransformerDecoder, TransformerEncoder, ctc::Ctc, optimizer::StepParams, teacher_forcing,
};

/// The greatest relative difference of a loss in single precision.
const SINGLE: f64 = 2e-5;

/// The greatest relative difference of a loss in double precision.
const DOUBLE: f64 = 1e-13;

const STEPS: u64 = 20;
const TOKENS: usize = 11;
const SIZE: usize = 16;
const LENGTHS: [usize; 6] = [9, 2, 5, 9, 1, 7];

/// Some rows of the data, within their own lengths: tokens, and a label for each token.
struct Batch {
    ids: Array2<u32>,
    lengths: Vec<usize>,
    labels: Vec<u32>,
}

fn batch(rows: &[usize]) -> Batch {
    let lengths: Vec<usize> = rows.iter().map(|&row| LENGTHS[row]).collect();
    let time = lengths.iter().copied().max().unwrap_or(0);
    let token =
        |row: usize, t: usize| (RngKey::seed(3).fold_in(rows[row] as u64).bits(t as u64) % TOKENS as u64) as u32;
    let ids = Array2::from_shape_fn((rows.len(), time), |(row, t)| token(row, t));
    let labels = (0..rows.len()).flat_map(|row| (0..lengths[row]).map(move |t| (token(row, t) + t as u32) % 4));
    Batch { labels: labels.collect(), ids, lengths }
}

/// The sum of the losses of a batch.
type Loss = Box<dyn for<'g> Fn(&'g Graph<'g>, &Batch) -> Var<'g>>;

fn tagger<C: Cell + 'static>(
    params: &mut Params,
    make: impl FnMut(unspool_graph::Scope<'_>, usize, usize) -> C,
) -> Loss {
    let words = Embedding::new(params.scope("words"), TOKENS, SIZE);
    let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.0 };
    let rnn = Recurrent::new(params.scope("rnn"), make, SIZE, SIZE, layers);
    let readout = Linear::new(params.scope("readout"), 2 * SIZE, 4);
    Box::new(move |graph, batch| {
        let xs = words.sequence(graph, &batch.ids, &batch.lengths);
        let (hs, _) = rnn.unroll(&xs, rnn.initial_state(graph, xs.batch()));
        let labels = hs.layout().pack_examples(&batch.labels).unwrap();
        readout.apply(hs.rows()).cross_entropy(&labels).sum_all()
    })
}

fn recognizer(params: &mut Params) -> Loss {
    let words = Embedding::new(params.scope("words"), TOKENS, SIZE);
    let cell = Gru::new(params.scope("rnn"), SIZE, SIZE);
    let readout = Linear::new(params.scope("readout"), SIZE, 4);
    Box::new(move |graph, batch| {
        let xs = words.sequence(graph, &batch.ids, &batch.lengths);
        let (hs, _) = unspool_nn::unroll(&cell, &xs, cell.initial_state(graph, xs.batch()));
        let targets: Vec<Vec<u32>> = batch.ids.axis_iter(Axis(0)).map(|row| vec![1 + row[0] % 3]).collect();
        Ctc::new().losses(&hs.map(|h| readout.apply(h)), &targets).sum_all()
    })
}

fn config() -> TransformerConfig {
    TransformerConfig { size: SIZE, heads: 2, feedforward: 2 * SIZE, dropout: 0.0, norm_first: true, bias: true }
}

fn classifier(params: &mut Params) -> Loss {
    let words = Embedding::new(params.scope("words"), TOKENS, SIZE);
    let encoder = TransformerEncoder::new(params.scope("encoder"), 2, Positions::Sinusoidal, config());
    let readout = Linear::new(params.scope("readout"), SIZE, 4);
    Box::new(move |graph, batch| {
        let hs = encoder.apply(&words.sequence(graph, &batch.ids, &batch.lengths));
        let targets: Vec<u32> = batch.ids.column(0).iter().map(|id| id % 4).collect();
        readout.apply(hs.mean()).cross_entropy(&targets).sum_all()
    })
}

fn language_model(params: &mut Params) -> Loss {
    let words = Embedding::normal(params.scope("words"), TOKENS, SIZE, 0.3);
    let model = TransformerDecoder::language_model(params.scope("decoder"), 1, words, Positions::Sinusoidal, config());
    Box::new(move |graph, batch| {
        let state = model.initial_state(graph, batch.lengths.len());
        let logits = teacher_forcing(&model, graph, &batch.ids, &batch.lengths, state);
        let labels = logits.layout().pack_examples(&batch.labels).unwrap();
        logits.rows().cross_entropy(&labels).sum_all()
    })
}

/// The loss of each of the first steps. `alone` runs each row by itself.
fn losses(mut params: Params, loss: &Loss, alone: bool) -> Vec<f64> {
    let mut adam = Adam::new();
    let all: Vec<usize> = (0..LENGTHS.len()).collect();
    let batches: Vec<Batch> = if alone { all.iter().map(|&row| batch(&[row])).collect() } else { vec![batch(&all)] };
    let step = |number: u64| {
        let graph = Graph::new(&params).training(1, number);
        let sums: Vec<Var<'_>> = batches.iter().map(|batch| loss(&graph, batch)).collect();
        let total = sums.iter().skip(1).fold(sums[0], |total, &sum| total + sum);
        let value = total.item().expect("a loss");
        let gradients = total.backward().expect("gradients");
        let step = StepParams { rate: 0.01, count: LENGTHS.len() as f64, max_norm: 1.0 };
        adam.step(&mut params, &gradients, step).expect("a step");
        value
    };
    (0..STEPS).map(step).collect()
}

#[test]
fn twenty_steps_of_every_kind_of_model_are_those_of_the_plain_computation() {
    type Kind = (&'static str, fn(&mut Params) -> Loss);
    let kinds: [Kind; 7] = [
        ("rnn", |params| tagger(params, Rnn::new)),
        ("gru", |params| tagger(params, Gru::new)),
        ("lstm", |params| tagger(params, Lstm::new)),
        ("projected lstm", |params| {
            tagger(params, |scope, input, hidden| {
                Lstm::with_config(
                    scope,
                    input,
                    2 * hidden,
                    LstmConfig { projection: Some(hidden), ..LstmConfig::default() },
                )
            })
        }),
        ("ctc", recognizer),
        ("transformer encoder", classifier),
        ("transformer decoder", language_model),
    ];
    for (name, make) in kinds {
        for (precision, most) in [(Precision::F32, SINGLE), (Precision::F64, DOUBLE)] {
            let mut params = Params::seeded(7);
            let loss = make(&mut params);
            if precision == Precision::F64 {
                params = params.to_f64();
            }
            let fast = losses(params.clone(), &loss, false);
            set_reference_mode(true);
            let plain = losses(params, &loss, true);
            set_reference_mode(false);
            assert!(plain[STEPS as usize - 1] < 0.9 * plain[0], "{name} learns nothing: {plain:?}");
            let differs = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs();
            let greatest = fast.iter().zip(&plain).map(differs).fold(0.0, f64::max);
            println!("{name} in {precision:?}: losses differ by at most {greatest:.1e}");
            assert!(greatest <= most, "{name} in {precision:?}: {greatest:e}\nfast  {fast:?}\nplain {plain:?}");
        }
    }
}
