//! A gradient as a node: y.gradient(x) on its way back, and its tangent.
//!
//! The node's value is ∂y/∂x for a number y. Where a gradient v has come back to it, each node θ that y was made from
//! gets
//!
//! ∂⟨v, ∂y/∂x⟩ / ∂θ = d/dε ∂y/∂θ (x + ε·v),
//!
//! the derivative of an ordinary gradient along v. So what leads from x to y runs again in dual numbers, with x moving
//! by v, and the backward pass over it has the sums as its tangents.
//!
//! The tangents do not stay in that walk: at each node they are handed to the ordinary walk, which reaches the node
//! later, and the walk in dual numbers goes on with a gradient that stands still. Passing on is linear, so the sum is
//! the same. In this way everything that an ordinary walk does with a gradient (that of a watched node, norms, hooks)
//! has the whole of it.

use crate::{
    Element, Float, Graph, Result, View,
    buffer::Buffer,
    element::Dual,
    grad_store::GradStore,
    recording::Recording,
    replay::{Replay, running},
};

const OPERATION: &str = "gradient";

/// Gradients that have come back to nodes ∂`of`/∂`wrt`, and wait for the walk to come to `of`: several of one `of` are
/// one direction.
pub(crate) struct Nested<E: Float> {
    waiting: Vec<Waiting<E>>,
}

struct Waiting<E: Float> {
    of: u32,
    wrt: u32,
    gradient: Buffer<E>,
}

impl<E: Float> Nested<E> {
    pub(crate) fn new() -> Self {
        Nested { waiting: vec![] }
    }

    pub(crate) fn push(&mut self, (of, wrt): (u32, u32), gradient: Buffer<E>) {
        self.waiting.push(Waiting { of, wrt, gradient });
    }

    /// Adds what flows back through those of `of` to the nodes that it was made from. It does nothing where none wait.
    #[inline]
    pub(crate) fn flow(
        &mut self,
        graph: &Graph<'_>,
        recording: &Recording<E>,
        of: u32,
        store: &mut GradStore<'_, E>,
    ) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        let (due, later) = std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.of == of);
        self.waiting = later;
        if due.is_empty() { Ok(()) } else { flow(graph, recording, of, &due, store) }
    }
}

fn flow<E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    of: u32,
    due: &[Waiting<E>],
    store: &mut GradStore<'_, E>,
) -> Result<()> {
    let from: Vec<u32> = due.iter().map(|waiting| waiting.wrt).collect();
    let runs = running(graph, recording, (Some(&from), of), OPERATION)?;
    let enter = |id: u32, x: &[Dual]| {
        let here = due.iter().filter(|waiting| waiting.wrt == id);
        here.fold(None, |moved: Option<Vec<Dual>>, waiting| {
            Some(moved_by(moved.as_deref().unwrap_or(x), &waiting.gradient))
        })
    };
    let replay = Replay::new(graph, recording, of, &runs, &enter)?;
    replay.walk_back(&[Dual::ONE], &mut |id, gradient| {
        if store.wants(id) && gradient.iter().any(|g| g.tangent != 0.0) {
            let tangents: Vec<E> = gradient.iter().map(|g| E::from_f64(g.tangent)).collect();
            store.add(id, &tangents);
        }
        gradient.iter_mut().for_each(|g| g.tangent = 0.0);
    })
}

/// Writes the tangent of the node ∂`of`/∂`wrt`, where the nodes that `of` was made from move with `tangent`.
pub(crate) fn nested_tangent<'t, E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    (of, wrt): (u32, u32),
    tangent: impl Fn(u32) -> Option<View<'t, E>>,
    out: &mut [E],
) -> Result<()> {
    let runs = running(graph, recording, (Some(&[wrt]), of), OPERATION)?;
    let enter = |id: u32, x: &[Dual]| Some(moved_by(x, tangent(id).filter(|_| !runs[id as usize])?.data()));
    let replay = Replay::new(graph, recording, of, &runs, &enter)?;
    replay.walk_back(&[Dual::ONE], &mut |id, gradient| {
        if id == wrt {
            out.iter_mut().zip(gradient).for_each(|(out, g)| *out = E::from_f64(g.tangent));
        }
    })
}

/// A node that moves by these tangents, beside what moves it already.
pub(crate) fn moved_by<E: Element>(x: &[Dual], tangents: &[E]) -> Vec<Dual> {
    let each = x.iter().zip(tangents);
    each.map(|(x, tangent)| Dual { tangent: x.tangent + tangent.to_f64(), ..*x }).collect()
}
