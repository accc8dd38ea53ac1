//! A handle on a node, and the operands that can be combined with it.

use crate::{
    Element, Error, Graph, Param, Result, Shape, Tensor,
    element::typed,
    error::Place,
    notes::Exit,
    recording::Recording,
    tape::{Mark, NONE},
};
use ndarray::{ArrayD, IxDyn};
use std::{fmt, panic::Location};

/// Refers to a node of a recording: it holds a reference to its [`Graph`] and an index, so it is `Copy` and costs
/// nothing to pass around.
///
/// More in [chapter 1](https://github.com/unspool/unspool/blob/main/docs/01-sequence-and-graph.md) of the tutorial.
///
/// Every operation on it is recorded with the line of the code that called it. A wrong shape does not panic: the graph
/// keeps its first error, what follows is inert, and [`value`](Var::value), [`item`](Var::item),
/// [`to_tensor`](Var::to_tensor), [`shape`](Var::shape) and [`backward`](Var::backward) return it.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let wrong = graph.zeros([32, 64]).matmul(graph.zeros([128, 256])); // this line is named
/// let error = (wrong + 1.0).tanh().value().unwrap_err().to_string();
/// assert!(error.starts_with("matmul: [32, 64] × [128, 256] do not fit: 64 ≠ 128 (at "), "{error}");
/// ```
///
/// # Which method is PyTorch's …
///
/// `g` is the [`Graph`].
///
/// | Elementwise | |
/// | --- | --- |
/// | `+`, `-`, `*`, `/`, unary `-` | the same, and `+=`; with numbers and [`Param`]s |
/// | `exp` | [`exp`](Var::exp) |
/// | `log` | [`log`](Var::log) |
/// | `log1p` | [`log1p`](Var::log1p) |
/// | `expm1` | [`expm1`](Var::expm1) |
/// | `sqrt` | [`sqrt`](Var::sqrt) |
/// | `pow` | [`powi`](Var::powi), [`powf`](Var::powf) |
/// | `sin` | [`sin`](Var::sin) |
/// | `cos` | [`cos`](Var::cos) |
/// | `abs` | [`abs`](Var::abs) |
/// | `sign` | [`sign`](Var::sign) |
/// | `floor` | [`floor`](Var::floor) |
/// | `round` | [`round`](Var::round) |
/// | `maximum` | [`maximum`](Var::maximum) |
/// | `minimum` | [`minimum`](Var::minimum) |
/// | `clamp` | [`clamp`](Var::clamp) |
/// | `gt` | [`gt`](Var::gt) |
/// | `lt` | [`lt`](Var::lt) |
/// | `ge` | [`ge`](Var::ge) |
/// | `le` | [`le`](Var::le) |
/// | `eq` | [`eq`](Var::eq) |
/// | `ne` | [`ne`](Var::ne) |
/// | `where` | [`where_`](Var::where_) |
/// | `tanh` | [`tanh`](Var::tanh) |
/// | `sigmoid` | [`sigmoid`](Var::sigmoid) |
/// | `relu` | [`relu`](Var::relu) |
/// | `leaky_relu` | [`leaky_relu`](Var::leaky_relu) |
/// | `gelu` | [`gelu`](Var::gelu) |
/// | `silu` | [`silu`](Var::silu) |
/// | `softplus` | [`softplus`](Var::softplus) |
/// | `elu` | [`elu`](Var::elu) |
/// | `hardtanh` | [`hardtanh`](Var::hardtanh) |
/// | `logsigmoid` | [`log_sigmoid`](Var::log_sigmoid) |
/// | `dropout` | [`dropout`](Var::dropout) |
///
/// | Products | |
/// | --- | --- |
/// | `matmul`, `bmm`, `mm`, `mv`, `dot` | [`matmul`](Var::matmul) |
/// | `einsum` | [`g.einsum`](Graph::einsum) |
/// | `linear` | [`linear`](Var::linear) |
/// | `conv1d` | [`conv1d`](Var::conv1d) |
/// | `conv2d` | [`conv2d`](Var::conv2d) |
///
/// | Reductions | |
/// | --- | --- |
/// | `sum` | [`sum`](Var::sum), [`sum_all`](Var::sum_all) |
/// | `mean` | [`mean`](Var::mean) |
/// | `var` | [`var`](Var::var) |
/// | `std` | [`std`](Var::std) |
/// | `norm` | [`norm`](Var::norm) |
/// | `amax` | [`max`](Var::max) |
/// | `amin` | [`min`](Var::min) |
/// | `logsumexp` | [`logsumexp`](Var::logsumexp) |
/// | `cumsum` | [`cumsum`](Var::cumsum) |
/// | `argmax` | [`argmax`](Var::argmax) |
/// | `topk` | [`top_k`](Var::top_k) |
/// | `max_pool2d` | [`max_pool2d`](Var::max_pool2d) |
/// | `avg_pool2d` | [`mean_pool2d`](Var::mean_pool2d) |
///
/// | Normalization and losses | |
/// | --- | --- |
/// | `softmax` | [`softmax`](Var::softmax) |
/// | `log_softmax` | [`log_softmax`](Var::log_softmax) |
/// | `masked_fill` and `softmax` | [`masked_softmax`](Var::masked_softmax) |
/// | `masked_fill` and `log_softmax` | [`masked_log_softmax`](Var::masked_log_softmax) |
/// | `layer_norm` | [`layer_norm`](Var::layer_norm) |
/// | `cross_entropy` | [`cross_entropy`](Var::cross_entropy), [`cross_entropy_with`](Var::cross_entropy_with) |
///
/// | Shapes | |
/// | --- | --- |
/// | `reshape`, `view` | [`reshape`](Var::reshape) |
/// | `expand` | [`expand`](Var::expand) |
/// | `unsqueeze` | [`unsqueeze`](Var::unsqueeze) |
/// | `squeeze` | [`squeeze`](Var::squeeze) |
/// | `permute` | [`permute`](Var::permute) |
/// | `transpose` | [`transpose`](Var::transpose) |
/// | `flip` | [`flip`](Var::flip) |
/// | `pad` | [`pad`](Var::pad) |
/// | `narrow`, `x[a:b]` | [`slice`](Var::slice) |
/// | `select`, `x[i]` | [`index`](Var::index) |
/// | `split` | [`split`](Var::split) |
/// | `chunk` | [`chunk`](Var::chunk) |
/// | `cat` | [`g.concat`](Graph::concat) |
/// | `stack` | [`g.stack`](Graph::stack) |
/// | `index_select`, `x[ids]` | [`index_select`](Var::index_select) |
/// | `gather` | [`gather`](Var::gather) |
/// | `sort` | [`sort`](Var::sort) |
/// | `embedding` | [`g.embedding`](Graph::embedding) |
/// | `pack_padded_sequence` | [`pack`](Var::pack), [`gather_steps`](Var::gather_steps) |
/// | `pad_packed_sequence` | [`g.gather_rows`](Graph::gather_rows) |
/// | `tf.reverse_sequence` | [`reverse_sequence`](Var::reverse_sequence) |
/// | `size`, `shape` | [`shape`](Var::shape), [`dims`](Var::dims) |
///
/// | Gradients | |
/// | --- | --- |
/// | `backward` | [`backward`](Var::backward) |
/// | `autograd.grad` with `grad_outputs` | [`vjp`](Var::vjp) |
/// | `func.jvp` | [`g.jvp`](Graph::jvp) |
/// | `autograd.functional.jacobian` | [`g.jacobian`](Graph::jacobian) |
/// | `requires_grad_`, `retain_grad` | [`watch`](Var::watch) |
/// | `register_hook` | [`on_gradient`](Var::on_gradient) |
/// | `detach` | [`detach`](Var::detach) |
/// | `detach().numpy()` | [`to_tensor`](Var::to_tensor) |
/// | `checkpoint` | [`g.recompute`](Graph::recompute) |
/// | `parametrize.cached` | [`g.cached`](Graph::cached) |
/// | `func.functional_call` | [`g.with_parametrization`](Graph::with_parametrization) |
/// | `autograd.set_detect_anomaly` | [`Graph::detect_anomaly`] |
/// | `item` | [`item`](Var::item) |
/// | `numpy` | [`value`](Var::value) |
/// | `double().numpy()` | [`to_f64`](Var::to_f64) |
#[derive(Clone, Copy)]
#[must_use]
pub struct Var<'g> {
    pub(crate) graph: &'g Graph<'g>,
    pub(crate) id: u32,
}

