//! Shapes: up to six axes, kept inline so that a node costs no allocation for them.

use std::{fmt, ops::Deref};

/// Limits the axes a tensor can have.
///
/// ```
/// use unspool_graph::{MAX_RANK, Shape};
/// assert!(Shape::new(&[1; MAX_RANK]).is_some());
/// assert!(Shape::new(&[1; MAX_RANK + 1]).is_none());
/// ```
pub const MAX_RANK: usize = 6;

/// Holds the sizes of a tensor's axes, outermost first. Dereferences to `[usize]`.
///
/// ```
/// use unspool_graph::Shape;
/// let shape = Shape::from([2, 3, 4]);
/// assert_eq!((shape.len(), shape.elements()), (3, 24));
/// assert_eq!(Shape::from([2, 1, 4]).broadcast(&Shape::from([3, 1])), Some(Shape::from([2, 3, 4])));
/// assert_eq!(shape, [2, 3, 4]);
/// assert_eq!(shape.into_iter().rev().collect::<Vec<_>>(), [4, 3, 2]);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    sizes: [usize; MAX_RANK],
}

/// The most elements a tensor can have: the numbers of such a tensor, eight bytes each, just have an address.
const MAX_ELEMENTS: usize = isize::MAX as usize / 8;

/// The product of some sizes; the greatest number there is where it would be greater, and 0 if one of them is 0.
fn product<'s>(sizes: impl Iterator<Item = &'s usize>) -> usize {
    sizes.fold(1, |product: usize, &size| product.saturating_mul(size))
}

impl Shape {
    /// Returns the shape with these sizes, or `None` if no tensor has it: if there are more than [`MAX_RANK`] sizes, or
    /// if their product, sizes of 0 left out, is more than `isize::MAX / 8`. Strides and offsets of a shape thus never
    /// overflow.
    ///
    /// ```
    /// use unspool_graph::Shape;
    /// assert_eq!(Shape::new(&[2, 3]), Some(Shape::from([2, 3])));
    /// assert_eq!(Shape::new(&[1 << 32, 1 << 32]), None);
    /// assert_eq!(Shape::new(&[usize::MAX, 0]), None);
    /// ```
    pub fn new(sizes: &[usize]) -> Option<Shape> {
        let mut all = [1; MAX_RANK];
        all.get_mut(..sizes.len())?.copy_from_slice(sizes);
        Shape { rank: sizes.len() as u8, sizes: all }.if_possible()
    }

    /// The shape itself if a tensor can have it. One that was made `From` an array need not be possible.
    pub(crate) fn if_possible(self) -> Option<Shape> {
        (product(self.iter().filter(|&&size| size > 0)) <= MAX_ELEMENTS).then_some(self)
    }

    /// Returns the number of elements: the product of the sizes, 1 for rank 0.
    pub fn elements(&self) -> usize {
        product(self.iter())
    }

    /// Returns the last axis's size, 1 for rank 0.
    pub fn last_axis(&self) -> usize {
        self.last().copied().unwrap_or(1)
    }

    /// Returns how many elements stand in front of the last axis: how many rows there are when all but the last axis
    /// are folded into one.
    pub fn rows(&self) -> usize {
        product(self.iter().rev().skip(1))
    }

    /// Returns the shape of an elementwise operation on tensors of these two by NumPy's rule: axes are matched from the
    /// last; sizes agree or one of them is 1. `None` if they do not fit, or if no tensor has the result's shape.
    pub fn broadcast(&self, other: &Shape) -> Option<Shape> {
        let rank = self.rank.max(other.rank);
        let mut out = Shape { rank, sizes: [1; MAX_RANK] };
        for i in 0..rank as usize {
            let (a, b) = (self.size_from_last(rank as usize - 1 - i), other.size_from_last(rank as usize - 1 - i));
            out.sizes[i] = match (a, b) {
                (a, b) if a == b => a,
                (1, b) => b,
                (a, 1) => a,
                _ => return None,
            };
        }
        out.if_possible()
    }

    fn size_from_last(&self, i: usize) -> usize {
        if i < self.rank as usize { self.sizes[self.rank as usize - 1 - i] } else { 1 }
    }

    /// Returns the shape with another size of axis `axis`; `None` if there is no such axis or no tensor has that shape.
    ///
    /// ```
    /// use unspool_graph::Shape;
    /// let shape = Shape::from([2, 4]);
    /// assert_eq!(shape.with(1, 5), Some(Shape::from([2, 5])));
    /// assert_eq!((shape.with(2, 5), shape.with(1, usize::MAX)), (None, None));
    /// ```
    pub fn with(&self, axis: usize, size: usize) -> Option<Shape> {
        (axis < self.len()).then(|| self.resized(axis, size)).and_then(Shape::if_possible)
    }

