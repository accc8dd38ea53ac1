//! Two-dimensional convolution over frames and pictures, as matrix products over fixed blocks of places.

use crate::{
    Element, GradSink, OpContext, Operand, Operation, Shape, Var, View,
    kernels::{Matrix, product, scratch, sum},
};
use std::{ops::Range, panic::Location};

/// A window that is moved over a plane: its size, its step, and the zeros around the plane, each as `[rows, columns]`.
#[derive(Clone, Copy)]
pub(super) struct Window {
    pub(super) size: [usize; 2],
    pub(super) stride: [usize; 2],
    pub(super) padding: [usize; 2],
}

impl Window {
    /// How many places the window has on a plane: ⌊(plane + 2 · padding − size) / stride⌋ + 1 in each direction.
    pub(super) fn places(&self, plane: [usize; 2]) -> Result<[usize; 2], String> {
        let Window { size, stride, padding } = *self;
        if size.contains(&0) || stride.contains(&0) {
            return Err(format!("needs a window and a stride of 1 or more, not {size:?} and {stride:?}"));
        }
        let along = |i: usize| {
            let wide = padding[i].checked_mul(2).and_then(|p| p.checked_add(plane[i]));
            wide.and_then(|wide| wide.checked_sub(size[i])).map(|room| room / stride[i] + 1)
        };
        along(0)
            .zip(along(1))
            .map(|(rows, columns)| [rows, columns])
            .ok_or_else(|| format!("window {size:?} does not fit into the plane {plane:?} with {padding:?} around it"))
    }

    /// Where element `at` of the window lies at the places `range`, counted row by row: calls `run(to, from, n)` for
    /// each stretch of places `range.start + to + i`, i < n, at which it lies on the plane, at the plane's element
    /// `from` + i · stride.
    fn stretches(
        &self,
        plane: [usize; 2],
        places: [usize; 2],
        range: Range<usize>,
        at: [usize; 2],
        mut run: impl FnMut(usize, usize, usize),
    ) {
        let Window { stride, padding, .. } = *self;
        let first = padding[1].saturating_sub(at[1]).div_ceil(stride[1]);
        let end = (plane[1] + padding[1]).saturating_sub(at[1]).div_ceil(stride[1]);
        let mut place = range.start;
        while place < range.end {
            let (row, column) = (place / places[1], place % places[1]);
            let stop = places[1].min(column + range.end - place);
            let y = (row * stride[0] + at[0]).checked_sub(padding[0]).filter(|&y| y < plane[0]);
            let (from, to) = (first.max(column), end.min(stop));
            if let (Some(y), true) = (y, from < to) {
                let x = from * stride[1] + at[1] - padding[1];
                run(place - range.start + from - column, y * plane[1] + x, to - from);
            }
            place += stop - column;
        }
    }
}

/// y[b, o, i, j] = bias[o] + Σ_{c, k, l} w[o, c, k, l] · x[b, c, i·s + k − p, j·s + l − p], zeros outside of x.
///
/// The places of the window become the columns of a matrix X `[c·k·l, places]`, block by block, so that Y = W·X,
/// ∂L/∂W = ∂L/∂Y·Xᵀ and ∂L/∂X = Wᵀ·∂L/∂Y, which is added back to where the columns came from. X is never kept.
struct Conv2d {
    window: Window,
    frames: usize,
    channels: usize,
    plane: [usize; 2],
    out: usize,
    places: [usize; 2],
    output: Shape,
}

/// A convolution's step, and the zeros around the plane, each as `[rows, columns]`.
#[derive(Clone, Copy)]
struct Stepping {
    stride: [usize; 2],
    padding: [usize; 2],
}

/// How many places become columns of one product.
const BLOCK: usize = 256;

impl Conv2d {
    fn area(&self) -> usize {
        self.places[0] * self.places[1]
    }
    fn inner(&self) -> usize {
        self.channels * self.window.size[0] * self.window.size[1]
    }

    /// Cuts the places of some frames into blocks: whole frames where several fit, else pieces of one. So a frame is
    /// cut at the same places, and its sums have the same order, wherever it stands.
    fn blocks(&self, frames: &[usize], mut work: impl FnMut(&[usize], Range<usize>)) {
        let area = self.area();
        for group in frames.chunks((BLOCK / area.max(1)).max(1)) {
            for start in (0..area).step_by(BLOCK) {
                work(group, start..area.min(start + BLOCK));
            }
        }
    }

    /// Calls `run(column matrix offset, offset in x, n)` for the stretches in which X and x are the same, of one block.
    fn each(&self, group: &[usize], range: &Range<usize>, mut run: impl FnMut(usize, usize, usize)) {
        let ([height, width], size, columns) = (self.plane, self.window.size, group.len() * range.len());
        for k in 0..self.inner() {
            let (channel, at) = (k / (size[0] * size[1]), [k / size[1] % size[0], k % size[1]]);
            for (i, &frame) in group.iter().enumerate() {
                let (to, from) = (k * columns + i * range.len(), (frame * self.channels + channel) * height * width);
                let stretch = |at: usize, x: usize, n: usize| run(to + at, from + x, n);
                self.window.stretches(self.plane, self.places, range.clone(), at, stretch);
            }
        }
    }

