//! Gradients as a user holds them: they own their data and outlive the recording.

mod change;
mod direction;
mod gradient;
mod report;
mod state_norms;

pub(crate) use gradient::Gradient;
pub use gradient::ParamGrad;
pub use report::Report;
pub use state_norms::StateNorms;

use crate::{
    Element, Float, Param, Params, Precision, Shape, Tensor,
    element::{Either, Family, typed},
    handed_out::HandedOut,
};
use std::sync::Arc;

/// The gradients of all parameters in one precision, in the parameters' order; none where nothing flowed.
pub(crate) struct Entries;

impl Family for Entries {
    type Of<E: Float> = Vec<Option<Gradient<E>>>;
}

impl<E: Float> From<Vec<Option<Gradient<E>>>> for Either<Entries> {
    fn from(entries: Vec<Option<Gradient<E>>>) -> Self {
        E::wrap(entries)
    }
}

/// Holds ∂loss/∂(every parameter), and that of every node marked with [`Var::watch`](crate::Var::watch). It owns its
/// data.
///
/// More in [chapter 9](https://github.com/unspool/unspool/blob/main/docs/09-vanishing.md) of the tutorial.
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::values(vec![3.0, 4.0]));
/// let gradients = {
///     let graph = Graph::new(&params);
///     (graph.param(w) * w * 0.5).sum_all().backward()?
/// };
/// assert_eq!(gradients.norm(), 5.0);
/// assert_eq!(gradients.of(w).unwrap().to_f64()[[1]], 4.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Which parameters they are of: see [`Params`].
    pub(crate) origins: Arc<Vec<u32>>,
    /// The number of the graph whose nodes were watched, if they are of one.
    pub(crate) graph: Option<u64>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) names: Vec<String>,
    /// Which parameters want no gradient.
    pub(crate) frozen: Vec<bool>,
    pub(crate) entries: Either<Entries>,
    pub(crate) watched: Vec<(u32, Tensor)>,
    pub(crate) exits: Vec<String>,
    /// Where a gradient was fed back into the recording as numbers.
    pub(crate) fed_back: Vec<String>,
    /// Where the recording notes what is taken out.
    pub(crate) handed_out: Option<HandedOut>,
    /// The norm of each node's gradient, if the graph recorded them; not a number where none flowed.
    pub(crate) norms: Vec<f64>,
    pub(crate) through_time: Vec<StateNorms>,
}

/// Names something whose gradient can be asked for: a [`Param`], or a [`Var`](crate::Var) that was watched.
///
/// ```
/// use unspool_graph::{HasGradient, Gradients, Graph, Params, init};
/// fn greatest(gradients: &Gradients, of: impl HasGradient) -> f64 {
///     gradients.of(of).map_or(0.0, |g| g.to_f64().iter().fold(0.0, |most, g| g.abs().max(most)))
/// }
///
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::values(vec![1.0, -3.0]));
/// let graph = Graph::new(&params);
/// let x = graph.full([2], 2.0).watch();
/// let gradients = (x * w).sum_all().backward()?;
/// assert_eq!((greatest(&gradients, w), greatest(&gradients, x)), (2.0, 3.0));
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no gradient to ask for",
    note = "ask for that of a `Param`, or of a `Var` that was watched before `backward`"
)]
pub trait HasGradient: Copy {
    #[doc(hidden)]
    fn find(self, gradients: &Gradients) -> Option<Tensor>;
}

impl HasGradient for Param {
    fn find(self, gradients: &Gradients) -> Option<Tensor> {
        let index = gradients.place(self)?;
        let shape = &gradients.shapes[index];
        typed!(&gradients.entries, entries => match entries[index].as_ref()? {
            Gradient::Dense(values) => Some(Tensor::from_elements(shape, values)),
            rows => Some(Tensor::from_elements(shape, &rows.clone().into_dense(shape.elements()))),
        })
    }
}

impl Gradients {
    /// Returns the gradient of a parameter or of a watched node, as a whole array; `None` if nothing flowed there, and
    /// for a parameter of another store or a node of another graph.
    pub fn of(&self, what: impl HasGradient) -> Option<Tensor> {
        let found = what.find(self);
        if let (Some(gradient), Some(handed_out)) = (&found, &self.handed_out) {
            handed_out.add(gradient);
        }
        found
    }

