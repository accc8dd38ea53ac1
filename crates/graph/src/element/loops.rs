//! What loops over many numbers do differently for each sort of them.

use super::{Either, Slice};
use std::{cell::Cell, thread::LocalKey};

/// Says how loops over slices run for one sort of number; the module `kernels` says it for each.
///
/// Single and double precision run in the processor's vectors. A dual number's loops run as they are written, so that
/// second derivatives, which few programs ask for, do not compile every operation once more for every processor; only
/// its matrix products are those of double precision.
#[doc(hidden)]
pub trait Loops: Sized + 'static {
    /// This thread's working memory: taken, grown where needed, and put back.
    fn scratch() -> &'static LocalKey<Cell<Vec<Self>>>;
    /// The numbers as those of a model; none of dual numbers.
    fn as_float(numbers: &mut [Self]) -> Option<Either<Slice<'_>>>;
    /// Runs a loop over numbers of this sort.
    fn vectorize<R>(work: impl FnOnce() -> R) -> R;
    /// C = A·B, or C += A·B where `accumulate`, for the sizes `(m, k, n)`: A and B are elements with the distances of
    /// rows and of columns, as in `Matrix`.
    fn product(
        sizes: (usize, usize, usize),
        a: (&[Self], usize, usize),
        b: (&[Self], usize, usize),
        c: &mut [Self],
        accumulate: bool,
    );
}