    /// X of one block, row by row.
    fn columns<E: Element>(&self, x: &[E], group: &[usize], range: &Range<usize>, columns: &mut [E]) {
        let step = self.window.stride[1];
        if self.window.padding != [0, 0] {
            columns.fill(E::ZERO);
        }
        self.each(group, range, |to, from, n| {
            if step == 1 {
                columns[to..to + n].copy_from_slice(&x[from..from + n]);
            } else {
                columns[to..to + n].iter_mut().enumerate().for_each(|(i, c)| *c = x[from + i * step]);
            }
        });
    }

    /// Calls `run(offset in the block's result, channel, offset in y)`: each is one stretch of `range.len()` elements.
    fn results(&self, group: &[usize], range: &Range<usize>, mut run: impl FnMut(usize, usize, usize)) {
        for channel in 0..self.out {
            for (i, &frame) in group.iter().enumerate() {
                let to = (channel * group.len() + i) * range.len();
                run(to, channel, (frame * self.out + channel) * self.area() + range.start);
            }
        }
    }

    /// y += w ∗ x
    fn add<E: Element>(&self, w: &[E], x: &[E], y: &mut [E]) {
        let (inner, all) = (self.inner(), (0..self.frames).collect::<Vec<_>>());
        scratch((inner + self.out) * BLOCK, |room| {
            let (columns, result) = room.split_at_mut(inner * BLOCK);
            self.blocks(&all, |group, range| {
                let n = group.len() * range.len();
                self.columns(x, group, &range, &mut columns[..inner * n]);
                let (a, b) = (Matrix::rows(w, inner), Matrix::rows(&columns[..inner * n], n));
                product((self.out, inner, n), a, b, result, false);
                self.results(group, &range, |from, _, to| {
                    y[to..to + range.len()].iter_mut().zip(&result[from..]).for_each(|(y, &r)| *y += r);
                });
            });
        });
    }

    /// y += bias, each channel its own.
    fn add_bias<E: Element>(&self, bias: &[E], y: &mut [E]) {
        let planes = y.chunks_exact_mut(self.area().max(1)).zip(bias.iter().cycle());
        planes.for_each(|(plane, &b)| plane.iter_mut().for_each(|y| *y += b));
    }
}

impl Conv2d {
    fn plan(Stepping { stride, padding }: Stepping, inputs: &[Shape]) -> Result<Conv2d, String> {
        let (x, w) = (inputs[0], inputs[1]);
        if x.len() < 3 || w.len() != 4 {
            return Err("must be x [.., channel, height, width] and w [out channel, in channel, height, width]".into());
        }
        let [lead @ .., channels, height, width] = &*x else { return Err("has too few axes".into()) };
        if *channels != w[1] {
            return Err(format!("do not fit: x has {channels} channels, w reads {}", w[1]));
        }
        if inputs.get(2).is_some_and(|bias| **bias != [w[0]]) {
            return Err(format!("do not fit: the bias must be [{}]", w[0]));
        }
        let window = Window { size: [w[2], w[3]], stride, padding };
        let (plane, frames) = ([*height, *width], lead.iter().product());
        let places = window.places(plane)?;
        let sizes: Vec<usize> = lead.iter().copied().chain([w[0], places[0], places[1]]).collect();
        let output = Shape::new(&sizes).ok_or("would get more elements than a tensor can have")?;
        Ok(Conv2d { window, frames, channels: *channels, plane, out: w[0], places, output })
    }
}

impl Operation for Conv2d {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        "conv2d"
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok(self.output)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.fill(E::ZERO);
        self.add(inputs[1].data(), inputs[0].data(), output);
        if let Some(bias) = inputs.get(2) {
            self.add_bias(bias.data(), output);
        }
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, w, g) = (ctx.inputs[0].data(), ctx.inputs[1].data(), gradient.data());
        let (inner, out, step, frame_len) = (self.inner(), self.out, self.window.stride[1], self.out * self.area());
        // A frame without a gradient, such as one of padding, is left out, so that it does not move the blocks.
        let live = |&f: &usize| g[f * frame_len..(f + 1) * frame_len].iter().any(|&g| g != E::ZERO);
        let live: Vec<usize> = (0..self.frames).filter(live).collect();
        let rows = |group: &[usize], range: &Range<usize>, result: &mut [E]| {
            self.results(group, range, |to, _, from| {
                result[to..to + range.len()].copy_from_slice(&g[from..from + range.len()]);
            });
        };
        scratch((inner + out) * BLOCK, |room| {
            let (columns, result) = room.split_at_mut(inner * BLOCK);
            into.accumulate(0, |slot| {
                self.blocks(&live, |group, range| {
                    let n = group.len() * range.len();
                    rows(group, &range, result);
                    let (a, b) = (Matrix::transposed(w, inner), Matrix::rows(&result[..out * n], n));
                    product((inner, out, n), a, b, columns, false);
                    self.each(group, &range, |from, to, n| {
                        if step == 1 {
                            slot[to..to + n].iter_mut().zip(&columns[from..]).for_each(|(s, &c)| *s += c);
                        } else {
                            (0..n).for_each(|i| slot[to + i * step] += columns[from + i]);
                        }
                    });
                });
            });
            into.accumulate(1, |slot| {
                self.blocks(&live, |group, range| {
                    let n = group.len() * range.len();
                    rows(group, &range, result);
                    self.columns(x, group, &range, &mut columns[..inner * n]);
                    let (a, b) = (Matrix::rows(&result[..out * n], n), Matrix::transposed(&columns[..inner * n], n));
                    product((out, n, inner), a, b, slot, true);
                });
            });
        });
        if ctx.inputs.len() == 3 {
            into.accumulate(2, |slot| {
                for plane in live.iter().flat_map(|f| f * out..(f + 1) * out) {
                    let g = &g[plane * self.area()..(plane + 1) * self.area()];
                    slot[plane % out] += E::vectorize(
                        #[inline(always)]
                        || sum(g),
                    );
                }
            });
        }
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.add(ctx.inputs[1].data(), v.data(), output);
        }
        if let Some(v) = tangents[1] {
            self.add(v.data(), ctx.inputs[0].data(), output);
        }
        if let Some(Some(v)) = tangents.get(2) {
            self.add_bias(v.data(), output);
        }
    }
}

