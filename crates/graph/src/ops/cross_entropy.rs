//! Cross-entropy of logits against class numbers, one loss a row, without ever making a one-hot vector or keeping
//! probabilities.

use crate::{
    Buffer, Element, GradSink, OpContext, Operation, Shape, Var, View,
    kernels::vector::{sum_map, sum_of},
};
use rayon::prelude::*;
use std::{panic::Location, sync::Arc};

/// Options of [`Var::cross_entropy`].
///
/// ```
/// use unspool_graph::{CrossEntropy, Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let logits = graph.input(ndarray::array![[2.0f32, 0.0], [0.0, 0.0], [5.0, 1.0]]);
/// let losses = logits.cross_entropy_with(&[0, 1, 0], CrossEntropy::new().weights(vec![1.0, 1.0, 0.0]));
/// let losses = losses.to_f64()?;
/// assert!((losses[[1]] - 2f64.ln()).abs() < 1e-6 && losses[[2]] == 0.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct CrossEntropy {
    smoothing: f64,
    ignored: Option<u32>,
    weights: Option<Arc<[f32]>>,
    classes: Option<Arc<[f32]>>,
}

impl CrossEntropy {
    /// Makes options by which every row counts once, without smoothing.
    pub fn new() -> Self {
        Self::default()
    }
    /// Sets label smoothing ε: the target is 1 − ε on the class and ε spread over all classes alike (Szegedy and others
    /// 2016).
    pub fn smoothing(mut self, epsilon: f64) -> Self {
        self.smoothing = epsilon;
        self
    }
    /// Sets a target that does not count, such as padding's: where it stands the loss is 0 and there is no gradient,
    /// whatever the logits are. It need not be a class (PyTorch's `ignore_index`).
    pub fn ignore(mut self, target: u32) -> Self {
        self.ignored = Some(target);
        self
    }
    /// Sets a factor for each row. A row of weight 0 is ignored: its loss is 0, whatever its logits and target are.
    pub fn weights(mut self, weights: impl Into<Arc<[f32]>>) -> Self {
        self.weights = Some(weights.into());
        self
    }
    /// Sets a factor for each class, as PyTorch's `weight`: with smoothing it stands at each class's own share of the
    /// target.
    pub fn class_weights(mut self, weights: impl Into<Arc<[f32]>>) -> Self {
        self.classes = Some(weights.into());
        self
    }
    /// Returns the weight of one class: 1 unless told, 0 for the ignored one and for a class that there is not.
    pub fn class_weight(&self, class: u32) -> f64 {
        if self.ignored == Some(class) {
            return 0.0;
        }
        let known = |weights: &Arc<[f32]>| weights.get(class as usize).map_or(0.0, |&w| f64::from(w));
        self.classes.as_ref().map_or(1.0, known)
    }
}

/// L = w · ( −(1 − ε) c_t ln p_t − ε/C · Σ_j c_j ln p_j ) for each row, with p = softmax(x), target class t, class
/// weights c (1 by default).
///
/// ∂L/∂x_j = w · ( S · p_j − (1 − ε) c_t [j = t] − ε/C · c_j ),  S = (1 − ε) c_t + ε/C · Σ_j c_j
struct Loss {
    targets: Arc<[u32]>,
    options: CrossEntropy,
}

