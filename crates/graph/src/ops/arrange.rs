//! Movements by axes: permute, slice, expand, pad, flip, concat, stack. What lies together in memory already is not
//! copied.

use super::movement::{Movement, Run};
use crate::{
    Graph, Shape, Var,
    shape::{Broadcast, MAX_RANK},
};
use std::{ops::Range, panic::Location};

/// Calls `run` for the output of shape `shape` when output element (i₀, i₁, …) is input element `start` + Σ iₖ ·
/// strides[k].
fn strided(shape: &Shape, start: usize, strides: [isize; MAX_RANK], input: usize, run: &mut impl FnMut(Run)) {
    let (rank, total) = (shape.len(), shape.elements());
    if total == 0 {
        return;
    }
    // Fold inner axes that continue each other into one long run.
    let (mut len, mut axes) = (1, rank);
    let step = if rank == 0 { 1 } else { strides[rank - 1] };
    while axes > 0 && (shape[axes - 1] == 1 || strides[axes - 1] == step * len as isize) {
        len *= shape[axes - 1];
        axes -= 1;
    }
    let (mut at, mut from) = ([0usize; MAX_RANK], start as isize);
    for to in (0..total).step_by(len.max(1)) {
        run(Run { to, input, from: from as usize, step, len });
        for axis in (0..axes).rev() {
            at[axis] += 1;
            from += strides[axis];
            if at[axis] < shape[axis] {
                break;
            }
            from -= strides[axis] * shape[axis] as isize;
            at[axis] = 0;
        }
    }
}

fn signed(strides: [usize; MAX_RANK]) -> [isize; MAX_RANK] {
    strides.map(|s| s as isize)
}

/// y[i_p(0), i_p(1), …] = x[i₀, i₁, …]: output axis k is input axis p(k).
struct Permute([usize; MAX_RANK], usize);

impl Movement for Permute {
    fn name(&self) -> &'static str {
        "permute"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let axes = &self.0[..self.1];
        let mut sorted = axes.to_vec();
        sorted.sort_unstable();
        if sorted.len() != inputs[0].len() || sorted.iter().enumerate().any(|(i, &axis)| i != axis) {
            return Err(format!("cannot be permuted by {axes:?}: every axis must be named once"));
        }
        let sizes: Vec<usize> = axes.iter().map(|&axis| inputs[0][axis]).collect();
        Shape::new(&sizes).ok_or_else(|| "cannot be permuted".into())
    }
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run)) {
        let (own, mut strides) = (inputs[0].strides(), [0; MAX_RANK]);
        for (stride, &axis) in strides.iter_mut().zip(&self.0[..self.1]) {
            *stride = own[axis] as isize;
        }
        strided(output, 0, strides, 0, run);
    }
}

/// Every `step`th element of one axis from `start` on; a negative step goes backwards.
struct Slice {
    axis: usize,
    start: usize,
    step: isize,
    len: usize,
}

impl Movement for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0].resized(self.axis, self.len))
    }
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run)) {
        let own = inputs[0].strides();
        let mut strides = signed(own);
        strides[self.axis] *= self.step;
        strided(output, self.start * own[self.axis], strides, 0, run);
    }
}

/// The same elements, repeated along axes of size 1 and along new ones in front.
struct Expand(Shape);

impl Movement for Expand {
    fn name(&self) -> &'static str {
        "expand"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        match inputs[0].broadcast(&self.0) {
            Some(wide) if wide == self.0 => Ok(wide),
            _ => Err(format!("cannot be expanded to {}", self.0)),
        }
    }
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run)) {
        if output.elements() == 0 {
            return;
        }
        let strides = inputs[0].strides_in(output);
        Broadcast::new(output, output.strides(), strides).each(|to, len, _, (from, step)| {
            run(Run { to, input: 0, from, step: step as isize, len });
        });
    }
}

/// Zeros in front of and behind one axis.
struct Pad {
    axis: usize,
    before: usize,
    after: usize,
}

impl Movement for Pad {
    fn name(&self) -> &'static str {
        "pad"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let size = inputs[0][self.axis].checked_add(self.before).and_then(|size| size.checked_add(self.after));
        size.and_then(|size| inputs[0].with(self.axis, size)).ok_or_else(|| {
            format!("cannot be padded by {} and {}: that is more than a tensor can have", self.before, self.after)
        })
    }
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run)) {
        let inner: usize = inputs[0][self.axis..].iter().product();
        let wide: usize = output[self.axis..].iter().product();
        let lead = self.before * inputs[0][self.axis + 1..].iter().product::<usize>();
        for (block, from) in (0..inputs[0].elements()).step_by(inner.max(1)).enumerate() {
            run(Run { to: block * wide + lead, input: 0, from, step: 1, len: inner });
        }
    }
    fn covers(&self) -> bool {
        false
    }
}