impl fmt::Debug for Var<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shape() {
            Ok(shape) => write!(f, "Var({}, {shape})", self.id),
            Err(_) => write!(f, "Var(inert)"),
        }
    }
}

impl<'g> Var<'g> {
    /// Returns the graph it is of.
    pub fn graph(self) -> &'g Graph<'g> {
        self.graph
    }

    /// Returns the sizes of its axes.
    ///
    /// # Errors
    /// The graph's first error, as with every way out of a graph.
    pub fn shape(self) -> Result<Shape> {
        self.graph.check()?;
        self.known_shape().ok_or_else(|| self.missing())
    }

    /// Returns the sizes of its axes as an array, if there are `N` of them: `let [batch, time, feature] = x.dims()?`.
    ///
    /// # Errors
    /// The graph's first error; [`Error::Argument`] for another number of axes.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let [batch, feature] = graph.zeros([2, 8]).dims()?;
    /// assert_eq!((batch, feature), (2, 8));
    /// assert!(graph.zeros([2, 8]).dims::<3>().is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn dims<const N: usize>(self) -> Result<[usize; N]> {
        let shape = self.shape()?;
        shape.dims().ok_or_else(|| {
            let why = format!("{shape} has {} axes, not {N}", shape.len());
            Error::Argument { operation: "dims", why, at: self.graph.place() }
        })
    }

    /// Returns a copy of its value. Should a parameter get no gradient because its path ends here, the
    /// [report](crate::Gradients::report) names the line.
    #[track_caller]
    pub fn value(self) -> Result<Tensor> {
        self.copied("value", Location::caller())
    }

    /// Returns a copy of its value in double precision, whichever the recording has.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.full([2, 3], 1.5).to_f64()?[[1, 2]], 1.5);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn to_f64(self) -> Result<ArrayD<f64>> {
        self.read("to_f64", Location::caller())?;
        let (shape, elements) = typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => {
            let view = tape.view(self.graph.params, self.id);
            (view.shape, view.data().iter().map(|x| Element::to_f64(*x)).collect())
        });
        // A node's value always fills its shape.
        Ok(ArrayD::from_shape_vec(IxDyn(&shape), elements).unwrap_or_default())
    }

    fn copied(self, by: &'static str, line: &'static Location<'static>) -> Result<Tensor> {
        self.read(by, line)?;
        Ok(typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => {
            let view = tape.view(self.graph.params, self.id);
            Tensor::from_elements(&view.shape, view.data())
        }))
    }

    /// Checks that there is a value, and notes that it leaves the recording.
    fn read(self, by: &'static str, line: &'static Location<'static>) -> Result<()> {
        self.graph.check()?;
        if self.id == NONE {
            return Err(self.missing());
        }
        self.record_exit(by, line);
        Ok(())
    }

    /// Returns its value, cut off from the recording: a plain array that may outlive the graph. The same as
    /// [`value`](Var::value), by the name of its use: carrying a state over to the next recording.
    #[track_caller]
    pub fn to_tensor(self) -> Result<Tensor> {
        self.copied("detach", Location::caller())
    }

    /// Copies its value into a tensor, without an allocation where that has its shape and precision already: for states
    /// that are carried from step to step in the same memory.
    ///
    /// # Errors
    /// The graph's first error; the tensor then stays as it is.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, Tensor};
    /// let params = Params::seeded(0);
    /// let mut graph = Graph::inference(&params);
    /// let mut carried = Tensor::from(vec![1.0f32, 2.0]);
    /// for _step in 0..3 {
    ///     graph.reset();
    ///     (graph.input(&carried) * 2.0).assign_to(&mut carried)?;
    /// }
    /// assert_eq!(carried, Tensor::from(vec![8.0f32, 16.0]));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn assign_to(self, tensor: &mut Tensor) -> Result<()> {
        self.read("assign_to", Location::caller())?;
        typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => {
            let view = tape.view(self.graph.params, self.id);
            tensor.assign(&view.shape, view.data());
        });
        Ok(())
    }

    /// Notes that numbers have left the recording here; once where the same line takes the same node's again and again.
    pub(crate) fn record_exit(self, by: &'static str, line: &'static Location<'static>) {
        if self.graph.keeps_graph || self.graph.is_segment {
            let mark =
                typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => tape.nodes[self.id as usize].mark);
            let mut all = self.graph.exits.borrow_mut();
            if all.last().is_none_or(|last| last.node != self.id || !std::ptr::eq(last.mark.line, line)) {
                all.push(Exit { node: self.id, by, mark: Mark { line, ..mark } });
            }
        }
    }

    /// Returns its value as one number; it must have one element.
    ///
    /// # Errors
    /// The graph's first error; [`Error::NotOneElement`] if this has more or fewer.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.full([2, 3], 1.5).sum_all().item()?, 9.0);
    /// assert!(graph.full([2, 3], 1.5).item().unwrap_err().to_string().starts_with("item: one element is needed"));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn item(self) -> Result<f64> {
        let value = self.copied("item", Location::caller())?.to_f64();
        match (value.len(), value.first()) {
            (1, Some(&x)) => Ok(x),
            _ => Err(Error::NotOneElement { shape: self.shape()?, at: self.place() }),
        }
    }

    /// Returns where it was recorded.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let _encoder = graph.scope("encoder");
    /// assert_eq!(graph.zeros([1]).place().scope, "encoder");
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn place(self) -> Place {
        if self.id == NONE {
            return self.graph.place();
        }
        let mark = typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => tape.nodes[self.id as usize].mark);
        self.graph.place_of(mark)
    }

    /// Returns whether both are the same node.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.zeros([1]);
    /// assert!(x.same_node(x) && !x.same_node(x + 1.0));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn same_node(self, other: Var<'_>) -> bool {
        std::ptr::addr_eq(self.graph, other.graph) && self.id == other.id
    }

    /// Returns its shape if it has a value, without asking for the graph's error: for recording functions, which go on
    /// inert.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.zeros([2, 3]);
    /// let wrong = x.matmul(x);
    /// assert!(x.known_shape().is_some() && wrong.known_shape().is_none());
    /// assert!(x.shape().is_err()); // the graph has an error by now
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn known_shape(self) -> Option<Shape> {
        (self.id != NONE).then(
            || typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => tape.nodes[self.id as usize].shape),
        )
    }

    fn missing(self) -> Error {
        Error::Argument { operation: "value", why: "nothing was computed here".into(), at: self.graph.place() }
    }

    /// Makes a wrong argument of a method the graph's error.
    pub(crate) fn refuse(self, operation: &'static str, why: String, line: &'static Location<'static>) -> Var<'g> {
        self.graph.fail(Error::Argument { operation, why, at: self.graph.place_of(self.graph.mark(line)) });
        self.graph.inert()
    }
}

