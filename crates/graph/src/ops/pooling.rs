//! Pooling: one number for each place of a window, the greatest or the mean.

use super::convolution::Window;
use crate::{Element, GradSink, OpContext, Operation, Shape, Var, View};
use std::panic::Location;

/// y = max or mean of x over the window, at each of its places on each plane `[height, width]`.
struct Pool2d {
    window: Window,
    mean: bool,
    planes: usize,
    plane: [usize; 2],
    places: [usize; 2],
    output: Shape,
}

impl Pool2d {
    fn plan(window: Window, mean: bool, inputs: &[Shape]) -> Result<Pool2d, String> {
        let [lead @ .., height, width] = &*inputs[0] else { return Err("must be [.., height, width]".into()) };
        let plane = [*height, *width];
        let places = window.places(plane)?;
        let output = inputs[0].resized(lead.len(), places[0]).resized(lead.len() + 1, places[1]);
        Ok(Pool2d { window, mean, planes: lead.iter().product(), plane, places, output })
    }

    /// Calls `work(place in the result, elements under the window)`, row by row.
    fn each(&self, mut work: impl FnMut(usize, &mut dyn Iterator<Item = usize>)) {
        let ([height, width], [rows, columns]) = (self.plane, self.places);
        let ([size_y, size_x], [step_y, step_x]) = (self.window.size, self.window.stride);
        for place in 0..self.planes * rows * columns {
            let (plane, row, column) = (place / (rows * columns), place / columns % rows, place % columns);
            let corner = plane * height * width + row * step_y * width + column * step_x;
            work(place, &mut (0..size_y * size_x).map(|i| corner + i / size_x * width + i % size_x));
        }
    }

    fn share<E: Element>(&self) -> E {
        E::from_f64(1.0 / (self.window.size[0] * self.window.size[1]) as f64)
    }

    fn means<E: Element>(&self, x: &[E], output: &mut [E]) {
        let share = self.share::<E>();
        self.each(|place, under| output[place] = under.map(|i| x[i]).sum::<E>() * share);
    }
}

/// The first element under the window with the window's value, which may be not-a-number.
fn first<E: Element>(x: &[E], y: E, mut under: &mut dyn Iterator<Item = usize>) -> Option<usize> {
    Iterator::find(&mut under, |&i| x[i] == y || (y.partial_cmp(&y).is_none() && x[i].partial_cmp(&x[i]).is_none()))
}

impl Operation for Pool2d {
    type Saved<E: Element> = ();

    fn name(&self) -> &'static str {
        if self.mean { "mean_pool2d" } else { "max_pool2d" }
    }

    fn shape(&self, _: &[Shape]) -> Result<Shape, String> {
        Ok(self.output)
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let x = inputs[0].data();
        if self.mean {
            return self.means(x, output);
        }
        self.each(|place, under| {
            output[place] = under.map(|i| x[i]).fold(E::from_f64(f64::NEG_INFINITY), E::maximum);
        });
    }

    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let (x, y, g) = (ctx.inputs[0], ctx.output.data(), gradient.data());
        into.accumulate(0, |slot| {
            let share = self.share::<E>();
            self.each(|place, under| {
                if self.mean {
                    under.for_each(|i| slot[i] += g[place] * share);
                } else if let Some(i) = first(x.data(), y[place], under) {
                    slot[i] += g[place];
                }
            });
        });
    }

    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), x) = (tangents[0], ctx.inputs[0]) else { return };
        if self.mean {
            return self.means(v.data(), output);
        }
        self.each(|place, under| {
            output[place] = first(x.data(), ctx.output.data()[place], under).map_or(E::ZERO, |i| v.data()[i]);
        });
    }
}

impl<'g> Var<'g> {
    /// Returns the greatest element under a window of size `window`, moved by `stride` over each plane:
    /// `[.., height, width] -> [.., ⌊(height − window) / stride⌋ + 1, …]`, both as `[rows, columns]`. The first of
    /// equals gets the gradient; not-a-number is the greatest.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0, 5.0, 0.0], [3.0, 4.0, 1.0, 1.0]]);
    /// assert_eq!(x.max_pool2d([2, 2], [2, 2]).value()?, array![[4.0f32, 5.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn max_pool2d(self, window: [usize; 2], stride: [usize; 2]) -> Var<'g> {
        let window = Window { size: window, stride, padding: [0, 0] };
        self.pool(window, false, Location::caller())
    }

    /// Returns the mean of the elements under a window, as [`max_pool2d`](Var::max_pool2d) has their greatest.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0, 5.0, 0.0], [3.0, 4.0, 1.0, 2.0]]);
    /// assert_eq!(x.mean_pool2d([2, 2], [2, 2]).value()?, array![[2.5f32, 2.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn mean_pool2d(self, window: [usize; 2], stride: [usize; 2]) -> Var<'g> {
        let window = Window { size: window, stride, padding: [0, 0] };
        self.pool(window, true, Location::caller())
    }

    fn pool(self, window: Window, mean: bool, line: &'static Location<'static>) -> Var<'g> {
        let name = if mean { "mean_pool2d" } else { "max_pool2d" };
        self.graph.apply_planned(name, &[self], line, |shapes| Pool2d::plan(window, mean, shapes))
    }
}
