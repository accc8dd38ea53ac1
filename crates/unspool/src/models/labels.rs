//! The losses of models that name classes.

use crate::{
    graph::{CrossEntropy, Var},
    nn::Sequence,
};

/// Σ of the cross-entropy of each real step, for labels listed example after example. A label that the model does
/// not have, numbered as one class more, costs nothing.
#[track_caller]
pub(super) fn labels_loss<'g>(logits: &Sequence<'g>, labels: &[u32]) -> Var<'g> {
    logits.graph().layer_fn("labels", |graph| {
        let labels = logits.layout().pack_examples(labels).map_err(|why| graph.error("labels", why))?;
        let classes = logits.rows().shape()?.last().copied().unwrap_or(0);
        Ok(cross_entropy_of_known(logits.rows(), &labels, classes).sum_all())
    })
}

/// −ln p of each label, where a label that the model does not have, numbered as one class more, costs nothing.
#[track_caller]
pub(super) fn cross_entropy_of_known<'g>(logits: Var<'g>, labels: &[u32], classes: usize) -> Var<'g> {
    match labels.contains(&(classes as u32)) {
        true => logits.cross_entropy_with(labels, CrossEntropy::new().ignore(classes as u32)),
        false => logits.cross_entropy(labels),
    }
}
