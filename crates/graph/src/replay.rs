//! A part of a recording run again in dual numbers, and walked back: how gradients change along a direction.
//!
//! A recording says which operations ran, and each operation is written for every [`Element`](crate::Element). So the
//! same operations can run once more in [dual numbers](crate::element::Dual), beginning with leaves that move, and
//! their own backwards, in dual numbers too, give the gradients together with the gradients' derivatives. Nothing is
//! asked of an operation for it, and nothing is kept for it while a recording is made: what is run again is only known
//! when it is asked for.
//!
//! The dual tape has the numbers of the recording's nodes. Which of them run again is a mask ([`running`]); what these
//! read and does not run again itself enters with the value that it has in the recording, and stands still unless it is
//! made to move. That is so for what passes no gradient, such as [`detach`](crate::Var::detach) or a comparison, too.

use crate::{
    Element, Error, Float, Graph, Result, Shape, View,
    buffer::{Buffer, Pool},
    element::Dual,
    grad_sink::GradSink,
    grad_store::GradStore,
    operation::Backward,
    recompute::Segment,
    record::with_views,
    recording::{Maker, Recording},
    tape::{NONE, Node, Operands, Tape, Value},
};
use std::{collections::BTreeMap, sync::Arc};

/// What made a node, as it ran again.
enum Again<'a> {
    Operation(Box<dyn Backward<Dual> + 'a>),
    Segment(&'a Segment),
}

/// A part of a recording, run again in dual numbers.
pub(crate) struct Replay<'a, E: Float> {
    graph: &'a Graph<'a>,
    recording: &'a Recording<E>,
    /// Its nodes have the numbers of the recording's; those that are not needed have no value.
    tape: Tape<Dual>,
    makers: Vec<Option<Again<'a>>>,
    /// What operations gave whose nodes go on with other numbers.
    given: BTreeMap<u32, Buffer<Dual>>,
}

/// From the numbers of a node, those with which it goes on, where they are others: what makes it move.
type Enter<'e> = &'e dyn Fn(u32, &[Dual]) -> Option<Vec<Dual>>;

/// Which nodes have to run again for node `to` to move: all it was made from or, where `from` is given, only what was
/// made from those.
///
/// # Errors
/// One of them is a gradient itself: its derivative is a second one, and that of a second one is not known.
pub(crate) fn running<E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    (from, to): (Option<&[u32]>, u32),
    operation: &'static str,
) -> Result<Vec<bool>> {
    let tape = &recording.tape;
    let passes = |id: usize| match &recording.makers[id] {
        Some(maker) => maker.differentiable(),
        None => matches!(tape.nodes[id].value, Value::View { .. }),
    };
    // What moves, and what is moved by its operands.
    let mut moves = vec![from.is_none(); to as usize + 1];
    let mut moved = vec![false; to as usize + 1];
    for &id in from.unwrap_or_default().iter().filter(|&&id| id <= to) {
        moves[id as usize] = true;
    }
    for id in 0..=to as usize {
        let operands = tape.nodes[id].operands.as_slice();
        moved[id] = passes(id) && operands.iter().any(|&i| moves[i as usize]);
        moves[id] |= moved[id];
    }
    let mut reached = vec![false; to as usize + 1];
    reached[to as usize] = true;
    for id in (0..=to as usize).rev() {
        let runs = reached[id] && moved[id];
        if runs {
            let node = &tape.nodes[id];
            if matches!(recording.makers[id], Some(Maker::Gradient { .. })) {
                let why = "this depends on what `gradient` gave, and gradients of gradients are taken once: a third \
                           derivative is not known";
                return Err(Error::Argument { operation, why: why.into(), at: graph.place_of(node.mark) });
            }
            node.operands.as_slice().iter().for_each(|&i| reached[i as usize] = true);
        }
        reached[id] = runs;
    }
    Ok(reached)
}

