//! The real-gated linear recurrent unit of Griffin.

use super::diagonal::{Diagonal, diagonal_cell};
use super::parts::linear;
use crate::Linear;
use unspool_graph::{Element, GradSink, OpContext, Operation, Param, RngKey, Scope, Shape, Var, View};

/// Computes the real-gated linear recurrent unit (De and others 2024, "Griffin: Mixing Gated Linear Recurrences with
/// Local Attention for Efficient Language Models", section 2.4, equations 1–4):
///
/// - r = σ(W_a x + b_a), i = σ(W_x x + b_x)
/// - a = exp(−8 r ∘ softplus(Λ))
/// - h' = a ∘ h + √(1 − a²) ∘ (i ∘ x)
///
/// Parameters `weight_a`, `weight_x` `[hidden, hidden]`, `bias_a`, `bias_x` and `lambda` `[hidden]`. At first a is
/// uniform in [0.9, 0.999] where r is 1. Inputs of another size than the state pass through an affine map first, as
/// they do in the paper's block: `weight_in [hidden, input]` and `bias_in`.
///
/// The slope of √(1 − a²) grows without bound as a approaches 1, where the first values lie. As in the paper's code, it
/// is bounded: the square root's derivative is at most 1,000, so that gradients differ from the true slope where
/// 1 − a² < 2.5e-7.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Sequence, cells::RgLru, unroll};
/// let mut params = Params::seeded(1);
/// let cell = RgLru::new(params.scope("rnn"), 3, 8);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]);
/// let (hs, last) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
/// assert_eq!((hs.padded().shape()?.to_vec(), last.shape()?.to_vec()), (vec![2, 5, 8], vec![2, 8]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct RgLru {
    projection: Option<Linear>,
    recurrence_gate: Linear,
    input_gate: Linear,
    lambda: Param,
    hidden_size: usize,
}

/// The constant c of the paper.
const C: f64 = 8.0;

impl RgLru {
    /// Adds a cell for inputs of `input_size` and states of `hidden_size` elements.
    pub fn new(mut scope: Scope<'_>, input_size: usize, hidden_size: usize) -> RgLru {
        let projection = (input_size != hidden_size).then(|| linear(&mut scope, "in", input_size, hidden_size));
        let [recurrence_gate, input_gate] = ["a", "x"].map(|name| linear(&mut scope, name, hidden_size, hidden_size));
        // softplus(Λ) = −ln(a) / c, for a uniform in [0.9, 0.999].
        let first = |shape: &Shape, draw: RngKey| {
            let a = (0..shape.elements()).map(|i| 0.9 + 0.099 * draw.uniform(i as u64));
            a.map(|a: f64| (-a.ln() / C).exp_m1().ln()).collect()
        };
        let lambda = scope.add("lambda", [hidden_size], first);
        RgLru { projection, recurrence_gate, input_gate, lambda, hidden_size }
    }
}

impl Diagonal for RgLru {
    fn hidden_size(&self) -> usize {
        self.hidden_size
    }

    /// All units read the projection of the input.
    fn is_by_unit(&self) -> bool {
        self.projection.is_none()
    }

    fn coefficients<'g>(&self, x: Var<'g>) -> (Var<'g>, Var<'g>) {
        let x = self.projection.map_or(x, |projection| projection.apply(x));
        let r = self.recurrence_gate.apply(x).sigmoid();
        let i = self.input_gate.apply(x).sigmoid();
        let log_a = r * x.graph().param(self.lambda).softplus() * -C;
        // 1 − a² without the loss of digits near a = 1.
        let rest = -(log_a * 2.0).expm1();
        (log_a.exp(), x.graph().apply(BoundedSqrt, &[rest]) * (i * x))
    }
}

diagonal_cell!(RgLru);

/// y = √x;  dy/dx = 1 / (2 √x), but at most 1,000.
struct BoundedSqrt;

fn slope<E: Element>(y: E) -> E {
    let twice = y + y;
    if twice < E::from_f64(0.001) { E::from_f64(1000.0) } else { E::ONE / twice }
}

impl Operation for BoundedSqrt {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "bounded_sqrt"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [x] = inputs else { return Err("needs one operand".into()) };
        Ok(*x)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.iter_mut().zip(inputs[0].data()).for_each(|(y, &x)| *y = x.sqrt());
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let each = ctx.output.data().iter().zip(gradient.data());
        into.accumulate(0, |to| to.iter_mut().zip(each).for_each(|(to, (&y, &g))| *to += g * slope(y)));
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        let each = ctx.output.data().iter().zip(v.data());
        output.iter_mut().zip(each).for_each(|(to, (&y, &v))| *to = v * slope(y));
    }
}
