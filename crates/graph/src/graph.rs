//! The recording as its user sees it: it borrows the parameters, is written by running, and hands out
//! [`Var`](crate::Var)s.

use crate::{
    Error, Params, Precision, Result, RngKey, RowIds,
    element::{Either, typed},
    error::Place,
    handed_out::HandedOut,
    measure::{Norms, Times},
    notes::{Cached, Carried, Exit, Replacement, StepInput},
    recording::{Recording, Recordings},
    rng_key::KeyCounts,
    scopes::{Nested, Scopes},
    tape::{Mark, NONE},
};
use std::{
    cell::{Cell, RefCell},
    fmt,
    panic::Location,
    sync::atomic::{AtomicU64, Ordering},
};

/// Records a computation over some parameters. Operations on its [`Var`](crate::Var)s run at once and are noted down;
/// [`Var::backward`](crate::Var::backward) walks the notes in reverse.
///
/// More in [chapter 1](https://github.com/unspool/unspool/blob/main/docs/01-sequence-and-graph.md) of the tutorial.
///
/// A graph borrows its parameters, so two classic mistakes of recurrent training do not compile. A state that outlives
/// its graph:
///
/// ```compile_fail,E0597
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let mut carried = None;
/// for _ in 0..2 {
///     let graph = Graph::new(&params);
///     let h = carried.unwrap_or(graph.zeros([1, 4]));
///     carried = Some(h.tanh()); // a `Var` of this graph: it must be detached
/// }
/// ```
///
/// And a parameter changed under a recording that is still to be differentiated:
///
/// ```compile_fail,E0502
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::zeros());
/// let graph = Graph::new(&params);
/// let loss = graph.param(w).sum_all();
/// params.set(w, vec![1.0f32]).unwrap();
/// loss.backward().unwrap();
/// ```
///
/// What is carried from one recording to the next is detached: plain arrays, which is truncated back-propagation by
/// type.
///
/// ```
/// use unspool_graph::{Graph, Params, Tensor, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [4, 4], init::identity());
/// let mut carried: Option<Tensor> = None;
/// for _ in 0..2 {
///     let graph = Graph::new(&params);
///     let h = carried.take().map_or_else(|| graph.zeros([1, 4]), |h| graph.input(h));
///     let h = (h.matmul(w) + 1.0).tanh();
///     let gradients = h.sum_all().backward()?;
///     assert!(gradients.of(w).is_some());
///     carried = Some(h.to_tensor()?);
/// }
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub struct Graph<'p> {
    /// No other graph of this process has it.
    pub(crate) number: u64,
    pub(crate) params: &'p Params,
    pub(crate) recording: RefCell<Either<Recordings>>,
    error: RefCell<Option<Error>>,
    pub(crate) scopes: RefCell<Scopes>,
    pub(crate) scope: Cell<u32>,
    pub(crate) step: Cell<u32>,
    training: Option<RngKey>,
    pub(crate) key_counts: RefCell<KeyCounts>,
    pub(crate) rows: RefCell<Option<RowIds>>,
    /// The scopes and the names of rows that are open, each with what held before.
    pub(crate) open_scopes: Nested<(u32, u32)>,
    pub(crate) open_rows: Nested<Option<RowIds>>,
    /// What the present time step reads beside its input.
    pub(crate) step_inputs: RefCell<Vec<StepInput>>,
    /// What replaces parameters.
    pub(crate) replaced: RefCell<Vec<Replacement>>,
    /// What was made once for the whole recording.
    pub(crate) cached: RefCell<Cached>,
    pub(crate) detects_anomalies: bool,
    /// Nanoseconds of each node, where a profile was asked for.
    pub(crate) clock: Option<RefCell<Times>>,
    /// The norms of all nodes' gradients in the last backward pass, where they were asked for.
    pub(crate) norms: Option<RefCell<Norms>>,
    pub(crate) carried: RefCell<Vec<Carried>>,
    /// Where numbers have left the recording.
    pub(crate) exits: RefCell<Vec<Exit>>,
    /// What was taken out of its gradients, and where it came back in.
    pub(crate) handed_out: HandedOut,
    pub(crate) fed_back: RefCell<Vec<Exit>>,
    /// Whether it keeps what a backward needs.
    pub(crate) keeps_graph: bool,
    /// Whether it is the recording of a segment's inside.
    pub(crate) is_segment: bool,
}