impl Loss {
    fn weight<E: Element>(&self, row: usize) -> E {
        if self.options.ignored == Some(self.targets[row]) {
            return E::ZERO;
        }
        self.options.weights.as_ref().map_or(E::ONE, |w| E::from_f64(f64::from(w[row])))
    }
    fn class<E: Element>(&self, j: usize) -> E {
        self.options.classes.as_ref().map_or(E::ONE, |c| E::from_f64(f64::from(c[j])))
    }
    /// Σ_j c_j.
    fn classes<E: Element>(&self, count: usize) -> E {
        match &self.options.classes {
            None => E::from_f64(count as f64),
            Some(c) => E::from_f64(c.iter().map(|&c| f64::from(c)).sum()),
        }
    }
    /// Adds ∂L/∂x of one row, times `scale`, to `slot`, or writes it there.
    fn row_gradient<E: Element>(&self, row: usize, x: &[E], normaliser: E, scale: E, (slot, fresh): (&mut [E], bool)) {
        let (count, target) = (x.len(), self.targets[row] as usize);
        let spread = E::from_f64(self.options.smoothing / count as f64);
        let main = E::from_f64(1.0 - self.options.smoothing) * self.class::<E>(target);
        let total = main + spread * self.classes::<E>(count);
        E::vectorize(
            #[inline(always)]
            || match (&self.options.classes, fresh) {
                (None, true) => slot
                    .iter_mut()
                    .zip(x)
                    .for_each(|(slot, &x)| *slot = scale * (total * (x - normaliser).exp() - spread)),
                (None, false) => slot
                    .iter_mut()
                    .zip(x)
                    .for_each(|(slot, &x)| *slot += scale * (total * (x - normaliser).exp() - spread)),
                (Some(classes), fresh) => {
                    for ((slot, &x), &class) in slot.iter_mut().zip(x).zip(classes.iter()) {
                        let own = scale * (total * (x - normaliser).exp() - spread * E::from_f64(f64::from(class)));
                        *slot = if fresh { own } else { *slot + own };
                    }
                }
            },
        );
        slot[target] += -scale * main;
    }
}

/// From this many logits on, rows are shared out over threads; each row is a sum of its own, so bits stay.
const SPLIT_FROM: usize = 1 << 17;

impl Operation for Loss {
    /// ln Σ eˣ of each row.
    type Saved<E: Element> = Buffer<E>;

    fn name(&self) -> &'static str {
        "cross_entropy"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let x = inputs[0];
        if x.is_empty() {
            return Err("needs a last axis of classes".into());
        }
        let (rows, classes) = (x.rows(), x.last_axis());
        let options = &self.options;
        if self.targets.len() != rows {
            return Err(format!("has {rows} rows, but there are {} targets", self.targets.len()));
        }
        if options.weights.as_ref().is_some_and(|w| w.len() != rows) {
            return Err(format!("has {rows} rows, which is not the number of weights"));
        }
        if options.classes.as_ref().is_some_and(|c| c.len() != classes) {
            return Err(format!("has {classes} classes, which is not the number of class weights"));
        }
        if !(0.0..1.0).contains(&options.smoothing) {
            return Err(format!("cannot be smoothed by {}: it must be in [0, 1)", options.smoothing));
        }
        if let Some(row) =
            (0..rows).find(|&row| self.weight::<f32>(row) != 0.0 && self.targets[row] as usize >= classes)
        {
            return Err(format!("has {classes} classes, but the target of row {row} is {}", self.targets[row]));
        }
        x.without(x.len() - 1).ok_or_else(|| "must have an axis of classes".into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Buffer<E> {
        let (x, width) = (inputs[0].data(), inputs[0].shape().last_axis());
        let mut normalisers = inputs[0].buffer(output.len());
        let one = |row: usize, loss: &mut E, normaliser: &mut E| {
            let weight = self.weight::<E>(row);
            if weight == E::ZERO {
                (*loss, *normaliser) = (E::ZERO, E::ZERO);
                return;
            }
            let x = &x[row * width..(row + 1) * width];
            *normaliser = E::vectorize(
                #[inline(always)]
                || log_sum_exp(x),
            );
            let target = self.targets[row] as usize;
            let mut sum =
                E::from_f64(1.0 - self.options.smoothing) * self.class::<E>(target) * (*normaliser - x[target]);
            if self.options.smoothing > 0.0 {
                let spread = E::from_f64(self.options.smoothing / width as f64);
                sum += spread * sum_of(width, |j| self.class::<E>(j) * (*normaliser - x[j]));
            }
            *loss = weight * sum;
        };
        if x.len() >= SPLIT_FROM {
            let rows = output.par_iter_mut().zip(&mut normalisers[..]).enumerate().with_min_len(8);
            rows.for_each(|(row, (loss, normaliser))| one(row, loss, normaliser));
        } else {
            let rows = output.iter_mut().zip(&mut normalisers[..]).enumerate();
            rows.for_each(|(row, (loss, normaliser))| one(row, loss, normaliser));
        }
        normalisers
    }

    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Buffer<E>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        let (x, width, g) = (ctx.inputs[0].data(), ctx.inputs[0].shape().last_axis(), gradient.data());
        into.update(0, |slot, fresh| {
            if width == 0 {
                return;
            }
            let one = |row: usize, slot: &mut [E]| {
                let scale = g[row] * self.weight::<E>(row);
                if scale != E::ZERO && self.weight::<E>(row) != E::ZERO {
                    let x = &x[row * width..(row + 1) * width];
                    self.row_gradient(row, x, ctx.saved[row], scale, (slot, fresh));
                } else if fresh {
                    slot.fill(E::ZERO);
                }
            };
            if x.len() >= SPLIT_FROM {
                slot.par_chunks_exact_mut(width).enumerate().with_min_len(8).for_each(|(row, slot)| one(row, slot));
            } else {
                slot.chunks_exact_mut(width).enumerate().for_each(|(row, slot)| one(row, slot));
            }
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), x, width) = (tangents[0], ctx.inputs[0].data(), ctx.inputs[0].shape().last_axis()) else {
            return;
        };
        let mut slope = vec![E::ZERO; width];
        for (row, out) in output.iter_mut().enumerate() {
            let (weight, v) = (self.weight::<E>(row), &v.data()[row * width..(row + 1) * width]);
            if weight != E::ZERO {
                let x = &x[row * width..(row + 1) * width];
                self.row_gradient(row, x, ctx.saved[row], weight, (&mut slope, true));
                *out += sum_of(width, |j| slope[j] * v[j]);
            }
        }
    }
}

