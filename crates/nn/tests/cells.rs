//! The gallery of cells: each by its name, what each learns, and what an sLSTM must bear.

use ndarray::{Array1, Array2, ArrayD, s};
use unspool_graph::{Gradients, Graph, Params, RngKey, Var};
use unspool_nn::{
    Adam, Cell, CellKind, Error, Gru, Linear, Lstm, Result, Rnn, Sequence,
    cells::{ForgetGate, Slstm, SlstmConfig},
    leaves, unroll,
};

fn value(v: Var<'_>) -> ArrayD<f64> {
    v.value().unwrap().to_f64()
}

#[test]
fn every_kind_has_one_name_in_options_and_files() {
    for kind in CellKind::ALL {
        assert_eq!(kind.name().parse::<CellKind>().unwrap(), kind);
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        assert_eq!(serde_json::from_value::<CellKind>(kind.name().into()).unwrap(), kind);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(kind.name().chars().all(plain), "{kind}");
    }
    let first = ["rnn", "relu", "lstm", "gru"].map(|name| name.parse::<CellKind>().unwrap());
    assert_eq!(first, [CellKind::Rnn, CellKind::Relu, CellKind::Lstm, CellKind::Gru]);
}

#[test]
fn every_kind_keeps_its_sizes() {
    for kind in CellKind::ALL {
        for (input_size, hidden_size) in [(3, 8), (5, 6)] {
            let mut params = Params::seeded(1);
            let cell = kind.build(params.scope("rnn"), input_size, hidden_size);
            assert_eq!(cell.kind(), kind);
            assert!(params.iter().all(|p| params.name(p).starts_with("rnn.")));
            let graph = Graph::new(&params);
            let xs = Sequence::pack(graph.full([3, 4, input_size], 0.5), &[4, 0, 2]);
            let (ys, last) = unroll(&cell, &xs, cell.initial_state(&graph, 3));
            assert_eq!(*ys.padded().shape().unwrap(), [3, 4, hidden_size], "{kind}");
            assert!(leaves(&last).iter().all(|leaf| leaf.shape().unwrap()[0] == 3), "{kind}");
            let gradients = ys.rows().powi(2).sum_all().backward().unwrap();
            assert!(params.iter().all(|p| gradients.of(p).is_some()), "{kind}: {}", gradients.report());
        }
    }
}

