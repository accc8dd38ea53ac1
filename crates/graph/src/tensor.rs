//! Values as they leave and enter a graph: arrays in one of the two precisions.

use crate::{
    Element, Float, Precision, Shape,
    element::{Either, Family, Shown, Slice},
};
use ndarray::{ArrayBase, ArrayD, ArrayViewD, CowArray, Data, Dimension, IxDyn};
use std::sync::Arc;

/// Holds an array that owns its elements, in single or double precision.
///
/// ```
/// use unspool_graph::Tensor;
/// let t = Tensor::from(ndarray::array![[1.0f32, 2.0], [3.0, 4.0]]);
/// assert_eq!(t.shape(), [2, 2]);
/// assert_eq!(t.to_f64()[[1, 0]], 3.0);
/// assert!(t.f32().is_some() && t.f64().is_none());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub enum Tensor {
    /// Single precision.
    F32(ArrayD<f32>),
    /// Double precision.
    F64(ArrayD<f64>),
}

impl Tensor {
    /// Returns the sizes of its axes.
    pub fn shape(&self) -> &[usize] {
        match self {
            Tensor::F32(a) => a.shape(),
            Tensor::F64(a) => a.shape(),
        }
    }

    /// Returns in which numbers it is held.
    pub fn precision(&self) -> Precision {
        match self {
            Tensor::F32(_) => Precision::F32,
            Tensor::F64(_) => Precision::F64,
        }
    }

    /// Returns a view, if it is held in single precision.
    pub fn f32(&self) -> Option<ArrayViewD<'_, f32>> {
        match self {
            Tensor::F32(a) => Some(a.view()),
            Tensor::F64(_) => None,
        }
    }

    /// Returns a view, if it is held in double precision.
    pub fn f64(&self) -> Option<ArrayViewD<'_, f64>> {
        match self {
            Tensor::F32(_) => None,
            Tensor::F64(a) => Some(a.view()),
        }
    }

    /// Returns a copy in double precision, whichever it is held in.
    pub fn to_f64(&self) -> ArrayD<f64> {
        match self {
            Tensor::F32(a) => a.mapv(f64::from),
            Tensor::F64(a) => a.clone(),
        }
    }

    /// The elements, if they are in precision `E` and lie in row-major order.
    pub(crate) fn as_slice<E: Float>(&self) -> Option<&[E]> {
        let elements: Either<Shown<'_>> = match self {
            Tensor::F32(array) => Either::F32(array.as_slice()?),
            Tensor::F64(array) => Either::F64(array.as_slice()?),
        };
        elements.of::<E>().copied()
    }

    /// Writes the elements in row-major order, in precision `E`.
    pub(crate) fn write_to<E: Element>(&self, out: &mut [E]) {
        Input::from(self).write_to(out);
    }

    /// Takes these elements, which fill the shape; in place where the shape and the precision stay.
    pub(crate) fn assign<E: Float>(&mut self, shape: &Shape, elements: &[E]) {
        if self.shape() == &shape[..] {
            let mut own: Option<Either<Slice<'_>>> = match self {
                Tensor::F32(array) => array.as_slice_mut().map(Either::F32),
                Tensor::F64(array) => array.as_slice_mut().map(Either::F64),
            };
            if let Some(own) = own.as_mut().and_then(Either::of_mut::<E>) {
                return own.copy_from_slice(elements);
            }
        }
        *self = Tensor::from_elements(shape, elements);
    }

    /// The elements in row-major order, in precision `E`.
    pub(crate) fn elements<E: Element>(&self) -> Vec<E> {
        let mut elements = vec![E::ZERO; self.shape().iter().product()];
        self.write_to(&mut elements);
        elements
    }

    /// A tensor of these elements, which fill the shape.
    pub(crate) fn from_elements<E: Float>(shape: &Shape, elements: &[E]) -> Tensor {
        // A node's value always fills its shape; an empty array stands in so that no panic is possible here.
        let array = ArrayD::from_shape_vec(IxDyn(shape), elements.to_vec());
        match E::wrap::<Array>(array.unwrap_or_else(|_| ArrayD::from_elem(IxDyn(&[0]), E::ZERO))) {
            Either::F32(array) => Tensor::F32(array),
            Either::F64(array) => Tensor::F64(array),
        }
    }
}

/// Writes each element, converted, in row-major order. Nearly all arrays lie in that order, and are read as a slice.
fn convert<A: Copy, E: Element>(array: &CowArray<'_, A, IxDyn>, out: &mut [E], to: impl Fn(A) -> E) {
    match array.as_slice() {
        Some(elements) => out.iter_mut().zip(elements).for_each(|(y, &x)| *y = to(x)),
        None => out.iter_mut().zip(array).for_each(|(y, &x)| *y = to(x)),
    }
}

/// What a [`Tensor`] is of. `Tensor` and [`Elements`] are enums of their own, as users take them apart.
struct Array;

impl Family for Array {
    type Of<E: Float> = ArrayD<E>;
}

