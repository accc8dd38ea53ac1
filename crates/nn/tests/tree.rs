//! Recurrence over trees: level by level it is what recursion node by node gives, for any forest.

use ndarray::{Array2, ArrayD};
use proptest::prelude::*;
use unspool_graph::{Graph, Param, Params, RngKey, Var, check, init};
use unspool_nn::{
    Cell, Error, Linear, Lstm, LstmState, Sequence, State, leaves, map_state,
    tree::{self, ChildSumTreeLstm, Forest, NaryTreeLstm, TreeCell},
    unroll,
};

const INPUT: usize = 2;
const HIDDEN: usize = 3;
const PLACES: usize = 4;

fn value(v: Var<'_>) -> ArrayD<f64> {
    v.value().unwrap().to_f64()
}

fn difference(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    assert_eq!(a.shape(), b.shape());
    (a - b).iter().fold(0.0, |most, d| d.abs().max(most))
}

fn inputs(nodes: usize, seed: u64) -> Array2<f64> {
    let draw = RngKey::seed(seed);
    Array2::from_shape_fn((nodes, INPUT), |(i, j)| draw.normal((i * INPUT + j) as u64))
}

/// Parents of up to twelve nodes, numbered in any order, none with more than `PLACES` children.
fn forests() -> impl Strategy<Value = Vec<Option<usize>>> {
    let chosen = prop::collection::vec(prop::option::weighted(0.8, any::<prop::sample::Index>()), 1..13);
    let numbers = |chosen: Vec<_>| (Just((0..chosen.len()).collect::<Vec<_>>()).prop_shuffle(), Just(chosen));
    chosen.prop_flat_map(numbers).prop_map(|(numbers, chosen)| {
        let (mut parents, mut children) = (vec![None; chosen.len()], vec![0; chosen.len()]);
        for (i, parent) in chosen.iter().enumerate().skip(1) {
            let Some(parent) = parent.map(|index| index.index(i)).filter(|&parent| children[parent] < PLACES) else {
                continue;
            };
            children[parent] += 1;
            parents[numbers[i]] = Some(numbers[parent]);
        }
        parents
    })
}

/// The state of a node, each node by itself.
fn recursive<'g, C: TreeCell>(cell: &C, forest: &Forest, xs: Var<'g>, node: usize) -> C::State<'g> {
    let graph = xs.graph();
    let mut below: Vec<C::State<'g>> =
        forest.children(node).iter().map(|&child| recursive(cell, forest, xs, child as usize)).collect();
    let places = cell.places().unwrap_or(below.len().max(1));
    below.resize_with(places, || cell.initial_state(graph, 1));
    let all: Vec<Vec<Var<'g>>> = below.iter().map(leaves).collect();
    let leaf = |k: usize| graph.stack(&all.iter().map(|leaves| leaves[k]).collect::<Vec<_>>(), 1);
    let children = below[0].rebuild(&mut (0..all[0].len()).map(leaf));
    cell.nodes(xs.slice(0, node..node + 1), children)
}

/// The states of all nodes and roots, and the gradients of Σ state² of a mix of both.
fn outcome<'p, C: TreeCell>(
    params: &'p Params,
    cell: &C,
    forest: &Forest,
    xs: &Array2<f64>,
    levels: bool,
) -> (Vec<ArrayD<f64>>, Vec<ArrayD<f64>>) {
    let graph: Graph<'p> = Graph::new(params);
    let x = graph.input(xs).watch();
    let (nodes, roots) = if levels {
        let states = tree::unroll(cell, forest, x);
        (leaves(&states.nodes), leaves(&states.roots))
    } else {
        let joined = |of: &mut dyn Iterator<Item = usize>| {
            let all: Vec<Vec<Var<'_>>> = of.map(|node| leaves(&recursive(cell, forest, x, node))).collect();
            let leaf = |k: usize| graph.concat(&all.iter().map(|leaves| leaves[k]).collect::<Vec<_>>(), 0);
            (0..all[0].len()).map(leaf).collect::<Vec<_>>()
        };
        (joined(&mut (0..forest.node_count())), joined(&mut forest.roots().iter().map(|&root| root as usize)))
    };
    let loss = nodes.iter().chain(&roots).map(|leaf| leaf.powi(2).sum_all()).reduce(|a, b| a + b).unwrap();
    let gradients = loss.backward().unwrap();
    let values = nodes.into_iter().chain(roots).map(value).collect();
    let zeros = |p: Param| ArrayD::zeros(&*params.shape(p));
    let of_params = params.iter().map(|p| gradients.of(p).map_or_else(|| zeros(p), |g| g.to_f64()));
    (values, of_params.chain([gradients.of(x).unwrap().to_f64()]).collect())
}

