//! The backward pass: the walk from a loss back to the parameters.
//!
//! The nodes of a recording are in the order in which they ran, which is a topological order: a node's operands come
//! before it, and everything that was made from it after it. So the walk is one loop over the nodes in reverse. When
//! it reaches a node, all that uses the node has been passed, and the node's gradient is complete. The node's
//! operation turns it into gradients of the operands, which are added to where they lie ([`GradStore`]), and the memory
//! of the node's own gradient is free again. No node is visited twice, nothing is sorted, and nothing recurses.
//!
//! Only what lies between the loss and something that wants a gradient has one: nothing flows to the others, since
//! [`GradSink`] adds for no operand that does not want it.
//!
//! The gradients of parameters stay in the store to the end, because a parameter may be used at every time step and in
//! every segment. [`Var::backward`] puts them into their final form.
//!
//! A segment that is [recomputed](crate::Graph::recompute) is one node. The walk records its inside again, lends that
//! recording the gradients to add to, walks back over it, and drops it.

use crate::{
    Element, Error, Float, GradSink, Gradients, Graph, Result, Tensor, Var, View,
    buffer::Buffer,
    diagnose::check_gradients,
    element::typed,
    grad_store::GradStore,
    gradients::Gradient,
    look::through_time,
    measure::{Norms, Walk},
    nested::Nested,
    recompute::Segment,
    record::with_views,
    recording::{Maker, Recording},
    tape::{NONE, Tape, Value},
};
use std::time::Instant;

/// What a walk has found, beside the gradients of the parameters.
struct Found<E: Float> {
    /// The gradients of watched nodes, latest first.
    watched: Vec<(u32, Buffer<E>)>,
    /// The operations without gradient that were met inside of segments.
    exits: Vec<String>,
}

/// Walks a recording back from node `last`, to which `seed` is added, down to node `first`. The nodes before it were
/// made by no operation; their gradients stay in the store that is returned.
fn walk<'t, E: Float>(
    graph: &Graph<'_>,
    recording: &'t Recording<E>,
    (first, last): (u32, u32),
    seed: &[E],
    store: GradStore<'t, E>,
) -> Result<(GradStore<'t, E>, Found<E>)> {
    let tape = &recording.tape;
    let mut into = GradSink { store, operands: &[], wrong: None, changed: false };
    let mut found = Found { watched: vec![], exits: vec![] };
    into.store.add(last, seed);
    let mut nested = Nested::new();
    for id in (first..=last).rev() {
        let node = &tape.nodes[id as usize];
        nested.flow(graph, recording, id, &mut into.store)?;
        let began = graph.clock.as_ref().map(|_| Instant::now());
        // All that uses this node has been passed: what has come to it is the whole of its gradient. Nothing has where
        // the loss was not made from it. A parameter's gradient stays, and a view's is a part of its root's.
        let Some(gradient) = into.store.take(id) else { continue };
        if !node.wants {
            continue;
        }
        if let Some(norms) = &graph.norms {
            norms.borrow_mut().note(tape, id, &gradient);
        }
        // What entered the recording was made by nothing: the walk ends there.
        if let Some(maker) = &recording.makers[id as usize] {
            into.operands = node.operands.as_slice();
            let view = View::new(&gradient, node.shape);
            match maker {
                Maker::Operation(operation) => with_views(
                    into.operands.len(),
                    |i| tape.view(graph.params, node.operands.as_slice()[i]),
                    |inputs| operation.backward(inputs, tape.view(graph.params, id), view, &mut into),
                ),
                &Maker::Gradient { of, wrt } => nested.push((of, wrt), tape.pool.copy(&gradient)),
                Maker::Segment(segment) => {
                    walk_segment(graph, Segment::of(&**segment), view, &mut into, &mut found.exits)?
                }
            }
            if let (Some(clock), Some(began)) = (&graph.clock, began) {
                clock.borrow_mut().add(id, Walk::Backward, began);
            }
            if let Some((input, got, expected)) = into.wrong {
                let at = graph.place_of(node.mark);
                return Err(Error::Gradient { operation: node.name, input, expected, got, at });
            }
            if graph.detects_anomalies {
                check_gradients(graph, tape, id, &gradient, |operand| into.store.is_finite(operand))?;
            }
        }
        if node.watched {
            found.watched.push((id, gradient));
        }
        // Here the gradient is dropped, and its memory is taken for one further down.
    }
    Ok((into.store, found))
}

/// Walks a recording back from node `last` to its beginning.
fn walk_all<'t, E: Float>(
    graph: &Graph<'_>,
    recording: &'t Recording<E>,
    last: u32,
    seed: &[E],
) -> Result<(GradStore<'t, E>, Found<E>)> {
    let tape = &recording.tape;
    if let Some(norms) = &graph.norms {
        norms.replace(Norms::new(tape, last));
    }
    let store = GradStore::new(tape, last, graph.params.len());
    if !tape.nodes[last as usize].wants {
        return Ok((store, Found { watched: vec![], exits: vec![] }));
    }
    walk(graph, recording, (0, last), seed, store)
}