    /// The same for an axis that exists and a size that is known to be possible.
    pub(crate) fn resized(mut self, axis: usize, size: usize) -> Shape {
        self.sizes[axis] = size;
        self
    }

    /// Returns the shape without axis `axis`; `None` if there is no such axis.
    ///
    /// ```
    /// use unspool_graph::Shape;
    /// let shape = Shape::from([2, 4]);
    /// assert_eq!((shape.without(0), shape.without(2)), (Some(Shape::from([4])), None));
    /// ```
    pub fn without(&self, axis: usize) -> Option<Shape> {
        let rank = self.len();
        if axis >= rank {
            return None;
        }
        let mut sizes = self.sizes;
        sizes.copy_within(axis + 1.., axis);
        Shape::new(&sizes[..rank - 1])
    }

    /// Returns the shape with an axis of size `size` in front of axis `axis`; `None` if there is no such place, no room
    /// for one more axis, or if no tensor has that shape.
    ///
    /// ```
    /// use unspool_graph::Shape;
    /// let shape = Shape::from([2, 4]);
    /// assert_eq!(shape.insert(1, 3), Some(Shape::from([2, 3, 4])));
    /// assert_eq!(shape.insert(3, 3), None);
    /// ```
    pub fn insert(&self, axis: usize, size: usize) -> Option<Shape> {
        let rank = self.len();
        if axis > rank || rank == MAX_RANK {
            return None;
        }
        let mut sizes = self.sizes;
        sizes.copy_within(axis..rank, axis + 1);
        sizes[axis] = size;
        Shape::new(&sizes[..rank + 1])
    }

    /// How far apart neighbors along each axis lie in row-major order.
    pub(crate) fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut next: usize = 1;
        for i in (0..self.len()).rev() {
            strides[i] = next;
            // A shape without elements may have strides that no tensor needs.
            next = next.saturating_mul(self.sizes[i]);
        }
        strides
    }

    /// Strides for reading a tensor of this shape as if it had the shape `wide`: 0 along every axis that is repeated.
    pub(crate) fn strides_in(&self, wide: &Shape) -> [usize; MAX_RANK] {
        let (own, mut out) = (self.strides(), [0; MAX_RANK]);
        let lead = wide.len() - self.len();
        for i in 0..self.len() {
            out[lead + i] = if self[i] == 1 { 0 } else { own[i] };
        }
        out
    }
}

impl Shape {
    /// Returns the sizes as an array, if there are `N` of them: `let [batch, time, feature] = shape.dims()?`.
    ///
    /// ```
    /// use unspool_graph::Shape;
    /// let Some([batch, time, feature]) = Shape::from([2, 5, 8]).dims() else { panic!("three axes") };
    /// assert_eq!((batch, time, feature), (2, 5, 8));
    /// assert_eq!(Shape::from([2, 5]).dims::<3>(), None);
    /// ```
    pub fn dims<const N: usize>(&self) -> Option<[usize; N]> {
        (**self).try_into().ok()
    }
}

impl AsRef<[usize]> for Shape {
    fn as_ref(&self) -> &[usize] {
        self
    }
}

impl IntoIterator for Shape {
    type Item = usize;
    type IntoIter = std::iter::Take<std::array::IntoIter<usize, MAX_RANK>>;
    fn into_iter(self) -> Self::IntoIter {
        self.sizes.into_iter().take(self.rank as usize)
    }
}

