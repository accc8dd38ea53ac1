//! Gradients as a user holds them: they own their data and outlive the recording.

mod gradient;
mod report;
mod state_norms;

pub(crate) use gradient::Gradient;
pub use gradient::ParamGrad;
pub use report::Report;
pub use state_norms::StateNorms;

use crate::{
    Buffer, Element, Error, Param, Params, Precision, Result, Shape, Tensor,
    element::{Either, Family, typed},
};
use std::sync::Arc;

/// The gradients of all parameters in one precision, in the parameters' order; none where nothing flowed.
pub(crate) struct Entries;

impl Family for Entries {
    type Of<E: Element> = Vec<Option<Gradient<E>>>;
}

impl<E: Element> From<Vec<Option<Gradient<E>>>> for Either<Entries> {
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
        what.find(self)
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
    pub fn iter<E: Element>(&self) -> impl Iterator<Item = (Param, &str, ParamGrad<'_, E>)> {
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
    pub fn iter_mut<E: Element>(&mut self) -> impl Iterator<Item = (Param, &str, &mut [E])> {
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
    pub fn param_grad<E: Element>(&self, index: usize) -> Option<ParamGrad<'_, E>> {
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

    /// Multiplies all of them by a factor.
    pub fn scale(&mut self, factor: f64) {
        typed!(&mut self.entries, entries => entries.iter_mut().flatten().for_each(|gradient| gradient.scale(factor)));
    }

    /// Returns ‖∂loss/∂h_t‖ for every time step t and every part of a state that a recurrence hands on, in the order the
    /// recurrences ran: whether a gradient vanishes or explodes on its way back. It needs a graph that was
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

    /// Adds others of the same parameters, element by element; what was watched or traced stays this one's.
    ///
    /// ```
    /// use unspool_graph::{Gradients, Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [1], init::constant(1.0));
    /// let mut sum = Gradients::none(&params);
    /// for shard in [1.0, 2.0, 3.0] {
    ///     let graph = Graph::new(&params);
    ///     sum.add(&(graph.param(w) * shard).sum_all().backward()?)?;
    /// }
    /// sum.scale(1.0 / 3.0);
    /// assert_eq!(sum.of(w).unwrap().to_f64()[[0]], 2.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn add(&mut self, other: &Gradients) -> Result<()> {
        fn add_each<E: Element>(own: &mut [Option<Gradient<E>>], more: &[Option<Gradient<E>>], shapes: &[Shape]) {
            for ((own, more), shape) in own.iter_mut().zip(more).zip(shapes) {
                match (own, more) {
                    (_, None) => {}
                    (Some(own), Some(more)) => own.add(more, shape.elements()),
                    (own @ None, Some(more)) => *own = Some(more.clone()),
                }
            }
        }
        if self.origins != other.origins {
            return Err(Error::Foreign { what: "gradients" });
        }
        match (&mut self.entries, &other.entries) {
            (Either::F32(own), Either::F32(more)) => add_each(own, more, &self.shapes),
            (Either::F64(own), Either::F64(more)) => add_each(own, more, &self.shapes),
            (Either::F32(_), Either::F64(_)) | (Either::F64(_), Either::F32(_)) => {
                return Err(Error::Foreign { what: "gradients" });
            }
        }
        self.add_exits(other.exits.iter().cloned());
        Ok(())
    }

    /// Shortens them to `max_norm` if their norm is greater (Pascanu, Mikolov and Bengio 2013) and returns the norm
    /// they had.
    ///
    /// # Errors
    /// [`Error::Limit`] if `max_norm` is negative or not a number; [`Error::NormNotFinite`] if the norm is not a finite
    /// number: nothing would be right then.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::values(vec![3.0, 4.0]));
    /// let mut gradients = {
    ///     let graph = Graph::new(&params);
    ///     (graph.param(w) * w * 0.5).sum_all().backward()?
    /// };
    /// assert_eq!(gradients.clip_norm(1.0)?, 5.0); // what it was
    /// assert!((gradients.norm() - 1.0).abs() < 1e-5);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn clip_norm(&mut self, max_norm: f64) -> Result<f64> {
        check_limit("clip_norm", max_norm)?;
        let norm = self.norm();
        if !norm.is_finite() {
            return Err(Error::NormNotFinite { norm });
        }
        // PyTorch's rule, with its small number against division by zero.
        if norm > max_norm {
            self.scale(max_norm / (norm + 1e-6));
        }
        Ok(norm)
    }