/// Holds what enters a recording by [`Graph::input`](crate::Graph::input): an array of either precision, given or lent.
///
/// ```
/// use ndarray::{Array2, array};
/// use unspool_graph::{Graph, Params, Tensor};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let (lent, carried) = (array![[1.0f32, 2.0]], Tensor::from(vec![3.0f32]));
/// let all = [
///     graph.input(&lent),
///     graph.input(lent.view()),
///     graph.input(&carried),
///     graph.input(vec![4.0f32]),
///     graph.input(5.0f32),
///     graph.input(Array2::<f32>::zeros((2, 2))),
/// ];
/// assert_eq!(all.map(|x| x.sum_all().item().unwrap()), [3.0, 3.0, 3.0, 4.0, 5.0, 0.0]);
/// ```
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// Single precision.
    F32(CowArray<'a, f32, IxDyn>),
    /// Double precision.
    F64(CowArray<'a, f64, IxDyn>),
    /// A tensor that several hold. In the recording's precision it is read where it lies.
    Shared(Arc<Tensor>),
}

impl Input<'_> {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Input::Shared(tensor) => tensor.shape(),
            Input::F32(a) => a.shape(),
            Input::F64(a) => a.shape(),
        }
    }

    /// Writes the elements in row-major order, in precision `E`.
    pub(crate) fn write_to<E: Element>(&self, out: &mut [E]) {
        match self {
            Input::F32(a) => convert(a, out, |x| E::from_f64(f64::from(x))),
            Input::F64(a) => convert(a, out, E::from_f64),
            Input::Shared(tensor) => tensor.write_to(out),
        }
    }
}

impl From<Tensor> for Input<'_> {
    fn from(tensor: Tensor) -> Self {
        match tensor {
            Tensor::F32(array) => Input::F32(array.into()),
            Tensor::F64(array) => Input::F64(array.into()),
        }
    }
}

impl<'a> From<&'a Tensor> for Input<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        match tensor {
            Tensor::F32(array) => Input::F32(array.view().into()),
            Tensor::F64(array) => Input::F64(array.view().into()),
        }
    }
}

impl From<Arc<Tensor>> for Input<'_> {
    fn from(tensor: Arc<Tensor>) -> Self {
        Input::Shared(tensor)
    }
}

macro_rules! from_array {
    ($type:ident, $variant:ident) => {
        impl<S: Data<Elem = $type>, D: Dimension> From<ArrayBase<S, D, $type>> for Input<'_> {
            fn from(array: ArrayBase<S, D, $type>) -> Self {
                Input::$variant(array.into_owned().into_dyn().into())
            }
        }
        impl<'a, S: Data<Elem = $type>, D: Dimension> From<&'a ArrayBase<S, D, $type>> for Input<'a> {
            fn from(array: &'a ArrayBase<S, D, $type>) -> Self {
                Input::$variant(array.view().into_dyn().into())
            }
        }
        impl From<Vec<$type>> for Input<'_> {
            fn from(values: Vec<$type>) -> Self {
                Tensor::from(values).into()
            }
        }
        impl From<$type> for Input<'_> {
            fn from(value: $type) -> Self {
                Tensor::from(value).into()
            }
        }
        impl<S: Data<Elem = $type>, D: Dimension> From<ArrayBase<S, D, $type>> for Tensor {
            fn from(array: ArrayBase<S, D, $type>) -> Self {
                Tensor::$variant(array.into_owned().into_dyn())
            }
        }
        impl<S: Data<Elem = $type>, D: Dimension> From<&ArrayBase<S, D, $type>> for Tensor {
            fn from(array: &ArrayBase<S, D, $type>) -> Self {
                Tensor::$variant(array.to_owned().into_dyn())
            }
        }
        impl From<Vec<$type>> for Tensor {
            fn from(values: Vec<$type>) -> Self {
                Tensor::$variant(ndarray::Array1::from(values).into_dyn())
            }
        }
        impl From<$type> for Tensor {
            fn from(value: $type) -> Self {
                Tensor::$variant(ndarray::arr0(value).into_dyn())
            }
        }
    };
}
from_array!(f32, F32);
from_array!(f64, F64);

impl From<&Tensor> for Tensor {
    fn from(tensor: &Tensor) -> Self {
        tensor.clone()
    }
}

/// Lends the elements of an array in one of the two precisions, to be changed in place.
///
/// ```
/// use unspool_graph::Elements;
/// fn halve(elements: Elements<'_>) {
///     match elements {
///         Elements::F32(elements) => elements.iter_mut().for_each(|x| *x *= 0.5),
///         Elements::F64(elements) => elements.iter_mut().for_each(|x| *x *= 0.5),
///     }
/// }
/// let mut array = [2.0f32, 4.0];
/// halve(Elements::from(&mut array[..]));
/// assert_eq!(array, [1.0, 2.0]);
/// ```
#[derive(Debug)]
pub enum Elements<'a> {
    /// Of a model in single precision.
    F32(&'a mut [f32]),
    /// Of a model in double precision.
    F64(&'a mut [f64]),
}

impl<'a> Elements<'a> {
    pub(crate) fn of(elements: Either<Slice<'a>>) -> Self {
        match elements {
            Either::F32(elements) => Elements::F32(elements),
            Either::F64(elements) => Elements::F64(elements),
        }
    }
}

impl<'a, E: Float> From<&'a mut [E]> for Elements<'a> {
    fn from(elements: &'a mut [E]) -> Self {
        Elements::of(E::wrap::<Slice<'a>>(elements))
    }
}
