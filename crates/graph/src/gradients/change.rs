//! Changing gradients: adding, scaling and clipping them, putting some in and taking some out.

use super::{Gradient, Gradients};
use crate::{
    Buffer, Element, Error, Float, Param, Params, Result, Shape, Tensor,
    element::{Either, typed},
};

impl Gradients {
    /// Multiplies all of them by a factor.
    pub fn scale(&mut self, factor: f64) {
        typed!(&mut self.entries, entries => entries.iter_mut().flatten().for_each(|gradient| gradient.scale(factor)));
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
        fn add_each<E: Float>(own: &mut [Option<Gradient<E>>], more: &[Option<Gradient<E>>], shapes: &[Shape]) {
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
        let more = other.fed_back.iter().filter(|place| !self.fed_back.contains(place)).cloned().collect::<Vec<_>>();
        self.fed_back.extend(more);
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
        fn clip<E: Float>(entries: &mut [Option<Gradient<E>>], bound: E) {
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
    pub fn set_dense<E: Float>(&mut self, p: Param, elements: Buffer<E>) -> Result<()> {
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
    pub fn set_rows<E: Float>(&mut self, p: Param, rows: Vec<u32>, values: Buffer<E>) -> Result<()> {
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

    fn put<E: Float>(&mut self, index: usize, gradient: Gradient<E>) -> Result<()> {
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
        fn take<E: Float>(
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
            fed_back: vec![],
            handed_out: None,
            norms: vec![],
            through_time: vec![],
        }
    }
}

/// A limit is a number that is not negative; infinity limits nothing.
fn check_limit(what: &'static str, limit: f64) -> Result<()> {
    if limit >= 0.0 { Ok(()) } else { Err(Error::Limit { what, limit }) }
}
