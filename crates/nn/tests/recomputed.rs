//! Unrolling in recomputed segments: the same values as in one piece, the same bits as in segments that are kept.

use ndarray::{Array2, Array3, ArrayD};
use unspool_graph::{Gradients, Graph, Params, Scope, Tensor, Var};
use unspool_nn::{
    Attention, AttentionDecoder, Bridge, Cell, Decoder, Embedding, Gru, Linear, Lstm, Rnn, Sequence, State, leaves,
    map_state, sharded, unroll, unroll_recomputed,
};

const LENGTHS: [usize; 4] = [23, 4, 0, 17];
const TIME: usize = 25;

#[derive(Clone, Copy)]
enum How {
    Whole,
    Kept(usize),
    Recomputed(usize),
}

impl How {
    fn unroll<'g, C: Cell + Clone + Send + Sync + 'static>(
        self,
        cell: &C,
        xs: &Sequence<'g>,
        start: C::State<'g>,
    ) -> (Sequence<'g>, C::State<'g>) {
        match self {
            How::Whole => unroll(cell, xs, start),
            How::Recomputed(every) => unroll_recomputed(cell, xs, start, every),
            How::Kept(every) => {
                // As the segments see them: longest first, so that the rows of a segment lie together.
                let mut order: Vec<u32> = (0..xs.batch() as u32).collect();
                order.sort_by_key(|&b| std::cmp::Reverse(xs.lengths()[b as usize]));
                let lengths: Vec<usize> = order.iter().map(|&b| xs.lengths()[b as usize]).collect();
                let mut back = order.clone();
                order.iter().zip(0..).for_each(|(&b, place)| back[b as usize] = place);
                let sorted = Sequence::from_rows(xs.rows(), &lengths);
                let mut now = map_state(&start, |leaf| leaf.index_select(&order));
                let mut all = vec![];
                for from in (0..lengths[0]).step_by(every) {
                    let (hs, next) = unroll(cell, &sorted.steps(from, from + every), now);
                    all.push(hs.rows());
                    now = next;
                }
                let hs = Sequence::from_rows(xs.graph().concat(&all, 0), xs.layout());
                (hs, map_state(&now, |leaf| leaf.index_select(&back)))
            }
        }
    }
}

/// Outputs, last state, and the gradients of all parameters and of the inputs.
fn run<C: Cell + Clone + Send + Sync + 'static>(params: &Params, cell: &C, how: How) -> Vec<ArrayD<f64>> {
    let graph = Graph::new(params).training(1, 2);
    let readout = Linear { weight: params.iter().last().unwrap(), bias: None };
    let xs = Array3::from_shape_fn((LENGTHS.len(), TIME, 3), |(b, t, i)| ((b * 31 + t * 7 + i * 3) as f64).sin());
    let xs = graph.input(xs).watch();
    let start = cell.initial_state(&graph, LENGTHS.len());
    let start = start.rebuild(&mut leaves(&start).into_iter().map(|leaf| leaf + 0.1).collect::<Vec<_>>().into_iter());
    let (hs, last) = how.unroll(cell, &Sequence::pack(xs, &LENGTHS), start);
    let hs = hs.padded();
    let state = leaves(&last).into_iter().fold(graph.zeros([]), |sum, leaf| sum + (leaf * leaf * 0.7).sum_all());
    let loss = readout.apply(hs).powi(2).sum_all() + state;
    let gradients = loss.backward().unwrap();
    let value = |v: Var<'_>| v.value().unwrap();
    let mut out: Vec<Tensor> = vec![value(hs), gradients.of(xs).unwrap()];
    out.extend(leaves(&last).into_iter().map(value));
    out.extend(params.iter().map(|p| gradients.of(p).unwrap()));
    out.into_iter().map(|t| t.to_f64()).collect()
}

fn holds<C: Cell + Clone + Send + Sync + 'static>(params: Params, cell: C) {
    let (double, single) = (params.to_f64(), params.to_f32());
    let whole = run(&double, &cell, How::Whole);
    for every in [1, 5, 12, 40] {
        for (a, b) in whole.iter().zip(run(&double, &cell, How::Recomputed(every))) {
            assert!((a - &b).iter().all(|d| d.abs() < 1e-12), "segments of {every}");
        }
        assert!(
            run(&single, &cell, How::Kept(every)) == run(&single, &cell, How::Recomputed(every)),
            "segments of {every}"
        );
    }
}

