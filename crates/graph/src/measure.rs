//! What a recording measures where it is asked to: the time of each node, and the norm of its gradient.

use crate::{Element, tape::Tape};
use std::time::Instant;

#[derive(Clone, Copy)]
pub(crate) enum Walk {
    Forward,
    Backward,
}

/// Nanoseconds of each node, forward and backward.
#[derive(Default)]
pub(crate) struct Times {
    pub(crate) nodes: Vec<[u64; 2]>,
    /// The last blocks of gathered gradient rows, which no single node is the owner of.
    pub(crate) gathered: (usize, u64),
}

impl Times {
    pub(crate) fn add(&mut self, id: u32, walk: Walk, began: Instant) {
        if self.nodes.len() <= id as usize {
            self.nodes.resize(id as usize + 1, [0; 2]);
        }
        self.nodes[id as usize][walk as usize] += began.elapsed().as_nanos() as u64;
    }
    pub(crate) fn finished(&mut self, began: Instant) {
        self.gathered.0 += 1;
        self.gathered.1 += began.elapsed().as_nanos() as u64;
    }
}

/// Norms of nodes' gradients as a backward pass finds them.
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