fn child_sum() -> (Params, ChildSumTreeLstm) {
    let mut params = Params::seeded(1).to_f64();
    let cell = ChildSumTreeLstm::new(params.scope("tree"), INPUT, HIDDEN);
    (params, cell)
}

fn nary() -> (Params, NaryTreeLstm) {
    let mut params = Params::seeded(1).to_f64();
    let cell = NaryTreeLstm::new(params.scope("tree"), INPUT, HIDDEN, PLACES);
    (params, cell)
}

/// h = tanh(W x + U max h_k) over a fixed number of places, where a child that is not there has a learned state: a cell
/// with nothing but its equations.
struct Own {
    input: Linear,
    hidden: Linear,
    start: Param,
}

impl TreeCell for Own {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> Var<'g> {
        graph.param(self.start).expand([rows, HIDDEN])
    }
    fn places(&self) -> Option<usize> {
        Some(PLACES)
    }
    fn nodes<'g>(&self, xs: Var<'g>, children: Var<'g>) -> Var<'g> {
        (self.input.apply(xs) + self.hidden.apply(children.max(&[1]))).tanh()
    }
}

fn own() -> (Params, Own) {
    let mut params = Params::seeded(1).to_f64();
    let (input, hidden) =
        (Linear::new(params.scope("input"), INPUT, HIDDEN), Linear::new(params.scope("hidden"), HIDDEN, HIDDEN));
    let start = params.scope("start").add("state", [HIDDEN], init::uniform(1.0));
    (params, Own { input, hidden, start })
}

/// Level by level is what recursion gives.
fn agrees<C: TreeCell>((params, cell): &(Params, C), forest: &Forest) -> Result<(), TestCaseError> {
    let xs = inputs(forest.node_count(), 3);
    let ((values, gradients), (other, of_other)) =
        (outcome(params, cell, forest, &xs, true), outcome(params, cell, forest, &xs, false));
    for (a, b) in values.iter().zip(&other).chain(gradients.iter().zip(&of_other)) {
        prop_assert!(difference(a, b) < 1e-10, "{a}\n{b}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn levels_give_what_recursion_gives(parents in forests()) {
        let forest = Forest::from_parents(&parents).unwrap();
        agrees(&child_sum(), &forest)?;
        agrees(&nary(), &forest)?;
        agrees(&own(), &forest)?;
    }

    /// Renumbered nodes have the same states, to the bit, in their new order.
    #[test]
    fn the_order_of_trees_and_nodes_does_not_matter(parents in forests(), by in any::<prop::sample::Index>()) {
        let (params, cell) = child_sum();
        let by = by.index(parents.len());
        let number = |node: usize| (node + by) % parents.len();
        let mut lists = vec![vec![]; parents.len()];
        let mut other = lists.clone();
        for (node, parent) in parents.iter().enumerate() {
            let Some(parent) = *parent else { continue };
            lists[parent].push(node);
            other[number(parent)].push(number(node));
        }
        let forests = [Forest::from_children(&lists).unwrap(), Forest::from_children(&other).unwrap()];
        let xs = inputs(parents.len(), 3);
        let mut moved = xs.clone();
        (0..parents.len()).for_each(|node| moved.row_mut(number(node)).assign(&xs.row(node)));
        let graph = Graph::new(&params);
        let [h, of_moved] = [(&forests[0], &xs), (&forests[1], &moved)]
            .map(|(forest, xs)| value(tree::unroll(&cell, forest, graph.input(xs)).nodes.h));
        for node in 0..parents.len() {
            let row = |of: &ArrayD<f64>, node| of.index_axis(ndarray::Axis(0), node).to_owned();
            prop_assert_eq!(row(&h, node), row(&of_moved, number(node)));
        }
        let gradients = [(&forests[0], &xs), (&forests[1], &moved)]
            .map(|(forest, xs)| outcome(&params, &cell, forest, xs, true).1);
        for (a, b) in gradients[0].iter().zip(&gradients[1]).take(params.len()) {
            prop_assert!(difference(a, b) < 1e-12);
        }
    }
}

/// A cell that looks at other nodes is not the same level by level: the comparison can fail.
#[test]
fn a_cell_that_looks_at_other_nodes_is_found() {
    struct Nosy(ChildSumTreeLstm);
    impl TreeCell for Nosy {
        type State<'g> = LstmState<'g>;
        fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
            self.0.initial_state(graph, rows)
        }
        fn nodes<'g>(&self, xs: Var<'g>, children: LstmState<'g>) -> LstmState<'g> {
            self.0.nodes(xs - xs.mean(&[0]), children)
        }
    }
    let (params, cell) = child_sum();
    let forest = Forest::from_parents(&[None, Some(0), Some(0)]).unwrap();
    assert!(agrees(&(params, Nosy(cell)), &forest).is_err());
}

