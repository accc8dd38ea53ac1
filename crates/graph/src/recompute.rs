//! Recomputation: a part of a model that forgets its inside after forward and is recorded again when backward reaches
//! it.
//!
//! A long sequence of T steps in segments of √T keeps √T boundaries and, during backward, the inside of one segment:
//! memory of the order √T for one more forward pass (Chen and others 2016; for recurrent nets Gruslys and others 2016).
//!
//! The second recording is the first one again: the same scopes, time step, rows and draws. Its backward pass adds to
//! what has flowed so far, gathered rows of weights included, in the order of the walk that would have been without it,
//! so gradients are the same to the bit.

use crate::{
    Error, Float, Graph, Result, RowIds, Shape, Var,
    buffer::Buffer,
    notes::{Exit, Replacement, StepInput},
    recording::{Maker, Recording},
    rng_key::KeyCounts,
    tape::{NONE, Node, Operands, Tape, Value},
};
use std::{any::Any, panic::Location};

/// What a segment runs. It is boxed, so that all the rest is compiled once and not for each closure.
type Run = Box<dyn for<'s> Fn(&'s Graph<'s>, &[Var<'s>]) -> Var<'s> + Send + Sync>;

/// A segment as a node of the recording around it. Its operands are its inputs, then the parameters that it used.
pub(crate) struct Segment {
    run: Run,
    inputs: usize,
    start: Start,
}

/// What stays of the first recording.
struct First<E: Float> {
    shape: Shape,
    value: Buffer<E>,
    used: Vec<u32>,
    exits: Vec<Exit>,
}

/// What the second recording must find as the first one did.
struct Start {
    scope: u32,
    step: u32,
    rows: Option<RowIds>,
    key_counts: KeyCounts,
    surrounding: Surrounding,
    line: &'static Location<'static>,
}

/// What the recording around a segment says of parameters and of the time step. Its nodes are the segment's last
/// inputs.
struct Surrounding {
    replaced: Vec<Replacement>,
    provided: Vec<StepInput>,
}

impl Surrounding {
    fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.replaced.iter().map(|all| all.node).chain(self.provided.iter().map(|all| all.node))
    }

    /// Runs the segment `run` on its own inputs, with the others in the places that they have outside.
    fn run<'s>(&self, graph: &'s Graph<'s>, inputs: &[Var<'s>], run: &Run) -> Var<'s> {
        let (inputs, provided) = inputs.split_at(inputs.len() - self.provided.len());
        let (inputs, values) = inputs.split_at(inputs.len() - self.replaced.len());
        let param = |index| graph.params.handle(index);
        let values: Vec<_> = self.replaced.iter().zip(values).map(|(all, &value)| (param(all.param), value)).collect();
        let provided = self.provided.iter().zip(provided);
        let provided = provided.map(|(input, var)| StepInput { name: input.name.clone(), node: var.id });
        graph.step_inputs.borrow_mut().extend(provided);
        graph.with_parametrization(&values, || run(graph, inputs))
    }
}

/// Where an input of a segment comes from inside: a parameter, or the `i`th leaf; of either all or a part.
struct Door {
    root: Root,
    part: Option<(usize, Shape)>,
}

enum Root {
    Param(u32),
    Leaf(u32),
}

/// How the inputs enter: `leaves` are the nodes outside whose values are copied in and whose gradients are lent.
pub(crate) struct Plan {
    pub(crate) leaves: Vec<u32>,
    doors: Vec<Door>,
}

impl Plan {
    /// A parameter enters as itself, anything else as a leaf. Inputs that overlap in memory enter as parts of the node
    /// in which they lie, and so does a part of a parameter that is `used` inside by itself too: a gradient must have
    /// one place.
    fn new<E: Float>(tape: &Tape<E>, inputs: &[u32], used: &[u32]) -> Plan {
        let mut leaves: Vec<u32> = vec![];
        let shape = |id: u32| tape.nodes[id as usize].shape;
        let overlap = |a: u32, b: u32| {
            let ((root, at), (other, behind)) = (tape.root(a), tape.root(b));
            root == other && at < behind + shape(b).elements() && behind < at + shape(a).elements()
        };
        let doors = inputs.iter().map(|&id| {
            let (root, offset) = tape.root(id);
            let shared = inputs.iter().any(|&other| other != id && overlap(id, other)) || used.contains(&root);
            let whole = if shared { root } else { id };
            let part = (whole != id).then_some((offset, shape(id)));
            if let Value::Param(index) = tape.nodes[whole as usize].value {
                return Door { root: Root::Param(index), part };
            }
            let place = leaves.iter().position(|&known| known == whole).unwrap_or_else(|| {
                leaves.push(whole);
                leaves.len() - 1
            });
            Door { root: Root::Leaf(place as u32), part }
        });
        let doors = doors.collect();
        Plan { leaves, doors }
    }
}

