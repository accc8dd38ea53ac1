//! What loops over many numbers do differently for each sort of them.

use super::{Either, Slice};
use std::{
    cell::{Cell, RefCell},
    thread::LocalKey,
};

/// Holds what a thread keeps from call to call, so that a loop in its steady state does not ask the allocator.
#[expect(missing_debug_implementations, reason = "only named here")]
pub struct ThreadMemory<E> {
    /// Working memory: taken, grown where needed, and put back.
    pub(crate) scratch: Cell<Vec<E>>,
    /// Room of a matrix product for rows of A and for a panel of B.
    pub(crate) room: Cell<[Vec<E>; 2]>,
    /// Short buffers that wait for their next use, by their length.
    pub(crate) short: RefCell<Vec<Vec<Vec<E>>>>,
}

impl<E> ThreadMemory<E> {
    pub(crate) const fn empty() -> Self {
        ThreadMemory { scratch: Cell::new(vec![]), room: Cell::new([vec![], vec![]]), short: RefCell::new(vec![]) }
    }
}

/// Says how loops over slices run for one sort of number; the module `kernels` says it for each.
///
/// Single and double precision run in the processor's vectors. A dual number's loops run as they are written, so that
/// second derivatives, which few programs ask for, do not compile every operation once more for every processor; only
/// its matrix products are those of double precision.
#[doc(hidden)]
pub trait Loops: Sized + 'static {
    /// This thread's memory for numbers of this sort.
    fn thread_memory() -> &'static LocalKey<ThreadMemory<Self>>;
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