    /// Limits every element to [−`bound`, `bound`].
    ///
    /// # Errors
    /// [`Error::Limit`] if `bound` is negative or not a number.
    pub fn clip_value(&mut self, bound: f64) -> Result<()> {
        check_limit("clip_value", bound)?;
        fn clip<E: Element>(entries: &mut [Option<Gradient<E>>], bound: E) {
            // Comparing leaves an element that is not a number as it is.
            let clip = |x: &mut E| match *x {
                over if over > bound => *x = bound,
                under if under < -bound => *x = -bound,
                _ => {}
            };
            entries.iter_mut().flatten().for_each(|gradient| gradient.values_mut().iter_mut().for_each(clip));
        }
        typed!(&mut self.entries, entries => clip(entries, Element::from_f64(bound)));
        Ok(())
    }

    /// Puts a parameter's gradient in, for gradients that come from elsewhere. The tensor must have the parameter's
    /// shape.
    ///
    /// ```
    /// use unspool_graph::{Gradients, Params, init};
    /// let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::zeros());
    /// let mut gradients = Gradients::none(&params);
    /// gradients.set(&params, w, vec![9.0f32, -1.0])?;
    /// gradients.clip_value(5.0)?;
    /// assert_eq!(gradients.of(w).unwrap().to_f64().as_slice(), Some(&[5.0, -1.0][..]));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn set(&mut self, params: &Params, p: Param, value: impl Into<Tensor>) -> Result<()> {
        self.set_tensor(params, p, value.into())
    }

    fn set_tensor(&mut self, params: &Params, p: Param, value: Tensor) -> Result<()> {
        let i = params.index(p).and_then(|_| self.place(p)).ok_or(Error::Foreign { what: "a parameter" })?;
        if value.shape() != &*self.shapes[i] {
            return Err(self.wrong_shape(i, value.shape(), "the gradient has another shape"));
        }
        typed!(&mut self.entries, entries => entries[i] = Some(Gradient::Dense(value.elements().into())));
        Ok(())
    }

    /// Puts in the gradient of a parameter: every element, row by row, from where they lie. It is
    /// [`set`](Gradients::set) without a copy.
    ///
    /// # Errors
    /// [`Error::Foreign`] for a parameter of another store or elements of another precision;
    /// [`Error::ParamShape`] for another number of elements.
    ///
    /// ```
    /// # use unspool_graph::{Gradients, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::zeros());
    /// let mut gradients = Gradients::none(&params);
    /// let mut elements = params.buffer::<f32>(2);
    /// elements.copy_from_slice(&[9.0, -1.0]);
    /// gradients.set_dense(w, elements)?;
    /// assert_eq!(gradients.of(w).unwrap(), vec![9.0f32, -1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn set_dense<E: Element>(&mut self, p: Param, elements: Buffer<E>) -> Result<()> {
        let index = self.place(p).ok_or(Error::Foreign { what: "a parameter" })?;
        if elements.len() != self.shapes[index].elements() {
            return Err(self.wrong_shape(index, &[elements.len()], "the gradient has another number of elements"));
        }
        self.put(index, Gradient::Dense(elements))
    }

    /// Puts in the gradient of an embedding: that of some rows, each given once, whose elements follow one another in
    /// `values`. All others are zero.
    ///
    /// # Errors
    /// Those of [`set_dense`](Gradients::set_dense), and [`Error::ParamShape`] for a row that is not there or is given
    /// twice.
    ///
    /// ```
    /// # use unspool_graph::{Gradients, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let table = params.scope("m").add("table", [3, 2], init::zeros());
    /// let mut gradients = Gradients::none(&params);
    /// gradients.set_rows(table, vec![2, 0], vec![1.0f32, 2.0, 3.0, 4.0].into())?;
    /// assert_eq!(gradients.of(table).unwrap(), ndarray::array![[3.0f32, 4.0], [0.0, 0.0], [1.0, 2.0]].into());
    /// assert!(gradients.set_rows(table, vec![3], vec![1.0f32, 2.0].into()).is_err());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn set_rows<E: Element>(&mut self, p: Param, rows: Vec<u32>, values: Buffer<E>) -> Result<()> {
        let index = self.place(p).ok_or(Error::Foreign { what: "a parameter" })?;
        let count = self.shapes[index].first().copied().unwrap_or(1);
        let width = self.shapes[index].elements() / count.max(1);
        let mut known = rows.clone();
        known.sort_unstable();
        let twice = known.windows(2).any(|pair| pair[0] == pair[1]);
        if twice || known.last().is_some_and(|&row| row as usize >= count) || values.len() != rows.len() * width {
            let why = "the gradient's rows are not rows of it, each given once";
            return Err(self.wrong_shape(index, &[rows.len(), values.len()], why));
        }
        self.put(index, Gradient::Rows { rows, width, values })
    }

    fn put<E: Element>(&mut self, index: usize, gradient: Gradient<E>) -> Result<()> {
        let entries = self.entries.of_mut().ok_or(Error::Foreign { what: "gradients" })?;
        entries[index] = Some(gradient);
        Ok(())
    }

    fn wrong_shape(&self, index: usize, shape: &[usize], why: &'static str) -> Error {
        Error::ParamShape { name: self.names[index].clone(), shape: shape.to_vec(), why }
    }

    /// Takes out the gradients of the parameters for which `which` is true, and leaves the others.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let mut m = params.scope("m");
    /// let (w, b) = (m.add("w", [2], init::constant(1.0)), m.add("b", [2], init::constant(1.0)));
    /// let graph = Graph::new(&params);
    /// let mut rest = (graph.param(w) * b).sum_all().backward()?;
    /// let taken = rest.split_off(|p| p == w);
    /// assert!(taken.of(w).is_some() && taken.of(b).is_none());
    /// assert!(rest.of(w).is_none() && rest.of(b).is_some());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn split_off(&mut self, which: impl Fn(Param) -> bool) -> Gradients {
        fn take<E: Element>(
            entries: &mut [Option<Gradient<E>>],
            which: impl Fn(usize) -> bool,
        ) -> Vec<Option<Gradient<E>>> {
            entries.iter_mut().enumerate().map(|(i, entry)| entry.take_if(|_| which(i))).collect()
        }
        let of = |index: usize| which(Param { store: self.origins[index], index: index as u32 });
        let entries = typed!(&mut self.entries, entries => take(entries, of).into());
        Gradients {
            entries,
            shapes: self.shapes.clone(),
            names: self.names.clone(),
            frozen: self.frozen.clone(),
            origins: self.origins.clone(),
            graph: None,
            watched: vec![],
            exits: vec![],
            norms: vec![],
            through_time: vec![],
        }
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
            norms: vec![],
            through_time: vec![],
        }
    }

    /// Returns what should not be overlooked: parameters that got no gradient, an all-zero or a non-finite one; and,
    /// where a parameter got none, the operations at which a path to it may have been cut. A comparison that makes a
    /// mask, or a value that is cut off on purpose, is no finding as long as every parameter gets its gradient by
    /// another path.
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
        report
    }
}

/// A limit is a number that is not negative; infinity limits nothing.
fn check_limit(what: &'static str, limit: f64) -> Result<()> {
    if limit >= 0.0 { Ok(()) } else { Err(Error::Limit { what, limit }) }
}
