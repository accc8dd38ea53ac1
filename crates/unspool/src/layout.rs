//! The batches of text as layouts of sequences.

use crate::{
    nn::Layout,
    text::{Padded, TeacherForcing},
};

/// A batch of text that says how its real tokens are packed: one call from `text` to [`Sequence`](crate::nn::Sequence).
///
/// ```
/// use unspool::prelude::*;
/// let batch = Padded::new(&[vec![5, 6, 7], vec![8]], 0); // 0 pads
/// let mut params = Params::seeded(1);
/// let words = Embedding::new(params.scope("words"), 10, 4);
/// let graph = Graph::new(&params);
/// let xs = words.sequence(&graph, &batch.ids, batch.layout());
/// assert_eq!(xs.lengths(), [3, 1]);
/// ```
pub trait ToLayout {
    /// Returns the layout of the batch's real tokens.
    fn layout(&self) -> Layout;
}

impl ToLayout for Padded {
    fn layout(&self) -> Layout {
        Layout::new(&self.lengths).with_time(self.ids.ncols())
    }
}

impl ToLayout for TeacherForcing {
    fn layout(&self) -> Layout {
        Layout::new(&self.lengths).with_time(self.input.ncols())
    }
}