/// ln Σ eˣ, with the greatest x taken out.
#[inline(always)]
fn log_sum_exp<E: Element>(x: &[E]) -> E {
    let mut tops = [x[0]; 16];
    let whole = x.chunks_exact(16);
    let rest = whole.remainder();
    for chunk in whole {
        tops.iter_mut().zip(chunk).for_each(|(top, &x)| *top = if x > *top { x } else { *top });
    }
    let top = tops.iter().chain(rest).fold(x[0], |top, &x| if x > top { x } else { top });
    top + sum_map(
        x,
        #[inline(always)]
        |x| (x - top).exp(),
    )
    .ln()
}

impl<'g> Var<'g> {
    /// Returns −ln softmax(this)\[target\] for each row of the last axis: `[…, classes] -> […]`, with `targets` in the
    /// rows' order.
    ///
    /// Large logits do not overflow; the probabilities are not kept.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// // Four classes that are all as likely: ln 4, whichever is right.
    /// let losses = graph.zeros([2, 4]).cross_entropy(&[3, 0]).to_f64()?;
    /// assert!((losses[[0]] - 4f64.ln()).abs() < 1e-6 && losses[[0]] == losses[[1]]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy(self, targets: &[u32]) -> Var<'g> {
        self.graph.apply_at(Loss { targets: targets.into(), options: CrossEntropy::new() }, &[self], Location::caller())
    }

    /// Returns the [`cross_entropy`](Var::cross_entropy) with label smoothing, an ignored target, weights of rows (0
    /// ignores one) and of classes.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// use unspool_graph::CrossEntropy;
    /// let logits = graph.input(array![[9.0f32, 0.0], [0.0, 9.0]]);
    /// let losses = logits.cross_entropy_with(&[0, 7], CrossEntropy::new().smoothing(0.1).ignore(7)).to_f64()?;
    /// assert!(losses[[0]] > 0.4, "a sure answer is not quite right: {losses}");
    /// assert_eq!(losses[[1]], 0.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy_with(self, targets: &[u32], options: CrossEntropy) -> Var<'g> {
        self.graph.apply_at(Loss { targets: targets.into(), options }, &[self], Location::caller())
    }
}
