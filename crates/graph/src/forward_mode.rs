//! Forward-mode derivatives: the tangent of a node for given tangents of what went in.
//!
//! They cost one more pass over the recording. Their use is to test: ⟨v, J·u⟩ = ⟨Jᵀ·v, u⟩ holds to the last digits for
//! a right pair of forward and backward, with no step size to choose.

use crate::{
    Element, Error, Float, Graph, Operand, Result, Tensor, Var, View,
    buffer::Buffer,
    element::typed,
    nested::nested_tangent,
    recompute::Segment,
    record::with_views,
    recording::{Maker, Recording},
    tape::{NONE, Tape, Value},
};

impl<'g> Graph<'g> {
    /// Returns the Jacobian–vector product: the tangent of `of`, where each of `leaves` (parameters, or inputs) moves
    /// with its tangent and everything else stands still.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params, init};
    /// let params = Params::seeded(0);
    /// let graph = Graph::new(&params);
    /// let x = graph.input(vec![0.5f32, 2.0]);
    /// let tangent = graph.jvp(x * x, &[(x, vec![1.0f32, 10.0].into())])?;
    /// assert_eq!(tangent.to_f64().as_slice(), Some(&[1.0, 40.0][..]));
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// The graph's first error; [`Error::NoForwardMode`] for an operation without [`jvp`](crate::Operation::jvp).
    #[track_caller]
    pub fn jvp(&'g self, of: Var<'g>, leaves: &[(impl Operand<'g>, Tensor)]) -> Result<Tensor> {
        let mut nodes = Vec::with_capacity(leaves.len());
        for (leaf, tangent) in leaves {
            nodes.push((leaf.on(self), tangent));
        }
        self.tangent_of(of, &nodes)
    }

    fn tangent_of(&'g self, of: Var<'g>, leaves: &[(Var<'g>, &Tensor)]) -> Result<Tensor> {
        let mut seeds = Vec::with_capacity(leaves.len());
        for &(leaf, tangent) in leaves {
            let shape = leaf.shape()?;
            if tangent.shape() != &*shape {
                let why = format!("a tangent's shape {:?} is not its leaf's, {shape}", tangent.shape());
                return Err(Error::Argument { operation: "jvp", why, at: self.place() });
            }
            seeds.push((leaf.id, tangent));
        }
        of.shape()?;
        self.kept("jvp", of.place())?;
        typed!(&*self.recording.borrow(), recording => {
            let tape = &recording.tape;
            let seeds = seeds.iter().map(|(id, tangent)| (*id, tangent.elements())).collect();
            let all = tangents(self, recording, of.id, seeds)?;
            let shape = tape.nodes[of.id as usize].shape;
            let zeros = || vec![Element::ZERO; shape.elements()];
            let tangent = tangent_of(tape, &all, of.id).map_or_else(zeros, |v| v.data().to_vec());
            Ok(Tensor::from_elements(&shape, &tangent))
        })
    }
}

pub(crate) fn tangent_of<'a, E: Float>(tape: &Tape<E>, all: &'a [Option<Buffer<E>>], id: u32) -> Option<View<'a, E>> {
    let (root, offset) = tape.root(id);
    let shape = tape.nodes[id as usize].shape;
    let whole = all[root as usize].as_ref()?;
    Some(View::new(&whole[offset..offset + shape.elements()], shape))
}

/// The tangents of all nodes up to `to`, where these leaves move and everything else stands still.
pub(crate) fn tangents<E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    to: u32,
    seeds: Vec<(u32, Vec<E>)>,
) -> Result<Vec<Option<Buffer<E>>>> {
    let tape = &recording.tape;
    let mut all: Vec<Option<Buffer<E>>> = std::iter::repeat_with(|| None).take(tape.nodes.len()).collect();
    for (id, elements) in seeds {
        // A leaf given twice moves with the sum of its tangents.
        match &mut all[id as usize] {
            Some(known) => known.iter_mut().zip(&elements).for_each(|(a, &b)| *a += b),
            slot @ None => *slot = Some(elements.into()),
        }
    }
    for id in 0..=to {
        let node = &tape.nodes[id as usize];
        let (Some(maker), None) = (&recording.makers[id as usize], &all[id as usize]) else { continue };
        if !maker.differentiable() {
            continue;
        }
        let operands = node.operands.as_slice();
        let moving: Vec<_> = operands.iter().map(|&i| tangent_of(tape, &all, i)).collect();
        if moving.iter().all(Option::is_none) {
            continue;
        }
        let mut out = tape.pool.zeros(node.shape.elements());
        match maker {
            Maker::Operation(operation) => {
                let has_jvp = with_views(
                    operands.len(),
                    |i| tape.view(graph.params, operands[i]),
                    |inputs| operation.jvp(inputs, tape.view(graph.params, id), &moving, &mut out),
                );
                if !has_jvp {
                    return Err(Error::NoForwardMode { operation: node.name, at: graph.place_of(node.mark) });
                }
            }
            &Maker::Gradient { of, wrt } => {
                nested_tangent(graph, recording, (of, wrt), |id| tangent_of(tape, &all, id), &mut out)?
            }
            Maker::Segment(segment) => {
                segment_tangent(graph, tape, Segment::of(&**segment), operands, &moving, &mut out)?
            }
        }
        all[id as usize] = Some(out);
    }
    Ok(all)
}

/// The tangent of a segment, whose inside is recorded again for it.
fn segment_tangent<E: Float>(
    outer: &Graph<'_>,
    tape: &Tape<E>,
    segment: &Segment,
    operands: &[u32],
    moving: &[Option<View<'_, E>>],
    out: &mut [E],
) -> Result<()> {
    let plan = segment.plan_apart(operands);
    segment.replay(outer, tape, &plan, |inner, recording: &Recording<E>, to| {
        let inside = &recording.tape;
        let inputs = plan.leaves.len();
        let entered = |outside: u32| match tape.nodes[outside as usize].value {
            Value::Param(index) => inside.entered[index as usize],
            _ => NONE,
        };
        let leaves = (0..inputs as u32).zip(&moving[..inputs]);
        let used = operands[inputs..].iter().map(|&operand| entered(operand)).zip(&moving[inputs..]);
        let seeds = leaves.chain(used).filter(|(id, _)| *id != NONE);
        let seeds = seeds.filter_map(|(id, v)| v.map(|v| (id, v.data().to_vec()))).collect();
        let all = tangents(inner, recording, to, seeds)?;
        match tangent_of(inside, &all, to) {
            Some(tangent) if tangent.data().len() == out.len() => out.copy_from_slice(tangent.data()),
            Some(tangent) => {
                let why = format!("the segment gave {} when run again, which is another shape", tangent.shape);
                return Err(segment.wrong(inner, why + "; it must depend on its inputs alone"));
            }
            None => {}
        }
        Ok(())
    })
}