#[test]
fn gradients_agree_with_central_differences() {
    // Two trees, of heights 2 and 1, whose nodes have none to three children.
    let lists: [&[usize]; 8] = [&[], &[0, 3, 5], &[6], &[], &[], &[4, 7], &[], &[]];
    let forest = Forest::from_children(&lists).unwrap();
    fn judge<C: TreeCell>((params, cell): (Params, C), forest: &Forest) {
        let judged =
            check::composition(&params, &[("xs", inputs(forest.node_count(), 5).into_dyn())], |graph, inputs| {
                let states = tree::unroll(&cell, forest, inputs[0]);
                let flat = |leaf: Var<'_>| leaf.known_shape().map_or(0, |shape| shape.elements());
                let all = [leaves(&states.nodes), leaves(&states.roots)].concat();
                graph.concat(&all.into_iter().map(|leaf| leaf.reshape([flat(leaf)])).collect::<Vec<_>>(), 0)
            })
            .unwrap();
        assert!(judged.right > 80 && judged.unjudged == 0, "{judged}");
    }
    judge(child_sum(), &forest);
    judge(nary(), &forest);
}

/// With one child each, the rows of the gates in another order, both are an LSTM from the leaf to the root.
#[test]
fn a_chain_is_a_sequence() {
    let time = 7;
    let xs = inputs(time, 9);
    let mut params = Params::seeded(1).to_f64();
    let lstm = Lstm::new(params.scope("lstm"), INPUT, HIDDEN);
    let summed = ChildSumTreeLstm::new(params.scope("summed"), INPUT, HIDDEN);
    let single = NaryTreeLstm::new(params.scope("single"), INPUT, HIDDEN, 1);
    let of = |params: &Params, name: &str| params.value(params.find(name).unwrap()).unwrap().to_f64();
    let gates = |from: &ArrayD<f64>, order: &[usize]| {
        let parts: Vec<_> =
            order.iter().map(|&g| from.slice_axis(ndarray::Axis(0), (g * HIDDEN..(g + 1) * HIDDEN).into())).collect();
        ndarray::concatenate(ndarray::Axis(0), &parts).unwrap()
    };
    // An LSTM's rows are i, f, g, o; a Tree-LSTM's i, o, u, f.
    let (w, u) = (of(&params, "lstm.weight_ih_l0"), of(&params, "lstm.weight_hh_l0"));
    let bias = of(&params, "lstm.bias_ih_l0") + of(&params, "lstm.bias_hh_l0");
    for (name, values) in [
        ("summed.weight_ih", gates(&w, &[0, 3, 2])),
        ("summed.weight_if", gates(&w, &[1])),
        ("summed.bias", gates(&bias, &[0, 3, 2])),
        ("summed.bias_f", gates(&bias, &[1])),
        ("summed.weight_hh", gates(&u, &[0, 3, 2])),
        ("summed.weight_hf", gates(&u, &[1])),
        ("single.weight_ih", gates(&w, &[0, 3, 2])),
        ("single.weight_if", gates(&w, &[1])),
        ("single.bias", gates(&bias, &[0, 3, 2])),
        ("single.bias_f", gates(&bias, &[1])),
        ("single.weight_hh", gates(&u, &[0, 3, 2])),
        ("single.weight_hf", gates(&u, &[1])),
    ] {
        params.set(params.find(name).unwrap(), values).unwrap();
    }
    let graph = Graph::new(&params);
    let x = graph.input(&xs);
    let (hs, _) = unroll(&lstm, &Sequence::full(x.unsqueeze(0)), lstm.initial_state(&graph, 1));
    let parents: Vec<Option<usize>> = (0..time).map(|node| Some(node + 1).filter(|&parent| parent < time)).collect();
    let forest = Forest::from_parents(&parents).unwrap();
    for h in [tree::unroll(&summed, &forest, x).nodes.h, tree::unroll(&single, &forest, x).nodes.h] {
        assert!(difference(&value(hs.padded().squeeze(0)), &value(h)) < 1e-12);
    }
}

