//! Many-to-one: one vector for a sequence, out of the vectors at its real steps.

use crate::{Error, Linear, not_hidden::exceeds, per_frame::places, unroll::HOLE};
use std::{fmt, str::FromStr, sync::Arc};
use unspool_graph::{Element, Inflow, Operation, Param, Ran, Scope, Shape, Var, View, init};

/// How one vector is made of a sequence's, without parameters. Padding is never looked at; a row of length 0 gives
/// zeros.
///
/// More in [chapter 5](https://github.com/unspool/unspool/blob/main/docs/05-many-to-one.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::Pooling;
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let ys = graph.input(ndarray::array![[[1.0], [5.0], [3.0]], [[2.0], [9.0], [9.0]]]); // [batch, time, feature]
/// let pool = |pooling: Pooling| pooling.apply(ys, &[3, 1]).value().map(|pooled| pooled.to_f64().into_raw_vec_and_offset().0);
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
    /// Every kind.
    pub const ALL: [Pooling; 3] = [Pooling::Last, Pooling::Mean, Pooling::Max];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Pooling::Last => "last",
            Pooling::Mean => "mean",
            Pooling::Max => "max",
        }
    }

    /// `[batch, time, feature] -> [batch, feature]`, row b over its `lengths[b]` first steps.
    ///
    /// # Errors
    /// Kept in the graph: lengths that do not fit `ys`.
    #[track_caller]
    pub fn apply<'g>(self, ys: Var<'g>, lengths: &[usize]) -> Var<'g> {
        let graph = ys.graph();
        let _scope = graph.layer(self.name());
        let rows = ys.real_rows(lengths);
        match self {
            Pooling::Last => {
                let ends = lengths.iter().scan(0, |end, &length| {
                    *end += length as u32;
                    Some(if length == 0 { HOLE } else { *end - 1 })
                });
                graph.arrange_rows(&[rows], ends.collect(), [lengths.len()])
            }
            Pooling::Mean => {
                let counts = lengths.iter().map(|&length| 1.0 / length.max(1) as f64);
                let shares = graph.input(counts.collect::<Vec<f64>>()).unsqueeze(-1);
                sum(rows, lengths) * shares
            }
            Pooling::Max => graph.apply(SegmentMax(lengths.into()), &[rows]),
        }
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

/// Attention pooling (Yang and others 2016, equations 5 to 7): what matters is learned.
///
/// u_t = tanh(W y_t + b),  a = softmax(u·v) over each row's real steps,  pooled = Σ_t a_t · y_t
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::AttentionPooling;
/// let mut params = Params::seeded(0);
/// let pooling = AttentionPooling::new(params.scope("pooling"), 4, 8);
/// let graph = Graph::new(&params);
/// let (pooled, weights) = pooling.apply(graph.zeros([2, 3, 4]), &[3, 2]);
/// assert_eq!(*pooled.shape()?, [2, 4]);
/// assert_eq!(weights.value()?.to_f64()[[1, 1]], 0.5); // two real steps, alike
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AttentionPooling {
    key: Linear,
    query: Param,
}

impl AttentionPooling {
    /// For vectors of `size` elements, compared in `attention_size` dimensions. Parameters `key.weight`, `key.bias`,
    /// `query [attention]`.
    pub fn new(mut scope: Scope<'_>, size: usize, attention_size: usize) -> AttentionPooling {
        let bound = 1.0 / (attention_size.max(1) as f64).sqrt();
        AttentionPooling {
            key: Linear::new(scope.scope("key"), size, attention_size),
            query: scope.add("query", [attention_size], init::uniform(bound)),
        }
    }

