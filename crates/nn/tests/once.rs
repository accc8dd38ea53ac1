//! Cells that make something once per recording, cells that ask for the time step or a second input, and what sequences
//! refuse.

use ndarray::{Array3, ArrayD};
use unspool_graph::{Gradients, Graph, Param, Params, RngKey, Scope, Var};
use unspool_nn::{
    AnyCell, Cell, CellKind, Gru, Layout, Linear, Lstm, Rnn, Sequence, WeightDrop, WeightNorm, laws, unroll,
    unroll_recomputed,
};

/// The cells whose gates are fused operations.
const BUILT_IN: [CellKind; 4] = [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru];

const LENGTHS: [usize; 3] = [7, 2, 5];

fn inputs() -> Array3<f64> {
    Array3::from_shape_fn((3, 7, 3), |(b, t, k)| ((b * 31 + t * 7 + k * 3) as f64).sin())
}

fn value(v: Var<'_>) -> ArrayD<f64> {
    v.to_f64().unwrap()
}

fn training(params: &Params) -> Graph<'_> {
    Graph::new(params).training(3, 5)
}

/// The outputs over a padded batch.
fn read<'g, C: Cell>(graph: &'g Graph<'g>, cell: &C) -> Sequence<'g> {
    let xs = Sequence::pack(graph.input(inputs()), &LENGTHS);
    unroll(cell, &xs, cell.initial_state(graph, 3)).0
}

fn dropped(params: &mut Params, kind: CellKind, rate: f64) -> (AnyCell, WeightDrop<AnyCell>) {
    let cell = kind.build(params.scope("rnn"), 3, 8);
    (cell.clone(), WeightDrop::new(cell.clone(), [cell.weight_hh().unwrap()], rate))
}

#[test]
fn evaluating_twice_gives_the_bits_of_the_plain_cell() {
    for kind in BUILT_IN {
        let mut params = Params::seeded(1);
        let (plain, cell) = dropped(&mut params, kind, 0.9);
        let graph = Graph::new(&params);
        let plain = value(read(&graph, &plain).rows());
        assert_eq!(plain, value(read(&graph, &cell).rows()));
        assert_eq!(plain, value(read(&Graph::new(&params), &cell).rows()));
    }
}

#[test]
fn a_rate_of_nine_tenths_changes_the_output_and_a_rate_of_0_does_not() {
    for kind in BUILT_IN {
        let run = |rate: f64| {
            let mut params = Params::seeded(1);
            let (plain, cell) = dropped(&mut params, kind, rate);
            let graph = training(&params);
            (value(read(&graph, &plain).rows()), value(read(&graph, &cell).rows()))
        };
        let (plain, none) = run(0.0);
        assert_eq!(plain, none);
        let (plain, most) = run(0.9);
        assert_ne!(plain, most, "{kind}");
    }
}

/// The raw weight is the parameter, and its gradient is the mask times the gradient of the weight that was used.
#[test]
fn the_raw_weight_gets_the_masked_gradient() {
    for kind in BUILT_IN {
        let mut params = Params::seeded(1);
        let (plain, cell) = dropped(&mut params, kind, 0.5);
        let params = params.to_f64();
        let weight = plain.weight_hh().unwrap();
        let graph = training(&params);
        let loss = |ys: Sequence<'_>| ys.rows().powi(2).sum_all().backward().unwrap();
        let gradient = loss(read(&graph, &cell)).of(weight).unwrap().to_f64();

        // The same weight as an input of its own.
        let other = training(&params);
        let used = graph.cached(weight, "weight_drop 0.5", || unreachable!("it was made by the unrolling"));
        let used = other.input(used.value().unwrap()).watch();
        let ys = other.with_parametrization(&[(weight, used)], || read(&other, &plain));
        let of_used = loss(ys).of(used).unwrap().to_f64();
        let mask = value(used) / params.value(weight).unwrap().to_f64();
        assert!(mask.iter().all(|&m| m == 0.0 || (m - 2.0).abs() < 1e-12) && mask.iter().any(|&m| m == 0.0));
        assert!((&mask * &of_used - gradient).iter().all(|d| d.abs() < 1e-12), "{kind}");
    }
}

