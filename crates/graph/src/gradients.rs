//! Gradients as a user holds them: they own their data and outlive the recording.

use crate::{Element, Error, Param, Params, Precision, Result, Shape, Tensor, Var, buffer::Buffer, look::StateNorms};
use rayon::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

/// Elements in one of the two precisions.
#[doc(hidden)]
#[derive(Clone, Debug, PartialEq)]
pub enum Dense {
    F32(Buffer<f32>),
    F64(Buffer<f64>),
}

impl Dense {
    fn each(&self, mut f: impl FnMut(f64)) {
        match self {
            Dense::F32(v) => v.iter().for_each(|&x| f(f64::from(x))),
            Dense::F64(v) => v.iter().for_each(|&x| f(x)),
        }
    }
    /// Σ x² in double precision, whichever the model's: 20 million single ones would lose what clipping needs. Threads
    /// share pieces of a fixed size, whose sums are added in their order.
    pub(crate) fn norm(&self) -> f64 {
        self.square_sum().sqrt()
    }
    fn square_sum(&self) -> f64 {
        fn of<E: Element>(all: &[E]) -> f64 {
            let piece = |v: &[E]| {
                crate::kernels::dispatch(
                    #[inline(always)]
                    || {
                        crate::kernels::vector::sum_map(
                            v,
                            #[inline(always)]
                            |x| x.to_f64() * x.to_f64(),
                        )
                    },
                )
            };
            if all.len() <= PIECE {
                return piece(all);
            }
            all.par_chunks(PIECE).map(piece).collect::<Vec<f64>>().iter().sum()
        }
        match self {
            Dense::F32(v) => of(&v[..]),
            Dense::F64(v) => of(&v[..]),
        }
    }
    fn scale(&mut self, factor: f64) {
        match self {
            Dense::F32(v) => crate::kernels::dispatch(|| v.iter_mut().for_each(|x| *x *= factor as f32)),
            Dense::F64(v) => v.iter_mut().for_each(|x| *x *= factor),
        }
    }
    fn add(&mut self, other: &Dense) {
        match (self, other) {
            (Dense::F32(a), Dense::F32(b)) => add_all(a, b),
            (Dense::F64(a), Dense::F64(b)) => add_all(a, b),
            _ => {}
        }
    }
    fn add_at(&mut self, offset: usize, other: &Dense, from: usize, len: usize) {
        match (self, other) {
            (Dense::F32(a), Dense::F32(b)) => {
                a[offset..offset + len].iter_mut().zip(&b[from..from + len]).for_each(|(a, b)| *a += b);
            }
            (Dense::F64(a), Dense::F64(b)) => {
                a[offset..offset + len].iter_mut().zip(&b[from..from + len]).for_each(|(a, b)| *a += b);
            }
            _ => {}
        }
    }
    fn append(&mut self, other: &Dense, from: usize, len: usize) {
        match (self, other) {
            (Dense::F32(a), Dense::F32(b)) => a.append(&b[from..from + len]),
            (Dense::F64(a), Dense::F64(b)) => a.append(&b[from..from + len]),
            _ => {}
        }
    }
    pub(crate) fn zeros(&self, len: usize) -> Dense {
        match self {
            Dense::F32(_) => Dense::F32(vec![0.0; len].into()),
            Dense::F64(_) => Dense::F64(vec![0.0; len].into()),
        }
    }
    fn tensor(&self, shape: &Shape) -> Tensor {
        match self {
            Dense::F32(v) => Tensor::from_elements(shape, v),
            Dense::F64(v) => Tensor::from_elements(shape, v),
        }
    }
}

/// How many elements one thread adds at a time.
pub(crate) const PIECE: usize = 1 << 16;

/// a ← a + b, element by element, shared out over threads where there are many.
fn add_all<E: Element>(a: &mut [E], b: &[E]) {
    let piece = |a: &mut [E], b: &[E]| {
        crate::kernels::dispatch(
            #[inline(always)]
            || a.iter_mut().zip(b).for_each(|(a, &b)| *a += b),
        )
    };
    if a.len() <= PIECE {
        return piece(a, b);
    }
    a.par_chunks_mut(PIECE).zip(b.par_chunks(PIECE)).for_each(|(a, b)| piece(a, b));
}

