//! The numbers that a model can hold.

use super::{Element, Lanes, Side};

/// Names the two precisions that a model can be in: `f32` and `f64`.
///
/// An operation is written for every [`Element`], of which there is one more: the dual numbers in which a recording is
/// run again for [second derivatives](crate::Var::hessian_vector). What holds or changes a model's own numbers, such as
/// an optimizer, is written for these two.
///
/// ```
/// use unspool_graph::{Float, Graph, ParamGrad, Params, init};
/// /// The greatest element of all gradients.
/// fn greatest<E: Float>(gradients: &unspool_graph::Gradients) -> f64 {
///     let all = gradients.iter::<E>().filter_map(|(_, _, gradient)| match gradient {
///         ParamGrad::Dense(elements) => elements.iter().map(|x| x.to_f64()).reduce(f64::max),
///         _ => None,
///     });
///     all.fold(f64::NEG_INFINITY, f64::max)
/// }
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [2], init::values(vec![3.0, 4.0]));
/// let graph = Graph::new(&params);
/// assert_eq!(greatest::<f32>(&(graph.param(w) * w).sum_all().backward()?), 8.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub trait Float: Element + Side + Lanes {
    /// As many bytes as a number has.
    type Bytes: AsRef<[u8]> + AsMut<[u8]> + Copy + Default;
    /// The number's bits, the lowest byte first.
    fn to_le_bytes(self) -> Self::Bytes;
    /// The number that has these bits.
    fn from_le_bytes(bytes: Self::Bytes) -> Self;
    /// The number that an 8-bit integer is, which is exact.
    fn from_i8(integer: i8) -> Self;
}

macro_rules! float {
    ($($type:ident),*) => {$(
        impl Float for $type {
            type Bytes = [u8; size_of::<$type>()];
            #[inline(always)]
            fn to_le_bytes(self) -> Self::Bytes {
                self.to_le_bytes()
            }
            #[inline(always)]
            fn from_le_bytes(bytes: Self::Bytes) -> Self {
                $type::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn from_i8(integer: i8) -> Self {
                integer.into()
            }
        }
    )*};
}
float!(f32, f64);
