//! What recording costs: one node forward and backward beyond its arithmetic, and what gathering the gradients of
//! weights and biases saves.
//!
//!     cargo bench -p unspool-benches --bench recording

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use unspool_graph::{Element, GradSink, Graph, OpContext, Operation, Params, Shape, Var, View, init, vectorize};

/// Nodes in a chain.
const NODES: usize = 10_000;

/// A chain of products, x ← x · w, on scalars and on 4x4 matrices: recorded and walked back, and as plain loops over
/// the same arrays. The difference of both, divided by the number of nodes, is what a node costs.
fn node(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("node");
    group.throughput(Throughput::Elements(NODES as u64));
    for (name, shape) in [("scalar", vec![]), ("4x4", vec![4, 4])] {
        let mut params = Params::seeded(1);
        let w = params.scope("chain").add_sized("w", &shape, init::constant(1.000_01));
        group.bench_function(format!("{name}/recorded"), |bencher| {
            bencher.iter(|| {
                let graph = Graph::new(&params);
                let w = graph.param(w);
                let mut x = graph.full(&shape, 1.0);
                for _ in 0..NODES {
                    x *= w;
                }
                black_box(x.sum_all().backward())
            });
        });
        let size = shape.iter().product();
        group.bench_function(format!("{name}/arithmetic"), |bencher| {
            let (w, mut values) = (vec![1.000_01f32; size], vec![1.0f32; (NODES + 1) * size]);
            bencher.iter(|| black_box(by_hand(black_box(&w), &mut values)));
        });
    }
    group.finish();
}

/// The same chain over arrays that are there already: values forward, then the gradients of x and of w.
fn by_hand(w: &[f32], values: &mut [f32]) -> Vec<f32> {
    let size = w.len();
    for i in 0..NODES {
        let (before, after) = values.split_at_mut((i + 1) * size);
        let x = &before[i * size..];
        after[..size].iter_mut().zip(x).zip(w).for_each(|((y, x), w)| *y = x * w);
    }
    let (mut by_x, mut by_w) = (vec![1.0f32; size], vec![0.0f32; size]);
    for i in (0..NODES).rev() {
        let x = &values[i * size..(i + 1) * size];
        for j in 0..size {
            by_w[j] += by_x[j] * x[j];
            by_x[j] *= w[j];
        }
    }
    by_w
}

/// y = x + b for rows x, as a user may write it who does not know of gathering: each step's gradient of b is summed and
/// given by itself.
struct AddRow;

impl Operation for AddRow {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "add_row"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let b = inputs[1].data();
        for (y, x) in output.chunks_exact_mut(b.len()).zip(inputs[0].data().chunks_exact(b.len())) {
            vectorize(
                #[inline(always)]
                || y.iter_mut().zip(x).zip(b).for_each(|((y, &x), &b)| *y = x + b),
            );
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        into.add_slice(0, gradient.data());
        let mut sum = vec![E::ZERO; ctx.inputs[1].data().len()];
        for row in gradient.data().chunks_exact(sum.len()) {
            vectorize(
                #[inline(always)]
                || sum.iter_mut().zip(row).for_each(|(sum, &g)| *sum += g),
            );
        }
        into.add(1, sum);
    }
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, _: &[Option<View<'_, E>>], _: &mut [E]) {}
}

/// One step of a recurrence: from the state, the weight `[128, 128]` and the bias `[128]`.
type Step = for<'g> fn(Var<'g>, Var<'g>, Var<'g>) -> Var<'g>;

/// Recurrences of 64 steps at batch 16 and hidden size 128. A matrix's gradient is gathered, and a bias's; a batch of
/// one matrix is differentiated step by step, with as many small products and additions as there are steps.
fn gathered(criterion: &mut Criterion) {
    let (batch, hidden, steps) = (16, 128, 64);
    let mut params = Params::seeded(1);
    let mut scope = params.scope("rnn");
    let (w, b) =
        (scope.add("w", [hidden, hidden], init::orthogonal(1.0)), scope.add("b", [hidden], init::uniform(0.01)));
    let recurrences: [(&str, &str, bool, Step); 6] = [
        ("weight", "gathered", false, |h, w, _| h.matmul(w).tanh()),
        ("weight", "step by step", true, |h, w, _| h.matmul(w).tanh()),
        ("weight and bias", "gathered", false, |h, w, b| h.linear(w, Some(b)).tanh()),
        ("weight and bias", "step by step", true, |h, w, b| h.graph().apply(AddRow, &[h.matmul(w), b]).tanh()),
        ("bias", "gathered", false, |h, _, b| (h + b).tanh()),
        ("bias", "step by step", false, |h, _, b| h.graph().apply(AddRow, &[h, b]).tanh()),
    ];
    for (what, name, batched, step) in recurrences {
        let mut group = criterion.benchmark_group(format!("gradient of a {what}"));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let graph = Graph::new(&params);
                let (w, b) = (graph.param(w), graph.param(b));
                let w = if batched { w.unsqueeze(0) } else { w };
                let mut h = graph.full(if batched { vec![1, batch, hidden] } else { vec![batch, hidden] }, 0.01);
                for _ in 0..steps {
                    h = step(h, w, b);
                }
                black_box(h.sum_all().backward())
            });
        });
        group.finish();
    }
}

criterion_group!(recording, node, gathered);
criterion_main!(recording);
