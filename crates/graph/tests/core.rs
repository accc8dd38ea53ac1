//! What the recording promises as a whole: no recursion, flat memory, the same bits at any number of threads, a check
//! that catches wrong derivatives, and gathered gradients of weights and biases that are the plain sum over the steps.

use ndarray::{Array2, ArrayD, Axis, Ix2};
use unspool_graph::{
    CrossEntropy, Element, GradSink, Gradients, Graph, OpContext, Operation, Param, Params, RngKey, Shape, Tensor, Var,
    View, check, init,
};

mod wrong;
use wrong::Wrong;

/// How many bytes of what this thread allocates in `work` are still held after it; fewer than 0 where it frees what was
/// there before.
fn left_behind(work: impl FnOnce()) -> i64 {
    allocation_counter::measure(work).bytes_current
}

#[test]
fn a_hundred_thousand_nodes_go_forward_backward_and_away_without_recursion() {
    let run = || {
        let left = left_behind(|| {
            let mut params = Params::seeded(0);
            let w = params.scope("m").add("w", [2], init::constant(1.0));
            let graph = Graph::new(&params);
            let mut x = graph.param(w);
            for _ in 0..100_000 {
                x *= 1.0;
            }
            assert!(graph.len() > 100_000);
            let gradients = x.sum_all().backward().unwrap();
            assert_eq!(gradients.of(w).unwrap().to_f64().as_slice(), Some(&[1.0, 1.0][..]));
            drop((graph, gradients));
            params.release_memory();
        });
        assert_eq!(left, 0, "bytes were left behind");
    };
    // A stack on which a hundred thousand frames would never fit.
    std::thread::Builder::new().stack_size(256 << 10).spawn(run).unwrap().join().unwrap();
}

#[test]
fn a_thousand_training_steps_leave_memory_flat_and_parameters_in_their_place() {
    let mut params = Params::seeded(1);
    let mut m = params.scope("m");
    let (w, u) = (m.add("w", [64, 64], init::xavier_uniform()), m.add("u", [64, 64], init::orthogonal(1.0)));
    let table = m.add("table", [50, 64], init::normal(0.1));
    let place = |params: &Params| params.elements_of::<f32>(u).unwrap().as_ptr();
    let start = place(&params);
    for step in 0..1000 {
        let left = left_behind(|| {
            let gradients = {
                let graph = Graph::new(&params).training(0, step);
                let mut h = graph.zeros([40, 64]);
                for t in 0..3 {
                    let ids: Vec<u32> = (0..40).map(|i| (i * 7 + t + step as u32) % 50).collect();
                    let x = graph.embedding(table, &ids, [40], None).dropout(0.1);
                    h = (x.matmul(w) + h.matmul(u)).tanh();
                }
                (h * h).mean(&[]).backward().unwrap()
            };
            let values = params.f32_mut().unwrap();
            for (i, values) in values.into_iter().enumerate() {
                match gradients.param_grad::<f32>(i) {
                    Some(unspool_graph::ParamGrad::Dense(g)) => {
                        values.iter_mut().zip(g).for_each(|(x, g)| *x -= 0.01 * g)
                    }
                    Some(unspool_graph::ParamGrad::SparseRows { rows, width, values: g }) => {
                        for (j, &row) in rows.iter().enumerate() {
                            let x = &mut values[row as usize * width..(row as usize + 1) * width];
                            x.iter_mut().zip(&g[j * width..]).for_each(|(x, g)| *x -= 0.01 * g);
                        }
                    }
                    None => panic!("parameter {i} got no gradient"),
                }
            }
        });
        assert!(step <= 20 || left == 0, "step {step} has left {left} bytes behind");
    }
    assert_eq!(place(&params), start);
}

/// A recurrent model whose products are large enough to be split over threads.
struct Model {
    params: Params,
    all: [Param; 5],
}

const WIDTH: usize = 128;
const CLASSES: usize = 512;

