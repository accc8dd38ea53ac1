//! Shapes: up to six axes, kept inline so that a node costs no allocation for them.

use std::{fmt, ops::Deref};

/// The most axes a tensor can have.
///
/// ```
/// use unspool_graph::{MAX_RANK, Shape};
/// assert!(Shape::new(&[1; MAX_RANK]).is_some());
/// assert!(Shape::new(&[1; MAX_RANK + 1]).is_none());
/// ```
pub const MAX_RANK: usize = 6;

/// The sizes of a tensor's axes, outermost first. Dereferences to `[usize]`.
///
/// ```
/// use unspool_graph::Shape;
/// let shape = Shape::from([2, 3, 4]);
/// assert_eq!((shape.len(), shape.elements()), (3, 24));
/// assert_eq!(Shape::from([2, 1, 4]).broadcast(&Shape::from([3, 1])), Some(Shape::from([2, 3, 4])));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Shape {
    rank: u8,
    sizes: [usize; MAX_RANK],
}

impl Shape {
    /// The shape with these sizes, or `None` if there are more than [`MAX_RANK`] of them.
    pub fn new(sizes: &[usize]) -> Option<Shape> {
        let mut all = [1; MAX_RANK];
        all.get_mut(..sizes.len())?.copy_from_slice(sizes);
        Some(Shape { rank: sizes.len() as u8, sizes: all })
    }

    /// The number of elements: the product of the sizes, 1 for rank 0.
    pub fn elements(&self) -> usize {
        self.iter().product()
    }

    /// The last axis's size, 1 for rank 0.
    pub fn last_axis(&self) -> usize {
        self.last().copied().unwrap_or(1)
    }

    /// The elements in front of the last axis: how many rows there are when all but the last axis are folded into one.
    pub fn rows(&self) -> usize {
        self.iter().rev().skip(1).product()
    }

    /// NumPy's rule: axes are matched from the last; sizes agree or one of them is 1.
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
        Some(out)
    }

    fn size_from_last(&self, i: usize) -> usize {
        if i < self.rank as usize { self.sizes[self.rank as usize - 1 - i] } else { 1 }
    }

    /// The same shape with axis `axis` of another size.
    pub fn with(mut self, axis: usize, size: usize) -> Shape {
        self.sizes[axis] = size;
        self
    }

    /// The shape without axis `axis`.
    pub fn without(&self, axis: usize) -> Shape {
        let mut out = *self;
        out.rank -= 1;
        out.sizes.copy_within(axis + 1.., axis);
        out.sizes[MAX_RANK - 1] = 1;
        out
    }

    /// The shape with an axis of size `size` put in front of axis `axis`; `None` if there is no such place
    /// or no room for one more.
    ///
    /// ```
    /// use unspool_graph::Shape;
    /// let shape = Shape::from([2, 4]);
    /// assert_eq!(shape.insert(1, 3), Some(Shape::from([2, 3, 4])));
    /// assert_eq!(shape.insert(3, 3), None);
    /// assert_eq!((shape.with(1, 5), shape.without(0)), (Shape::from([2, 5]), Shape::from([4])));
    /// ```
    pub fn insert(&self, axis: usize, size: usize) -> Option<Shape> {
        let mut sizes = self.to_vec();
        if axis > sizes.len() {
            return None;
        }
        sizes.insert(axis, size);
        Shape::new(&sizes)
    }

    /// How far apart neighbours along each axis lie in row-major order.
    pub(crate) fn strides(&self) -> [usize; MAX_RANK] {
        let mut strides = [0; MAX_RANK];
        let mut next = 1;
        for i in (0..self.len()).rev() {
            strides[i] = next;
            next *= self.sizes[i];
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

/// The runs in which two tensors are read side by side under broadcasting: neighbouring axes that lie alike in both are
/// folded together, so that the innermost run is as long as can be.
pub(crate) struct Broadcast {
    /// Outer axes: size, stride in the first, stride in the second.
    outer: Vec<(usize, usize, usize)>,
    /// The innermost run: its length and each operand's step, 0 or 1 (or a true stride where an operand is no whole tensor).
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

    /// Calls `run(offset in the wide tensor, length, (offset, step) in the first, (offset, step) in the second)`, in order.
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