/// Inputs one behind the other along one axis.
struct Concat(usize);

impl Movement for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let fits =
            inputs.iter().all(|s| s.len() == inputs[0].len() && s.resized(self.0, 1) == inputs[0].resized(self.0, 1));
        if !fits {
            return Err(format!("must agree in every axis but axis {}, along which they are joined", self.0));
        }
        let size = inputs.iter().try_fold(0, |size: usize, s| size.checked_add(s[self.0]));
        size.and_then(|size| inputs[0].with(self.0, size))
            .ok_or_else(|| "are together more than a tensor can have".into())
    }
    fn runs(&self, inputs: &[Shape], output: &Shape, run: &mut impl FnMut(Run)) {
        let wide: usize = output[self.0..].iter().product();
        if output.elements() == 0 {
            return;
        }
        for block in 0..output.elements() / wide {
            let mut to = block * wide;
            for (input, shape) in inputs.iter().enumerate() {
                let len: usize = shape[self.0..].iter().product();
                run(Run { to, input, from: block * len, step: 1, len });
                to += len;
            }
        }
    }
}

impl<'g> Graph<'g> {
    /// Joins tensors along `axis`; they agree in all other axes.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let both = graph.concat(&[graph.zeros([2, 3]), graph.full([2, 1], 7.0)], -1);
    /// assert_eq!(*both.shape()?, [2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn concat(&'g self, parts: &[Var<'g>], axis: isize) -> Var<'g> {
        let line = Location::caller();
        let [first, ..] = parts else {
            return self.inert_because("concat", "nothing to join: at least one tensor is needed", line);
        };
        let Some(axis) = first.axis("concat", axis, line) else { return self.inert() };
        if parts.len() == 1 {
            return *first;
        }
        self.move_at(Concat(axis), parts, line)
    }

    /// Joins tensors of one shape along a new axis `axis`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let steps = graph.stack(&[graph.zeros([2, 4]), graph.full([2, 4], 1.0), graph.zeros([2, 4])], 1);
    /// assert_eq!(*steps.shape()?, [2, 3, 4]); // [batch, time, feature]
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn stack(&'g self, parts: &[Var<'g>], axis: isize) -> Var<'g> {
        let line = Location::caller();
        let [first, ..] = parts else {
            return self.inert_because("stack", "nothing to join: at least one tensor is needed", line);
        };
        let Some(rank) = first.known_shape().map(|s| s.len() as isize) else { return self.inert() };
        let at = if axis < 0 { axis + rank + 1 } else { axis };
        if !(0..=rank).contains(&at) {
            return first.refuse(
                "stack",
                format!("axis {axis} does not exist in the result of rank {}", rank + 1),
                line,
            );
        }
        let lifted: Vec<_> = parts.iter().map(|p| p.unsqueeze_at(at as usize, line)).collect();
        if lifted.len() == 1 {
            return lifted[0];
        }
        self.move_at(Concat(at as usize), &lifted, line)
    }

    fn inert_because(&'g self, operation: &'static str, why: &str, line: &'static Location<'static>) -> Var<'g> {
        let at = self.place_of(self.mark(line));
        self.fail(crate::Error::Argument { operation, why: why.into(), at });
        self.inert()
    }
}