#[test]
fn a_deep_tree_needs_no_deep_stack() {
    let (params, cell) = child_sum();
    let nodes = 4000;
    // Each node of a chain has a leaf beside the rest of the chain.
    let parents: Vec<Option<usize>> = (0..2 * nodes).map(|node| (node > 0).then(|| (node - 1) / 2 * 2)).collect();
    let forest = Forest::from_parents(&parents).unwrap();
    assert_eq!(forest.height(), nodes);
    let graph = Graph::new(&params);
    let xs = graph.input(inputs(2 * nodes, 1)).watch();
    let gradients = tree::unroll(&cell, &forest, xs).roots.h.sum_all().backward().unwrap();
    assert!(gradients.of(xs).unwrap().to_f64().iter().all(|g| g.is_finite()));
}

#[test]
fn what_is_no_tree_is_refused_by_the_number_of_the_node() {
    let refused = |found: unspool_nn::Result<Forest>, words: &str| match found {
        Err(error @ Error::Forest { .. }) => assert_eq!(error.to_string(), format!("forest: {words}")),
        other => panic!("{words}: {other:?}"),
    };
    let lists = |children: &[&[usize]]| Forest::from_children(children);
    refused(lists(&[&[1], &[0], &[]]), "node 0 is among its own descendants");
    refused(lists(&[&[], &[1]]), "node 1 is among its own descendants");
    refused(lists(&[&[1], &[2], &[3], &[1]]), "node 1 is a child of node 0 and of node 3");
    refused(lists(&[&[2], &[2], &[]]), "node 2 is a child of node 0 and of node 1");
    refused(lists(&[&[1, 1], &[]]), "node 1 is a child of node 0 twice");
    refused(lists(&[&[1], &[7]]), "node 1 has the child 7, but there are 2 nodes");
    refused(lists(&[]), "there must be at least one node");
    refused(Forest::from_parents(&[None, Some(2)]), "node 1 has the parent 2, but there are 2 nodes");
    refused(Forest::from_parents(&[None, Some(2), Some(1)]), "node 1 is among its own descendants");
    refused(Forest::from_parents(&[]), "there must be at least one node");
}

#[test]
fn inputs_and_states_that_do_not_fit_are_errors_of_the_graph() {
    let (params, cell) = nary();
    let forest = Forest::from_children(&[vec![1, 2, 3, 4, 5], vec![], vec![], vec![], vec![], vec![]]).unwrap();
    let message = |xs: usize| {
        let graph = Graph::new(&params);
        tree::unroll(&cell, &forest, graph.zeros([xs, INPUT])).nodes.h.value().unwrap_err().to_string()
    };
    let wide = message(6);
    assert!(wide.starts_with("tree: node 0 has 5 children, and the cell has places for 4 (at "), "{wide}");
    assert!(wide.contains("time step 1"), "{wide}");
    let few = message(5);
    assert!(few.starts_with("tree: 5 rows of inputs were given for 6 nodes (at "), "{few}");

    /// Its states have a row for all nodes of a level together.
    struct Summed(ChildSumTreeLstm);
    impl TreeCell for Summed {
        type State<'g> = LstmState<'g>;
        fn initial_state<'g>(&self, graph: &'g Graph<'g>, rows: usize) -> LstmState<'g> {
            self.0.initial_state(graph, rows)
        }
        fn nodes<'g>(&self, xs: Var<'g>, children: LstmState<'g>) -> LstmState<'g> {
            map_state(&self.0.nodes(xs, children), |leaf| leaf.sum(&[0]).unsqueeze(0))
        }
    }
    let (params, cell) = child_sum();
    let graph = Graph::new(&params);
    let error = tree::unroll(&Summed(cell), &forest, graph.zeros([6, INPUT])).roots.h.value().unwrap_err().to_string();
    assert!(error.starts_with("tree: the cell's state has a leaf of shape [1, 3] for 5 nodes"), "{error}");
}
