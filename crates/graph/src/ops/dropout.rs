//! Dropout: which elements are dropped is a pure function of seed, step, scope, time step, occurrence and element.

use crate::{Element, GradSink, OpContext, Operation, RngKey, RowIds, Shape, Var, View};
use std::panic::Location;

/// y = x · m with m = 1/(1 − p) with probability 1 − p, else 0 (Srivastava and others 2014). The mask is not kept:
/// backward draws it again.
struct Dropout {
    p: f64,
    key: RngKey,
    /// Who the rows are.
    rows: Option<RowIds>,
}

impl Dropout {
    /// Calls `f(element, factor)` for every element in order.
    fn each<E: Element>(&self, shape: Shape, mut f: impl FnMut(usize, E)) {
        let rows = shape.first().copied().unwrap_or(1);
        let width = shape.elements() / rows.max(1);
        let (keep, dropped) = (E::from_f64(1.0 / (1.0 - self.p)), (self.p * 2f64.powi(32)) as u64);
        for row in 0..rows {
            let (key, offset) = match &self.rows {
                Some(known) if known.len() == rows => known.row_key(self.key, row, width),
                _ => (self.key.fold_in(row as u64), 0),
            };
            for i in 0..width {
                let kept = (key.bits(offset + i as u64) >> 32) >= dropped;
                f(row * width + i, if kept { keep } else { E::ZERO });
            }
        }
    }
}

impl Operation for Dropout {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "dropout"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let x = inputs[0].data();
        self.each(inputs[0].shape(), |i, m: E| output[i] = x[i] * m);
    }
    fn backward<E: Element>(&self, _: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let g = gradient.data();
        into.accumulate(0, |slot| self.each(gradient.shape(), |i, m: E| slot[i] += g[i] * m));
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        if let Some(v) = tangents[0] {
            self.each(ctx.output.shape(), |i, m: E| output[i] = v.data()[i] * m);
        }
    }
}

impl<'g> Var<'g> {
    /// Sets each element to 0 with probability `p` in training, and else divides it by 1 − `p`; in evaluation nothing
    /// happens, and this very node comes back. Axis 0 is the batch: a row's draws belong to the example, wherever in a
    /// sorted or divided batch it stands.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.full([100], 1.0);
    /// assert!(x.dropout(0.5).same_node(x)); // evaluation
    ///
    /// let graph = Graph::new(&params).training(7, 0);
    /// let y = graph.full([100], 1.0).dropout(0.5).value()?;
    /// assert!(y.to_f64().iter().all(|&y| y == 0.0 || y == 2.0));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn dropout(self, p: f64) -> Var<'g> {
        if !(0.0..1.0).contains(&p) {
            return self.refuse("dropout", format!("the probability {p} is not in [0, 1)"), Location::caller());
        }
        match self.graph.next_rng_key() {
            Some(key) if p > 0.0 => {
                let rows = self.graph.row_ids();
                self.graph.apply_at(Dropout { p, key, rows }, &[self], Location::caller())
            }
            _ => self,
        }
    }
}
