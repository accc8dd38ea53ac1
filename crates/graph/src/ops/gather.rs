//! Elements along one axis by number, and in order.

use super::movement::{Movement, Run};
use crate::{Shape, Var, shape::MAX_RANK};
use ndarray::{ArrayD, ArrayView, ArrayViewD, Dimension, IxDyn};
use std::panic::Location;

/// y[i₀, …, iₐ, …] = x[i₀, …, index[i₀, …, iₐ, …], …]
struct GatherAlong {
    axis: usize,
    index: Vec<u32>,
    shape: Shape,
}

impl Movement for GatherAlong {
    fn name(&self) -> &'static str {
        "gather"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let own = inputs[0];
        let fits = own.len() == self.shape.len()
            && (0..own.len()).all(|axis| axis == self.axis || self.shape[axis] <= own[axis]);
        if !fits {
            let axis = self.axis;
            return Err(format!("and an index {} must have as many axes, none but axis {axis} longer", self.shape));
        }
        match self.index.iter().find(|&&i| i as usize >= own[self.axis]) {
            Some(bad) => {
                Err(format!("has {} elements along axis {}, so {bad} does not exist", own[self.axis], self.axis))
            }
            None => Ok(self.shape),
        }
    }
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run)) {
        let (strides, mut at) = (inputs[0].strides(), [0; MAX_RANK]);
        for (to, &index) in self.index.iter().enumerate() {
            let place = |axis: usize| if axis == self.axis { index as usize } else { at[axis] };
            let from = (0..output.len()).map(|axis| place(axis) * strides[axis]).sum();
            run(Run { to, input: 0, from, step: 1, len: 1 });
            for axis in (0..output.len()).rev() {
                at[axis] += 1;
                if at[axis] < output[axis] {
                    break;
                }
                at[axis] = 0;
            }
        }
    }
}

impl<'g> Var<'g> {
    /// Returns elements along one axis by their numbers (PyTorch's `gather`): y[i, j] = x[i, index[i, j]] for axis 1 of
    /// a matrix. The result has the index's shape; an element that is taken twice gets both gradients.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let log_probs = graph.input(array![[0.1f32, 0.2, 0.7], [0.6, 0.3, 0.1]]); // [batch, class]
    /// let chosen = log_probs.gather(1, array![[2u32], [0]].view());
    /// assert_eq!(chosen.value()?, array![[0.7f32], [0.6]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn gather<D: Dimension>(self, axis: isize, index: ArrayView<'_, u32, D>) -> Var<'g> {
        self.gather_at(axis, index.into_dyn(), Location::caller())
    }

    fn gather_at(self, axis: isize, index: ArrayViewD<'_, u32>, line: &'static Location<'static>) -> Var<'g> {
        let Some(axis) = self.axis("gather", axis, line) else { return self.graph.inert() };
        let Some(shape) = Shape::new(index.shape()) else {
            return self.refuse("gather", format!("an index of shape {:?} has too many axes", index.shape()), line);
        };
        let gather = GatherAlong { axis, index: index.iter().copied().collect(), shape };
        self.graph.move_at(gather, &[self], line)
    }

    /// Returns the elements along one axis in ascending order, and where each of them was: the index with which
    /// [`gather`](Var::gather) gives the same order. Equal elements keep their order, and not-a-number comes last.
    ///
    /// # Errors
    /// Those of the graph, which the result keeps; the places are empty then.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[3.0f32, 1.0, 2.0]]).watch();
    /// let (sorted, places) = x.sort(1);
    /// assert_eq!(sorted.value()?, array![[1.0f32, 2.0, 3.0]].into());
    /// assert_eq!(places, array![[1, 2, 0]].into_dyn());
    /// let gradients = (sorted * graph.input(array![[1.0f32, 0.0, 5.0]])).sum_all().backward()?;
    /// assert_eq!(gradients.of(x).unwrap(), array![[5.0f32, 1.0, 0.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sort(self, axis: isize) -> (Var<'g>, ArrayD<u32>) {
        let line = Location::caller();
        let nothing = (self.graph.inert(), ArrayD::zeros(IxDyn(&[0])));
        let Some(axis) = self.axis("sort", axis, line) else { return nothing };
        let Ok(values) = self.value() else { return nothing };
        let values = values.to_f64();
        let mut places = ArrayD::zeros(values.raw_dim());
        let lanes = values.lanes(ndarray::Axis(axis)).into_iter().zip(places.lanes_mut(ndarray::Axis(axis)));
        for (values, mut places) in lanes {
            let mut order: Vec<u32> = (0..values.len() as u32).collect();
            let key = |&place: &u32| values[place as usize];
            order.sort_by(|a, b| {
                let (a, b) = (key(a), key(b));
                a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            });
            places.iter_mut().zip(order).for_each(|(place, from)| *place = from);
        }
        (self.gather_at(axis as isize, places.view(), line), places)
    }
}
