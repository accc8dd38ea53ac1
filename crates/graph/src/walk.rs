//! The walk from a loss back to the parameters.
//!
//! It goes once through the tape in reverse, visits only what lies between the loss and something that wants a
//! gradient, and frees each gradient as soon as it has been passed on.

use crate::{
    Element, Error, GradSink, Gradients, Graph, Result, Tensor, Var,
    backward::{Slot, finish, settle, update},
    buffer::Buffer,
    gradients::Gradient,
    look::{Norms, Walk},
    operation::View,
    record::with_views,
    tape::{NONE, Tape, Value},
};

/// What a walk back gives.
pub(crate) struct Walked<E: Element> {
    /// The gradients of watched nodes, latest first.
    pub(crate) watched: Vec<(u32, Buffer<E>)>,
    /// The first nodes' slots, which were lent for the walk.
    pub(crate) lent: Vec<Slot<E>>,
    /// The operations without gradient that were met inside of segments.
    pub(crate) exits: Vec<String>,
}

/// Walks `tape` back from node `from`, whose gradient is `seed`, adding to the parameters' gradients in `sink`. The
/// first nodes' slots are `lent` by a walk around this one: they are added to and not passed on.
pub(crate) fn walk<E: Element>(
    graph: &Graph<'_>,
    tape: &Tape<E>,
    from: u32,
    seed: Buffer<E>,
    sink: &mut [Slot<E>],
    mut lent: Vec<Slot<E>>,
) -> Result<Walked<E>> {
    let (params, first) = (graph.params, lent.len());
    let mut slots = tape.pool.lists.take();
    slots.append(&mut lent);
    slots.extend(Slot::empty((from as usize + 1).saturating_sub(first)));
    let (mut watched, mut exits) = (vec![], vec![]);
    update(tape, &mut slots, sink, from, |slot, fresh| {
        if fresh { slot.copy_from_slice(&seed) } else { slot.iter_mut().zip(&seed[..]).for_each(|(s, &g)| *s += g) }
    });
    for id in (first as u32..=from).rev() {
        let node = &tape.nodes[id as usize];
        let began = graph.clock.as_ref().map(|_| std::time::Instant::now());
        if slots[id as usize].waits() {
            settle(tape, &mut slots, sink, id);
        }
        let Some(gradient) = slots[id as usize].dense.take() else { continue };
        if !node.wants {
            continue;
        }
        if let Some(norms) = &graph.norms {
            norms.borrow_mut().note(tape, id, &gradient);
        }
        if let Some(operation) = &node.operation {
            let operands = node.operands.as_slice();
            let (wrong, error) = (None, None);
            let mut into = GradSink { tape, operands, slots: &mut slots, sink, graph, exits: &mut exits, wrong, error };
            with_views(
                operands.len(),
                |i| tape.view(params, operands[i]),
                |inputs| {
                    let view = View::new(&gradient, node.shape);
                    operation.backward(inputs, tape.view(params, id), view, &mut into)
                },
            );
            let (wrong, error) = (into.wrong, into.error);
            if let (Some(clock), Some(began)) = (&graph.clock, began) {
                clock.borrow_mut().add(id, Walk::Backward, began);
            }
            if let Some((input, got, expected)) = wrong {
                let at = graph.place_of(node.mark);
                return Err(Error::Gradient { operation: operation.name(), input, expected, got, at });
            }
            if let Some(error) = error {
                return Err(error);
            }
            if graph.detects_anomalies {
                let finite = |operand: u32| {
                    let ((root, offset), own) = (tape.root(operand), &tape.nodes[operand as usize]);
                    let slot = match tape.nodes[root as usize].value {
                        Value::Param(index) => &sink[index as usize],
                        _ => &slots[root as usize],
                    };
                    let all = |values: &[E]| values.iter().all(|x| x.is_finite());
                    let waiting = if root == operand { slot } else { &slots[operand as usize] };
                    slot.dense.as_ref().is_none_or(|d| all(&d[offset..offset + own.shape.elements()]))
                        && waiting.waits_finite()
                        && slot.rows.as_ref().is_none_or(|r| all(&r.values))
                };
                crate::diagnose::check_gradients(graph, tape, id, &gradient, finite)?;
            }
        }
        if node.watched {
            watched.push((id, gradient));
        }
    }
    lent.extend(slots.drain(..first));
    slots.clear();
    tape.pool.lists.give(slots);
    Ok(Walked { watched, lent, exits })
}