/// A cell that was chosen by name is the cell inside, to the bit.
#[test]
fn a_chosen_cell_gives_the_bits_of_the_cell_itself() {
    fn bits<C: Cell>(params: &Params, cell: &C) -> Vec<ArrayD<f64>> {
        let graph = Graph::new(params);
        let draw = RngKey::seed(5);
        let xs = ndarray::Array3::from_shape_fn((4, 6, 3), |(b, t, k)| draw.normal((b * 18 + t * 3 + k) as u64) as f32);
        let (ys, _) = unroll(cell, &Sequence::pack(graph.input(xs), &[6, 1, 0, 4]), cell.initial_state(&graph, 4));
        let gradients = ys.rows().powi(2).sum_all().backward().unwrap();
        let all = params.iter().map(|p| gradients.of(p).unwrap().to_f64());
        all.chain([value(ys.rows())]).collect()
    }
    fn compare<C: Cell>(kind: CellKind, make: impl Fn(unspool_graph::Scope<'_>, usize, usize) -> C) {
        let (mut params, mut other) = (Params::seeded(1), Params::seeded(1));
        let (any, own) = (kind.build(params.scope("rnn"), 3, 8), make(other.scope("rnn"), 3, 8));
        assert_eq!(bits(&params, &any), bits(&other, &own), "{kind}");
    }
    compare(CellKind::Rnn, Rnn::new);
    compare(CellKind::Lstm, Lstm::new);
    compare(CellKind::Gru, Gru::new);
    compare(CellKind::Slstm, Slstm::new);
}

#[test]
fn what_only_some_cells_offer_is_refused_by_name() {
    let mut params = Params::seeded(1);
    let mut build = |kind: CellKind| kind.build(params.scope(kind.name()), 3, 8);
    let (slstm, rnn, lstm) = (build(CellKind::Slstm), build(CellKind::Rnn), build(CellKind::Lstm));
    assert!(rnn.weight_hh().is_ok() && lstm.init_chrono(&mut params, 10).is_ok());
    let refused = |found: Result<()>, words: &str| {
        let error = found.unwrap_err();
        assert!(matches!(error, Error::CellLacks { .. }) && error.to_string() == words, "{error}");
    };
    let weight = slstm.weight_hh().map(drop);
    refused(weight, "the cell slstm does not offer weight_hh: rnn, relu, lstm and gru do");
    refused(rnn.init_chrono(&mut params, 10), "the cell rnn does not offer init_chrono: lstm and gru do");
    let graph = Graph::new(&params);
    let (y, _) = lstm.step(graph.zeros([2, 3]), rnn.initial_state(&graph, 2));
    let error = y.value().unwrap_err().to_string();
    assert!(error.starts_with("lstm: the state is that of another kind of cell"), "{error}");
}

const BATCH: usize = 16;
const TIME: usize = 10;

/// Trains a cell to say whether the sum so far is above zero; the mean loss of the first and of the last ten steps. A
/// second input is always 1: in a product of keys and values, both without a bias, the sign of the first would be lost.
fn learn(kind: CellKind) -> Result<(f64, f64)> {
    let mut params = Params::seeded(7);
    let cell = kind.build(params.scope("rnn"), 2, 12);
    let readout = Linear::new(params.scope("readout"), 12, 2);
    let (mut adam, mut losses) = (Adam::new(), vec![]);
    for step in 0..150 {
        let draw = RngKey::seed(step);
        let sign = |b: usize, t: usize| if draw.uniform((b * TIME + t) as u64) < 0.5 { -1.0 } else { 1.0 };
        let xs =
            ndarray::Array3::from_shape_fn((BATCH, TIME, 2), |(b, t, k)| if k == 0 { sign(b, t) as f32 } else { 1.0 });
        let sum = |b: usize, t: usize| (0..=t).map(|t| sign(b, t)).sum::<f64>();
        let targets = Array2::from_shape_fn((BATCH, TIME), |(b, t)| u32::from(sum(b, t) > 0.0));
        let graph = Graph::new(&params).training(7, step);
        let (hs, _) = unroll(&cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, BATCH));
        let loss = hs.map(|rows| readout.apply(rows)).cross_entropy(&targets).mean(&[]);
        losses.push(loss.item()?);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    Ok((mean(&losses[..10]), mean(&losses[losses.len() - 10..])))
}

#[test]
fn every_cell_learns() {
    for kind in CellKind::ALL {
        let (first, last) = learn(kind).unwrap();
        println!("{kind}: loss {first:.3} -> {last:.3}");
        // Within ten steps of Δt = 0.042 an oscillator hardly begins to move.
        let most = if kind == CellKind::CoRnn { 0.7 } else { 0.5 };
        assert!(last < most * first, "{kind}: {first} -> {last}");
    }
}

const FORGET: [ForgetGate; 2] = [ForgetGate::Exp, ForgetGate::Sigmoid];

/// The sixteen units have every combination of gates at +80 and −80, and turn with the sign of the input.
#[test]
fn gates_at_80_leave_an_slstm_finite_in_single_precision() {
    for forget in FORGET {
        let mut params = Params::seeded(1);
        let cell = Slstm::with_config(params.scope("rnn"), 1, 16, SlstmConfig { heads: 1, forget });
        let weight =
            Array2::from_shape_fn((64, 1), |(row, _)| if (row % 16) >> (row / 16) & 1 == 1 { 80.0 } else { -80.0 });
        params.set(params.find("rnn.weight_ih").unwrap(), weight).unwrap();
        let run = |params: &Params| -> (ArrayD<f64>, Vec<ArrayD<f64>>) {
            let graph = Graph::new(params);
            let xs = ndarray::Array3::from_shape_fn(
                (8, 40, 1),
                |(b, t, _)| if (b * 7 + t * t) % 5 < b % 5 { -1.0 } else { 1.0 },
            );
            let xs = graph.input(xs).watch();
            let (hs, last) = unroll(&cell, &Sequence::full(xs), cell.initial_state(&graph, 8));
            let loss = hs.rows().powi(2).sum_all()
                + leaves(&last).iter().map(|leaf| leaf.sum_all()).reduce(|a, b| a + b).unwrap();
            let gradients = loss.backward().unwrap();
            let all = params.iter().map(|p| gradients.of(p).unwrap().to_f64());
            (value(hs.rows()), all.chain([gradients.of(xs).unwrap().to_f64()]).collect())
        };
        let (hs, gradients) = run(&params);
        assert!(gradients.iter().flatten().all(|g| g.is_finite()), "{forget:?}");
        let (exact, _) = run(&params.to_f64());
        let off = (&hs - &exact).mapv(f64::abs).into_iter().fold(0.0, f64::max);
        assert!(off < 1e-4 && hs.iter().any(|h| h.abs() > 0.9), "{forget:?}: {off}");
    }
}

/// A cell of one unit with unequal gates, and its bias.
fn unequal(forget: ForgetGate) -> (Params, Slstm) {
    let mut params = Params::seeded(3);
    let cell = Slstm::with_config(params.scope("rnn"), 2, 1, SlstmConfig { heads: 1, forget });
    params.set(params.find("rnn.bias").unwrap(), ndarray::array![0.7, -0.4, 0.2, 1.1]).unwrap();
    (params.to_f64(), cell)
}

fn gradients(params: &Params, cell: &Slstm) -> (Vec<f64>, Gradients) {
    let graph = Graph::new(params);
    let xs = ndarray::Array3::from_shape_fn((1, 6, 2), |(_, t, k)| ((3 * t + k) as f64).sin());
    let (hs, _) = unroll(cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, 1));
    (value(hs.rows()).into_iter().collect(), hs.rows().sum_all().backward().unwrap())
}

