//! A recording: its nodes, and what made each of them.

use crate::{
    Float, Tensor,
    element::Family,
    operation::ErasedOperation,
    params::Arrays,
    tape::{Node, Tape},
};
use std::{any::Any, fmt};

/// A recording in one precision.
pub(crate) struct Recording<E: Float> {
    pub(crate) tape: Tape<E>,
    /// What made each node; `None` for what enters the recording (inputs and parameters), for a view into another node,
    /// and where nothing is kept for a backward.
    pub(crate) makers: Vec<Option<Maker<E>>>,
}

/// A [`Recording`] in either precision.
pub(crate) struct Recordings;

impl Family for Recordings {
    type Of<E: Float> = Recording<E>;
}

/// What made a node.
pub(crate) enum Maker<E: Float> {
    Operation(Box<dyn ErasedOperation<E>>),
    /// The gradient of node `of`, a number, with respect to node `wrt`: [`Var::gradient`](crate::Var::gradient).
    Gradient {
        of: u32,
        wrt: u32,
    },
    /// A part of the model that is [recomputed](crate::Graph::recompute): a [`Segment`](crate::recompute::Segment). It
    /// runs on a graph, and a graph is made of recordings, so its type cannot be known here.
    Segment(Box<dyn Any + Send + Sync>),
}

impl<E: Float> Maker<E> {
    /// Whether a gradient passes through.
    pub(crate) fn differentiable(&self) -> bool {
        match self {
            Maker::Operation(operation) => operation.differentiable(),
            Maker::Gradient { .. } | Maker::Segment(_) => true,
        }
    }
}

impl<E: Float> Recording<E> {
    pub(crate) fn new(arrays: &Arrays<E>) -> Self {
        Recording { tape: Tape::new(arrays), makers: arrays.pool.lists.take() }
    }

    pub(crate) fn reset(&mut self) {
        self.tape.reset();
        self.makers.clear();
    }

    /// Whether the elements of a tensor are in this recording's precision, and in order.
    pub(crate) fn reads(&self, tensor: &Tensor) -> bool {
        tensor.as_slice::<E>().is_some()
    }

    /// Writes a node down; its number.
    pub(crate) fn push(&mut self, node: Node<E>, maker: Option<Maker<E>>) -> u32 {
        self.makers.push(maker);
        self.tape.push(node)
    }
}

impl<E: Float> Drop for Recording<E> {
    fn drop(&mut self) {
        let mut makers = std::mem::take(&mut self.makers);
        makers.clear();
        self.tape.pool.lists.give(makers);
    }
}

impl<E: Float> fmt::Debug for Recording<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.tape.fmt(f)
    }
}
