//! What holds of the sizes of every model.

use crate::{
    graph::{CrossEntropy, Var},
    nn::{Error, Result, Sequence},
};

/// The largest size of a layer, a vocabulary or a stack. A model asks for memory before any weights show that a size is
/// wrong.
const LARGEST: usize = 1 << 16;

/// Refuses sizes of 0 or beyond [`LARGEST`], and a dropout that is no share.
pub(super) fn check(sizes: &[(&str, usize)], dropout: f64) -> Result<()> {
    for (name, size) in sizes {
        if !(1..=LARGEST).contains(size) {
            let right = format!("it must be from 1 to {LARGEST}");
            return Err(Error::Config { what: format!("{name} is {size}"), right });
        }
    }
    if !(0.0..1.0).contains(&dropout) {
        let right = "it must be from 0 up, less than 1".into();
        return Err(Error::Config { what: format!("dropout is {dropout}"), right });
    }
    Ok(())
}

/// Σ of the cross-entropy of each real step, for labels that stand example after example. A label that the model does
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