/// Of the biases, that of the input gate is the only one without: it scales c and n alike, and h is their ratio.
#[test]
fn every_gate_of_an_slstm_has_an_effect() {
    for forget in FORGET {
        let (params, cell) = unequal(forget);
        let (_, gradients) = gradients(&params, &cell);
        let of = |name: &str| gradients.of(params.find(name).unwrap()).unwrap().to_f64();
        let (of_input, of_state, of_bias) = (of("rnn.weight_ih"), of("rnn.weight_hh"), of("rnn.bias"));
        assert!(of_input.iter().chain(&of_state).all(|g| g.abs() > 1e-4), "{forget:?}: {of_input}, {of_state}");
        assert!(of_bias.iter().skip(1).all(|g| g.abs() > 1e-4) && of_bias[[0]].abs() < 1e-12, "{forget:?}: {of_bias}");
    }
}

/// The equations without the stabilizer, with plain numbers: the rows of the weights are those of i, f, z, o.
#[test]
fn an_slstm_is_its_equations_without_the_stabilizer() {
    for forget in FORGET {
        let (params, cell) = unequal(forget);
        let (hs, _) = gradients(&params, &cell);
        let of = |name: &str| params.value(params.find(&format!("rnn.{name}")).unwrap()).unwrap().to_f64();
        let (w, r, bias) = (of("weight_ih"), of("weight_hh"), of("bias"));
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let by_hand = |order: [usize; 4]| {
            let (mut h, mut c, mut n) = (0.0, 0.0, 0.0);
            let step = |t: usize| {
                let x = |k: usize| ((3 * t + k) as f64).sin();
                let [i, f, z, o] = order.map(|g| w[[g, 0]] * x(0) + w[[g, 1]] * x(1) + r[[g, 0]] * h + bias[[g]]);
                let f = if forget == ForgetGate::Exp { f.exp() } else { sigmoid(f) };
                (c, n) = (f * c + i.exp() * z.tanh(), f * n + i.exp());
                h = sigmoid(o) * c / n;
                h
            };
            (0..6).map(step).collect::<Array1<f64>>()
        };
        let off = |order| (Array1::from(hs.clone()) - by_hand(order)).mapv(f64::abs).sum();
        assert!(off([0, 1, 2, 3]) < 1e-12, "{forget:?}");
        assert!(off([1, 0, 2, 3]) > 1e-3, "the input gate in the place of the forget gate makes a difference");
    }
}

/// Heads are blocks along the diagonal of each gate's recurrent matrix.
#[test]
fn heads_of_an_slstm_do_not_see_each_other() {
    let (mut params, mut other) = (Params::seeded(2).to_f64(), Params::seeded(2).to_f64());
    let cell = Slstm::with_config(params.scope("rnn"), 3, 6, SlstmConfig { heads: 3, ..Default::default() });
    let whole = Slstm::new(other.scope("rnn"), 3, 6);
    for name in ["rnn.weight_ih", "rnn.bias"] {
        let values = params.value(params.find(name).unwrap()).unwrap();
        other.set(other.find(name).unwrap(), values).unwrap();
    }
    let blocks = params.value(params.find("rnn.weight_hh").unwrap()).unwrap().to_f64();
    let mut full = Array2::<f64>::zeros((24, 6));
    for (row, mut of_row) in full.outer_iter_mut().enumerate() {
        let head = row % 6 / 2;
        of_row.slice_mut(s![2 * head..2 * head + 2]).assign(&blocks.slice(s![row, ..]));
    }
    other.set(other.find("rnn.weight_hh").unwrap(), full).unwrap();
    let run = |params: &Params, cell: &Slstm| {
        let graph = Graph::new(params);
        let xs = ndarray::Array3::from_shape_fn((2, 5, 3), |(b, t, k)| ((b + 2 * t + 3 * k) as f64).cos());
        value(unroll(cell, &Sequence::full(graph.input(xs)), cell.initial_state(&graph, 2)).0.rows())
    };
    let off = (run(&params, &cell) - run(&other, &whole)).mapv(f64::abs).sum();
    assert!(off < 1e-12, "{off}");

    let mut params = Params::seeded(1);
    Slstm::with_config(params.scope("rnn"), 3, 8, SlstmConfig { heads: 3, ..Default::default() });
    assert!(params.check().unwrap_err().to_string().contains("the heads must divide the hidden size"));
}
