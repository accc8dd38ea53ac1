//! Second derivatives: H·v, and a gradient as a node that has a gradient itself.

use crate::{
    Element, Error, Float, Gradients, Graph, HasGradient, Operand, Result, Tensor, Var,
    backward::{cuts, gradients_of},
    element::{Dual, typed},
    gradients::Gradient,
    nested::moved_by,
    recording::{Maker, Recording},
    replay::{Replay, running},
    tape::{NONE, Node, Operands, Value},
};
use std::{collections::BTreeMap, panic::Location};

impl<'g> Var<'g> {
    /// Returns H·v for this number's Hessian H and a direction v: how every gradient that [`backward`](Var::backward)
    /// gives changes when each of the leaves (parameters, inputs, watched nodes) moves with its tangent, beside what
    /// moves it already, and everything else stands still.
    ///
    /// The recording is run again in dual numbers of double precision, and walked back in them (Pearlmutter 1994). So
    /// H·v is exact, for a model in single precision too, where it is rounded once at its end; and it exists for every
    /// operation, also for one of your own. A recording of which it is not asked pays nothing. It costs a few forward
    /// and backward passes in double precision, whose loops run without vectors (matrix products have them), and while
    /// it runs sixteen bytes for each number of the recording, parameters among them.
    ///
    /// What has kinks, such as [`relu`](Var::relu) or [`max`](Var::max), behaves as the piece does on which the point
    /// lies. What passes no gradient, such as [`detach`](Var::detach), stands still.
    ///
    /// All of a model's parameters move along [`Gradients::tangents`]:
    ///
    /// ```
    /// # use unspool_graph::{Gradients, Graph, Params, RngKey, init};
    /// let mut params = Params::seeded(0).to_f64();
    /// let w = params.scope("m").add("w", [2], init::values(vec![1.0, 2.0]));
    /// let graph = Graph::new(&params);
    /// let loss = (graph.param(w).powi(3) + graph.param(w).index(0, 0) * graph.param(w).index(0, 1)).sum_all();
    /// // H = [6 + 2·0, 2; 2, 12]
    /// let h_v = loss.hessian_vector(&[(w, vec![1.0f64, 10.0].into())])?;
    /// assert_eq!(h_v.of(w).unwrap(), vec![6.0f64 + 20.0, 2.0 + 120.0].into());
    ///
    /// let v = Gradients::random(&params, RngKey::seed(1));
    /// assert!(loss.hessian_vector(&v.tangents())?.dot(&v)? != 0.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// The graph's first error; [`Error::NotScalar`] if this is not a single number; [`Error::Argument`] for a tangent
    /// of another shape than its leaf's, for a leaf that is a view into another node and not [watched](Var::watch), for
    /// a hook that changes a gradient, and where this number depends on a [`gradient`](Var::gradient) already.
    #[track_caller]
    pub fn hessian_vector(self, direction: &[(impl Operand<'g>, Tensor)]) -> Result<Gradients> {
        let mut leaves = Vec::with_capacity(direction.len());
        for (leaf, tangent) in direction {
            leaves.push((leaf.on(self.graph), tangent));
        }
        self.gradients_along(&leaves)
    }

    fn gradients_along(self, direction: &[(Var<'g>, &Tensor)]) -> Result<Gradients> {
        let graph = self.graph;
        self.checked_scalar()?;
        graph.kept(HESSIAN_VECTOR, self.place())?;
        let mut tangents = BTreeMap::<u32, Vec<f64>>::new();
        for &(leaf, tangent) in direction {
            let shape = leaf.shape()?;
            let part = typed!(&*graph.recording.borrow(), Recording { tape, .. } => tape.root(leaf.id).0 != leaf.id);
            let why = match (tangent.shape() == &*shape, part) {
                (false, _) => format!("a tangent's shape {:?} is not its leaf's, {shape}", tangent.shape()),
                (true, true) => "the leaf is a view into another node: use what `watch()` returns".into(),
                (true, false) => {
                    let moved = tangents.entry(leaf.id).or_insert_with(|| vec![0.0; shape.elements()]);
                    moved.iter_mut().zip(tangent.elements::<f64>()).for_each(|(a, b)| *a += b);
                    continue;
                }
            };
            return Err(Error::Argument { operation: HESSIAN_VECTOR, why, at: leaf.place() });
        }
        typed!(&*graph.recording.borrow(), recording => along(graph, recording, self.id, &tangents))
    }

    /// Returns ∂self/∂`wrt` as a node, for this number and a parameter or a [watched](Var::watch) node `wrt`: a
    /// gradient that a loss may depend on. Its own gradient flows on into everything that this number was made from,
    /// `wrt` and the parameters among them, by an exact [H·v](Var::hessian_vector).
    ///
    /// A gradient penalty (Gulrajani and others 2017): the critic's slope should be 1 at each input. The penalty's
    /// gradient flows into the critic's parameters.
    ///
    /// ```
    /// use ndarray::array;
    /// use unspool_graph::{Graph, Params, init};
    /// let mut params = Params::seeded(0);
    /// let mut scope = params.scope("critic");
    /// let (w, out) = (scope.add("w", [2, 8], init::uniform(0.5)), scope.add("out", [8], init::uniform(0.5)));
    /// let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32, 2.0], [-1.0, 0.5], [0.0, 1.0]]).watch(); // [batch, feature]
    /// let y = x.matmul(w).tanh().matmul(out);                                       // [batch]
    /// let penalty = (y.sum_all().gradient(x).norm(&[1]) - 1.0).powi(2).mean(&[]);
    /// let gradients = penalty.backward()?;
    /// assert!(gradients.norm_of(w).unwrap() > 0.0 && gradients.norm_of(out).unwrap() > 0.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// By [several](Var::gradients) nodes at once it costs as much as by one. A node that this number does not depend
    /// on gives zeros. Gradients are nested once: the gradient of what was made from one, taken by
    /// [`backward`](Var::backward), is the last.
    ///
    /// # Errors
    /// Kept in the graph: [`Error::NotScalar`] if this is not a single number; [`Error::Argument`] for a node that is
    /// not watched and a parameter that is frozen, inside of [`recompute`](Graph::recompute), whose first run keeps
    /// nothing to walk back over, in [`Graph::inference`] for the same reason, and where this number depends on such a
    /// gradient already.
    #[track_caller]
    pub fn gradient(self, wrt: impl Operand<'g> + HasGradient) -> Var<'g> {
        self.gradients_at(&[wrt.on(self.graph)], Location::caller())[0]
    }

    /// Returns the [`gradient`](Var::gradient) of this number by several parameters, or watched nodes, in one walk
    /// back: a step of learning inside of a loss, as in MAML (Finn and others 2017).
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params, init};
    /// # let mut params = Params::seeded(0);
    /// let mut scope = params.scope("m");
    /// let (a, b) = (scope.add("a", [1], init::constant(2.0)), scope.add("b", [1], init::constant(3.0)));
    /// let graph = Graph::new(&params);
    /// let loss = (graph.param(a) * a * b).sum_all();
    /// let [by_a, by_b] = loss.gradients(&[a, b])[..] else { panic!() };
    /// assert_eq!((by_a.item()?, by_b.item()?), (12.0, 4.0)); // 2ab, a²
    /// // ∂(2ab · a²)/∂a = 6 a² b
    /// assert_eq!((by_a * by_b).sum_all().backward()?.of(a).unwrap().to_f64()[[0]], 72.0);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`gradient`](Var::gradient), kept in the graph.
    #[track_caller]
    pub fn gradients(self, wrt: &[impl Operand<'g> + HasGradient]) -> Vec<Var<'g>> {
        let mut nodes = Vec::with_capacity(wrt.len());
        for wrt in wrt {
            nodes.push(wrt.on(self.graph));
        }
        self.gradients_at(&nodes, Location::caller())
    }

    fn gradients_at(self, wrt: &[Var<'g>], line: &'static Location<'static>) -> Vec<Var<'g>> {
        let graph = self.graph;
        let inert = || vec![graph.inert(); wrt.len()];
        if !graph.usable(GRADIENT, &[&[self], wrt].concat(), line) {
            return inert();
        }
        self.nested(wrt, line).unwrap_or_else(|error| {
            graph.fail(error);
            inert()
        })
    }

    fn nested(self, wrt: &[Var<'g>], line: &'static Location<'static>) -> Result<Vec<Var<'g>>> {
        let graph = self.graph;
        let mark = graph.mark(line);
        let refused =
            |why: &str| Err(Error::Argument { operation: GRADIENT, why: why.into(), at: graph.place_of(mark) });
        self.checked_scalar()?;
        if graph.is_segment {
            return refused("inside of `recompute` there is nothing to walk back over yet: take the gradient outside");
        }
        graph.kept(GRADIENT, graph.place_of(mark))?;
        if !wrt.iter().all(|wrt| wrt.is_followed()) {
            return refused("a node is not watched, or a parameter that is frozen: use what `watch()` returns");
        }
        let ids: Vec<u32> = wrt.iter().map(|wrt| wrt.id).collect();
        typed!(&mut *graph.recording.borrow_mut(), recording => {
            running(graph, recording, (Some(&ids), self.id), GRADIENT)?;
            let wants = recording.tape.nodes[self.id as usize].wants;
            let values = gradients_of(graph, recording, self.id, &ids)?;
            let each = ids.iter().zip(values).map(|(&wrt, value)| {
                let shape = recording.tape.nodes[wrt as usize].shape;
                let node = Node {
                    value: Value::Own(value.unwrap_or_else(|| recording.tape.pool.zeros(shape.elements()))),
                    shape,
                    operands: Operands::new([self.id, wrt].into_iter()),
                    mark,
                    wants,
                    watched: false,
                    packs: Default::default(),
                    name: GRADIENT,
                };
                let id = recording.push(node, Some(Maker::Gradient { of: self.id, wrt }));
                Var { graph, id }
            });
            Ok(each.collect())
        })
    }
}

const HESSIAN_VECTOR: &str = "hessian_vector";
const GRADIENT: &str = "gradient";

/// The derivatives of node `of`'s gradients, where the nodes of `tangents` move.
fn along<E: Float>(
    graph: &Graph<'_>,
    recording: &Recording<E>,
    of: u32,
    tangents: &BTreeMap<u32, Vec<f64>>,
) -> Result<Gradients> {
    let tape = &recording.tape;
    let runs = running(graph, recording, (None, of), HESSIAN_VECTOR)?;
    let enter = |id: u32, x: &[Dual]| Some(moved_by(x, tangents.get(&id)?));
    let replay = Replay::new(graph, recording, of, &runs, &enter)?;
    let mut found = BTreeMap::<u32, Vec<E>>::new();
    replay.walk_back(&[Dual::ONE], &mut |id, gradient| {
        let node = &tape.nodes[id as usize];
        if node.wants && (node.watched || matches!(node.value, Value::Param(_))) {
            found.insert(id, gradient.iter().map(|g| E::from_f64(g.tangent)).collect());
        }
    })?;
    let entry = |&node: &u32| found.get(&node).filter(|_| node != NONE).cloned().map(|all| Gradient::Dense(all.into()));
    let entries: Vec<Option<Gradient<E>>> = tape.entered.iter().map(entry).collect();
    let watched = found.iter().rev().filter(|(id, _)| tape.nodes[**id as usize].watched);
    let watched = watched.map(|(&id, all)| (id, Tensor::from_elements(&tape.nodes[id as usize].shape, all)));
    Ok(Gradients {
        graph: Some(graph.number),
        watched: watched.collect(),
        exits: cuts(graph, recording, of, &entries),
        entries: entries.into(),
        ..Gradients::none(graph.params)
    })
}
