//! What loops over many numbers do differently for each sort of them.

use super::{Either, Element, Slice};
use std::{
    any::Any,
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

/// Says what the sums of a matrix product begin at.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub enum Start<'a, E> {
    /// At zero: C = A·B.
    Zero,
    /// At what C holds: C += A·B.
    Output,
    /// Each row of C at this one, such as a bias: C = A·B + 1·row.
    Row(&'a [E]),
}

impl<E: Element> Start<'_, E> {
    /// At what C holds, or at zero.
    pub(crate) fn new(accumulate: bool) -> Self {
        if accumulate { Start::Output } else { Start::Zero }
    }

    /// The same from a column on.
    pub(crate) fn from(self, column: usize) -> Self {
        match self {
            Start::Row(row) => Start::Row(&row[column..]),
            other => other,
        }
    }

    /// Writes it into the rows of C `[.., n]`.
    pub(crate) fn write(self, n: usize, c: &mut [E]) {
        match self {
            Start::Zero => c.fill(E::ZERO),
            Start::Output => {}
            Start::Row(row) => c.chunks_exact_mut(n.max(1)).for_each(|c| c.copy_from_slice(row)),
        }
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
    /// C = A·B, begun at `start`, for the sizes `(m, k, n)`: A and B are elements with the distances of rows and of
    /// columns, as in `Matrix`.
    fn product(
        sizes: (usize, usize, usize),
        a: (&[Self], usize, usize),
        b: (&[Self], usize, usize),
        c: &mut [Self],
        start: Start<'_, Self>,
    );
    /// C = A·B for `rows` rows of A, begun at `start`, where `packed` is a `Packed` matrix B of numbers of this sort.
    /// It is not a generic function, so that its loops are compiled in this crate alone.
    fn product_by(rows: usize, a: (&[Self], usize, usize), packed: &dyn Any, c: &mut [Self], start: Start<'_, Self>);
}