    /// Returns all gradients with their parameters and those parameters' names, in the parameters' order, if the model
    /// is in precision `E`; nothing else. A parameter without a gradient is left out.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, ParamGrad, init};
    /// let mut params = Params::seeded(0);
    /// let mut m = params.scope("m");
    /// let (w, _unused) = (m.add("w", [2], init::constant(3.0)), m.add("u", [2], init::zeros()));
    /// let graph = Graph::new(&params);
    /// let gradients = (graph.param(w) * w).sum_all().backward()?;
    /// let all: Vec<_> = gradients.iter::<f32>().collect();
    /// assert!(matches!(all[..], [(p, "m.w", ParamGrad::Dense([6.0, 6.0]))] if p == w));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn iter<E: Float>(&self) -> impl Iterator<Item = (Param, &str, ParamGrad<'_, E>)> {
        let entries = self.entries.of::<E>().into_iter().flatten();
        let named = entries.zip(&self.names).zip(self.origins.iter()).enumerate();
        named.filter_map(|(i, ((entry, name), &store))| {
            Some((Param { store, index: i as u32 }, name.as_str(), entry.as_ref()?.view()))
        })
    }

    /// Returns all gradients as [`iter`](Gradients::iter) does, for changing their elements; of an embedding those of
    /// the rows that have a gradient.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// # let w = params.scope("m").add("w", [2], init::constant(3.0));
    /// # let graph = Graph::new(&params);
    /// # let mut gradients = (graph.param(w) * w).sum_all().backward()?;
    /// for (_, name, elements) in gradients.iter_mut::<f32>().filter(|(_, name, _)| name.starts_with("m.")) {
    ///     elements.iter_mut().for_each(|g| *g *= 0.5);
    ///     println!("{name}");
    /// }
    /// assert_eq!(gradients.of(w).unwrap().to_f64()[[0]], 3.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn iter_mut<E: Float>(&mut self) -> impl Iterator<Item = (Param, &str, &mut [E])> {
        let entries = self.entries.of_mut::<E>().into_iter().flatten();
        let named = entries.zip(&self.names).zip(self.origins.iter()).enumerate();
        named.filter_map(|(i, ((entry, name), &store))| {
            Some((Param { store, index: i as u32 }, name.as_str(), entry.as_mut()?.values_mut()))
        })
    }

    /// The place of a parameter among them, if they are of its store.
    fn place(&self, p: Param) -> Option<usize> {
        (self.origins.get(p.index as usize) == Some(&p.store)).then_some(p.index as usize)
    }

    /// Returns √ Σ g² of one parameter's gradient, computed in double precision; `None` if nothing flowed there.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::values(vec![3.0, 4.0]));
    /// let graph = Graph::new(&params);
    /// let gradients = (graph.param(w) * w * 0.5).sum_all().backward()?;
    /// assert_eq!(gradients.norm_of(w), Some(5.0));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn norm_of(&self, p: Param) -> Option<f64> {
        let index = self.place(p)?;
        typed!(&self.entries, entries => entries[index].as_ref().map(|gradient| gradient.square_sum().sqrt()))
    }

    /// Returns, for an optimizer, the gradient of the `index`th parameter if the model is in precision `E`; its rows
    /// alone where only some rows of an embedding have one.
    pub fn param_grad<E: Float>(&self, index: usize) -> Option<ParamGrad<'_, E>> {
        Some(self.entries.of::<E>()?.get(index)?.as_ref()?.view())
    }

    /// Returns whether they are of these parameters, in their precision.
    pub fn belong_to(&self, params: &Params) -> bool {
        self.origins == params.origins && self.entries.precision() == params.precision()
    }

    /// Returns √ Σ g² over all parameters, computed in double precision.
    pub fn norm(&self) -> f64 {
        typed!(&self.entries, entries => entries.iter().flatten().map(Gradient::square_sum).sum::<f64>()).sqrt()
    }

    /// Returns ‖∂loss/∂h_t‖ for every time step t and every part of a state that a recurrence hands on, in the order
    /// the recurrences ran: whether a gradient vanishes or explodes on its way back. It needs a graph that was
    /// [`record_grad_norms`](crate::Graph::record_grad_norms); else there is nothing.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("rnn").add("w_hh", [2, 2], init::orthogonal(0.5));
    /// let graph = Graph::new(&params).record_grad_norms();
    /// let mut h = graph.full([1, 2], 1.0);
    /// {
    ///     let _scope = graph.scope("rnn");
    ///     for t in 0..4 {
    ///         let _step = graph.at_step(t);
    ///         h = h.matmul(w);
    ///         graph.carry(&[h]);
    ///     }
    /// }
    /// let gradients = h.sum_all().backward()?;
    /// let rnn = &gradients.through_time()[0];
    /// assert_eq!(rnn.scope, "rnn");
    /// // Halved at each step on the way back.
    /// assert!((rnn.norms[3].1 / rnn.norms[0].1 - 8.0).abs() < 1e-5);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn through_time(&self) -> &[StateNorms] {
        &self.through_time
    }

    /// Returns the places at which a path from the loss to a parameter was cut, or numbers made from a parameter
    /// without gradient have left the recording. A [report](Gradients::report) shows them where a parameter is missing.
    pub fn exits(&self) -> &[String] {
        &self.exits
    }

    /// Adds places to [`exits`](Gradients::exits), each once: for gradients that come from elsewhere.
    ///
    /// ```
    /// # use unspool_graph::{Gradients, Params};
    /// let mut gradients = Gradients::none(&Params::seeded(0));
    /// gradients.add_exits(["detach at src/main.rs:7".into(), "detach at src/main.rs:7".into()]);
    /// assert_eq!(gradients.exits(), ["detach at src/main.rs:7"]);
    /// ```
    pub fn add_exits(&mut self, exits: impl IntoIterator<Item = String>) {
        for exit in exits {
            if !self.exits.contains(&exit) {
                self.exits.push(exit);
            }
        }
    }

    /// Makes gradients of `params` with nothing in them, to add to.
    pub fn none(params: &Params) -> Gradients {
        Gradients {
            origins: params.origins.clone(),
            graph: None,
            shapes: params.iter().map(|p| params.shape(p)).collect(),
            names: params.iter().map(|p| params.name(p).to_string()).collect(),
            frozen: params.iter().map(|p| params.is_frozen(p)).collect(),
            entries: match params.precision() {
                Precision::F32 => Either::F32(vec![None; params.len()]),
                Precision::F64 => Either::F64(vec![None; params.len()]),
            },
            watched: vec![],
            exits: vec![],
            fed_back: vec![],
            handed_out: None,
            norms: vec![],
            through_time: vec![],
        }
    }

    /// Returns what should not be overlooked: parameters that got no gradient, an all-zero or a non-finite one; and,
    /// where a parameter got none, the operations at which a path to it may have been cut. A comparison that makes a
    /// mask, or a value that is cut off on purpose, is no finding as long as every parameter gets its gradient by
    /// another path. A gradient that was fed back into the recording by [`input`](crate::Graph::input), as a constant,
    /// is one in any case: [`Var::gradient`](crate::Var::gradient) is what keeps it in the recording.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::constant(1.0));
    /// let graph = Graph::new(&params);
    /// let x = graph.full([2], 0.5).watch();
    /// let y = (x * w).tanh().sum_all();
    /// let slope = graph.input(y.backward()?.of(x).unwrap()); // numbers
    /// let report = (y + slope.norm(&[])).backward()?.report();
    /// assert!(report.exits[0].contains("fed back as a constant"), "{report}");
    /// assert!((y + y.gradient(x).norm(&[])).backward()?.report().is_clean());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn report(&self) -> Report {
        let mut report = Report { missing: vec![], zero: vec![], not_finite: vec![], exits: vec![] };
        for ((i, name), &frozen) in self.names.iter().enumerate().zip(&self.frozen) {
            // Whether any element is not zero, and whether all are finite.
            let found = typed!(&self.entries, entries => entries[i].as_ref().map(|gradient| {
                let each = gradient.values().iter().map(|x| (x.to_f64() != 0.0, x.is_finite()));
                each.fold((false, true), |(any, finite), (nonzero, good)| (any | nonzero, finite & good))
            }));
            match found {
                None if frozen => {}
                None => report.missing.push(name.clone()),
                Some((_, false)) => report.not_finite.push(name.clone()),
                Some((false, true)) => report.zero.push(name.clone()),
                Some((true, true)) => {}
            }
        }
        // Where every parameter has its gradient nothing was lost by a mask or by a value that was cut off on purpose.
        if !report.missing.is_empty() {
            report.exits.clone_from(&self.exits);
        }
        // A loss that depends on a gradient as on a constant is not what it looks like, whatever asked for a gradient.
        report.exits.extend(self.fed_back.iter().cloned());
        report
    }
}