impl<'g> Var<'g> {
    /// The gradients of this number with respect to every parameter it depends on, and every node that is watched:
    /// back-propagation, through time where the recording is an unrolled recurrence.
    ///
    /// # Errors
    /// The graph's first error; [`Error::NotScalar`] if this is not a single number.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0]).watch();
    /// let gradients = (x * x).sum_all().backward()?;
    /// assert_eq!(gradients.of(x).unwrap(), array![2.0f32, 4.0].into());
    /// assert!((x * x).backward().unwrap_err().to_string().contains("single number"));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn backward(self) -> Result<Gradients> {
        let shape = self.shape()?;
        if shape.elements() != 1 {
            return Err(Error::NotScalar { shape, at: self.place() });
        }
        self.differentiate(None)
    }

    /// The vector–Jacobian product: the gradients of Σ `cotangent` · this, for a cotangent of this one's shape.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![1.0f32, 2.0]).watch();
    /// let gradients = (x * x).vjp(array![1.0f32, 10.0])?;
    /// assert_eq!(gradients.of(x).unwrap(), array![2.0f32, 40.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn vjp(self, cotangent: impl Into<Tensor>) -> Result<Gradients> {
        self.pull_back(cotangent.into())
    }

    fn pull_back(self, cotangent: Tensor) -> Result<Gradients> {
        let shape = self.shape()?;
        if cotangent.shape() != &*shape {
            let why = format!("the cotangent's shape {:?} is not the value's, {shape}", cotangent.shape());
            return Err(Error::Argument { operation: "vjp", why, at: self.place() });
        }
        self.differentiate(Some(cotangent))
    }

    fn differentiate(self, cotangent: Option<Tensor>) -> Result<Gradients> {
        let (graph, id) = (self.graph, self.id);
        graph.kept("backward", self.place())?;
        crate::tape::with_tape!(&*graph.tape.borrow(), tape => {
            let len = tape.nodes[id as usize].shape.elements();
            let mut seed = tape.pool.take(len);
            match cotangent {
                None => seed.fill(Element::ONE),
                Some(tensor) => tensor.write_to(&mut seed),
            }
            if let Some(norms) = &graph.norms {
                norms.replace(Norms::new(tape, id));
            }
            let mut sink: Vec<_> = Slot::empty(graph.params.len()).collect();
            let wants = tape.nodes[id as usize].wants;
            let walked = if wants { Some(walk(graph, tape, id, seed, &mut sink, vec![])?) } else { None };
            let (watched, inside) = walked.map_or_else(Default::default, |w| (w.watched, w.exits));
            let watched = watched.into_iter().map(|(id, gradient)| {
                (id, Tensor::from_elements(&tape.nodes[id as usize].shape, &gradient))
            });
            let watched = watched.collect();
            let began = graph.clock.as_ref().map(|_| std::time::Instant::now());
            let entries = finish(graph.params, &tape.pool, sink);
            if let (Some(clock), Some(began)) = (&graph.clock, began) {
                clock.borrow_mut().finished(began);
            }
            let mut norms = graph.norms.as_ref().map(|norms| norms.take().all).unwrap_or_default();
            for (&node, entry) in tape.entered.iter().zip(&entries) {
                if let (Some(norm), Some(entry)) = (norms.get_mut(node as usize), entry) {
                    *norm = entry.values().norm();
                }
            }
            Ok(Gradients {
                graph: Some(graph.number),
                watched,
                exits: exits(graph, tape, id, &entries).into_iter().chain(inside).collect(),
                through_time: crate::look::through_time(graph, tape, &norms),
                norms,
                entries,
                ..Gradients::none(graph.params)
            })
        })
    }
}

/// Where a path to a parameter was cut: the operations without gradient between node `from` and something that wants a
/// gradient, and, for a parameter that got none, where numbers made from it have left the recording.
pub(crate) fn exits<E: Element>(
    graph: &Graph<'_>,
    tape: &Tape<E>,
    from: u32,
    entries: &[Option<Gradient>],
) -> Vec<String> {
    let cut = |id: u32| {
        let node = &tape.nodes[id as usize];
        node.operation.as_ref().is_some_and(|o| !o.differentiable())
            && node.operands.as_slice().iter().any(|&i| tape.nodes[i as usize].wants)
    };
    let mut found = vec![];
    if (0..=from).any(cut) {
        let reached = tape.leads_to(from);
        let on_the_way = (0..=from).filter(|&id| reached[id as usize] && cut(id)).map(|id| &tape.nodes[id as usize]);
        found.extend(on_the_way.map(|node| format!("{} {}", node.name, graph.place_of(node.mark))));
    }
    let mut lost = vec![false; tape.nodes.len()];
    for (&id, entry) in tape.entered.iter().zip(entries) {
        if id != NONE && entry.is_none() {
            lost[id as usize] = true;
        }
    }
    if lost.contains(&true) {
        // What was made from a parameter without gradient: its numbers may have been taken out and put in again.
        for (id, node) in tape.nodes.iter().enumerate() {
            lost[id] |= node.operands.as_slice().iter().any(|&i| lost[i as usize]);
        }
        let all = graph.exits.borrow();
        let ends = all.iter().filter(|exit| lost[exit.node as usize]);
        for end in ends.map(|exit| format!("{} {}", exit.by, graph.place_of(exit.mark))) {
            if !found.contains(&end) {
                found.push(end);
            }
        }
    }
    found
}