impl Model {
    fn new() -> Model {
        let mut params = Params::seeded(5);
        let mut m = params.scope("m");
        let all = [
            m.add("w", [WIDTH, WIDTH], init::xavier_uniform()),
            m.add("u", [WIDTH, WIDTH], init::orthogonal(1.0)),
            m.add("b", [WIDTH], init::uniform(0.1)),
            m.add("readout", [CLASSES, WIDTH], init::xavier_uniform()),
            m.add("bias", [CLASSES], init::zeros()),
        ];
        Model { params, all }
    }
    /// The gradients' bits for a batch whose rows are these examples; `None` is padding.
    fn bits(&self, rows: &[Option<u64>]) -> Vec<Vec<u32>> {
        let [w, u, b, readout, bias] = self.all;
        let graph = Graph::new(&self.params);
        let key = |row: &Option<u64>| RngKey::seed(row.map_or(999, |r| r));
        let input = |t: u64| {
            let values =
                rows.iter().flat_map(|r| (0..WIDTH as u64).map(move |i| key(r).fold_in(t).uniform(i) as f32 - 0.5));
            Tensor::from(Array2::from_shape_vec((rows.len(), WIDTH), values.collect()).unwrap())
        };
        let mut h = graph.zeros([rows.len(), WIDTH]);
        for t in 0..3 {
            h = (graph.input(input(t)).matmul(w) + h.matmul(u) + b).tanh();
        }
        let targets: Vec<u32> = rows.iter().map(|r| (key(r).bits(1) % CLASSES as u64) as u32).collect();
        let weights: Vec<f32> = rows.iter().map(|r| if r.is_some() { 1.0 } else { 0.0 }).collect();
        let losses = h.linear(readout, Some(bias)).cross_entropy_with(&targets, CrossEntropy::new().weights(weights));
        let gradients = losses.sum_all().backward().unwrap();
        self.all.iter().map(|&p| bits_of(&gradients, p)).collect()
    }
}

fn bits_of(gradients: &Gradients, p: Param) -> Vec<u32> {
    gradients.of(p).unwrap().to_f64().iter().map(|&x| (x as f32).to_bits()).collect()
}

#[test]
fn gradients_have_the_same_bits_at_one_two_and_three_threads() {
    let model = Model::new();
    let rows: Vec<_> = (0..300).map(Some).collect();
    let at = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| model.bits(&rows))
    };
    let alone = at(1);
    assert!(alone == at(2) && alone == at(3));
}

#[test]
fn rows_of_padding_do_not_change_a_bit_of_the_gradients() {
    let model = Model::new();
    let real: Vec<_> = (0..300).map(Some).collect();
    let mut behind = real.clone();
    behind.extend([None; 40]);
    let among: Vec<_> = real.iter().flat_map(|&r| if r.unwrap() % 5 == 0 { vec![None, r] } else { vec![r] }).collect();
    let plain = model.bits(&real);
    assert!(plain == model.bits(&behind), "padding behind the real rows has changed bits");
    assert!(plain == model.bits(&among), "padding among the real rows has changed bits");
}

fn checked(backward: f64, tangent: f64) -> Result<(), check::Failure> {
    let x = ArrayD::from_shape_vec(vec![3], vec![0.5, -1.5, 2.0]).unwrap();
    check::function(&[x], |g, x| g.apply(Wrong { backward, tangent }, &[x[0]])).map(|checked| {
        assert_eq!(checked.skipped, None);
    })
}

#[test]
fn a_wrong_backward_and_a_wrong_tangent_are_caught() {
    assert_eq!(checked(1.0, 1.0), Ok(()));
    assert!(matches!(checked(1.01, 1.0), Err(check::Failure::Gradient(_))));
    assert!(matches!(checked(f64::NAN, 1.0), Err(check::Failure::Gradient(_))));
    assert!(matches!(checked(1.0, 1.0001), Err(check::Failure::Adjoint { .. })));
    assert!(matches!(checked(1.0, f64::NAN), Err(check::Failure::Adjoint { .. })));
}