    /// `[batch, time, feature] -> [batch, feature]`, and the weights `[batch, time]`, 0 beyond each row's length.
    ///
    /// # Errors
    /// Kept in the graph: lengths that do not fit `ys`.
    #[track_caller]
    pub fn apply<'g>(&self, ys: Var<'g>, lengths: &[usize]) -> (Var<'g>, Var<'g>) {
        let graph = ys.graph();
        let _scope = graph.layer("attention_pooling");
        let rows = ys.real_rows(lengths);
        let scores = self.key.apply(rows).tanh().matmul(self.query);
        let Some(time) = ys.known_shape().filter(|_| scores.known_shape().is_some()).map(|shape| shape[1]) else {
            return (graph.inert(), graph.inert());
        };
        let scores = graph.arrange_rows(&[scores], places(lengths, time), [lengths.len(), time]);
        let real: Vec<bool> = lengths.iter().flat_map(|&length| (0..time).map(move |t| t < length)).collect();
        let weights = scores.masked_softmax(real);
        (sum(rows * weights.real_rows(lengths).unsqueeze(-1), lengths), weights)
    }
}

/// `[Σ lengths, feature] -> [batch, feature]`.
#[track_caller]
fn sum<'g>(rows: Var<'g>, lengths: &[usize]) -> Var<'g> {
    rows.graph().apply(SegmentSum(lengths.into()), &[rows])
}

fn shape(lengths: &[usize], inputs: &[Shape]) -> Result<Shape, String> {
    match inputs {
        [rows] if rows.len() == 2 && rows[0] == lengths.iter().sum::<usize>() => {
            Ok(Shape::from([lengths.len(), rows[1]]))
        }
        _ => Err("must be the real rows of a padded batch [batch, time, feature]".into()),
    }
}

/// y[b] = Σ x[i] over the rows i of segment b, in their order.  ∂L/∂x[i] = ∂L/∂y[b]
struct SegmentSum(Arc<[usize]>);

impl SegmentSum {
    fn add_up<E: Element>(&self, x: &[E], width: usize, output: &mut [E]) {
        let mut rows = x.chunks_exact(width.max(1));
        for (out, &length) in output.chunks_exact_mut(width.max(1)).zip(self.0.iter()) {
            for row in rows.by_ref().take(length) {
                out.iter_mut().zip(row).for_each(|(y, &x)| *y += x);
            }
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
    fn backward<E: Element>(&self, _: &Ran<'_, E, ()>, gradient: View<'_, E>, into: &mut Inflow<'_, E>) {
        let width = gradient.shape()[1].max(1);
        into.accumulate(0, |slot| {
            let mut rows = slot.chunks_exact_mut(width);
            for (g, &length) in gradient.data().chunks_exact(width).zip(self.0.iter()) {
                for row in rows.by_ref().take(length) {
                    row.iter_mut().zip(g).for_each(|(s, &g)| *s += g);
                }
            }
        });
    }
    fn jvp<E: Element>(&self, _: &Ran<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.add_up(v.data(), v.shape()[1], output);
        }
    }
}

/// y[b, j] = max x[i, j] over the rows i of segment b, 0 if there is none. The gradient goes to the first of the
/// greatest; NaN is greater than any number, so that it is not hidden.
struct SegmentMax(Arc<[usize]>);

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
        let (mut from, mut first) = (vec![HOLE; output.len()], 0);
        for (b, &length) in self.0.iter().enumerate() {
            for (j, from) in from[b * width..(b + 1) * width].iter_mut().enumerate() {
                let out = &mut output[b * width + j];
                *out = E::ZERO;
                for i in (first..first + length).map(|row| row * width + j) {
                    if *from == HOLE || exceeds(x[i], *out) {
                        (*out, *from) = (x[i], i as u32);
                    }
                }
            }
            first += length;
        }
        from
    }
    fn backward<E: Element>(&self, ran: &Ran<'_, E, Vec<u32>>, gradient: View<'_, E>, into: &mut Inflow<'_, E>) {
        into.accumulate(0, |slot| {
            let each = ran.saved.iter().zip(gradient.data());
            each.filter(|(from, _)| **from != HOLE).for_each(|(&from, &g)| slot[from as usize] += g);
        });
    }
    fn jvp<E: Element>(&self, ran: &Ran<'_, E, Vec<u32>>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let Some(v) = tangents[0] else { return };
        let each = output.iter_mut().zip(ran.saved).filter(|(_, from)| **from != HOLE);
        each.for_each(|(y, &from)| *y = v.data()[from as usize]);
    }
}