impl<'a, E: Float> Replay<'a, E> {
    /// Runs the nodes up to `to` for which `runs` is set again. `enter` is asked of each node that is needed, before
    /// another node reads it.
    pub(crate) fn new(
        graph: &'a Graph<'a>,
        recording: &'a Recording<E>,
        to: u32,
        runs: &[bool],
        enter: Enter<'_>,
    ) -> Result<Self> {
        Self::in_pool(graph, recording, to, runs, enter, Arc::default())
    }

    fn in_pool(
        graph: &'a Graph<'a>,
        recording: &'a Recording<E>,
        to: u32,
        runs: &[bool],
        enter: Enter<'_>,
        pool: Arc<Pool<Dual>>,
    ) -> Result<Self> {
        let nodes = &recording.tape.nodes[..=to as usize];
        let mut needed = runs.to_vec();
        needed[to as usize] = true;
        for (node, _) in nodes.iter().zip(runs).filter(|(_, runs)| **runs) {
            node.operands.as_slice().iter().for_each(|&i| needed[i as usize] = true);
        }
        let (tape, makers) = (Tape::in_pool(pool), Vec::with_capacity(nodes.len()));
        let mut replay = Replay { graph, recording, tape, makers, given: BTreeMap::new() };
        for (id, node) in nodes.iter().enumerate() {
            let (value, maker) = match &recording.makers[id] {
                Some(maker) if runs[id] => {
                    let (output, maker) = replay.run(maker, node)?;
                    let value = match enter(id as u32, &output) {
                        Some(moved) => {
                            replay.given.insert(id as u32, output);
                            moved.into()
                        }
                        None => output,
                    };
                    (Value::Own(value), Some(maker))
                }
                None if runs[id] => (replay.part(id as u32), None),
                _ if needed[id] => {
                    let value = recording.tape.view(graph.params, id as u32).data();
                    let mut entered = replay.tape.pool.take(value.len());
                    entered.iter_mut().zip(value).for_each(|(x, value)| *x = Dual::from_f64(value.to_f64()));
                    (Value::Own(enter(id as u32, &entered).map_or(entered, Buffer::from)), None)
                }
                _ => (Value::Own(Buffer::from(vec![])), None),
            };
            replay.makers.push(maker);
            replay.tape.push(Node {
                value,
                shape: node.shape,
                // The recording has them.
                operands: Operands::Few(0, [NONE; 3]),
                mark: node.mark,
                wants: node.wants,
                watched: node.watched,
                packs: Default::default(),
                name: node.name,
            });
        }
        Ok(replay)
    }

    /// Runs what made a node again.
    fn run(&self, maker: &'a Maker<E>, node: &'a Node<E>) -> Result<(Buffer<Dual>, Again<'a>)> {
        let operands = node.operands.as_slice();
        let mut output = self.tape.pool.take(node.shape.elements());
        let again = match maker {
            Maker::Operation(operation) => Again::Operation(with_views(
                operands.len(),
                |i| self.tape.held(operands[i]),
                |inputs| operation.replay(inputs, &mut output),
            )),
            Maker::Segment(segment) => {
                let segment = Segment::of(&**segment);
                self.inside(segment, operands, node.shape, |inner, _| {
                    output.copy_from_slice(inner.tape.held(inner.last()).data());
                    Ok(())
                })?;
                Again::Segment(segment)
            }
            Maker::Gradient { .. } => unreachable!("`running` refuses gradients of gradients of gradients"),
        };
        Ok((output, again))
    }

    /// A view as a part of the same elements that it is a part of in the recording.
    fn part(&self, id: u32) -> Value<Dual> {
        let outside = &self.recording.tape;
        let of = outside.nodes[id as usize].operands.as_slice()[0];
        let (root, begin) = self.tape.root(of);
        Value::View { root, offset: begin + outside.root(id).1 - outside.root(of).1 }
    }