/// The gradients of the number at node `of` with respect to some nodes, which are parameters or watched; none where
/// nothing flows.
pub(crate) fn gradients_of<E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    of: u32,
    wrt: &[u32],
) -> Result<Vec<Option<Buffer<E>>>> {
    let (store, found) = walk_all(graph, recording, of, &[E::ONE])?;
    let params = store.finish(graph.params);
    let each = wrt.iter().map(|&wrt| {
        let node = &recording.tape.nodes[wrt as usize];
        match node.value {
            Value::Param(index) => {
                params[index as usize].clone().map(|gradient| gradient.into_dense(node.shape.elements()))
            }
            _ => found.watched.iter().find(|(id, _)| *id == wrt).map(|(_, gradient)| gradient.clone()),
        }
    });
    Ok(each.collect())
}

/// Records the inside of a segment again, and walks back over it from `gradient`, the segment's own.
fn walk_segment<E: Float>(
    outer: &Graph<'_>,
    segment: &Segment,
    gradient: View<'_, E>,
    into: &mut GradSink<'_, E>,
    exits: &mut Vec<String>,
) -> Result<()> {
    let plan = segment.plan(into.store.tape(), into.operands);
    segment.replay(outer, into.store.tape(), &plan, |inner, recording: &Recording<E>, last| {
        let tape = &recording.tape;
        let node = &tape.nodes[last as usize];
        if node.shape != gradient.shape {
            let why = format!("the segment gave {} at first and {} when run again", gradient.shape, node.shape);
            return Err(segment.wrong(inner, why + "; it must depend on its inputs alone"));
        }
        exits.extend(cuts(inner, recording, last, &[]));
        if !node.wants {
            return Ok(());
        }
        // Its first nodes are copies of nodes outside. What flows to them flows to those.
        let leaves = &plan.leaves;
        let lent = into.store.lend(tape, leaves, last);
        let (lent, found) = walk(inner, recording, (leaves.len() as u32, last), gradient.data(), lent)?;
        into.store.take_back(leaves, lent);
        exits.extend(found.exits);
        Ok(())
    })
}

impl<'g> Var<'g> {
    /// Returns the gradients of this number with respect to every parameter it depends on, and every node that is
    /// watched: back-propagation, through time where the recording is an unrolled recurrence.
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
        self.checked_scalar()?;
        self.differentiate(None)
    }

    /// An error if this is not a single number.
    pub(crate) fn checked_scalar(self) -> Result<()> {
        let shape = self.shape()?;
        if shape.elements() == 1 { Ok(()) } else { Err(Error::NotScalar { shape, at: self.place() }) }
    }

    /// Returns the vector–Jacobian product: the gradients of Σ `cotangent` · this, for a cotangent of this one's shape.
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
        typed!(&*graph.recording.borrow(), recording => {
            let tape = &recording.tape;
            let len = tape.nodes[id as usize].shape.elements();
            let mut seed = tape.pool.take(len);
            match cotangent {
                None => seed.fill(Element::ONE),
                Some(tensor) => tensor.write_to(&mut seed),
            }
            let (store, found) = walk_all(graph, recording, id, &seed)?;
            let watched = found.watched.into_iter().map(|(id, gradient)| {
                (id, Tensor::from_elements(&tape.nodes[id as usize].shape, &gradient))
            });
            let watched = watched.collect();
            let began = graph.clock.as_ref().map(|_| Instant::now());
            let entries = store.finish(graph.params);
            if let (Some(clock), Some(began)) = (&graph.clock, began) {
                clock.borrow_mut().finished(began);
            }
            let mut norms = graph.norms.as_ref().map(|norms| norms.take().all).unwrap_or_default();
            for (&node, entry) in tape.entered.iter().zip(&entries) {
                if let (Some(norm), Some(entry)) = (norms.get_mut(node as usize), entry) {
                    *norm = entry.square_sum().sqrt();
                }
            }
            Ok(Gradients {
                graph: Some(graph.number),
                watched,
                exits: cuts(graph, recording, id, &entries).into_iter().chain(found.exits).collect(),
                through_time: through_time(graph, tape, &norms),
                norms,
                fed_back: fed_back(graph, tape, id),
                handed_out: Some(graph.handed_out.clone()),
                entries: entries.into(),
                ..Gradients::none(graph.params)
            })
        })
    }
}

/// Says where a gradient of this recording has come back into it as numbers that node `from` was made from.
fn fed_back<E: Float>(graph: &Graph<'_>, tape: &Tape<E>, from: u32) -> Vec<String> {
    let all = graph.fed_back.borrow();
    if all.is_empty() {
        return vec![];
    }
    let reached = tape.leads_to(from);
    let seen = all.iter().filter(|exit| reached.get(exit.node as usize) == Some(&true));
    seen.map(|exit| format!("{} {}", exit.by, graph.place_of(exit.mark))).collect()
}

/// Says where a path to a parameter was cut: the operations without gradient between node `from` and something that
/// wants a gradient, and, for a parameter that got none, where numbers made from it have left the recording.
pub(crate) fn cuts<E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    from: u32,
    entries: &[Option<Gradient<E>>],
) -> Vec<String> {
    let tape = &recording.tape;
    let cut = |id: u32| {
        let node = &tape.nodes[id as usize];
        recording.makers[id as usize].as_ref().is_some_and(|maker| !maker.differentiable())
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
