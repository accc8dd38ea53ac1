//! Many-to-one: one vector for a sequence, out of the vectors at its real steps.

use crate::{Error, Layout, Linear, Sequence, log_sum_exp::exceeds, sizes::uniform_bound};
use std::{fmt, str::FromStr};
use unspool_graph::{Element, GradSink, NO_ROW, OpContext, Operation, Param, Scope, Shape, Var, View, init};

/// Makes one vector of a sequence, without parameters. Padding is never read; a row of length 0 gives zeros.
///
/// More in [chapter 5](https://github.com/unspool/unspool/blob/main/docs/05-many-to-one.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Pooling, Sequence};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let padded = graph.input(ndarray::array![[[1.0], [5.0], [3.0]], [[2.0], [9.0], [9.0]]]); // [batch, time, feature]
/// let ys = Sequence::pack(padded, &[3, 1]);
/// let pool = |pooling: Pooling| pooling.apply(&ys).value().map(|pooled| pooled.to_f64().into_raw_vec_and_offset().0);
/// assert_eq!(pool(Pooling::Last)?, [3.0, 2.0]);
/// assert_eq!(pool(Pooling::Mean)?, [3.0, 2.0]);
/// assert_eq!(pool("max".parse().unwrap())?, [5.0, 2.0]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pooling {
    /// `last`: the vector at each row's own last step. Of a module that reads both ways take
    /// [`Recurrent::last`](crate::Recurrent::last), which has each direction's own end.
    Last,
    /// `mean`: the mean over the real steps.
    Mean,
    /// `max`: the greatest of the real steps, feature by feature; of equals the first gets the gradient.
    Max,
}

impl Pooling {
    /// Lists every kind.
    pub const ALL: [Pooling; 3] = [Pooling::Last, Pooling::Mean, Pooling::Max];

    /// Returns the name, as used in options and configurations.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::Last => "last",
            Pooling::Mean => "mean",
            Pooling::Max => "max",
        }
    }

    /// Makes one vector of each example's sequence: `[batch, feature]`.
    #[track_caller]
    pub fn apply<'g>(self, ys: &Sequence<'g>) -> Var<'g> {
        let _scope = ys.graph().layer(self.name());
        match self {
            Pooling::Last => ys.last(),
            Pooling::Mean => ys.mean(),
            Pooling::Max => ys.max(),
        }
    }
}

impl<'g> Sequence<'g> {
    /// Returns the mean of each example's rows, `[batch, feature]`; zeros for an example of length 0.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[[1.0f32], [3.0]], [[5.0], [9.0]]]), &[2, 1]);
    /// assert_eq!(xs.mean().value()?, ndarray::array![[2.0f32], [5.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn mean(&self) -> Var<'g> {
        let counts = self.lengths().iter().map(|&length| 1.0 / length.max(1) as f64);
        let shares = self.graph().input(counts.collect::<Vec<f64>>()).unsqueeze(-1);
        self.sum() * shares
    }

    /// Returns the sum of each example's rows, `[batch, feature]`.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[[1.0f32], [3.0]], [[5.0], [9.0]]]), &[2, 1]);
    /// assert_eq!(xs.sum().value()?, ndarray::array![[4.0f32], [5.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sum(&self) -> Var<'g> {
        self.graph().apply(SegmentSum(self.layout().clone()), &[self.rows()])
    }

    /// Returns the greatest of each example's rows, feature by feature, `[batch, feature]`; zeros for an example of
    /// length 0. Of equals the first gets the gradient.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[[1.0f32], [3.0]], [[5.0], [9.0]]]), &[2, 1]);
    /// assert_eq!(xs.max().value()?, ndarray::array![[3.0f32], [5.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn max(&self) -> Var<'g> {
        self.graph().apply(SegmentMax(self.layout().clone()), &[self.rows()])
    }
}

impl fmt::Display for Pooling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Pooling {
    type Err = Error;
    fn from_str(name: &str) -> Result<Pooling, Error> {
        let known = || Pooling::ALL.map(Pooling::name).join(", ");
        let found = Pooling::ALL.into_iter().find(|pooling| pooling.name() == name);
        found.ok_or_else(|| Error::UnknownName { what: "pooling", name: name.into(), known: known() })
    }
}