#[test]
fn a_gradient_that_is_not_a_number_is_caught_at_any_coordinate() {
    let mut params = Params::seeded(0).to_f64();
    let w = params.scope("m").add("w", [3], init::values(vec![0.0, 1.0, 2.0]));
    // 0 · ∞ at the first coordinate alone.
    let failure = check::parameters(&params, |g| g.param(w).sqrt() * 0.0);
    assert!(matches!(failure, Err(check::Failure::Gradient(_))), "{failure:?}");
}

/// An operation whose backward gives too few elements.
#[test]
fn a_gradient_of_the_wrong_length_is_an_error_with_its_operation() {
    struct Short;
    impl Operation for Short {
        type Saved<E: Element> = ();
        fn name(&self) -> &'static str {
            "short"
        }
        fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
            Ok(inputs[0])
        }
        fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
            output.copy_from_slice(inputs[0].data());
        }
        fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, _: View<'_, E>, into: &mut GradSink<'_, E>) {
            into.add(0, vec![E::ONE]);
        }
        fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, _: &[Option<View<'_, E>>], _: &mut [E]) {}
    }
    let params = Params::seeded(0);
    let graph = Graph::new(&params);
    let x = graph.zeros([3]).watch();
    let error = graph.apply(Short, &[x]).sum_all().backward().unwrap_err().to_string();
    assert!(error.starts_with("short: its backward gave 1 gradient elements for input 0, which has 3"), "{error}");
}

/// The sum of what the steps give one by one, against the gathered gradient.
fn assert_plain(params: &Params, gradients: &Gradients, p: Param, plain: &ArrayD<f64>) {
    let gathered = gradients.of(p).unwrap().to_f64();
    let off = (&gathered - plain).iter().fold(0.0f64, |worst, x| worst.max(x.abs()));
    let size = plain.iter().fold(1.0f64, |most, x| most.max(x.abs()));
    assert!(off <= 1e-12 * size, "{}: off by {off:e}", params.name(p));
}

