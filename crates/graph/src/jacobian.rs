//! Whole Jacobians, by as few passes as the shapes allow.

use crate::{Error, Graph, HasGradient, Operand, Result, Shape, Tensor, Var};
use ndarray::{ArrayD, IxDyn};

impl<'g> Graph<'g> {
    /// Returns the Jacobian ∂of/∂wrt in double precision: `[axes of `of`…, axes of `wrt`…]`, where the last axes say
    /// which element moves. `wrt` is a parameter, or a node that is [watched](Var::watch).
    ///
    /// It is computed by rows, with a backward pass per element of `of`, or by columns, with a [forward
    /// pass](Graph::jvp) per element of `wrt`, whichever are fewer; by rows in any case where an operation has no
    /// forward mode.
    ///
    /// ```
    /// use ndarray::array;
    /// use unspool_graph::{Graph, Params};
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let x = graph.input(array![2.0f64, 3.0]).watch();
    /// let y = graph.concat(&[x * x, (x.slice(0, 0..1) * x.slice(0, 1..2))], 0); // (x₀², x₁², x₀·x₁)
    /// assert_eq!(graph.jacobian(y, x)?, array![[4.0, 0.0], [0.0, 6.0], [3.0, 2.0]].into_dyn());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// The graph's first error; [`Error::Argument`] for a node that is not watched, and for a Jacobian that has more
    /// elements than memory has room for.
    #[track_caller]
    pub fn jacobian(&'g self, of: Var<'g>, wrt: impl Operand<'g> + HasGradient) -> Result<ArrayD<f64>> {
        let leaf = wrt.on(self);
        let (rows, columns) = (of.shape()?, leaf.shape()?);
        self.kept("jacobian", of.place())?;
        let argument = |why| Error::Argument { operation: "jacobian", why, at: self.place() };
        if !leaf.is_followed() {
            return Err(argument(
                "the node to move is not watched, or a parameter that is frozen: use what `watch()` returns".into(),
            ));
        }
        let (m, n) = (rows.elements(), columns.elements());
        let mut elements = vec![];
        let room = m.checked_mul(n).is_some_and(|len| elements.try_reserve_exact(len).is_ok());
        if !room {
            return Err(argument(format!("there is no memory for the {m} × {n} elements of {rows} by {columns}")));
        }
        elements.resize(m * n, 0.0);
        if !(n < m && self.by_columns(of, leaf, &columns, &mut elements)?) {
            for i in 0..m {
                let gradient = of.vjp(unit(&rows, i))?.of(wrt);
                if let Some(row) = gradient {
                    elements[i * n..][..n].iter_mut().zip(&row.to_f64()).for_each(|(to, &x)| *to = x);
                }
            }
        }
        let shape = [&rows[..], &columns[..]].concat();
        ArrayD::from_shape_vec(IxDyn(&shape), elements).map_err(|error| argument(error.to_string()))
    }

    /// Fills in the columns one by one. `false`: there is no forward mode for an operation on the way.
    fn by_columns(&'g self, of: Var<'g>, leaf: Var<'g>, shape: &Shape, elements: &mut [f64]) -> Result<bool> {
        let n = shape.elements();
        for j in 0..n {
            let column = match self.jvp(of, &[(leaf, unit(shape, j))]) {
                Err(Error::NoForwardMode { .. }) => return Ok(false),
                column => column?,
            };
            elements[j..].iter_mut().step_by(n).zip(&column.to_f64()).for_each(|(to, &x)| *to = x);
        }
        Ok(true)
    }
}

/// Returns a tensor of this shape that is 1 at one element and 0 elsewhere.
fn unit(shape: &Shape, element: usize) -> Tensor {
    let mut all = ArrayD::<f64>::zeros(IxDyn(shape));
    if let Some(one) = all.iter_mut().nth(element) {
        *one = 1.0;
    }
    all.into()
}
