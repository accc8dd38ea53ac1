//! The nodes of a recording and their values, in the order in which they were run, which is a topological order
//! already.

use crate::{
    Element, Float, Params, Shape, Tensor,
    buffer::{Buffer, Pool},
    params::Arrays,
    view::{Packs, Panels, SelectedRows, View},
};
use std::{fmt, panic::Location, sync::Arc};

/// Stands for "no node": the handle of what an erroneous operation would have given.
pub(crate) const NONE: u32 = u32::MAX;

/// Where a node's value lies.
pub(crate) enum Value<E: Element> {
    /// In a buffer of its own.
    Own(Buffer<E>),
    /// With the parameters: read through the graph's borrow, so that nothing shares a parameter's storage.
    Param(u32),
    /// Inside the value of node `root`, which is no part of another itself, from `offset` on.
    View { root: u32, offset: usize },
    /// In a tensor in the recording's precision lent by what carries it from recording to recording.
    Lent(Arc<Tensor>),
    /// In rows of the value of node `root`, of which nothing was copied: in a recording for inference.
    Rows { root: u32, rows: SelectedRows<E> },
}

/// The operands of a node; two or fewer, as nearly all have, cost no allocation.
pub(crate) enum Operands {
    Few(u8, [u32; 3]),
    Many(Box<[u32]>),
}

impl Operands {
    pub(crate) fn new(ids: impl ExactSizeIterator<Item = u32>) -> Self {
        if ids.len() > 3 {
            return Operands::Many(ids.collect());
        }
        let (mut few, count) = ([NONE; 3], ids.len() as u8);
        few.iter_mut().zip(ids).for_each(|(slot, id)| *slot = id);
        Operands::Few(count, few)
    }
    pub(crate) fn as_slice(&self) -> &[u32] {
        match self {
            Operands::Few(count, ids) => &ids[..*count as usize],
            Operands::Many(ids) => ids,
        }
    }
}

/// Where a node was recorded.
#[derive(Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) scope: u32,
    /// The time step, [`NONE`] outside of a recurrence.
    pub(crate) step: u32,
    pub(crate) line: &'static Location<'static>,
}

impl Mark {
    /// The same, as seen from another scope.
    pub(crate) fn in_scope(self, scope: u32) -> Mark {
        Mark { scope, ..self }
    }
}

pub(crate) struct Node<E: Element> {
    pub(crate) value: Value<E>,
    pub(crate) shape: Shape,
    pub(crate) operands: Operands,
    pub(crate) mark: Mark,
    /// Whether a gradient is asked of it, or of anything it was made from.
    pub(crate) wants: bool,
    pub(crate) watched: bool,
    /// The panels of a matrix that was multiplied by, kept while the value stands.
    pub(crate) packs: Packs<E>,
    /// What made it: an operation, by its name, or `input`, `param`, or for a view `reshape`, `slice`.
    pub(crate) name: &'static str,
}

/// The nodes of a recording, and the memory in which their values lie. What made them is beside it, in a
/// [`Recording`](crate::recording::Recording).
pub(crate) struct Tape<E: Element> {
    pub(crate) nodes: Vec<Node<E>>,
    /// The node of each parameter that has been used.
    pub(crate) entered: Vec<u32>,
    pub(crate) pool: Arc<Pool<E>>,
}

impl<E: Element> fmt::Debug for Tape<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} nodes", self.nodes.len())
    }
}

impl<E: Element> Drop for Tape<E> {
    fn drop(&mut self) {
        let mut nodes = std::mem::take(&mut self.nodes);
        nodes.clear();
        self.pool.lists.give(nodes);
    }
}

impl<E: Element> Tape<E> {
    /// An empty tape without parameters.
    pub(crate) fn in_pool(pool: Arc<Pool<E>>) -> Self {
        Tape { nodes: vec![], entered: vec![], pool }
    }

    pub(crate) fn reset(&mut self) {
        self.nodes.clear();
        self.entered.fill(NONE);
    }

    pub(crate) fn push(&mut self, node: Node<E>) -> u32 {
        self.nodes.push(node);
        self.nodes.len() as u32 - 1
    }

    /// The value of a node on a tape without parameters.
    pub(crate) fn held(&self, id: u32) -> View<'_, E> {
        let (shape, (root, offset)) = (self.nodes[id as usize].shape, self.root(id));
        match &self.nodes[root as usize].value {
            Value::Own(buffer) => View::new(&buffer[offset..offset + shape.elements()], shape),
            _ => unreachable!("a root on such a tape has its own value"),
        }
    }

    /// For each node up to `to`, whether `to` was made from it.
    pub(crate) fn leads_to(&self, to: u32) -> Vec<bool> {
        let mut reached = vec![false; to as usize + 1];
        reached[to as usize] = true;
        for id in (0..=to as usize).rev() {
            if reached[id] {
                self.nodes[id].operands.as_slice().iter().for_each(|&i| reached[i as usize] = true);
            }
        }
        reached
    }

    /// The node that holds a node's elements, and where in it they begin.
    pub(crate) fn root(&self, id: u32) -> (u32, usize) {
        match self.nodes[id as usize].value {
            Value::View { root, offset } => (root, offset),
            _ => (id, 0),
        }
    }
}

impl<E: Float> Tape<E> {
    pub(crate) fn new(arrays: &Arrays<E>) -> Self {
        let pool = arrays.pool.clone();
        Tape { nodes: pool.lists.take(), entered: vec![NONE; arrays.values.len()], pool }
    }

    /// A node's value.
    #[inline]
    pub(crate) fn view<'a>(&'a self, params: &'a Params, id: u32) -> View<'a, E> {
        let node = &self.nodes[id as usize];
        let (mut offset, mut holder) = (0, node);
        if let Value::View { root, offset: inside } = node.value {
            (offset, holder) = (inside, &self.nodes[root as usize]);
        }
        let (data, packs): (&[E], &dyn Panels<E>) = match &holder.value {
            Value::Own(buffer) => (&buffer[..], &node.packs),
            Value::Lent(tensor) => (tensor.as_slice().unwrap_or_default(), &node.packs),
            Value::Rows { root, rows } => {
                let view =
                    View::of_rows(self.view(params, *root), rows, holder.shape).with_packs((&node.packs, &self.pool));
                if std::ptr::eq(holder, node) {
                    return view;
                }
                (view.data(), &node.packs)
            }
            Value::Param(index) => {
                let arrays = params.arrays::<E>();
                let whole = offset == 0 && node.shape == holder.shape;
                let packs = if whole { &arrays.panels[*index as usize] } else { &node.packs };
                (&arrays.values[*index as usize][..], packs)
            }
            Value::View { .. } => unreachable!("a part's root is never a part"),
        };
        let data = &data[offset..offset + node.shape.elements()];
        View::new(data, node.shape).with_packs((packs, &self.pool))
    }
}