/// A parameter's gradient.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Gradient {
    /// Every element.
    Dense(Dense),
    /// Some rows of an embedding, in the order of their first use; all others are zero.
    Rows { rows: Vec<u32>, width: usize, values: Dense },
}

impl Gradient {
    pub(crate) fn values(&self) -> &Dense {
        match self {
            Gradient::Dense(values) | Gradient::Rows { values, .. } => values,
        }
    }
    /// Which rows alone it has; none if it has all.
    pub(crate) fn rows(&self) -> &[u32] {
        match self {
            Gradient::Dense(_) => &[],
            Gradient::Rows { rows, .. } => rows,
        }
    }
    fn values_mut(&mut self) -> &mut Dense {
        match self {
            Gradient::Dense(values) | Gradient::Rows { values, .. } => values,
        }
    }
    pub(crate) fn into_dense(self, elements: usize) -> Dense {
        match self {
            Gradient::Dense(values) => values,
            Gradient::Rows { rows, width, values } => {
                let mut out = values.zeros(elements);
                for (i, &row) in rows.iter().enumerate() {
                    out.add_at(row as usize * width, &values, i * width, width);
                }
                out
            }
        }
    }
    pub(crate) fn add(&mut self, other: &Gradient, elements: usize) {
        match (&mut *self, other) {
            (Gradient::Dense(a), Gradient::Dense(b)) => a.add(b),
            (Gradient::Dense(a), Gradient::Rows { rows, width, values }) => {
                for (i, &row) in rows.iter().enumerate() {
                    a.add_at(row as usize * width, values, i * width, *width);
                }
            }
            (Gradient::Rows { rows, width, values }, Gradient::Rows { rows: others, values: more, .. }) => {
                let mut known: BTreeMap<u32, usize> = rows.iter().enumerate().map(|(i, &r)| (r, i)).collect();
                for (i, &row) in others.iter().enumerate() {
                    match known.get(&row) {
                        Some(&at) => values.add_at(at * *width, more, i * *width, *width),
                        None => {
                            known.insert(row, rows.len());
                            rows.push(row);
                            values.append(more, i * *width, *width);
                        }
                    }
                }
            }
            (Gradient::Rows { .. }, Gradient::Dense(_)) => {
                let mut dense = Gradient::Dense(self.clone().into_dense(elements));
                dense.add(other, elements);
                *self = dense;
            }
        }
    }
}

/// ∂loss/∂(every parameter), and of every node marked with [`Var::watch`]. It owns its data.
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
    pub(crate) precision: Precision,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) names: Vec<String>,
    /// Which parameters want no gradient.
    pub(crate) frozen: Vec<bool>,
    pub(crate) entries: Vec<Option<Gradient>>,
    pub(crate) watched: Vec<(u32, Tensor)>,
    pub(crate) exits: Vec<String>,
    /// The norm of each node's gradient, if the graph recorded them; not a number where none flowed.
    pub(crate) norms: Vec<f64>,
    pub(crate) through_time: Vec<StateNorms>,
}

/// Something whose gradient can be asked for: a [`Param`], or a [`Var`] that was watched.
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
        let i = self.index as usize;
        let known = gradients.origins.get(i) == Some(&self.store);
        let entry = gradients.entries.get(i).filter(|_| known)?.as_ref()?;
        let shape = &gradients.shapes[i];
        Some(match entry {
            Gradient::Dense(values) => values.tensor(shape),
            rows => rows.clone().into_dense(shape.elements()).tensor(shape),
        })
    }
}