/// Unrolled, stepped by hand, and in recomputed segments, the cell has one mask.
#[test]
fn the_mask_is_one_for_every_way_of_running_a_cell() {
    let mut params = Params::seeded(1);
    let (_, cell) = dropped(&mut params, CellKind::Lstm, 0.5);
    let graph = training(&params);
    let ys = value(read(&graph, &cell).padded());

    let by_hand = training(&params);
    let xs = by_hand.input(inputs());
    let mut state = cell.initial_state(&by_hand, 3);
    for t in 0..7 {
        let _step = by_hand.at_step(t);
        let (y, next) = cell.step(xs.index(1, t), state);
        state = next;
        assert_eq!(value(y).index_axis(ndarray::Axis(0), 0), ys.slice(ndarray::s![0, t, ..]).into_dyn());
    }
    let segments = training(&params);
    let xs = Sequence::pack(segments.input(inputs()), &LENGTHS);
    let (again, _) = unroll_recomputed(&cell, &xs, cell.initial_state(&segments, 3), 2);
    assert_eq!(value(again.padded()), ys);
    let gradients = |ys: Sequence<'_>| -> Gradients { ys.rows().powi(2).sum_all().backward().unwrap() };
    let (kept, recomputed) = (gradients(read(&graph, &cell)), gradients(again));
    let off = |p: Param| {
        let [a, b] = [&kept, &recomputed].map(|gradients| gradients.of(p).unwrap().to_f64());
        (a - b).iter().all(|d| d.abs() < 1e-4)
    };
    assert!(params.iter().all(off));
}

#[test]
fn wrappers_of_weights_stand_around_each_other() {
    let mut params = Params::seeded(1);
    let gru = Gru::new(params.scope("rnn"), 3, 8);
    let weight = gru.weight_hh();
    let cell = WeightNorm::new(params.scope("norm"), WeightDrop::new(gru, [weight], 0.5), [weight]);
    let g = params.find("norm.0.g").unwrap();
    let graph = training(&params);
    let gradients = read(&graph, &cell).rows().sum_all().backward().unwrap();
    assert!(gradients.report().is_clean(), "{}", gradients.report());
    assert!(gradients.of(weight).is_some() && gradients.of(g).is_some());
}

#[test]
fn wrapped_cells_keep_every_law() {
    let hold = |judged: Result<_, laws::Violation>| judged.map(drop).unwrap_or_else(|broken| panic!("{broken}"));
    hold(laws::check(&laws::cell(3, |scope: Scope<'_>| {
        let cell = Lstm::new(scope, 3, 3);
        let weight = cell.weight_hh();
        WeightDrop::new(cell, [weight], 0.5)
    })));
    hold(laws::check(&laws::cell(3, |mut scope: Scope<'_>| {
        let cell = Gru::new(scope.scope("cell"), 3, 3);
        let weight = cell.weight_hh();
        WeightNorm::new(scope.scope("norm"), cell, [weight])
    })));
    hold(laws::check(&laws::cell(3, |scope: Scope<'_>| Clocked(Rnn::new(scope, 3, 3)))));
}

/// It reads its input at even steps only.
struct Clocked(Rnn);

impl Cell for Clocked {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        // What it asks for changes nothing here, so that a cut sequence is still the whole.
        let scale = if x.graph().time_step() < usize::MAX { 1.0 } else { 0.0 };
        self.0.step(x * scale, h)
    }
}

/// It gives the time step as its output.
struct Counting;

impl Cell for Counting {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, 1])
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        (h + x.graph().time_step() as f64, h)
    }
}

#[test]
fn a_cell_is_told_its_time_step_in_unroll_in_segments_and_by_hand() {
    let params = Params::seeded(1);
    let graph = Graph::new(&params);
    let xs = Sequence::pack(graph.zeros([2, 4, 1]), &[4, 2]);
    let expected = ndarray::array![[[0.0], [1.0], [2.0], [3.0]], [[0.0], [1.0], [0.0], [0.0]]].into_dyn();
    let (ys, _) = unroll(&Counting, &xs, Counting.initial_state(&graph, 2));
    assert_eq!(value(ys.padded()), expected);
    let (_, h) = {
        let _step = graph.at_step(6);
        Counting.step(graph.zeros([1, 1]), graph.zeros([1, 1]))
    };
    assert_eq!(value(h).sum(), 0.0);
    let nowhere = Graph::new(&params);
    let (y, _) = Counting.step(nowhere.zeros([1, 1]), nowhere.zeros([1, 1]));
    let error = y.value().unwrap_err().to_string();
    assert!(error.starts_with("time_step: there is no time step here") && error.contains("once.rs"), "{error}");
}

/// h' = GRU(x, h ∘ exp(−W·gap)): the state fades over the time since the last step (GRU-D, Che and others 2018).
#[derive(Clone)]
struct Fading(Gru, Linear);

impl Cell for Fading {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let gap = x.graph().step_input("gap");
        self.0.step(x, h * (-self.1.apply(gap).relu()).exp())
    }
}

