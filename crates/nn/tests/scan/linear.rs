//! The elementwise recurrence.

use crate::{random, value};
use ndarray::ArrayD;
use unspool_graph::{Graph, Params, Var};
use unspool_nn::{
    Sequence,
    scan::{linear_recurrence, linear_recurrence_complex},
};

const LENGTHS: [usize; 5] = [7, 0, 20, 1, 12];

type Recurrence = for<'g> fn(&Sequence<'g>, &Sequence<'g>, Var<'g>) -> (Sequence<'g>, Var<'g>);

#[test]
fn a_linear_recurrence_cut_anywhere_has_the_bits_of_the_whole() {
    let (params, width) = (Params::seeded(0), 6);
    let [a, b, h0] = [random(&[5, 20, width], 1), random(&[5, 20, width], 2), random(&[5, width], 3)];
    for run in [linear_recurrence as Recurrence, linear_recurrence_complex] {
        let graph = Graph::new(&params);
        let [a, b] = [&a, &b].map(|x| Sequence::pack(graph.input(x), &LENGTHS));
        let (whole, last) = run(&a, &b, graph.input(&h0));
        for cut in 1..20 {
            let (first, carried) = run(&a.steps(0, cut), &b.steps(0, cut), graph.input(&h0));
            let (second, ended) = run(&a.steps(cut, 20), &b.steps(cut, 20), carried);
            let joined = graph.concat(&[first.padded(), second.padded()], 1);
            assert_eq!(joined.value().unwrap(), whole.padded().value().unwrap(), "cut at {cut}");
            assert_eq!(ended.value().unwrap(), last.value().unwrap(), "cut at {cut}");
        }
    }
}

#[test]
fn a_linear_recurrence_has_the_bits_of_its_steps() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let [a, b, h0] = [random(&[5, 20, 3], 4), random(&[5, 20, 3], 5), random(&[5, 3], 6)].map(|x| graph.input(x));
    let (hs, last) = linear_recurrence(&Sequence::pack(a, &LENGTHS), &Sequence::pack(b, &LENGTHS), h0);
    let hs = hs.padded();
    for (row, length) in LENGTHS.into_iter().enumerate() {
        let mut h = h0.slice(0, row..row + 1);
        for t in 0..length {
            let at = |x: Var<'_>| x.slice(0, row..row + 1).index(1, t).to_tensor().unwrap();
            let (a, b) = (graph.input(at(a)), graph.input(at(b)));
            h = a * h + b;
            assert_eq!(h.to_tensor().unwrap(), at(hs), "row {row}, step {t}");
        }
        assert_eq!(h.to_tensor().unwrap(), last.slice(0, row..row + 1).to_tensor().unwrap(), "row {row}");
    }
}

/// What does not fit is the graph's error, which says what would.
#[test]
fn operands_that_do_not_fit_are_refused() {
    let params = Params::seeded(0);
    let refused = |run: Recurrence, a: [usize; 3], b: [usize; 3], h0: [usize; 2], lengths: [&[usize]; 2]| -> String {
        let graph = Graph::new(&params);
        let [a, b] = [(a, lengths[0]), (b, lengths[1])].map(|(x, lengths)| Sequence::pack(graph.zeros(x), lengths));
        run(&a, &b, graph.zeros(h0)).0.rows().value().unwrap_err().to_string()
    };
    let (full, short): (&[usize], &[usize]) = (&[3, 3], &[3, 2]);
    let width = refused(linear_recurrence, [2, 3, 4], [2, 3, 5], [2, 4], [full, full]);
    assert!(width.contains("[6, 4]") && width.contains("of one shape [6 real steps, feature]"), "{width}");
    let batch = refused(linear_recurrence, [2, 3, 4], [2, 3, 4], [3, 4], [full, full]);
    assert!(batch.contains("h0 [2, feature]"), "{batch}");
    let lengths = refused(linear_recurrence, [2, 3, 4], [2, 3, 4], [2, 4], [full, short]);
    assert!(lengths.contains("not over the same steps"), "{lengths}");
    let odd = refused(linear_recurrence_complex, [2, 3, 3], [2, 3, 3], [2, 3], [full, full]);
    assert!(odd.contains("even size"), "{odd}");
}

/// A batch without a single step keeps its states, and their gradients pass.
#[test]
fn without_steps_the_state_is_kept() {
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let none = Sequence::pack(graph.zeros([2, 3, 4]), &[0, 0]);
    let h0 = graph.full([2, 4], 0.5).watch();
    let (hs, last) = linear_recurrence(&none, &none, h0);
    assert_eq!(*hs.rows().shape().unwrap(), [0, 4]);
    assert_eq!(value(last).sum(), 4.0);
    assert_eq!(last.sum_all().backward().unwrap().of(h0).unwrap().to_f64().sum(), 8.0);
}

/// The gradients of h_t = σ(g_t) ∘ h_{t−1} + σ(−g_t) ∘ x_t with respect to g, x and h_0.
fn gated(params: &Params, steps: usize, gate: f64) -> Vec<ArrayD<f64>> {
    let graph = Graph::new(params);
    let gates = graph.input(random(&[1, steps, 4], 1) * gate).watch();
    let xs = graph.input(random(&[1, steps, 4], 2)).watch();
    let h0 = graph.input(random(&[1, 4], 3)).watch();
    let [a, b] = [gates.sigmoid(), (-gates).sigmoid() * xs].map(Sequence::full);
    let (hs, _) = linear_recurrence(&a, &b, h0);
    let gradients = (hs.padded() * graph.input(random(&[1, steps, 4], 4))).sum_all().backward().unwrap();
    [gates, xs, h0].map(|x| gradients.of(x).unwrap().to_f64()).to_vec()
}

/// Each of T steps rounds its state and its gradient by ε relative to the largest, and no gate is greater than 1, so
/// that single precision is within T·ε of the largest gradient.
#[test]
fn gates_far_out_keep_finite_gradients_over_16384_steps() {
    let steps = 16_384;
    let params = Params::seeded(0);
    for gate in [1.0, 50.0, 80.0] {
        let (single, double) = (gated(&params, steps, gate), gated(&params.to_f64(), steps, gate));
        for (single, double) in single.iter().zip(&double) {
            let largest = double.iter().fold(0.0f64, |most, x| most.max(x.abs()));
            let bound = steps as f64 * f64::from(f32::EPSILON) * largest;
            let apart = (single - double).mapv(f64::abs);
            let most = apart.iter().copied().fold(0.0, f64::max);
            println!("gate {gate}: {:e} apart of {largest:e}, bound {bound:e}", most);
            assert!(apart.iter().all(|&x| x <= bound), "gate {gate}: {most:e} apart, the bound is {bound:e}");
        }
    }
}
