//! Gradients as directions in the space of all parameters.

use super::{Gradient, Gradients};
use crate::{
    Element, Error, Float, Param, Params, Result, RngKey, Shape, Tensor,
    element::{Either, typed},
};

impl Gradients {
    /// Returns a direction in which every parameter that is not frozen moves: independent numbers of the standard
    /// normal distribution, another direction for each key.
    ///
    /// ```
    /// # use unspool_graph::{Gradients, Params, RngKey, init};
    /// # let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [100, 100], init::zeros());
    /// let v = Gradients::random(&params, RngKey::seed(1));
    /// assert!((v.norm() / 100.0 - 1.0).abs() < 0.05 && v.of(w).is_some());
    /// assert!(v.dot(&Gradients::random(&params, RngKey::seed(2)))?.abs() < 0.05 * v.norm() * v.norm());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn random(params: &Params, key: RngKey) -> Gradients {
        let mut all = Gradients::none(params);
        for (i, p) in params.iter().enumerate().filter(|(_, p)| !params.is_frozen(*p)) {
            let (key, count) = (key.fold_in(i as u64), params.shape(p).elements() as u64);
            typed!(&mut all.entries, entries => {
                let numbers = (0..count).map(|j| Element::from_f64(key.normal(j)));
                entries[i] = Some(Gradient::Dense(numbers.collect::<Vec<_>>().into()));
            });
        }
        all
    }

    /// Returns each parameter that has a gradient, and the gradient: the direction that
    /// [`hessian_vector`](crate::Var::hessian_vector) and [`jvp`](crate::Graph::jvp) take.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::values(vec![3.0, 4.0]));
    /// let graph = Graph::new(&params);
    /// let loss = (graph.param(w) * w * 0.5).sum_all();
    /// let gradients = loss.backward()?;
    /// // Along its own gradient g a loss grows by ‖g‖².
    /// assert_eq!(graph.jvp(loss, &gradients.tangents())?, ndarray::arr0(25.0f32).into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn tangents(&self) -> Vec<(Param, Tensor)> {
        let each = self.origins.iter().enumerate().map(|(i, &store)| Param { store, index: i as u32 });
        each.filter_map(|p| Some((p, self.of(p)?))).collect()
    }

    /// Returns ⟨self, other⟩, the sum of the products of all elements, computed in double precision.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let w = params.scope("m").add("w", [2], init::values(vec![3.0, 4.0]));
    /// let graph = Graph::new(&params);
    /// let gradients = (graph.param(w) * w * 0.5).sum_all().backward()?;
    /// assert_eq!(gradients.dot(&gradients)?, 25.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn dot(&self, other: &Gradients) -> Result<f64> {
        fn dot_each<E: Float>(a: &[Option<Gradient<E>>], b: &[Option<Gradient<E>>], shapes: &[Shape]) -> f64 {
            let each = a.iter().zip(b).zip(shapes);
            each.filter_map(|((a, b), shape)| Some(a.as_ref()?.dot(b.as_ref()?, shape.elements()))).sum()
        }
        match (&self.entries, &other.entries) {
            _ if self.origins != other.origins => Err(Error::Foreign { what: "gradients" }),
            (Either::F32(a), Either::F32(b)) => Ok(dot_each(a, b, &self.shapes)),
            (Either::F64(a), Either::F64(b)) => Ok(dot_each(a, b, &self.shapes)),
            (Either::F32(_), Either::F64(_)) | (Either::F64(_), Either::F32(_)) => {
                Err(Error::Foreign { what: "gradients" })
            }
        }
    }
}
