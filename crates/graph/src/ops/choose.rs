//! Values out: the greatest places along the last axis. They are numbers of places, not nodes, so no gradient passes;
//! where that leaves a parameter without any, the report on gradients names the line.

use crate::{Element, Error, Result, Var, element::typed, recording::Recording};
use std::panic::Location;

impl<'g> Var<'g> {
    /// Returns, for each row, the place of its greatest element along the last axis, the first of equals:
    /// `[…, n] -> Σ rows`. Not-a-number is never the greatest, unless there is nothing else: then it is place 0.
    ///
    /// # Errors
    /// The graph's first error; [`Error::Argument`] for rows without an element.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let logits = graph.input(array![[0.1f32, 2.0, -1.0], [5.0, 5.0, 0.0]]);
    /// assert_eq!(logits.argmax()?, [1, 0]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn argmax(self) -> Result<Vec<u32>> {
        let best = self.greatest("argmax", 1, Location::caller())?;
        Ok(best.into_iter().filter_map(|row| row.first().map(|&(place, _)| place)).collect())
    }

    /// Returns, for each row, the `k` greatest elements along the last axis with their places, greatest first; of
    /// equals the earlier place comes first, and not-a-number comes last. For `k = 0` every row's list is empty.
    ///
    /// # Errors
    /// The graph's first error; [`Error::Argument`] if a row has fewer than `k` elements.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let logits = graph.input(array![[0.5f32, 2.0, -1.0]]);
    /// assert_eq!(logits.top_k(2)?, [[(1, 2.0), (0, 0.5)]]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn top_k(self, k: usize) -> Result<Vec<Vec<(u32, f64)>>> {
        self.greatest("top_k", k, Location::caller())
    }

    fn greatest(self, name: &'static str, k: usize, line: &'static Location<'static>) -> Result<Vec<Vec<(u32, f64)>>> {
        let shape = self.shape()?;
        let (rows, width) = (shape.rows(), shape.last_axis());
        if rows > 0 && k > width {
            let why = format!("the rows of {shape} have {width} elements, which is fewer than {k}");
            return Err(Error::Argument { operation: name, why, at: self.graph.place_of(self.graph.mark(line)) });
        }
        let mut all = Vec::new();
        if all.try_reserve_exact(rows).is_err() {
            let why = format!("{shape} has more rows than there is memory for");
            return Err(Error::Argument { operation: name, why, at: self.graph.place_of(self.graph.mark(line)) });
        }
        self.record_exit(name, line);
        typed!(&*self.graph.recording.borrow(), Recording { tape, .. } => {
            let data = tape.view(self.graph.params, self.id).data();
            all.extend((0..rows).map(|row| greatest(&data[row * width..(row + 1) * width], k)));
        });
        Ok(all)
    }
}

fn greatest<E: Element>(row: &[E], k: usize) -> Vec<(u32, f64)> {
    let mut best: Vec<(u32, f64)> = Vec::with_capacity(k + 1);
    for (place, x) in row.iter().enumerate() {
        let x = x.to_f64();
        let better = |last: f64| x > last || (last.is_nan() && !x.is_nan());
        if best.len() == k && !best.last().is_some_and(|&(_, last)| better(last)) {
            continue;
        }
        let at = best.partition_point(|&(_, known)| !better(known));
        best.insert(at, (place as u32, x));
        best.truncate(k);
    }
    best
}