impl fmt::Debug for Graph<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An operation that prints it while it runs must not panic.
        let nodes = self.recording.try_borrow().map(|it| typed!(&*it, Recording { tape, .. } => tape.nodes.len())).ok();
        f.debug_struct("Graph").field("number", &self.number).field("nodes", &nodes).finish_non_exhaustive()
    }
}

impl<'p> Graph<'p> {
    /// Makes an empty recording for evaluation: dropout and its like pass everything through.
    ///
    /// A recording that is dropped leaves its memory with the parameters, for the next recording over them, so that a
    /// training loop in its steady state asks the system for none. [`Params::release_memory`] hands it back.
    pub fn new(params: &'p Params) -> Graph<'p> {
        let recording = match &params.arrays {
            Either::F32(arrays) => Either::F32(Recording::new(arrays)),
            Either::F64(arrays) => Either::F64(Recording::new(arrays)),
        };
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Graph {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            params,
            recording: RefCell::new(recording),
            error: RefCell::new(params.error.clone()),
            scopes: RefCell::default(),
            scope: Cell::new(NONE),
            step: Cell::new(NONE),
            training: None,
            key_counts: RefCell::default(),
            rows: RefCell::default(),
            open_scopes: Nested::default(),
            open_rows: Nested::default(),
            step_inputs: RefCell::default(),
            replaced: RefCell::default(),
            cached: RefCell::default(),
            detects_anomalies: false,
            clock: None,
            norms: None,
            carried: RefCell::default(),
            exits: RefCell::default(),
            handed_out: HandedOut::default(),
            fed_back: RefCell::default(),
            keeps_graph: true,
            is_segment: false,
        }
    }

    /// Makes an empty recording that keeps nothing for a backward: no operation and none of what it needs besides its
    /// value. For using a model; together with [`reset`](Graph::reset) after each token, generating runs in flat
    /// memory.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [3, 3], init::identity());
    /// let mut graph = Graph::inference(&params);
    /// let mut carried = unspool_graph::Tensor::from(ndarray::array![[1.0f32, 2.0, 3.0]]);
    /// for _token in 0..5 {
    ///     carried = (graph.input(&carried).matmul(w) * 0.5).to_tensor()?;
    ///     graph.reset();
    /// }
    /// let error = graph.param(w).sum_all().backward().unwrap_err();
    /// assert!(error.to_string().contains("`Graph::inference`"));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn inference(params: &'p Params) -> Graph<'p> {
        Graph { keeps_graph: false, ..Graph::new(params) }
    }