impl<'g> Var<'g> {
    /// Puts the axes in another order: axis k of the result is axis `axes[k]` of this.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.zeros([2, 3, 4]); // [batch, time, feature]
    /// assert_eq!(*x.permute(&[1, 0, 2]).shape()?, [3, 2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn permute(self, axes: &[usize]) -> Var<'g> {
        let line = Location::caller();
        let mut kept = [0; MAX_RANK];
        let Some(to) = kept.get_mut(..axes.len()) else {
            return self.refuse("permute", format!("{axes:?} are too many axes"), line);
        };
        to.copy_from_slice(axes);
        self.graph.move_at(Permute(kept, axes.len()), &[self], line)
    }

    /// Exchanges two axes.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0, 3.0]]);
    /// assert_eq!(x.transpose(0, 1).value()?, array![[1.0f32], [2.0], [3.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn transpose(self, a: isize, b: isize) -> Var<'g> {
        let line = Location::caller();
        let (Some(a), Some(b)) = (self.axis("transpose", a, line), self.axis("transpose", b, line)) else {
            return self.graph.inert();
        };
        let mut axes: [usize; MAX_RANK] = std::array::from_fn(|i| i);
        axes.swap(a, b);
        let rank = self.known_shape().map_or(0, |s| s.len());
        self.graph.move_at(Permute(axes, rank), &[self], line)
    }

    /// Returns the same elements in the same order under another shape. Nothing is copied.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.zeros([2, 3, 4]);
    /// assert_eq!(*x.reshape([6, 4]).shape()?, [6, 4]);
    /// let error = x.reshape([5, 5]).value().unwrap_err().to_string();
    /// assert!(error.starts_with("reshape"), "{error}");
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn reshape(self, shape: impl AsRef<[usize]>) -> Var<'g> {
        self.reshape_at(shape.as_ref(), Location::caller())
    }

    fn reshape_at(self, shape: &[usize], line: &'static Location<'static>) -> Var<'g> {
        if !self.graph.usable("reshape", &[self], line) {
            return self.graph.inert();
        }
        let (Some(own), wanted) = (self.known_shape(), Shape::new(shape)) else { return self.graph.inert() };
        match wanted {
            Some(wanted) if wanted.elements() == own.elements() => self.graph.view(self, 0, wanted, "reshape", line),
            _ => {
                let why = format!("{own} has {} elements, which {shape:?} does not", own.elements());
                self.refuse("reshape", why, line)
            }
        }
    }

    /// Inserts a new axis of size 1 in front of axis `axis`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(*graph.zeros([2, 4]).unsqueeze(1).shape()?, [2, 1, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn unsqueeze(self, axis: isize) -> Var<'g> {
        let line = Location::caller();
        let Some(rank) = self.known_shape().map(|s| s.len() as isize) else { return self.graph.inert() };
        let at = if axis < 0 { axis + rank + 1 } else { axis };
        if !(0..=rank).contains(&at) {
            return self.refuse(
                "unsqueeze",
                format!("axis {axis} does not exist in the result of rank {}", rank + 1),
                line,
            );
        }
        self.unsqueeze_at(at as usize, line)
    }

    pub(crate) fn unsqueeze_at(self, axis: usize, line: &'static Location<'static>) -> Var<'g> {
        let Some(shape) = self.known_shape() else { return self.graph.inert() };
        match shape.insert(axis, 1) {
            Some(shape) => self.graph.view(self, 0, shape, "unsqueeze", line),
            None => self.refuse("unsqueeze", format!("{shape} has no place {axis} for one more axis"), line),
        }
    }

    /// Removes axis `axis`, which must have size 1.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(*graph.zeros([2, 1, 4]).squeeze(1).shape()?, [2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn squeeze(self, axis: isize) -> Var<'g> {
        self.squeeze_at(axis, Location::caller())
    }

    pub(crate) fn squeeze_at(self, axis: isize, line: &'static Location<'static>) -> Var<'g> {
        let Some(axis) = self.axis("squeeze", axis, line) else { return self.graph.inert() };
        let Some(shape) = self.known_shape() else { return self.graph.inert() };
        if shape[axis] != 1 {
            return self.refuse("squeeze", format!("axis {axis} of {shape} has size {}, not 1", shape[axis]), line);
        }
        self.part_without(shape, axis, "squeeze", line)
    }

    /// Returns the elements `range` of one axis. Of axis 0, or where all axes before it have size 1, nothing is copied.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.slice(-1, 1..3).value()?, array![[2.0f32, 3.0], [5.0, 6.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn slice(self, axis: isize, range: Range<usize>) -> Var<'g> {
        let line = Location::caller();
        if !self.graph.usable("slice", &[self], line) {
            return self.graph.inert();
        }
        let Some(axis) = self.axis("slice", axis, line) else { return self.graph.inert() };
        let Some(shape) = self.known_shape() else { return self.graph.inert() };
        if range.start > range.end || range.end > shape[axis] {
            return self.refuse("slice", format!("{range:?} does not lie in axis {axis} of {shape}"), line);
        }
        if range == (0..shape[axis]) {
            return self;
        }
        let len = range.end - range.start;
        if shape[..axis].iter().all(|&size| size == 1) {
            let inner: usize = shape[axis + 1..].iter().product();
            return self.graph.view(self, range.start * inner, shape.resized(axis, len), "slice", line);
        }
        self.graph.move_at(Slice { axis, start: range.start, step: 1, len }, &[self], line)
    }

    /// Returns element `index` of one axis, which goes away.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.index(1, 2).value()?, array![3.0f32, 6.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn index(self, axis: isize, index: usize) -> Var<'g> {
        let line = Location::caller();
        let Some(at) = self.axis("index", axis, line) else { return self.graph.inert() };
        let Some(shape) = self.known_shape() else { return self.graph.inert() };
        if index >= shape[at] {
            return self.refuse("index", format!("{index} does not lie in axis {at} of {shape}"), line);
        }
        let picked = self.slice(at as isize, index..index + 1);
        if picked.known_shape().is_none() {
            return picked;
        }
        picked.part_without(shape, at, "index", line)
    }

    /// The same elements under `shape` without one axis of size 1.
    fn part_without(self, shape: Shape, axis: usize, name: &'static str, line: &'static Location<'static>) -> Var<'g> {
        match shape.without(axis) {
            Some(shape) => self.graph.view(self, 0, shape, name, line),
            None => self.refuse(name, format!("{shape} has no axis {axis}"), line),
        }
    }

    /// Pieces of `size` along one axis, in order; `size` divides the axis.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let pieces = graph.input(array![1.0f32, 2.0, 3.0, 4.0]).split(0, 2);
    /// assert_eq!(pieces.len(), 2);
    /// assert_eq!(pieces[1].value()?, array![3.0f32, 4.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn split(self, axis: isize, size: usize) -> Vec<Var<'g>> {
        let line = Location::caller();
        let Some(at) = self.axis("split", axis, line) else { return vec![] };
        let Some(shape) = self.known_shape() else { return vec![] };
        if size == 0 || !shape[at].is_multiple_of(size) {
            let _ = self.refuse("split", format!("{size} does not divide axis {at} of {shape}"), line);
            return vec![];
        }
        let mut pieces = Vec::with_capacity(shape[at] / size);
        for i in 0..shape[at] / size {
            pieces.push(self.slice(at as isize, i * size..(i + 1) * size));
        }
        pieces
    }

    /// Returns as many equal pieces along one axis as are asked for: `let [i, f, g, o] = gates.chunk(-1);`.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let gates = graph.zeros([2, 12]); // [batch, 4 * hidden]
    /// let [i, f, g, o] = gates.chunk(-1);
    /// assert!([i, f, g, o].iter().all(|gate| gate.shape().is_ok_and(|shape| *shape == [2, 3])));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn chunk<const N: usize>(self, axis: isize) -> [Var<'g>; N] {
        let line = Location::caller();
        let inert = [self.graph.inert(); N];
        let Some(at) = self.axis("chunk", axis, line) else { return inert };
        let Some(shape) = self.known_shape() else { return inert };
        if N == 0 || !shape[at].is_multiple_of(N) {
            let _ = self.refuse("chunk", format!("axis {at} of {shape} cannot be cut into {N} equal pieces"), line);
            return inert;
        }
        let size = shape[at] / N;
        let mut pieces = inert;
        for (i, piece) in pieces.iter_mut().enumerate() {
            *piece = self.slice(at as isize, i * size..(i + 1) * size);
        }
        pieces
    }

    /// Reverses the elements of one axis.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0, 3.0]]);
    /// assert_eq!(x.flip(1).value()?, array![[3.0f32, 2.0, 1.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn flip(self, axis: isize) -> Var<'g> {
        let line = Location::caller();
        let Some(axis) = self.axis("flip", axis, line) else { return self.graph.inert() };
        let len = self.known_shape().map_or(0, |s| s[axis]);
        self.graph.move_at(Slice { axis, start: len.saturating_sub(1), step: -1, len }, &[self], line)
    }

    /// Repeats the tensor to `shape` along axes of size 1 and new axes in front.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let row = graph.input(array![[1.0f32, 2.0]]).watch();
    /// let rows = row.expand([3, 2]);
    /// assert_eq!(rows.value()?, array![[1.0f32, 2.0], [1.0, 2.0], [1.0, 2.0]].into());
    /// assert_eq!(rows.sum_all().backward()?.of(row).unwrap(), array![[3.0f32, 3.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn expand(self, shape: impl AsRef<[usize]>) -> Var<'g> {
        let line = Location::caller();
        match Shape::new(shape.as_ref()) {
            Some(shape) => self.expand_at(&shape, line),
            None => self.refuse("expand", format!("no tensor has the shape {:?}", shape.as_ref()), line),
        }
    }

    pub(crate) fn expand_at(self, shape: &Shape, line: &'static Location<'static>) -> Var<'g> {
        if self.known_shape() == Some(*shape) {
            return self;
        }
        self.graph.move_at(Expand(*shape), &[self], line)
    }

    /// Puts `before` zeros in front of an axis and `after` behind it.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0]);
    /// assert_eq!(x.pad(0, 1, 2).value()?, array![0.0f32, 1.0, 2.0, 0.0, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn pad(self, axis: isize, before: usize, after: usize) -> Var<'g> {
        let line = Location::caller();
        let Some(axis) = self.axis("pad", axis, line) else { return self.graph.inert() };
        self.graph.move_at(Pad { axis, before, after }, &[self], line)
    }
}