impl Segment {
    /// The segment that a node was made by.
    pub(crate) fn of(maker: &(dyn Any + Send + Sync)) -> &Segment {
        maker.downcast_ref().unwrap_or_else(|| unreachable!("what makes a node is an operation or a segment"))
    }

    /// An empty recording that continues `outer` at the segment's start, with the leaves on it. It has the scopes on
    /// loan.
    fn open<'a, E: Float>(&self, outer: &'a Graph<'_>, tape: &Tape<E>, leaves: &[u32], keeps_graph: bool) -> Graph<'a> {
        let inner = outer.inside(self.start.scope, self.start.step, self.start.rows.clone(), keeps_graph);
        if let Some(inside) = inner.recording.borrow_mut().of_mut::<E>() {
            for &id in leaves {
                let (node, value) = (&tape.nodes[id as usize], tape.view(outer.params, id));
                inside.push(
                    Node {
                        value: Value::Own(tape.pool.copy(value.data())),
                        shape: node.shape,
                        operands: Operands::Few(0, [NONE; 3]),
                        mark: node.mark,
                        wants: node.wants,
                        watched: false,
                        packs: Default::default(),
                        name: "input",
                    },
                    None,
                );
            }
        }
        inner.scopes.swap(&outer.scopes);
        inner
    }

    /// Runs the segment on a recording that was opened; the node it gave.
    fn record<'a>(&self, inner: &'a Graph<'a>, doors: &[Door]) -> Result<u32> {
        let line = self.start.line;
        let inputs = doors.iter().map(|door| {
            let whole = match door.root {
                Root::Param(index) => inner.param(inner.params.handle(index)),
                Root::Leaf(id) => Var { graph: inner, id },
            };
            door.part.map_or(whole, |(offset, shape)| inner.view(whole, offset, shape, "slice", line))
        });
        let inputs: Vec<Var<'a>> = inputs.collect();
        let out = self.start.surrounding.run(inner, &inputs, &self.run);
        inner.check()?;
        if inner.usable("recompute", &[out], line) {
            return Ok(out.id);
        }
        inner.check()?;
        Err(self.wrong(inner, "the segment gave nothing".into()))
    }

    pub(crate) fn wrong(&self, inner: &Graph<'_>, why: String) -> Error {
        Error::Argument { operation: "recompute", why, at: inner.place_of(inner.mark(self.start.line)) }
    }

    /// The first run, of which only the value stays, which parameters it used, and where numbers have left it.
    fn first<E: Float>(&mut self, outer: &Graph<'_>, inputs: &[u32]) -> Result<First<E>> {
        let held = outer.recording.borrow();
        let Some(Recording { tape, .. }) = held.of::<E>() else {
            return Err(self.wrong(outer, "another precision".into()));
        };
        let plan = Plan::new(tape, inputs, &[]);
        let inner = self.open(outer, tape, &plan.leaves, false);
        inner.key_counts.swap(&outer.key_counts);
        let from = inner.key_counts.borrow().logged();
        let out = self.record(&inner, &plan.doors);
        self.start.key_counts = inner.key_counts.borrow_mut().since(from, outer.is_segment);
        inner.key_counts.swap(&outer.key_counts);
        inner.scopes.swap(&outer.scopes);
        let out = out?;
        let mut inside = inner.recording.borrow_mut();
        let Some(Recording { tape: inside, .. }) = inside.of_mut::<E>() else {
            return Err(self.wrong(outer, "another precision".into()));
        };
        let used = (0..inside.entered.len() as u32).filter(|&i| inside.entered[i as usize] != NONE).collect();
        let shape = inside.nodes[out as usize].shape;
        let node = &mut inside.nodes[out as usize].value;
        let value = match std::mem::replace(node, Value::Param(0)) {
            Value::Own(value) => value,
            other => {
                *node = other;
                tape.pool.copy(inside.view(outer.params, out).data())
            }
        };
        Ok(First { shape, value, used, exits: inner.exits.take() })
    }

    /// How the operands enter for the backward pass.
    pub(crate) fn plan<E: Float>(&self, tape: &Tape<E>, operands: &[u32]) -> Plan {
        let (inputs, used) = operands.split_at(self.inputs);
        Plan::new(tape, inputs, used)
    }

    /// How the operands enter for a tangent: every input as a leaf of its own.
    pub(crate) fn plan_apart(&self, operands: &[u32]) -> Plan {
        let doors = (0..self.inputs as u32).map(|i| Door { root: Root::Leaf(i), part: None });
        Plan { leaves: operands[..self.inputs].to_vec(), doors: doors.collect() }
    }

    /// The second run: records the segment as it was recorded first, and lets `work` look at that recording and the
    /// node that it gave.
    pub(crate) fn replay<E: Float>(
        &self,
        outer: &Graph<'_>,
        tape: &Tape<E>,
        plan: &Plan,
        work: impl FnOnce(&Graph<'_>, &Recording<E>, u32) -> Result<()>,
    ) -> Result<()> {
        let inner = self.open(outer, tape, &plan.leaves, true);
        inner.key_counts.replace(self.start.key_counts.clone());
        let done = self.record(&inner, &plan.doors).and_then(|out| {
            let held = inner.recording.borrow();
            let Some(inside) = held.of::<E>() else { return Err(self.wrong(&inner, "another precision".into())) };
            work(&inner, inside, out)
        });
        inner.scopes.swap(&outer.scopes);
        done
    }

    /// Bytes that it keeps between its two runs.
    pub(crate) fn bytes(&self) -> usize {
        size_of::<Self>() + size_of_val(&*self.run)
    }
}