    /// What the operation of a node gave.
    fn given(&self, id: u32) -> View<'_, Dual> {
        let held = self.tape.held(id);
        self.given.get(&id).map_or(held, |given| View::new(given, held.shape))
    }

    fn last(&self) -> u32 {
        self.tape.nodes.len() as u32 - 1
    }

    /// Records the inside of a segment once more, runs that recording again in dual numbers, and lets `work` have it,
    /// together with the pairs of a node inside and the node outside that it has its numbers from.
    fn inside(
        &self,
        segment: &Segment,
        operands: &[u32],
        shape: Shape,
        work: impl FnOnce(&Replay<'_, E>, &[(u32, u32)]) -> Result<()>,
    ) -> Result<()> {
        let (plan, outside) = (segment.plan_apart(operands), &self.recording.tape);
        segment.replay(self.graph, outside, &plan, |inner, recording: &Recording<E>, to| {
            let given = recording.tape.nodes[to as usize].shape;
            if given != shape {
                let why = format!("the segment gave {shape} at first and {given} when run again");
                return Err(segment.wrong(inner, why + "; it must depend on its inputs alone"));
            }
            // Its inputs are its first nodes; the parameters that it used are where they entered.
            let inputs = plan.leaves.len();
            let entered = |&outer: &u32| match outside.nodes[outer as usize].value {
                Value::Param(index) => (recording.tape.entered[index as usize], outer),
                _ => (NONE, outer),
            };
            let used = operands[inputs..].iter().map(entered).filter(|(id, _)| *id != NONE);
            let doors: Vec<(u32, u32)> = (0..inputs as u32).zip(plan.leaves.iter().copied()).chain(used).collect();
            let runs = running(inner, recording, (None, to), "recompute")?;
            let enter = |id: u32, _: &[Dual]| Some(self.tape.held(outer(&doors, id)?).data().to_vec());
            let pool = self.tape.pool.clone();
            work(&Replay::in_pool(inner, recording, to, &runs, &enter, pool)?, &doors)
        })
    }

    /// Walks back from the last node, to which `seed` is added. `visit` sees the gradient of each node before it is
    /// passed on, and may change it.
    pub(crate) fn walk_back(&self, seed: &[Dual], visit: &mut dyn FnMut(u32, &mut [Dual])) -> Result<()> {
        let store = GradStore::new(&self.tape, self.last(), 0);
        let mut into = GradSink { store, operands: &[], wrong: None, changed: false };
        into.store.add(self.last(), seed);
        for id in (0..=self.last()).rev() {
            let Some(mut gradient) = into.store.take(id) else { continue };
            visit(id, &mut gradient);
            let (node, Some(again)) = (&self.recording.tape.nodes[id as usize], &self.makers[id as usize]) else {
                continue;
            };
            let operands = node.operands.as_slice();
            into.operands = operands;
            match again {
                Again::Operation(operation) => with_views(
                    operands.len(),
                    |i| self.tape.held(operands[i]),
                    |inputs| {
                        let gradient = View::new(&gradient, node.shape);
                        operation.backward(inputs, self.given(id), gradient, &mut into)
                    },
                ),
                Again::Segment(segment) => self.inside(segment, operands, node.shape, |inner, doors| {
                    inner.walk_back(&gradient, &mut |id, gradient| {
                        if let Some(outer) = outer(doors, id).filter(|&outer| into.store.wants(outer)) {
                            into.store.add(outer, gradient);
                        }
                    })
                })?,
            }
            let at = || self.graph.place_of(node.mark);
            if let Some((input, got, expected)) = into.wrong {
                return Err(Error::Gradient { operation: node.name, input, expected, got, at: at() });
            }
            if into.changed {
                let why = "it changes a gradient, and how that change itself changes is not known".into();
                return Err(Error::Argument { operation: node.name, why, at: at() });
            }
        }
        Ok(())
    }
}

/// The node outside of a segment of which node `id` inside has its numbers.
fn outer(doors: &[(u32, u32)], id: u32) -> Option<u32> {
    doors.iter().find(|(inner, _)| *inner == id).map(|&(_, outer)| outer)
}
