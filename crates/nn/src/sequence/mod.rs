//! A padded batch as one value: its real steps, packed, and the layout that says which step each row is.

mod layout;
mod one_to_many;
mod pooling;
mod recomputed;
mod recurrent;
mod truncated;
mod unroll;

pub use layout::Layout;
pub use one_to_many::{feed_back, repeated, zero_filled};
pub use pooling::{AttentionPooling, Pooling};
pub use recomputed::unroll_recomputed;
pub use recurrent::{Recurrent, RecurrentConfig};
pub use truncated::{TruncatedBptt, TruncatedWindow, windows};
pub use unroll::{Direction, bidirectional, unroll, unroll_directed};

use layout::Rows;
use ndarray::{AsArray, Ix2};
use unspool_graph::{CrossEntropy, Graph, Result, Var};

/// Holds a batch of sequences of unequal lengths: the vectors of all real steps as packed rows `[Σ lengths, …]`, and
/// the [`Layout`] that says which example and which step each row is. Padding is not in it, so nothing can read it.
///
/// Everything that reads or writes sequences takes and returns this type: [`unroll`](crate::unroll()),
/// [`Recurrent`](crate::Recurrent), attention and the Transformer, pooling, and the losses. The rows stay packed in
/// between.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Cell, Gru, Linear, Sequence, unroll};
/// let mut params = Params::seeded(1);
/// let cell = Gru::new(params.scope("rnn"), 3, 8);
/// let readout = Linear::new(params.scope("readout"), 8, 5);
/// let graph = Graph::new(&params);
/// let xs = Sequence::pack(graph.full([2, 4, 3], 1.0), &[4, 2]);              // [batch, time, feature] and lengths
/// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, xs.batch()));
/// let logits = hs.map(|rows| readout.apply(rows));                          // each real step by itself
/// let targets = ndarray::array![[0, 1, 2, 3], [4, 0, 9, 9]];                // any values in the padding
/// let loss = logits.cross_entropy(&targets).mean(&[]);                      // over six real steps
/// assert_eq!(*logits.padded().shape()?, [2, 4, 5]);
/// assert!(loss.backward()?.report().is_clean());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Sequence<'g> {
    rows: Var<'g>,
    layout: Layout,
    /// What a step reads beside its row, by name: packed rows, too.
    beside: Vec<(String, Var<'g>)>,
}