impl<'g> Var<'g> {
    /// Returns the two-dimensional convolution (cross-correlation, as the field calls it) with PyTorch's layouts:
    /// `x [.., channel, height, width]`, `weight [out channel, channel, kernel height, kernel width]`,
    /// `bias [out channel]` `-> [.., out channel, height', width']`, with height' = ⌊(height + 2 · padding − kernel
    /// height) / stride⌋ + 1 and width' alike. Any leading axes will do, so a film is
    /// `[batch, time, channel, height, width]`. `stride` and `padding` are `[rows, columns]`.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let kernel = params.scope("edge").add("weight", [1, 1, 1, 2], init::values(vec![-1.0, 1.0]));
    /// let graph = Graph::new(&params);
    /// let picture = graph.input(ndarray::array![[[[0.0f32, 0.0, 1.0], [0.0, 1.0, 1.0]]]]);
    /// let edges = picture.conv2d(kernel, None::<unspool_graph::Var<'_>>, [1, 1], [0, 0]);
    /// assert_eq!(edges.value()?, ndarray::array![[[[0.0f32, 1.0], [1.0, 0.0]]]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn conv2d(
        self,
        weight: impl Operand<'g>,
        bias: Option<impl Operand<'g>>,
        stride: [usize; 2],
        padding: [usize; 2],
    ) -> Var<'g> {
        let (line, weight) = (Location::caller(), weight.on(self.graph));
        let stepping = Stepping { stride, padding };
        match bias {
            Some(bias) => self.convolve(&[self, weight, bias.on(self.graph)], stepping, line),
            None => self.convolve(&[self, weight], stepping, line),
        }
    }

    /// Returns the one-dimensional convolution with PyTorch's layouts: `x [.., channel, time]`, `weight [out channel,
    /// channel, kernel]`, `bias [out channel]` `-> [.., out channel, time']`, with time' = ⌊(time + 2 · padding −
    /// kernel) / stride⌋ + 1.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params, Var};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[[1.0f32, 2.0, 4.0, 8.0]]]); // [batch, channel, time]
    /// let difference = graph.input(array![[[-1.0f32, 1.0]]]);
    /// assert_eq!(x.conv1d(difference, None::<Var>, 1, 0).value()?, array![[[1.0f32, 2.0, 4.0]]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn conv1d(
        self,
        weight: impl Operand<'g>,
        bias: Option<impl Operand<'g>>,
        stride: usize,
        padding: usize,
    ) -> Var<'g> {
        let (line, weight) = (Location::caller(), weight.on(self.graph));
        match bias {
            Some(bias) => self.convolve_time(weight, &[bias.on(self.graph)], [stride, padding], line),
            None => self.convolve_time(weight, &[], [stride, padding], line),
        }
    }

    /// As a plane with one row.
    fn convolve_time(
        self,
        weight: Var<'g>,
        bias: &[Var<'g>],
        [stride, padding]: [usize; 2],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        let (Some(x), Some(w)) = (self.known_shape(), weight.known_shape()) else { return self.graph.inert() };
        if x.len() < 2 || w.len() != 3 {
            let why = format!("must be x [.., channel, time] and w [out channel, channel, kernel], not {x} and {w}");
            return self.refuse("conv1d", why, line);
        }
        let plane = [self.unsqueeze_at(x.len() - 1, line), weight.unsqueeze_at(2, line)];
        let stepping = Stepping { stride: [1, stride], padding: [0, padding] };
        self.convolve(&[&plane[..], bias].concat(), stepping, line).squeeze_at(-2, line)
    }

    fn convolve(self, operands: &[Var<'g>], stepping: Stepping, line: &'static Location<'static>) -> Var<'g> {
        self.graph.apply_planned("conv2d", operands, line, |shapes| Conv2d::plan(stepping, shapes))
    }
}