#[test]
fn segments_give_the_values_of_the_whole_and_the_bits_of_kept_segments() {
    fn with<C>(make: impl FnOnce(Scope<'_>, usize, usize) -> C) -> (Params, C) {
        let mut params = Params::seeded(4);
        let cell = make(params.scope("rnn"), 3, 6);
        Linear::without_bias(params.scope("readout"), 6, 2);
        (params, cell)
    }
    let (params, cell) = with(Lstm::new);
    holds(params, cell);
    let (params, cell) = with(Gru::new);
    holds(params, cell);
    let (params, cell) = with(Rnn::new);
    holds(params, cell);
}

/// An encoder and a decoder that attends to what it gave.
#[derive(Clone)]
struct Translator {
    table: Embedding,
    encoder: Lstm,
    decoder: AttentionDecoder<Lstm>,
}

/// Sentences that are to become other sentences, row by row, with their lengths.
struct Pairs {
    source: (Array2<u32>, Vec<usize>),
    target: (Array2<u32>, Vec<usize>),
}

impl Translator {
    fn new(params: &mut Params) -> Translator {
        let table = Embedding::normal(params.scope("embedding"), 11, 6, 0.5);
        let attention = Attention::additive(params.scope("attention"), 6, 6, 5);
        let decoder = AttentionDecoder::new(params.scope("decoder"), Lstm::new, table, attention, 6, 6);
        Translator { table, encoder: Lstm::new(params.scope("encoder"), 6, 6), decoder }
    }

    /// Σ cross-entropy of the targets, each token under the ones before it.
    fn loss<'g>(&self, graph: &'g Graph<'g>, pairs: &Pairs, how: How) -> Var<'g> {
        let ((source, lengths), (target, target_lengths)) = (&pairs.source, &pairs.target);
        let xs = self.table.sequence(graph, source, lengths);
        let start = self.encoder.initial_state(graph, lengths.len());
        let (memory, last) = how.unroll(&self.encoder, &xs, start);
        let start = self.decoder.start(&Bridge::Last, &leaves(&last), &memory);
        let ys = self.table.sequence(graph, target, target_lengths);
        let (hs, _) = how.unroll(&self.decoder, &ys, start);
        let logits = hs.zip(&ys, |hs, ys| self.decoder.logits(hs, ys));
        logits.cross_entropy(&target.mapv(|token| (token + 1) % 11)).sum_all()
    }
}

fn pairs(shard: u32) -> Pairs {
    let ids = |time, step| Array2::from_shape_fn((3, time), |(b, t)| (b as u32 * 5 + t as u32 * step + shard) % 11);
    Pairs { source: (ids(9, 3), vec![9, 1, 6]), target: (ids(8, 2), vec![4, 8, 3]) }
}

fn all_of(params: &Params, (loss, gradients): (f64, Gradients)) -> (f64, Vec<ArrayD<f64>>) {
    assert!(gradients.report().is_clean(), "{}", gradients.report());
    (loss, params.iter().map(|p| gradients.of(p).unwrap().to_f64()).collect())
}

#[test]
fn a_decoder_that_attends_has_the_bits_of_kept_segments_in_recomputed_ones() {
    let mut params = Params::seeded(6);
    let model = Translator::new(&mut params);
    let gradients = |params: &Params, how| {
        let graph = Graph::new(params);
        let loss = model.loss(&graph, &pairs(0), how);
        all_of(params, (loss.item().unwrap(), loss.backward().unwrap()))
    };
    for every in [1, 3, 20] {
        assert!(gradients(&params, How::Kept(every)) == gradients(&params, How::Recomputed(every)), "{every} steps");
    }
    let double = params.to_f64();
    let (whole, parts) = (gradients(&double, How::Whole), gradients(&double, How::Recomputed(3)));
    assert!((whole.0 - parts.0).abs() < 1e-12);
    assert!(whole.1.iter().zip(&parts.1).all(|(a, b)| (a - b).iter().all(|d| d.abs() < 1e-12)));
}

#[test]
fn recomputed_segments_inside_shards_have_the_bits_of_kept_ones_at_any_number_of_threads() {
    let mut params = Params::seeded(6);
    let model = Translator::new(&mut params);
    let shards = [0, 1, 2, 3, 4].map(pairs);
    let gradients = |how, threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let run = || sharded(&params, Some((3, 4)), &shards, |graph, shard| model.loss(graph, shard, how)).unwrap();
        all_of(&params, pool.install(run))
    };
    let kept = gradients(How::Kept(3), 1);
    for threads in [1, 2, 3] {
        assert!(kept == gradients(How::Recomputed(3), threads), "{threads} threads");
    }
}

#[test]
fn wrong_arguments_are_errors_with_the_callers_line() {
    let mut params = Params::seeded(4);
    let cell = Gru::new(params.scope("rnn"), 3, 6);
    for (lengths, every, text) in
        [(vec![2], 0, "segments of 0 steps"), (vec![9], 2, "a length of 9"), (vec![0], 2, "no real step")]
    {
        let graph = Graph::new(&params);
        let start = cell.initial_state(&graph, 1);
        let line = line!() + 1;
        let xs = Sequence::pack(graph.zeros([1, 4, 3]), &lengths);
        let (hs, _) = unroll_recomputed(&cell, &xs, start, every);
        let error = hs.rows().value().unwrap_err().to_string();
        let here = [line, line + 1].iter().any(|line| error.contains(&format!("recomputed.rs:{line}")));
        assert!(error.contains(text) && here, "{error}");
    }
    // An error inside of a segment too: the inputs are too wide for the cell.
    let graph = Graph::new(&params);
    let (xs, start) = (Sequence::full(graph.zeros([1, 4, 5])), cell.initial_state(&graph, 1));
    let line = line!() + 1;
    let (hs, _) = unroll_recomputed(&cell, &xs, start, 2);
    let error = hs.rows().value().unwrap_err().to_string();
    assert!(error.contains("5 ≠ 3") && error.contains(&format!("recomputed.rs:{line}")), "{error}");
}