impl<'g> Sequence<'g> {
    /// Packs a padded batch `[batch, time, …]`, of which example `b` has `lengths[b]` real steps. What is in the
    /// padding is never looked at and gets no gradient.
    ///
    /// # Errors
    /// The graph records an error for lengths that do not fit `padded`.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let padded = graph.input(ndarray::array![[[1.0f32], [2.0]], [[3.0], [f32::NAN]]]);
    /// let xs = Sequence::pack(padded, &[2, 1]);
    /// assert_eq!(xs.rows().value()?, ndarray::array![[1.0f32], [3.0], [2.0]].into()); // step by step
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn pack(padded: Var<'g>, lengths: impl Into<Layout>) -> Sequence<'g> {
        let (graph, layout) = (padded.graph(), lengths.into());
        let _scope = graph.layer("pack");
        let Some(shape) = padded.known_shape() else { return Sequence::new(padded, layout) };
        let why = if shape.len() < 2 || shape[0] != layout.batch() {
            format!("{} lengths were given for a batch of shape {shape}: [batch, time, …]", layout.batch())
        } else if let Some(bad) = layout.lengths().iter().find(|&&length| length > shape[1]) {
            format!("a length of {bad} does not fit a batch of shape {shape}: [batch, time, …]")
        } else {
            let layout = layout.with_time(shape[1]);
            // A batch of one full example is gathered like any other: as a view, its gradients would be added in
            // another order, and the example would not have the bits that it has among others.
            return Sequence::new(padded.gather_steps(layout.places()), layout);
        };
        graph.fail(graph.error("pack", why));
        Sequence::new(graph.inert(), layout)
    }

    /// Packs a batch `[batch, time, …]` in which every example has all steps.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// assert_eq!(Sequence::full(graph.zeros([2, 3, 4])).lengths(), [3, 3]);
    /// ```
    #[track_caller]
    pub fn full(padded: Var<'g>) -> Sequence<'g> {
        let shape = padded.known_shape();
        let (batch, time) =
            shape.map_or((0, 0), |shape| (shape.first().copied().unwrap_or(0), shape.get(1).copied().unwrap_or(0)));
        Sequence::pack(padded, Layout::new(&vec![time; batch]))
    }

    /// Takes rows `[Σ lengths, …]` that are packed already, in the order of the layout.
    ///
    /// # Errors
    /// The graph records an error for another number of rows than the layout has.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Layout, Sequence};
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::from_rows(graph.zeros([5, 4]), &Layout::new(&[2, 3]));
    /// assert_eq!(*xs.padded().shape()?, [2, 3, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn from_rows(rows: Var<'g>, layout: impl Into<Layout>) -> Sequence<'g> {
        let (graph, layout) = (rows.graph(), layout.into());
        match rows.known_shape() {
            Some(shape) if shape.first() != Some(&layout.rows()) => {
                let why = format!("{shape} has not one row for each of {} real steps", layout.rows());
                graph.fail(graph.error("from_rows", why));
                Sequence::new(graph.inert(), layout)
            }
            _ => Sequence::new(rows, layout),
        }
    }

    pub(crate) fn new(rows: Var<'g>, layout: Layout) -> Sequence<'g> {
        Sequence { rows, layout, beside: vec![] }
    }

    /// Other rows in the same layout, with the same beside them.
    pub(crate) fn with_rows(&self, rows: Var<'g>) -> Sequence<'g> {
        Sequence { rows, ..self.clone() }
    }

    /// The same rows as steps of another layout with as many running at each step.
    pub(crate) fn with_layout(&self, layout: &Layout) -> Sequence<'g> {
        Sequence { layout: layout.clone(), ..self.clone() }
    }

    /// Returns the packed rows `[Σ lengths, …]`.
    pub fn rows(&self) -> Var<'g> {
        self.rows
    }

    /// Returns the layout, for other sequences over the same steps.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Returns the graph that the rows are of.
    pub fn graph(&self) -> &'g Graph<'g> {
        self.rows.graph()
    }

    /// Returns how many steps each example has.
    pub fn lengths(&self) -> &[usize] {
        self.layout.lengths()
    }

    /// Returns the number of examples.
    pub fn batch(&self) -> usize {
        self.layout.batch()
    }

    /// Returns the padded batch `[batch, time, …]`, zero beyond each example's length.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let ys = Sequence::pack(graph.full([2, 3], 7.0), &[3, 1]).padded();
    /// assert_eq!(ys.value()?, ndarray::array![[7.0f32, 7.0, 7.0], [7.0, 0.0, 0.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn padded(&self) -> Var<'g> {
        let (batch, time) = (self.layout.batch(), self.layout.time());
        self.graph().gather_rows(&[self.rows], self.layout.sources(), [batch, time])
    }