    /// An empty recording over the same parameters that goes on at a place of this one.
    pub(crate) fn inside(&self, scope: u32, step: u32, rows: Option<RowIds>, keeps_graph: bool) -> Graph<'p> {
        Graph {
            scope: Cell::new(scope),
            step: Cell::new(step),
            training: self.training,
            rows: RefCell::new(rows),
            detects_anomalies: self.detects_anomalies,
            keeps_graph,
            is_segment: true,
            ..Graph::new(self.params)
        }
    }

    /// An error where this recording has kept nothing to differentiate.
    pub(crate) fn kept(&self, what: &'static str, at: Place) -> Result<()> {
        if self.keeps_graph {
            return Ok(());
        }
        let why = "this recording was made by `Graph::inference` and keeps nothing to differentiate; use `Graph::new`";
        Err(Error::Argument { operation: what, why: why.into(), at })
    }

    /// Returns the recording set up for training: random draws are functions of `seed`, `step` and of where they stand
    /// in the model.
    pub fn training(mut self, seed: u64, step: u64) -> Graph<'p> {
        self.training = Some(RngKey::seed(seed).fold_in(step));
        self
    }

    /// Returns the recording set up to stop at the first value or gradient that is not finite: it becomes the graph's
    /// error, with its line, scope and time step, and the ranges of what it was made from. Infinities of an
    /// [`input`](Graph::input) are let through, as an attention's mask has them; what becomes not a number is found.
    pub fn detect_anomaly(mut self) -> Graph<'p> {
        self.detects_anomalies = true;
        self
    }

    /// Returns the recording with a clock on every operation, forward and backward; [`profile`](Graph::profile) sums
    /// up.
    pub fn record_profile(mut self) -> Graph<'p> {
        self.clock = Some(RefCell::default());
        self
    }

    /// Returns the recording set up to keep the norm of every node's gradient in a backward pass: for
    /// [`Gradients::through_time`](crate::Gradients::through_time) and for the widths of lines in a
    /// [`Drawing`](crate::Drawing). It changes no value.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let graph = graph.record_grad_norms();
    /// let x = graph.input(array![3.0f32, 4.0]).watch();
    /// let y = x * 1.0;
    /// let gradients = (y * y * 0.5).sum_all().backward()?;
    /// assert_eq!(gradients.norm_at(y), Some(5.0));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn record_grad_norms(mut self) -> Graph<'p> {
        self.norms = Some(RefCell::default());
        self
    }

    /// Returns whether this recording is for training.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert!(!graph.is_training());
    /// assert!(Graph::new(&params).training(7, 0).is_training());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn is_training(&self) -> bool {
        self.training.is_some()
    }

    /// Returns the key of this training step's random draws, `None` in evaluation.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert!(graph.rng_key().is_none()); // evaluation
    /// assert!(Graph::new(&params).training(7, 0).rng_key().is_some());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn rng_key(&self) -> Option<RngKey> {
        self.training
    }

    /// Forgets all nodes and keeps the parameters' transposes. It takes `&mut`, so the compiler proves that no `Var` is
    /// alive: decoding token by token, with the state carried detached, runs in flat memory.
    pub fn reset(&mut self) {
        typed!(self.recording.get_mut(), recording => recording.reset());
        self.key_counts.get_mut().clear();
        self.carried.get_mut().clear();
        self.exits.get_mut().clear();
        self.handed_out.clear();
        self.fed_back.get_mut().clear();
        if let Some(times) = &mut self.clock {
            *times.get_mut() = Times::default();
        }
        *self.error.get_mut() = self.params.error.clone();
        self.scope.set(NONE);
        self.step.set(NONE);
        self.rows.get_mut().take();
        self.cached.get_mut().clear();
    }

    /// Returns how many nodes have been recorded.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let _ = graph.zeros([2]).exp();
    /// assert_eq!(graph.len(), 2);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn len(&self) -> usize {
        typed!(&*self.recording.borrow(), Recording { tape, .. } => tape.nodes.len())
    }

    /// Returns whether nothing has been recorded.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the parameters this graph reads.
    pub fn params(&self) -> &'p Params {
        self.params
    }

    /// Returns in which numbers this graph computes: those of its parameters.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// use unspool_graph::Precision;
    /// assert_eq!(graph.precision(), Precision::F32);
    /// let double = params.to_f64();
    /// assert_eq!(Graph::new(&double).precision(), Precision::F64);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn precision(&self) -> Precision {
        self.params.precision()
    }

    /// Returns the first error of this recording, if there is one.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let _ = graph.zeros([2]) + graph.zeros([3]);
    /// assert!(graph.check().is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn check(&self) -> Result<()> {
        self.error.borrow().clone().map_or(Ok(()), Err)
    }

    /// Keeps `error` as the graph's, unless it has one already.
    ///
    /// A layer refuses its arguments by it, and goes on with [`inert`](Graph::inert):
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// use unspool_graph::Var;
    /// fn halves<'g>(x: Var<'g>) -> Var<'g> {
    ///     let graph = x.graph();
    ///     match x.known_shape() {
    ///         Some(shape) if !shape.last_axis().is_multiple_of(2) => {
    ///             graph.fail(graph.error("halves", format!("the last axis of {shape} has no half")));
    ///             graph.inert()
    ///         }
    ///         _ => x.chunk::<2>(-1)[0],
    ///     }
    /// }
    /// assert_eq!(*halves(graph.zeros([1, 4])).shape()?, [1, 2]);
    /// assert!(halves(graph.zeros([1, 3])).value().is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn fail(&self, error: Error) {
        self.error.borrow_mut().get_or_insert(error);
    }

    pub(crate) fn failed(&self) -> bool {
        self.error.borrow().is_some()
    }

    /// Returns a key for random numbers that belong to this place of the model: scope, time step, and how often it drew
    /// before. `None` in evaluation.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let graph = Graph::new(&params).training(7, 0);
    /// let (first, second) = (graph.next_rng_key().unwrap(), graph.next_rng_key().unwrap());
    /// assert_ne!(first.uniform(0), second.uniform(0));
    /// assert_eq!(first.uniform(0), Graph::new(&params).training(7, 0).next_rng_key().unwrap().uniform(0));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn next_rng_key(&self) -> Option<RngKey> {
        let key = self.training?;
        let (scope, step) = (self.scope.get(), self.step.get());
        let mut drawn = self.key_counts.borrow_mut();
        let occurrence = drawn.next((scope, step), self.is_segment);
        let path = self.place_of(Mark { scope, step, line: Location::caller() }).scope;
        Some(key.fold_in_str(&path).fold_in(u64::from(step)).fold_in(occurrence))
    }
}