impl<'g> Graph<'g> {
    /// Runs `segment` and keeps nothing of its inside: backward runs it once more when it reaches it.
    ///
    /// A segment is any function of a graph and some inputs, over the same parameters. It depends on these alone and
    /// owns what it needs (cells and layers are plain data, so they can be moved or cloned into it). It may stand
    /// anywhere in a model, inside another segment too. Gradients are the same, to the bit, as if `segment` had been
    /// called; so are random draws.
    ///
    /// An unrolled recurrence in segments of √T steps needs memory of the order √T. What gives several results joins
    /// them into one ([`concat`](Graph::concat)) and takes it apart again ([`slice`](Var::slice)).
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(1);
    /// let w = params.scope("rnn").add("weight", [8, 8], init::orthogonal(1.0));
    /// let graph = Graph::new(&params);
    /// let mut h = graph.full([1, 8], 0.1);
    /// for _segment in 0..10 {
    ///     h = graph.recompute(move |_, inputs| {
    ///         let mut h = inputs[0];
    ///         for _step in 0..10 {
    ///             h = h.matmul(w).tanh();
    ///         }
    ///         h
    ///     }, &[h]);
    /// }
    /// assert_eq!(graph.len(), 12); // the first state, the weight, ten boundaries
    /// assert!(h.sum_all().backward()?.of(w).is_some());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of the segment, with the lines inside it; kept in the graph.
    #[track_caller]
    pub fn recompute<F>(&'g self, segment: F, inputs: &[Var<'g>]) -> Var<'g>
    where
        F: for<'s> Fn(&'s Graph<'s>, &[Var<'s>]) -> Var<'s> + Send + Sync + 'static,
    {
        self.recompute_at(Box::new(segment), inputs, Location::caller())
    }

    fn recompute_at(&'g self, segment: Run, inputs: &[Var<'g>], line: &'static Location<'static>) -> Var<'g> {
        if !self.usable("recompute", inputs, line) {
            return self.inert();
        }
        // What replaces parameters, and the second inputs of the step, enter the segment after its
        // inputs.
        let surrounding =
            Surrounding { replaced: self.replaced.borrow().clone(), provided: self.step_inputs.borrow().clone() };
        let nodes = surrounding.nodes().map(|id| Var { graph: self, id });
        let all: Vec<Var<'g>> = inputs.iter().copied().chain(nodes).collect();
        match self.precision() {
            crate::Precision::F32 => self.recompute_in::<f32>(segment, surrounding, &all, line),
            crate::Precision::F64 => self.recompute_in::<f64>(segment, surrounding, &all, line),
        }
    }

    fn recompute_in<E: Float>(
        &'g self,
        run: Run,
        surrounding: Surrounding,
        inputs: &[Var<'g>],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        let ids: Vec<u32> = inputs.iter().map(|v| v.id).collect();
        let (scope, step, rows) = (self.scope.get(), self.step.get(), self.row_ids());
        let mark = self.mark(line);
        let start = Start { scope, step, rows, key_counts: KeyCounts::default(), surrounding, line };
        let mut segment = Segment { run, inputs: ids.len(), start };
        let First { shape, value, used, exits } = match segment.first::<E>(self, &ids) {
            Ok(done) => done,
            Err(error) => {
                self.fail(error);
                return self.inert();
            }
        };
        let used = used.into_iter().map(|index| self.own_param(self.params.handle(index), line).id);
        let operands: Vec<u32> = ids.into_iter().chain(used).collect();
        let mut held = self.recording.borrow_mut();
        let Some(recording) = held.of_mut::<E>() else { return self.inert() };
        let wants = operands.iter().any(|&id| recording.tape.nodes[id as usize].wants);
        let node = Node {
            value: Value::Own(value),
            shape,
            operands: Operands::new(operands.into_iter()),
            mark,
            wants,
            watched: false,
            packs: Default::default(),
            name: "recompute",
        };
        let id = recording.push(node, self.keeps_graph.then(|| Maker::Segment(Box::new(segment))));
        if self.keeps_graph || self.is_segment {
            // For the recording outside they have left it where the segment stands.
            self.exits.borrow_mut().extend(exits.into_iter().map(|exit| Exit { node: id, ..exit }));
        }
        Var { graph: self, id }
    }
}
