//! Losses that compare element by element: one loop, and for each loss its formula and slope.

use unspool_graph::{Element, GradSink, OpContext, Operation, Shape, View, lane_sum};

/// The formula of one element.
pub(super) trait Kind: Send + Sync + 'static {
    const NAME: &'static str;
    /// The loss of prediction x and target t.
    fn value<E: Element>(&self, x: E, t: E) -> E;
    /// ∂ loss / ∂x.
    fn slope<E: Element>(&self, x: E, t: E) -> E;
}

pub(super) struct Squared;

impl Kind for Squared {
    const NAME: &'static str = "squared_error";
    fn value<E: Element>(&self, x: E, t: E) -> E {
        (x - t) * (x - t)
    }
    fn slope<E: Element>(&self, x: E, t: E) -> E {
        (x - t) + (x - t)
    }
}

pub(super) struct Absolute;

impl Kind for Absolute {
    const NAME: &'static str = "absolute_error";
    fn value<E: Element>(&self, x: E, t: E) -> E {
        (x - t).abs()
    }
    fn slope<E: Element>(&self, x: E, t: E) -> E {
        if x > t {
            E::ONE
        } else if x < t {
            -E::ONE
        } else {
            // 0 where they are equal; what is no number stays none.
            x - t
        }
    }
}

pub(super) struct Huber(pub(super) f64);

impl Kind for Huber {
    const NAME: &'static str = "huber";
    fn value<E: Element>(&self, x: E, t: E) -> E {
        let (d, delta, half) = ((x - t).abs(), E::from_f64(self.0), E::from_f64(0.5));
        if d <= delta { half * d * d } else { delta * (d - half * delta) }
    }
    fn slope<E: Element>(&self, x: E, t: E) -> E {
        let (d, delta) = (x - t, E::from_f64(self.0));
        if d > delta {
            delta
        } else if d < -delta {
            -delta
        } else {
            d
        }
    }
}

pub(super) struct Binary;

impl Kind for Binary {
    const NAME: &'static str = "binary_cross_entropy";
    fn value<E: Element>(&self, x: E, t: E) -> E {
        let above = if x > E::ZERO { x } else { E::ZERO };
        above - x * t + (-x.abs()).exp().ln_1p()
    }
    fn slope<E: Element>(&self, x: E, t: E) -> E {
        x.sigmoid() - t
    }
}

/// L = factor · Σ_p w_p Σ_i loss(x_pi, t_pi) over places p and the elements i within one; places of weight 0 are left
/// out.
///
/// ∂L/∂x_pi = factor · w_p · slope(x_pi, t_pi)
pub(super) struct Pointwise<K> {
    pub(super) kind: K,
    pub(super) target: Vec<f64>,
    /// One for each place.
    pub(super) weights: Vec<f32>,
    pub(super) factor: f64,
}

impl<K: Kind> Pointwise<K> {
    fn inner(&self) -> usize {
        (self.target.len() / self.weights.len()).max(1)
    }
    /// The places that count: number, weight, and where their elements are.
    fn places(&self) -> impl Iterator<Item = (f64, std::ops::Range<usize>)> + '_ {
        let inner = self.inner();
        let real = self.weights.iter().enumerate().filter(|(_, w)| **w != 0.0);
        real.map(move |(place, &w)| (f64::from(w), place * inner..(place + 1) * inner))
    }
}

impl<K: Kind> Operation for Pointwise<K> {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        K::NAME
    }

    fn shape(&self, _inputs: &[Shape]) -> Result<Shape, String> {
        Ok([].into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let x = inputs[0].data();
        let one = |(weight, at): (f64, std::ops::Range<usize>)| {
            let losses: Vec<E> = at.map(|i| self.kind.value(x[i], E::from_f64(self.target[i]))).collect();
            E::from_f64(weight) * lane_sum(&losses)
        };
        let sums: Vec<E> = self.places().map(one).collect();
        output[0] = E::from_f64(self.factor) * lane_sum(&sums);
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, scale) = (ctx.inputs[0].data(), gradient.data()[0] * E::from_f64(self.factor));
        into.accumulate(0, |slot| {
            for (weight, at) in self.places() {
                let scale = scale * E::from_f64(weight);
                at.for_each(|i| slot[i] += scale * self.kind.slope(x[i], E::from_f64(self.target[i])));
            }
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), x) = (tangents[0], ctx.inputs[0].data()) else { return };
        for (weight, at) in self.places() {
            let scale = E::from_f64(self.factor * weight);
            at.for_each(|i| output[0] += scale * self.kind.slope(x[i], E::from_f64(self.target[i])) * v.data()[i]);
        }
    }
}
