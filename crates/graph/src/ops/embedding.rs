//! Rows of a table by number: word vectors.

use crate::{Element, GradSink, Graph, OpContext, Operand, Operation, Shape, Var, View};
use std::{panic::Location, sync::Arc};

/// y[i] = table[ids[i]]. A row used more than once gets the sum of its gradients; a row that is not used has none, and
/// for a parameter none is stored.
struct Embedding {
    ids: Arc<[u32]>,
    leading: Shape,
    /// The id whose row gets no gradient.
    padding: Option<u32>,
}

impl Operation for Embedding {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "embedding"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let table = inputs[0];
        if table.len() != 2 {
            return Err("must be a table [rows, width]".into());
        }
        if let Some(&bad) = self.ids.iter().find(|&&id| id as usize >= table[0]) {
            return Err(format!("has {} rows, so id {bad} does not exist", table[0]));
        }
        let sizes: Vec<usize> = self.leading.iter().copied().chain([table[1]]).collect();
        Shape::new(&sizes).ok_or_else(|| "would get more axes or elements than a tensor can have".into())
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        let width = inputs[0].shape()[1];
        if width == 0 {
            return;
        }
        for (row, &id) in output.chunks_exact_mut(width).zip(self.ids.iter()) {
            row.copy_from_slice(&inputs[0].data()[id as usize * width..(id as usize + 1) * width]);
        }
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let width = ctx.inputs[0].shape()[1];
        match self.padding {
            Some(padding) if self.ids.contains(&padding) => {
                let mut real = gradient.data().to_vec();
                for (row, _) in
                    real.chunks_exact_mut(width.max(1)).zip(self.ids.iter()).filter(|(_, id)| **id == padding)
                {
                    row.fill(E::ZERO);
                }
                into.scatter_rows(0, &self.ids, width, &real);
            }
            _ => into.scatter_rows(0, &self.ids, width, gradient.data()),
        }
    }
    fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, ()>, tangents: &[Option<View<'_, E>>], output: &mut [E]) {
        let (Some(v), width) = (tangents[0], ctx.inputs[0].shape()[1]) else { return };
        for (row, &id) in output.chunks_exact_mut(width.max(1)).zip(self.ids.iter()) {
            if self.padding != Some(id) {
                row.copy_from_slice(&v.data()[id as usize * width..(id as usize + 1) * width]);
            }
        }
    }
}

impl<'g> Graph<'g> {
    /// Returns the rows `ids` of a table `[rows, width]`, under the axes `leading`: `[leading…, width]`. The row of the
    /// id `padding`, if there is one, gets no gradient.
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let table = params.scope("words").add("weight", [10, 4], init::normal(1.0));
    /// let graph = Graph::new(&params);
    /// let x = graph.embedding(table, &[3, 1, 3, 0], [2, 2], Some(0));
    /// assert_eq!(*x.shape()?, [2, 2, 4]);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn embedding(
        &'g self,
        table: impl Operand<'g>,
        ids: &[u32],
        leading: impl AsRef<[usize]>,
        padding: Option<u32>,
    ) -> Var<'g> {
        self.look_up(table.on(self), ids, leading.as_ref(), padding, Location::caller())
    }

    fn look_up(
        &'g self,
        table: Var<'g>,
        ids: &[u32],
        leading: &[usize],
        padding: Option<u32>,
        line: &'static Location<'static>,
    ) -> Var<'g> {
        let Some(leading) = Shape::new(leading).filter(|leading| leading.elements() == ids.len()) else {
            return table.refuse("embedding", format!("{} ids do not fill {leading:?}", ids.len()), line);
        };
        self.apply_at(Embedding { ids: ids.into(), leading, padding }, &[table], line)
    }
}
