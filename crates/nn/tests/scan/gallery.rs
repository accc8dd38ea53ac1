//! Cells that can be run at once.

use crate::{largest, random};
use unspool_graph::{Graph, Params, Scope};
use unspool_nn::{
    Cell, Sequence, Stepwise,
    cells::{GatedDeltaNet, Hgrn, LinearAttention, Lru, MinGru, MinLstm, Mlstm, Qrnn, RgLru, S5, Sru},
    unroll,
};

/// Calls `$test(name, constructor)` for each cell that has a scan.
macro_rules! for_each_cell {
    ($test:ident) => {
        for_each_cell!($test: GatedDeltaNet, Hgrn, LinearAttention, Lru, MinGru, MinLstm, Mlstm, Qrnn, RgLru, S5, Sru)
    };
    ($test:ident: $($cell:ident),+) => { $($test(stringify!($cell), $cell::new);)+ };
}

type New<C> = fn(Scope<'_>, usize, usize) -> C;

/// An input gate, a normalizer or a bias without an effect would have no gradient.
#[test]
fn every_parameter_has_an_effect() {
    fn test<C: Cell>(name: &str, new: New<C>) {
        let mut params = Params::seeded(1);
        let cell = new(params.scope(""), 3, 4);
        let graph = Graph::new(&params);
        let xs = Sequence::pack(graph.input(random(&[2, 9, 3], 2)), &[9, 5]);
        let (ys, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
        let gradients = (ys.rows() * ys.rows()).sum_all().backward().unwrap();
        for p in params.iter() {
            let gradient = gradients.of(p).unwrap().to_f64();
            assert!(largest(&gradient) > 0.0, "{name}: {} has no effect", params.name(p));
        }
    }
    for_each_cell!(test);
}

/// A scan records as many nodes for a long sequence as for a short one; steps record some for each.
#[test]
fn the_number_of_nodes_does_not_depend_on_the_length() {
    fn test<C: Cell>(name: &str, new: New<C>) {
        let mut params = Params::seeded(1);
        let cell = new(params.scope(""), 3, 4);
        let stepwise = Stepwise::new(new(params.scope("again"), 3, 4));
        let nodes = |time: usize, steps: bool| {
            let graph = Graph::new(&params);
            let xs = Sequence::full(graph.zeros([2, time, 3]));
            if steps {
                unroll(&stepwise, &xs, stepwise.initial_state(&graph, 2));
            } else {
                unroll(&cell, &xs, cell.initial_state(&graph, 2));
            }
            graph.check().unwrap();
            graph.len()
        };
        assert_eq!(nodes(3, false), nodes(200, false), "{name}");
        assert!(nodes(200, true) > nodes(3, true) + 197, "{name}");
    }
    for_each_cell!(test);
}

/// The slope of √(1 − a²) with respect to Λ, where r and i are ½ and x is 1: the true one while 1 − a² is above 2.5e-7,
/// and beyond that with 1,000 in the place of the square root's derivative.
#[test]
fn the_slope_of_the_square_root_is_bounded_near_one() {
    let mut params = Params::seeded(0);
    let cell = RgLru::new(params.scope("cell"), 1, 1);
    for p in params.iter().collect::<Vec<_>>() {
        let zeros = params.value(p).unwrap().to_f64() * 0.0;
        params.set(p, zeros).unwrap();
    }
    let param = params.find("cell.lambda").unwrap();
    let mut bounded = 0;
    for lambda in [0.0, -5.0, -10.0, -16.0, -20.0, -40.0, -200.0] {
        params.set(param, ndarray::array![lambda]).unwrap();
        let log_a = -4.0 * f64::ln_1p(f64::exp(lambda));
        let rest = -f64::exp_m1(2.0 * log_a);
        let root = if 0.5 / rest.sqrt() > 1000.0 { 1000.0 } else { 0.5 / rest.sqrt() };
        bounded += usize::from(root == 1000.0);
        let expected = 0.5 * root * 2.0 * f64::exp(2.0 * log_a) * 4.0 / (1.0 + f64::exp(-lambda));
        for params in [&params, &params.to_f64()] {
            let graph = Graph::new(params);
            let xs = Sequence::full(graph.full([1, 1, 1], 1.0));
            let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 1));
            let slope = hs.rows().sum_all().backward().unwrap().of(param).unwrap().to_f64()[[0]];
            let off = (slope - expected).abs() / expected.max(1e-30);
            assert!(off < 1e-3 || (slope - expected).abs() < 1e-12, "Λ = {lambda}: {slope:e}, expected {expected:e}");
        }
    }
    assert_eq!(bounded, 3);
}