    /// Returns the row of each example's last step, `[batch, …]`; zeros for an example of length 0.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[1.0f32, 2.0], [3.0, 9.0]]), &[2, 1]);
    /// assert_eq!(xs.last().value()?, ndarray::array![2.0f32, 3.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn last(&self) -> Var<'g> {
        self.graph().gather_rows(&[self.rows], self.layout.ends(), [self.batch()])
    }

    /// Returns the row of each example's first step, `[batch, …]`; zeros for an example of length 0.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[1.0f32, 2.0], [3.0, 9.0]]), &[2, 1]);
    /// assert_eq!(xs.first().value()?, ndarray::array![1.0f32, 3.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn first(&self) -> Var<'g> {
        self.graph().gather_rows(&[self.rows], self.layout.begins(), [self.batch()])
    }

    /// Applies `network` to each real step by itself, all of them at once: rows `[Σ lengths, …]` to as many rows. A
    /// readout, dropout, a convolution per frame; its parameters are shared across time. The random draws of a step
    /// belong to its example and its time.
    ///
    /// # Errors
    /// The graph records an error for a different number of rows.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Linear, Sequence};
    /// let mut params = Params::seeded(0);
    /// let layer = Linear::new(params.scope("frame"), 12, 8);
    /// let graph = Graph::new(&params);
    /// let frames = Sequence::pack(graph.zeros([2, 5, 3, 4]), &[5, 2]);          // [batch, time, height, width]
    /// let ys = frames.map(|frames| layer.apply(frames.reshape([7, 12])).relu());
    /// assert_eq!(*ys.padded().shape()?, [2, 5, 8]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn map(&self, network: impl FnOnce(Var<'g>) -> Var<'g>) -> Sequence<'g> {
        let graph = self.graph();
        let _rows = graph.name_rows(self.layout.row_names(graph));
        self.checked("map", network(self.rows))
    }

    /// Joins two sequences over the same steps: `join` makes of both rows one.
    ///
    /// # Errors
    /// The graph records an error for other lengths, or another number of rows.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let of = |number| Sequence::pack(graph.full([2, 3, 1], number), &[3, 1]);
    /// let (a, b) = (of(1.0), of(2.0));
    /// assert_eq!(a.zip(&b, |a, b| a + b).rows().to_f64()?.sum(), 12.0);
    /// let other = Sequence::pack(graph.full([2, 3, 1], 2.0), &[2, 2]);
    /// assert!(a.zip(&other, |a, b| a + b).rows().value().is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn zip(&self, other: &Sequence<'g>, join: impl FnOnce(Var<'g>, Var<'g>) -> Var<'g>) -> Sequence<'g> {
        let graph = self.graph();
        if !self.layout.matches(&other.layout) {
            let why = format!(
                "sequences of lengths {:?} and {:?} are not over the same steps",
                self.lengths(),
                other.lengths()
            );
            graph.fail(graph.error("zip", why));
            return self.with_rows(graph.inert());
        }
        let _rows = graph.name_rows(self.layout.row_names(graph));
        self.checked("zip", join(self.rows, other.rows))
    }

    /// Puts the features of two sequences over the same steps side by side: `[.., a]` and `[.., b]` to `[.., a + b]`.
    ///
    /// # Errors
    /// The graph records an error for lengths that differ.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let (a, b) = (Sequence::full(graph.zeros([2, 3, 1])), Sequence::full(graph.zeros([2, 3, 4])));
    /// assert_eq!(*a.concat(&b).padded().shape()?, [2, 3, 5]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn concat(&self, other: &Sequence<'g>) -> Sequence<'g> {
        self.zip(other, |a, b| a.graph().concat(&[a, b], -1))
    }

    /// Returns each example's steps in the other direction, from its own last step to its first.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 0.0]]), &[3, 2]);
    /// assert_eq!(xs.reverse().padded().value()?, ndarray::array![[3.0f32, 2.0, 1.0], [5.0, 4.0, 0.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn reverse(&self) -> Sequence<'g> {
        let (graph, mirror) = (self.graph(), self.layout.reversed());
        let turned = |rows: Var<'g>| graph.gather_rows(&[rows], mirror.clone(), [mirror.len()]);
        let beside = self.beside.iter().map(|(name, rows)| (name.clone(), turned(*rows))).collect();
        Sequence { rows: turned(self.rows), layout: self.layout.clone(), beside }
    }

    /// Returns the steps `from..to` of each example: a window of a batch of streams. Examples that are shorter have
    /// fewer.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let xs = Sequence::pack(graph.input(ndarray::array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 0.0]]), &[3, 2]);
    /// let window = xs.steps(1, 3);
    /// assert_eq!(window.lengths(), [2, 1]);
    /// assert_eq!(window.padded().value()?, ndarray::array![[2.0f32, 3.0], [5.0, 0.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn steps(&self, from: usize, to: usize) -> Sequence<'g> {
        let (layout, which) = self.layout.cut(from, to.max(from));
        let part = |rows: Var<'g>| match &which {
            Rows::Range(range) => rows.slice(0, range.clone()),
            Rows::List(list) => rows.index_select(list),
        };
        let beside = self.beside.iter().map(|(name, rows)| (name.clone(), part(*rows))).collect();
        Sequence { rows: part(self.rows), layout, beside }
    }

    /// Adds `other` beside the rows, as a second input of each step under a name: a time gap, a mask. A cell asks
    /// for it by [`Graph::step_input`]. What is carried stays beside the outputs of an unrolling, too, for the layer
    /// above.
    ///
    /// A state that decays over the time since the last step (as in GRU-D, Che and others 2018):
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, Var};
    /// use unspool_nn::{Cell, Gru, Sequence, unroll};
    /// struct Decaying(Gru);
    /// impl Cell for Decaying {
    ///     type State<'g> = Var<'g>;
    ///     fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
    ///         self.0.initial_state(graph, batch)
    ///     }
    ///     fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
    ///         let gap = x.graph().step_input("gap");                             // [batch, 1]
    ///         self.0.step(x, h * (-gap).exp())
    ///     }
    /// }
    /// let mut params = Params::seeded(1);
    /// let cell = Decaying(Gru::new(params.scope("rnn"), 3, 4));
    /// let graph = Graph::new(&params);
    /// let gaps = Sequence::pack(graph.full([2, 5, 1], 0.3), &[5, 2]);
    /// let xs = Sequence::pack(graph.full([2, 5, 3], 1.0), &[5, 2]).with_input("gap", &gaps);
    /// let (hs, _) = unroll(&cell, &xs, cell.initial_state(&graph, 2));
    /// assert_eq!(*hs.padded().shape()?, [2, 5, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// The graph records an error for lengths that differ.
    #[track_caller]
    pub fn with_input(&self, name: &str, other: &Sequence<'g>) -> Sequence<'g> {
        let graph = self.graph();
        if !self.layout.matches(&other.layout) {
            let why = format!("{name:?} has lengths {:?}, and the sequence {:?}", other.lengths(), self.lengths());
            graph.fail(graph.error("with_input", why));
            return self.with_rows(graph.inert());
        }
        let mut all = self.clone();
        all.beside.push((name.into(), other.rows));
        all
    }

    /// What is carried beside the rows.
    pub(crate) fn beside(&self) -> &[(String, Var<'g>)] {
        &self.beside
    }

    /// Rows beside these, already packed.
    pub(crate) fn with_beside(mut self, beside: Vec<(String, Var<'g>)>) -> Sequence<'g> {
        self.beside = beside;
        self
    }

    /// Returns the cross-entropy of each real step, `[Σ lengths]`, of logits `[.., class]` against class numbers
    /// `[batch, time]`; the padding of the targets is left out. A mean or a sum is one more word:
    /// `.mean(&[])`, `.sum_all()`.
    ///
    /// # Errors
    /// The graph records an error for targets that do not fit the lengths, and those of [`Var::cross_entropy`].
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let logits = Sequence::pack(graph.zeros([2, 3, 5]), &[2, 1]);
    /// let loss = logits.cross_entropy(&ndarray::array![[1, 4, 99], [0, 99, 99]]).mean(&[]);
    /// assert!((loss.item()? - 5f64.ln()).abs() < 1e-6);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy<'a>(&self, targets: impl AsArray<'a, u32, Ix2>) -> Var<'g> {
        self.cross_entropy_with(targets, CrossEntropy::new())
    }

    /// Returns the cross-entropy of each real step with label smoothing or weights of classes: see
    /// [`cross_entropy`](Sequence::cross_entropy) and [`CrossEntropy`].
    ///
    /// ```
    /// use unspool_graph::{CrossEntropy, Graph, Params};
    /// use unspool_nn::Sequence;
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let logits = Sequence::full(graph.zeros([1, 2, 5]));
    /// let losses = logits.cross_entropy_with(&ndarray::array![[1, 4]], CrossEntropy::new().smoothing(0.1));
    /// assert!((losses.to_f64()?[[0]] - 5f64.ln()).abs() < 1e-6);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cross_entropy_with<'a>(&self, targets: impl AsArray<'a, u32, Ix2>, options: CrossEntropy) -> Var<'g> {
        let targets: ndarray::ArrayView2<'_, u32> = targets.into();
        self.graph().layer_fn("cross_entropy", |graph| {
            let targets = self.layout.pack(targets).map_err(|why| graph.error("cross_entropy", why))?;
            Ok(self.rows.cross_entropy_with(&targets, options))
        })
    }

    /// The same layout with what a function made of the rows, if it has as many.
    #[track_caller]
    fn checked(&self, operation: &'static str, rows: Var<'g>) -> Sequence<'g> {
        let graph = self.graph();
        let rows = match rows.known_shape() {
            Some(shape) if shape.first() != Some(&self.layout.rows()) => {
                let why = format!("{} rows went in and {shape} came out", self.layout.rows());
                graph.fail(graph.error(operation, why));
                graph.inert()
            }
            _ => rows,
        };
        self.with_rows(rows)
    }

    /// The layout and the rows, if nothing has failed so far.
    pub(crate) fn known(&self) -> Result<()> {
        self.rows.shape().map(drop)
    }
}