impl<'s> IntoIterator for &'s Shape {
    type Item = &'s usize;
    type IntoIter = std::slice::Iter<'s, usize>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Comparisons with whatever else holds sizes, from either side.
macro_rules! equals {
    ($([$($generic:tt)*] $other:ty),*) => {$(
        impl<$($generic)*> PartialEq<$other> for Shape {
            fn eq(&self, other: &$other) -> bool {
                **self == other[..]
            }
        }
        impl<$($generic)*> PartialEq<Shape> for $other {
            fn eq(&self, other: &Shape) -> bool {
                self[..] == **other
            }
        }
    )*};
}
equals!([] [usize], [] &[usize], [] Vec<usize>, [const N: usize] [usize; N], [const N: usize] &[usize; N]);

/// Says that no tensor has the sizes that a [`Shape`] was to be made of.
///
/// ```
/// use unspool_graph::Shape;
/// let sizes = vec![1; 7];
/// assert_eq!(Shape::try_from(sizes).unwrap_err().to_string(), "no tensor has the shape [1, 1, 1, 1, 1, 1, 1]");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no tensor has the shape {0:?}")]
pub struct ShapeError(Vec<usize>);

impl TryFrom<&[usize]> for Shape {
    type Error = ShapeError;
    fn try_from(sizes: &[usize]) -> Result<Shape, ShapeError> {
        Shape::new(sizes).ok_or_else(|| ShapeError(sizes.to_vec()))
    }
}

impl TryFrom<Vec<usize>> for Shape {
    type Error = ShapeError;
    fn try_from(sizes: Vec<usize>) -> Result<Shape, ShapeError> {
        Shape::new(&sizes).ok_or(ShapeError(sizes))
    }
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.sizes[..self.rank as usize]
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(sizes: [usize; N]) -> Self {
        const { assert!(N <= MAX_RANK, "a tensor has at most six axes") };
        let mut all = [1; MAX_RANK];
        all[..N].copy_from_slice(&sizes);
        Shape { rank: N as u8, sizes: all }
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// The runs in which two tensors are read side by side under broadcasting: neighboring axes that lie alike in both are
/// folded together, so that the innermost run is as long as can be.
pub(crate) struct Broadcast {
    /// Outer axes: size, stride in the first, stride in the second.
    outer: Vec<(usize, usize, usize)>,
    /// The innermost run: its length and each operand's step, 0 or 1 (or a true stride where an operand is no whole
    /// tensor).
    inner: (usize, usize, usize),
}

impl Broadcast {
    pub(crate) fn new(wide: &Shape, first: [usize; MAX_RANK], second: [usize; MAX_RANK]) -> Broadcast {
        let mut axes: Vec<(usize, usize, usize)> = Vec::with_capacity(MAX_RANK);
        for i in 0..wide.len() {
            let (size, a, b) = (wide[i], first[i], second[i]);
            if size == 1 {
                continue;
            }
            match axes.last_mut() {
                // An axis continues the one before it where a step of the outer is `size` steps of the inner, in both.
                Some(last) if last.1 == a * size && last.2 == b * size => *last = (last.0 * size, a, b),
                _ => axes.push((size, a, b)),
            }
        }
        let inner = axes.pop().unwrap_or((1, 1, 1));
        Broadcast { outer: axes, inner }
    }

    /// Calls `run(offset in the wide tensor, length, (offset, step) in the first, (offset, step) in the second)`, in
    /// order.
    #[inline(always)]
    pub(crate) fn each(&self, mut run: impl FnMut(usize, usize, (usize, usize), (usize, usize))) {
        let (length, a_step, b_step) = self.inner;
        if self.outer.is_empty() {
            return run(0, length, (0, a_step), (0, b_step));
        }
        let total: usize = self.outer.iter().map(|axis| axis.0).product();
        let mut at = [0usize; MAX_RANK];
        let (mut a, mut b) = (0, 0);
        for i in 0..total {
            run(i * length, length, (a, a_step), (b, b_step));
            for (axis, &(size, a_stride, b_stride)) in self.outer.iter().enumerate().rev() {
                at[axis] += 1;
                a += a_stride;
                b += b_stride;
                if at[axis] < size {
                    break;
                }
                a -= a_stride * size;
                b -= b_stride * size;
                at[axis] = 0;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folded_runs_visit_what_ndarray_broadcasts() {
        let (wide, narrow) = (Shape::from([2, 3, 4]), Shape::from([3, 1]));
        let b = Broadcast::new(&wide, wide.strides(), narrow.strides_in(&wide));
        let mut seen = vec![];
        b.each(|at, n, a, b| (0..n).for_each(|i| seen.push((at + i, a.0 + a.1 * i, b.0 + b.1 * i))));
        let expected: Vec<_> = (0..24).map(|i| (i, i, i / 4 % 3)).collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_shape_that_no_tensor_has_is_refused_wherever_it_is_made() {
        const MAX: usize = usize::MAX;
        for sizes in [&[MAX][..], &[MAX, 0], &[1 << 32, 1 << 32], &[(1 << 63) + 2, 2], &[1; 7], &[MAX_ELEMENTS + 1]] {
            assert_eq!(Shape::new(sizes), None, "{sizes:?}");
        }
        assert!(Shape::new(&[MAX_ELEMENTS, 0, 1]).is_some());
        let shape = Shape::from([2, 4]);
        assert_eq!(
            (shape.with(0, MAX), shape.with(2, 1), shape.with(6, 1), shape.without(2)),
            (None, None, None, None)
        );
        assert_eq!((Shape::from([]).without(0), shape.insert(0, MAX)), (None, None));
        assert_eq!(Shape::from([1, 1 << 40]).broadcast(&Shape::from([1 << 40, 1])), None);
        assert_eq!(Shape::from([1 << 32, 1 << 32]).elements(), MAX);
        assert_eq!(Shape::from([MAX, MAX, 0]).elements(), 0);
    }

    #[test]
    fn equal_shapes_are_one_run() {
        let s = Shape::from([2, 3, 4]);
        let mut runs = 0;
        Broadcast::new(&s, s.strides(), s.strides()).each(|_, n, _, _| {
            runs += 1;
            assert_eq!(n, 24);
        });
        assert_eq!(runs, 1);
    }
}
