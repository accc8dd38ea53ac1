//! Values out: the greatest places along the last axis. They are numbers of places, not nodes, so no gradient is lost by them.

use crate::{Element, Result, Var, tape::with_tape};

impl<'g> Var<'g> {
    /// For each row, the place of its greatest element along the last axis; the first of equals: `[…, n] -> Σ rows`.
    ///
    /// # Errors
    /// The graph's first error.
    pub fn argmax(self) -> Result<Vec<u32>> {
        let best = self.top_k(1)?;
        Ok(best.into_iter().filter_map(|row| row.first().map(|&(place, _)| place)).collect())
    }

    /// For each row, the `k` greatest elements along the last axis with their places, greatest first; of equals the earlier place
    /// comes first, and not-a-number comes last.
    ///
    /// # Errors
    /// The graph's first error.
    pub fn top_k(self, k: usize) -> Result<Vec<Vec<(u32, f64)>>> {
        let width = self.shape()?.last_axis().max(1);
        Ok(with_tape!(&*self.graph.tape.borrow(), tape => {
            let view = tape.view(self.graph.params, self.id);
            view.data().chunks_exact(width).map(|row| greatest(row, k)).collect()
        }))
    }
}

fn greatest<E: Element>(row: &[E], k: usize) -> Vec<(u32, f64)> {
    let mut best: Vec<(u32, f64)> = Vec::with_capacity(k + 1);
    for (place, x) in row.iter().enumerate() {
        let x = x.to_f64();
        let worse_than_all = best.len() == k && best.last().is_some_and(|&(_, last)| !(x > last || last.is_nan()));
        if worse_than_all || k == 0 {
            continue;
        }
        let at = best.partition_point(|&(_, known)| known >= x || (x.is_nan() && !known.is_nan()));
        best.insert(at, (place as u32, x));
        best.truncate(k);
    }
    best
}