/// The gap beside the input is that of a cell which finds it in the input, whichever way it is run.
#[test]
fn a_second_input_is_what_it_would_be_inside_the_first() {
    struct Joined(Fading);
    impl Cell for Joined {
        type State<'g> = Var<'g>;
        fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
            self.0.initial_state(graph, batch)
        }
        fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
            let _gap = x.graph().provide("gap", x.slice(-1, 3..4));
            self.0.step(x.slice(-1, 0..3), h)
        }
    }
    let mut params = Params::seeded(2);
    let cell = Fading(Gru::new(params.scope("rnn"), 3, 4), Linear::new(params.scope("decay"), 1, 4));
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let gaps = Array3::from_shape_fn((3, 7, 1), |(b, t, _)| RngKey::seed(b as u64).uniform(t as u64));
    let (xs, gaps) = (graph.input(inputs()), graph.input(gaps));
    let read = Sequence::pack(xs, &LENGTHS).with_input("gap", &Sequence::pack(gaps, &LENGTHS));
    let joined = Sequence::pack(graph.concat(&[xs, gaps], -1), &LENGTHS);
    let start = || cell.initial_state(&graph, 3);
    let expected = value(unroll(&Joined(cell.clone()), &joined, start()).0.padded());
    assert_eq!(value(unroll(&cell, &read, start()).0.padded()), expected);
    assert_eq!(value(unroll_recomputed(&cell, &read, start(), 3).0.padded()), expected);
    let backward = value(unroll(&cell, &read.reverse(), start()).0.reverse().padded());
    assert_eq!(value(unroll(&Joined(cell.clone()), &joined.reverse(), start()).0.reverse().padded()), backward);
    let without = Sequence::pack(xs, &LENGTHS);
    let error = unroll(&cell, &without, start()).0.rows().value().unwrap_err().to_string();
    assert!(error.contains("no input named \"gap\"") && error.contains("time step 0"), "{error}");
}

#[test]
fn a_state_that_changes_its_shape_is_named_with_its_leaf_and_step() {
    struct Growing;
    impl Cell for Growing {
        type State<'g> = Var<'g>;
        fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
            graph.zeros([batch, 1])
        }
        fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
            (x, x.graph().concat(&[h, x], -1))
        }
    }
    let params = Params::seeded(1);
    let graph = Graph::new(&params);
    let (ys, _) = unroll(&Growing, &Sequence::full(graph.zeros([1, 400, 1])), Growing.initial_state(&graph, 1));
    let error = ys.rows().value().unwrap_err().to_string();
    let expected = "unroll: leaf 0 of the state went in as [1, 1] and came out as [1, 2]";
    assert!(error.starts_with(expected) && error.contains("time step 0"), "{error}");
}

#[test]
fn examples_far_apart_draw_their_own_numbers() {
    let params = Params::seeded(1);
    let draw = |example: u64, step: usize| {
        let graph = training(&params);
        let layout = Layout::new(&[step + 1]).with_examples([example]);
        let xs = Sequence::full(graph.full([1, step + 1, 64], 1.0));
        let xs = Sequence::from_rows(xs.rows(), &layout).map(|rows| rows.dropout(0.5));
        value(xs.last())
    };
    // The low 16 bits, the low 32 bits and the step were mixed up once.
    for other in [1 + (1 << 16), 1 + (1 << 32), 1 + (1 << 48)] {
        assert_ne!(draw(1, 0), draw(other, 0), "{other}");
    }
    assert_ne!(draw(1, 1), draw(1 ^ (1 << 16), 0));
    assert_ne!(draw(1, 1), draw(1, 0));
}

#[test]
fn a_mismatch_of_lengths_is_an_error_and_the_layouts_of_equal_lengths_agree() {
    let params = Params::seeded(1);
    let graph = Graph::new(&params);
    let (a, b) = (Sequence::pack(graph.zeros([2, 3, 1]), &[3, 1]), Sequence::pack(graph.zeros([2, 5, 1]), &[3, 1]));
    assert_eq!(*a.concat(&b).padded().shape().unwrap(), [2, 3, 2]);
    let other = Sequence::pack(graph.zeros([2, 3, 1]), &[2, 2]);
    let error = a.concat(&other).rows().value().unwrap_err().to_string();
    assert!(error.contains("[3, 1] and [2, 2] are not over the same steps") && error.contains("once.rs"), "{error}");
}

#[test]
fn a_windows_steps_are_those_of_the_whole() {
    let params = Params::seeded(1);
    let graph = Graph::new(&params);
    let padded = graph.input(inputs());
    for lengths in [[7, 2, 5], [1, 7, 0], [4, 4, 4], [2, 3, 7]] {
        let xs = Sequence::pack(padded, &lengths);
        for (from, to) in [(0, 7), (0, 2), (2, 5), (3, 3), (6, 7), (1, 4)] {
            let part: Vec<usize> = lengths.iter().map(|&length: &usize| length.min(to).saturating_sub(from)).collect();
            if part.iter().sum::<usize>() == 0 {
                continue;
            }
            let expected = Sequence::pack(padded.slice(1, from..to), &part);
            let window = xs.steps(from, to);
            assert_eq!(window.lengths(), expected.lengths());
            assert_eq!(value(window.rows()), value(expected.rows()), "{lengths:?} {from}..{to}");
        }
    }
}
