//! Norms of gradients, node by node, and along the states that a recurrence hands from step to step.

use crate::{Element, Graph, StateNorms, tape::Tape};

/// One leaf of a recurrence's state after one step.
pub(crate) struct Carried {
    pub(crate) scope: u32,
    pub(crate) step: u32,
    pub(crate) leaf: u32,
    pub(crate) node: u32,
}

/// Norms of nodes' gradients as a walk back finds them.
#[derive(Default)]
pub(crate) struct Norms {
    pub(crate) all: Vec<f64>,
    /// Each node that is a part of another, after that other's number.
    parts: Vec<(u32, u32)>,
}

impl Norms {
    pub(crate) fn new<E: Element>(tape: &Tape<E>, from: u32) -> Norms {
        let mut parts: Vec<(u32, u32)> =
            (0..=from).map(|id| (tape.root(id).0, id)).filter(|(root, id)| root != id).collect();
        parts.sort_unstable();
        Norms { all: vec![f64::NAN; from as usize + 1], parts }
    }

    /// Notes the whole gradient of node `id`, and with it that of its parts.
    pub(crate) fn note<E: Element>(&mut self, tape: &Tape<E>, id: u32, gradient: &[E]) {
        let norm = |of: &[E]| of.iter().map(|x| x.to_f64().powi(2)).sum::<f64>().sqrt();
        self.all[id as usize] = norm(gradient);
        let first = self.parts.partition_point(|&(root, _)| root < id);
        for &(_, part) in self.parts[first..].iter().take_while(|(root, _)| *root == id) {
            let (offset, len) = (tape.root(part).1, tape.nodes[part as usize].shape.elements());
            self.all[part as usize] = norm(&gradient[offset..offset + len]);
        }
    }
}

/// The noted norms in order, a series for each leaf of each recurrence. A step that does not follow the last begins a
/// new series.
pub(crate) fn through_time<E: Element>(graph: &Graph<'_>, tape: &Tape<E>, norms: &[f64]) -> Vec<StateNorms> {
    let mut series: Vec<(u32, StateNorms)> = vec![];
    if norms.is_empty() {
        return vec![];
    }
    for carried in graph.carried.borrow().iter().filter(|c| tape.nodes[c.node as usize].wants) {
        let (leaf, step) = (carried.leaf as usize, carried.step as usize);
        let norm = norms.get(carried.node as usize).copied().filter(|norm| !norm.is_nan()).unwrap_or(0.0);
        let open = series.iter_mut().rev().find(|(scope, s)| *scope == carried.scope && s.leaf == leaf);
        match open {
            Some((_, s)) if s.norms.last().is_some_and(|&(last, _)| last < step) => s.norms.push((step, norm)),
            _ => {
                let scope = graph.place_of(tape.nodes[carried.node as usize].mark.in_scope(carried.scope)).scope;
                series.push((carried.scope, StateNorms { scope, leaf, norms: vec![(step, norm)] }));
            }
        }
    }
    series.into_iter().map(|(_, s)| s).collect()
}