#[test]
fn gathered_gradients_are_the_plain_sum_of_what_the_steps_give() {
    const STEPS: usize = 200;
    let mut params = Params::seeded(3).to_f64();
    let mut m = params.scope("cell");
    let (w, u) = (m.add("w", [4, 5], init::uniform(0.5)), m.add("u", [5, 5], init::orthogonal(0.9)));
    let (v, v_bias) = (m.add("v", [5, 5], init::uniform(0.3)), m.add("v_bias", [5], init::uniform(0.3)));
    let (gain, bias) = (m.add("gain", [5], init::constant(0.9)), m.add("bias", [1, 5], init::uniform(0.3)));
    let graph = Graph::new(&params);
    let matrix = |t: Tensor| t.to_f64().into_dimensionality::<Ix2>().unwrap();
    let mut h = graph.zeros([3, 5]);
    let mut steps: Vec<[Var<'_>; 5]> = vec![];
    for t in 0..STEPS as u64 {
        let key = RngKey::seed(9).fold_in(t);
        let x = graph.input(Array2::from_shape_fn((3, 4), |(i, j)| key.normal((i * 4 + j) as u64)));
        // Three rows a step make 600; the gate's weight has `linear`'s layout.
        let product = x.matmul(w) + h.matmul(u);
        let into = (product * gain + bias).watch();
        let gate = h.linear(v, Some(v_bias)).watch();
        steps.push([x, h, product, into, gate]);
        h = into.tanh() * gate.sigmoid() + h * 0.5;
    }
    let gradients = (h * h).sum_all().backward().unwrap();
    let [mut gw, mut gu, mut gv] = [4, 5, 5].map(|rows| Array2::zeros((rows, 5)));
    let [mut g_gain, mut g_bias, mut gv_bias] = [(); 3].map(|()| ArrayD::zeros(vec![5]));
    let gains = params.value(gain).unwrap().to_f64();
    for [x, before, product, into, gate] in steps {
        let [x, before, product] = [x, before, product].map(|v| matrix(v.value().unwrap()));
        let [into, gate] = [into, gate].map(|v| matrix(gradients.of(v).unwrap()));
        let scaled = &into * &gains.view().into_dimensionality::<ndarray::Ix1>().unwrap();
        gw += &x.t().dot(&scaled);
        gu += &before.t().dot(&scaled);
        gv += &gate.t().dot(&before);
        g_gain += &(&into * &product).sum_axis(Axis(0));
        g_bias += &into.sum_axis(Axis(0));
        gv_bias += &gate.sum_axis(Axis(0));
    }
    for (p, plain) in [(w, gw), (u, gu), (v, gv)] {
        assert_plain(&params, &gradients, p, &plain.into_dyn());
    }
    let g_bias = g_bias.insert_axis(Axis(0)).into_dyn();
    for (p, plain) in [(gain, g_gain), (bias, g_bias), (v_bias, gv_bias)] {
        assert_plain(&params, &gradients, p, &plain);
    }
}

/// A bias that is no parameter: what waits in its blocks is there when the walk comes to it, also where it is part of
/// another node.
#[test]
fn a_bias_that_was_computed_gathers_as_a_parameter_does() {
    let mut params = Params::seeded(3).to_f64();
    let mut m = params.scope("m");
    let (both, w) = (m.add("both", [2, 4], init::uniform(0.5)), m.add("w", [4, 4], init::orthogonal(0.8)));
    let run = |bias: fn(Var<'_>) -> [Var<'_>; 2]| {
        let graph = Graph::new(&params);
        let [b, c] = bias(graph.param(both));
        let mut h = graph.zeros([3, 4]);
        for _ in 0..200 {
            h = (h.linear(w, Some(b)) + c).tanh();
        }
        (h * h).sum_all().backward().unwrap().of(both).unwrap().to_f64()
    };
    let part = run(|both| [both.index(0, 0), both.index(0, 1)]);
    let computed = run(|both| [(both * 1.0).index(0, 0), both.index(0, 1) * 1.0]);
    // Step by step: each step's part of the bias is a node of its own.
    let graph = Graph::new(&params);
    let mut h = graph.zeros([3, 4]);
    for _ in 0..200 {
        let own = graph.param(both) * 1.0;
        h = (h.linear(w, Some(own.index(0, 0))) + own.index(0, 1)).tanh();
    }
    let plain = (h * h).sum_all().backward().unwrap().of(both).unwrap().to_f64();
    for gathered in [part, computed] {
        assert!((&gathered - &plain).iter().all(|d| d.abs() < 1e-12), "{gathered} {plain}");
        assert!(gathered.iter().all(|g| g.abs() > 1e-6), "{gathered}");
    }
}

/// One chain of additions loses digits where the sum has grown far beyond its terms; sums of blocks lose fewer.
#[test]
fn a_bias_under_a_hundred_thousand_rows_keeps_its_digits() {
    let mut params = Params::seeded(0);
    let b = params.scope("m").add("b", [2], init::zeros());
    let rows = Array2::from_shape_fn((100_000, 2), |(i, j)| RngKey::seed(j as u64).uniform(i as u64) as f32);
    let exact = rows.mapv(f64::from).sum_axis(Axis(0));
    let chain = rows.fold_axis(Axis(0), 0.0f32, |sum, x| sum + x).mapv(f64::from);
    let graph = Graph::new(&params);
    let gradients = (graph.input(&rows) + b).vjp(rows.clone()).unwrap();
    let off = |sum: &ArrayD<f64>| (sum - &exact).iter().fold(0.0f64, |worst, x| worst.max(x.abs()));
    let (gathered, chain) = (off(&gradients.of(b).unwrap().to_f64()), off(&chain.into_dyn()));
    assert!(gathered < 0.05 && gathered * 10.0 < chain, "off by {gathered} gathered and by {chain} in a chain");
}