impl HasGradient for Var<'_> {
    fn find(self, gradients: &Gradients) -> Option<Tensor> {
        let mut watched = gradients.watched.iter().filter(|_| gradients.graph == Some(self.graph.number));
        watched.find(|(id, _)| *id == self.id).map(|(_, tensor)| tensor.clone())
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
        (0..self.entries.len()).filter_map(|i| Some((self.param(i), self.names[i].as_str(), self.param_grad(i)?)))
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
        let named = self.entries.iter_mut().zip(&self.names).zip(self.origins.iter());
        named.enumerate().filter_map(|(i, ((entry, name), &store))| {
            let elements = E::of_dense_mut(entry.as_mut()?.values_mut())?;
            Some((Param { store, index: i as u32 }, name.as_str(), elements))
        })
    }

    fn param(&self, index: usize) -> Param {
        Param { store: self.origins[index], index: index as u32 }
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
        let known = self.origins.get(p.index as usize) == Some(&p.store);
        self.entries.get(p.index as usize).filter(|_| known)?.as_ref().map(|entry| entry.values().norm())
    }

    /// For an optimizer: the gradient of the `index`th parameter in precision `E`; its rows alone where only some rows
    /// of an embedding have one.
    pub fn param_grad<E: Element>(&self, index: usize) -> Option<ParamGrad<'_, E>> {
        match self.entries.get(index)?.as_ref()? {
            Gradient::Dense(values) => E::of_dense(values).map(ParamGrad::Dense),
            Gradient::Rows { rows, width, values } => {
                E::of_dense(values).map(|values| ParamGrad::SparseRows { rows, width: *width, values })
            }
        }
    }

    /// Whether they are of these parameters, in their precision.
    pub fn belong_to(&self, params: &Params) -> bool {
        self.origins == params.origins && self.precision == params.precision()
    }

    /// √ Σ g² over all parameters, computed in double precision.
    pub fn norm(&self) -> f64 {
        self.entries.iter().flatten().map(|g| g.values().square_sum()).sum::<f64>().sqrt()
    }

    /// Multiplies all of them.
    pub fn scale(&mut self, factor: f64) {
        self.entries.iter_mut().flatten().for_each(|g| g.values_mut().scale(factor));
    }

    /// ‖∂loss/∂v‖ of any node, if its graph [records them](crate::Graph::record_grad_norms) and a gradient flowed
    /// there.
    pub fn norm_at(&self, v: Var<'_>) -> Option<f64> {
        let known = self.graph == Some(v.graph.number);
        self.norms.get(v.id as usize).copied().filter(|norm| known && !norm.is_nan())
    }

    /// ‖∂loss/∂h_t‖ for every time step t and every part of a state that a recurrence hands on, in the order the
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
        if self.origins != other.origins || self.precision != other.precision {
            return Err(Error::Foreign { what: "gradients" });
        }
        for ((own, more), shape) in self.entries.iter_mut().zip(&other.entries).zip(&self.shapes) {
            match (own, more) {
                (_, None) => {}
                (Some(own), Some(more)) => own.add(more, shape.elements()),
                (own @ None, Some(more)) => *own = Some(more.clone()),
            }
        }
        let fresh: Vec<String> = other.exits.iter().filter(|exit| !self.exits.contains(exit)).cloned().collect();
        self.exits.extend(fresh);
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
        fn clip<E: PartialOrd + Copy>(values: &mut [E], low: E, high: E) {
            // Comparing leaves an element that is not a number as it is.
            values.iter_mut().for_each(|x| match *x {
                over if over > high => *x = high,
                under if under < low => *x = low,
                _ => {}
            });
        }
        for gradient in self.entries.iter_mut().flatten() {
            match gradient.values_mut() {
                Dense::F32(v) => clip(v, -bound as f32, bound as f32),
                Dense::F64(v) => clip(v, -bound, bound),
            }
        }
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
        let Some(i) = params.index(p).filter(|&i| self.origins.get(i) == Some(&p.store)) else {
            return Err(Error::Foreign { what: "a parameter" });
        };
        if value.shape() != &*self.shapes[i] {
            let why = "the gradient has another shape";
            return Err(Error::ParamShape { name: params.name(p).into(), shape: value.shape().to_vec(), why });
        }
        self.entries[i] = Some(Gradient::Dense(match self.precision {
            Precision::F32 => Dense::F32(value.elements().into()),
            Precision::F64 => Dense::F64(value.elements().into()),
        }));
        Ok(())
    }

    /// Gradients of `params` with nothing in them, to add to.
    pub fn none(params: &Params) -> Gradients {
        Gradients {
            origins: params.origins.clone(),
            graph: None,
            precision: params.precision(),
            shapes: params.iter().map(|p| params.shape(p)).collect(),
            names: params.iter().map(|p| params.name(p).to_string()).collect(),
            frozen: params.iter().map(|p| params.is_frozen(p)).collect(),
            entries: vec![None; params.len()],
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
        for ((name, entry), frozen) in self.names.iter().zip(&self.entries).zip(&self.frozen) {
            let Some(gradient) = entry else {
                if *frozen {
                    continue;
                }
                report.missing.push(name.clone());
                continue;
            };
            let (mut any, mut finite) = (false, true);
            gradient.values().each(|x| {
                any |= x != 0.0;
                finite &= x.is_finite();
            });
            if !finite {
                report.not_finite.push(name.clone());
            } else if !any {
                report.zero.push(name.clone());
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

/// A gradient as an optimizer reads it.
///
/// ```
/// use unspool_graph::{Graph, Params, ParamGrad, init};
/// let mut params = Params::seeded(0);
/// let table = params.scope("words").add("weight", [100, 2], init::normal(1.0));
/// let graph = Graph::new(&params);
/// let gradients = graph.embedding(table, &[7, 7, 3], [3], None).sum_all().backward()?;
/// match gradients.param_grad::<f32>(0) {
///     Some(ParamGrad::SparseRows { rows, width, values }) => {
///         assert_eq!((rows, width), (&[7, 3][..], 2));
///         assert_eq!(values, [2.0, 2.0, 1.0, 1.0]);
///     }
///     other => panic!("{other:?}"),
/// }
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub enum ParamGrad<'a, E> {
    /// All elements, row by row.
    Dense(&'a [E]),
    /// The gradient of some rows; that of all others is zero.
    SparseRows {
        /// Which rows; each at most once.
        rows: &'a [u32],
        /// Elements to a row.
        width: usize,
        /// The rows' elements, one row after the other.
        values: &'a [E],
    },
}

/// Findings on a set of gradients; see [`Gradients::report`].
///
/// ```
/// use unspool_graph::{Graph, Params, init};
/// let mut params = Params::seeded(0);
/// let mut m = params.scope("m");
/// let (used, cut) = (m.add("used", [2], init::constant(1.0)), m.add("cut", [2], init::constant(1.0)));
/// let graph = Graph::new(&params);
/// let gradients = (graph.param(used) * graph.param(cut).detach()).sum_all().backward()?;
/// let report = gradients.report();
/// assert!(!report.is_clean() && report.strict().is_err());
/// assert_eq!(report.missing, ["m.cut"]);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Parameters that no gradient reached.
    pub missing: Vec<String>,
    /// Parameters whose gradient is zero in every element.
    pub zero: Vec<String>,
    /// Parameters with an infinite or not-a-number element in their gradient.
    pub not_finite: Vec<String>,
    /// Where parameters are missing: at which lines a path from the loss to a parameter was cut, by operations without
    /// gradient, and where numbers made from them have left the recording: by [`detach`](crate::Var::to_tensor),
    /// [`value`](crate::Var::value), [`item`](crate::Var::item), [`argmax`](crate::Var::argmax) or
    /// [`top_k`](crate::Var::top_k).
    pub exits: Vec<String>,
}

impl Report {
    /// Whether there is nothing to say.
    pub fn is_clean(&self) -> bool {
        self.missing.is_empty() && self.zero.is_empty() && self.not_finite.is_empty() && self.exits.is_empty()
    }

    /// Turns any finding into an error.
    pub fn strict(&self) -> Result<()> {
        if self.is_clean() { Ok(()) } else { Err(Error::Unreached { report: self.to_string() }) }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let groups = [
            ("no gradient", &self.missing),
            ("all zero", &self.zero),
            ("not finite", &self.not_finite),
            ("exit", &self.exits),
        ];
        let lines = groups.iter().flat_map(|(what, names)| names.iter().map(move |name| format!("{what}: {name}")));
        f.write_str(&lines.collect::<Vec<_>>().join("\n"))
    }
}
