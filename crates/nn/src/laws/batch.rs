//! A padded batch with its values, and the ways to cut and fill it.

use crate::Sequence;
use ndarray::{ArrayD, Axis, IxDyn};
use unspool_graph::{RngKey, Var};

/// A padded batch, and who its rows are.
#[derive(Clone, Debug)]
pub(super) struct Batch {
    /// `[batch, time, feature]`
    pub(super) xs: ArrayD<f64>,
    pub(super) lengths: Vec<usize>,
    /// What the initial state is made from.
    pub(super) free: Vec<ArrayD<f64>>,
    /// Who each row is: its weights and its random draws follow it.
    pub(super) who: Vec<u32>,
}

impl Batch {
    pub(super) fn new(
        lengths: &[usize],
        time: usize,
        input_size: usize,
        free: Vec<ArrayD<f64>>,
        draw: RngKey,
    ) -> Batch {
        let xs = random(&[lengths.len(), time, input_size], draw);
        Batch { xs, lengths: lengths.to_vec(), free, who: (0..lengths.len() as u32).collect() }
    }

    pub(super) fn time(&self) -> usize {
        self.xs.shape()[1]
    }

    /// Its inputs on a recording, packed.
    pub(super) fn sequence<'g>(&self, xs: Var<'g>) -> Sequence<'g> {
        Sequence::pack(xs, &self.lengths)
    }

    pub(super) fn is_real(&self) -> bool {
        self.lengths.iter().any(|&length| length > 0)
    }

    /// The rows `order`, as a batch.
    pub(super) fn index_select(&self, order: &[usize]) -> Batch {
        Batch {
            xs: self.xs.select(Axis(0), order),
            lengths: order.iter().map(|&b| self.lengths[b]).collect(),
            free: self.free.iter().map(|f| f.select(Axis(0), order)).collect(),
            who: order.iter().map(|&b| self.who[b]).collect(),
        }
    }

    /// The steps `from..to` alone.
    pub(super) fn steps(&self, from: usize, to: usize) -> Batch {
        let lengths = self.lengths.iter().map(|&length| length.min(to).saturating_sub(from)).collect();
        let xs = self.xs.slice_axis(Axis(1), (from..to).into()).to_owned();
        Batch { xs, lengths, ..self.clone() }
    }

    /// The same, with `more` steps of padding, all padding being `filler`.
    pub(super) fn padded(&self, more: usize, filler: f64) -> Batch {
        let shape = [self.lengths.len(), self.time() + more, self.xs.shape()[2]];
        let xs =
            ArrayD::from_shape_fn(IxDyn(&shape), |at| if at[1] < self.lengths[at[0]] { self.xs[&at] } else { filler });
        Batch { xs, ..self.clone() }
    }

    /// A weight for each element of `like`, by its row's name and its place in the row: more padding changes none.
    pub(super) fn weights(&self, like: &[usize], which: u64) -> ArrayD<f64> {
        ArrayD::from_shape_fn(IxDyn(like), |at| {
            let row = RngKey::seed(which).fold_in(u64::from(self.who[at[0]]));
            0.5 + (1..like.len()).fold(row, |draw, axis| draw.fold_in(at[axis] as u64)).uniform(0)
        })
    }
}

/// Numbers in [−1, 1) that single precision holds too, so that both precisions are given the same.
pub(super) fn random(shape: &[usize], draw: RngKey) -> ArrayD<f64> {
    let mut i = 0;
    ArrayD::from_shape_simple_fn(IxDyn(shape), || {
        i += 1;
        f64::from((2.0 * draw.uniform(i) - 1.0) as f32)
    })
}