/// What can be combined with a [`Var`] in an operation: a `Var`, a [`Param`], or a number.
///
/// ```
/// use unspool_graph::{Graph, Operand, Params, Var, init};
/// /// A number, a parameter or a node: a layer takes any of them.
/// fn doubled<'g>(graph: &'g Graph<'g>, x: impl Operand<'g>) -> Var<'g> {
///     x.on(graph) * 2.0
/// }
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::constant(3.0));
/// let graph = Graph::new(&params);
/// assert_eq!(doubled(&graph, 1.5).item()?, 3.0);
/// assert_eq!(doubled(&graph, w).item()?, 6.0);
/// assert_eq!(doubled(&graph, graph.param(w)).item()?, 6.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a `Var`",
    label = "this is no number, `Param` or `Var`",
    note = "an operand is a number, a `Param`, an expression of these such as `param * 0.5`, or a `Var`",
    note = "an array enters by `graph.input(array)`"
)]
pub trait Operand<'g>: Copy {
    /// The operand as a node of `graph`.
    #[track_caller]
    fn on(self, graph: &'g Graph<'g>) -> Var<'g>;
    /// The number, if it is one: an operation with a number needs no node for it.
    fn number(self) -> Option<f64> {
        None
    }
}

impl<'g> Operand<'g> for Var<'g> {
    fn on(self, _: &'g Graph<'g>) -> Var<'g> {
        self
    }
}

impl<'g> Operand<'g> for Param {
    #[track_caller]
    fn on(self, graph: &'g Graph<'g>) -> Var<'g> {
        graph.param(self)
    }
}

macro_rules! numbers {
    ($($type:ident),*) => {$(
        impl<'g> Operand<'g> for $type {
            #[track_caller]
            fn on(self, graph: &'g Graph<'g>) -> Var<'g> {
                graph.full([], self as f64)
            }
            fn number(self) -> Option<f64> {
                Some(self as f64)
            }
        }
    )*};
}
numbers!(f64, f32, i32, i64, u32, u64, usize);