/// Pools a sequence by learned attention weights (Yang and others 2016, equations 5 to 7).
///
/// u_t = tanh(W y_t + b),  a = softmax(u·v) over each row's real steps,  pooled = Σ_t a_t · y_t
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{AttentionPooling, Sequence};
/// let mut params = Params::seeded(0);
/// let pooling = AttentionPooling::new(params.scope("pooling"), 4, 8);
/// let graph = Graph::new(&params);
/// let (pooled, weights) = pooling.apply(&Sequence::pack(graph.zeros([2, 3, 4]), &[3, 2]));
/// assert_eq!(*pooled.shape()?, [2, 4]);
/// assert_eq!(weights.to_f64()?[[1, 1]], 0.5); // two real steps, alike
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AttentionPooling {
    key: Linear,
    query: Param,
}

impl AttentionPooling {
    /// Adds a layer for vectors of `size` elements, compared in `attention_size` dimensions. Parameters `key.weight`,
    /// `key.bias`, `query [attention]`.
    pub fn new(mut scope: Scope<'_>, size: usize, attention_size: usize) -> AttentionPooling {
        let bound = uniform_bound(attention_size);
        AttentionPooling {
            key: Linear::new(scope.scope("key"), size, attention_size),
            query: scope.add("query", [attention_size], init::uniform(bound)),
        }
    }

    /// Returns the pooled vectors `[batch, feature]` and the weights `[batch, time]`, 0 beyond each example's length.
    #[track_caller]
    pub fn apply<'g>(&self, ys: &Sequence<'g>) -> (Var<'g>, Var<'g>) {
        let _scope = ys.graph().layer("attention_pooling");
        let scores = ys.map(|rows| self.key.apply(rows).tanh().matmul(self.query));
        let weights = scores.padded().masked_softmax(ys.layout().mask());
        let weighted = ys.zip(&Sequence::pack(weights, ys.layout()), |rows, weights| rows * weights.unsqueeze(-1));
        (weighted.sum(), weights)
    }
}

fn shape(layout: &Layout, inputs: &[Shape]) -> Result<Shape, String> {
    match inputs {
        [rows] if rows.len() == 2 && rows[0] == layout.rows() => Ok(Shape::from([layout.batch(), rows[1]])),
        _ => Err("must be a vector for each real step: rows [Σ lengths, feature]".into()),
    }
}

/// y[b] = Σ x[i] over the rows i of example b, in order of time.  ∂L/∂x[i] = ∂L/∂y[b]
struct SegmentSum(Layout);

impl SegmentSum {
    fn add_up<E: Element>(&self, x: &[E], width: usize, output: &mut [E]) {
        for ((example, _), row) in self.0.steps().zip(x.chunks_exact(width.max(1))) {
            output[example * width..][..width].iter_mut().zip(row).for_each(|(y, &x)| *y += x);
        }
    }
}

impl Operation for SegmentSum {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "segment_sum"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        shape(&self.0, inputs)
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.fill(E::ZERO);
        self.add_up(inputs[0].data(), inputs[0].shape()[1], output);
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (g, width) = (gradient.data(), gradient.shape()[1]);
        into.accumulate(0, |slot| {
            for ((example, _), row) in self.0.steps().zip(slot.chunks_exact_mut(width.max(1))) {
                row.iter_mut().zip(&g[example * width..][..width]).for_each(|(s, &g)| *s += g);
            }
        });
    }
    fn jvp<E: Element>(&self, _: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.add_up(v.data(), v.shape()[1], output);
        }
    }
}

/// y[b, j] = max x[i, j] over the rows i of example b, 0 if there is none. The gradient goes to the first of the
/// greatest; NaN is greater than any number, so that it is not hidden.
struct SegmentMax(Layout);

impl Operation for SegmentMax {
    /// For each output the element it is.
    type Saved<E: Element> = Vec<u32>;
    fn name(&self) -> &'static str {
        "segment_max"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        shape(&self.0, inputs)
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Vec<u32> {
        let (x, width) = (inputs[0].data(), inputs[0].shape()[1]);
        let mut from = vec![NO_ROW; output.len()];
        output.fill(E::ZERO);
        for (row, (example, _)) in self.0.steps().enumerate() {
            for j in 0..width {
                let (i, at) = (row * width + j, example * width + j);
                if from[at] == NO_ROW || exceeds(x[i], output[at]) {
                    (output[at], from[at]) = (x[i], i as u32);
                }
            }
        }
        from
    }
    fn backward<E: Element>(
        &self,
        ctx: &OpContext<'_, E, Vec<u32>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        into.accumulate(0, |slot| {
            let each = ctx.saved.iter().zip(gradient.data());
            each.filter(|(from, _)| **from != NO_ROW).for_each(|(&from, &g)| slot[from as usize] += g);
        });
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Vec<u32>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        let each = output.iter_mut().zip(ctx.saved).filter(|(_, from)| **from != NO_ROW);
        each.for_each(|(y, &from)| *y = v.data()[from as usize]);
    }
}
