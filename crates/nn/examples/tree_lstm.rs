//! A recurrence over trees instead of sequences: a child-sum tree-LSTM (Tai, Socher and Manning 2015) learns the values
//! of formulas such as `and(1, or(0, 1, 0))`.
//!
//! A batch of trees runs level by level, leaves first: all nodes of one height are one step, and
//! [`Graph::gather_rows`] fetches the states of their children, which belong to any level below.

use ndarray::aview1;
use std::sync::Arc;
use unspool_graph::{Graph, NO_ROW, Params, RngKey, Scope, Var};
use unspool_nn::{Adam, Embedding, Linear, Result};

/// A node with its symbol: 0 and 1 are leaves, 2 is "and", 3 is "or".
struct Tree {
    symbol: u32,
    children: Vec<Tree>,
}

/// For each node a vector x by its symbol, and from its children's states h_k and c_k:
///
/// - i, o, u = W x + U Σ h_k + b,  f_k = σ(W_f x + U_f h_k + b_f)
/// - c = σ(i) ∘ tanh u + Σ f_k ∘ c_k,  h = σ(o) ∘ tanh c
struct TreeLstm {
    symbols: Embedding,
    x: Linear,
    h: Linear,
    forget_x: Linear,
    forget_h: Linear,
    hidden_size: usize,
}

impl TreeLstm {
    fn new(mut scope: Scope<'_>, symbols: usize, hidden_size: usize) -> TreeLstm {
        TreeLstm {
            symbols: Embedding::new(scope.scope("symbols"), symbols, hidden_size),
            x: Linear::new(scope.scope("x"), hidden_size, 3 * hidden_size),
            h: Linear::without_bias(scope.scope("h"), hidden_size, 3 * hidden_size),
            forget_x: Linear::new(scope.scope("forget_x"), hidden_size, hidden_size),
            forget_h: Linear::without_bias(scope.scope("forget_h"), hidden_size, hidden_size),
            hidden_size,
        }
    }

    /// Computes h and c `[node, hidden]` of some nodes from their children's, `[node, child, hidden]`. A child that is
    /// not there is a row of zeros, which adds nothing to either sum.
    fn nodes<'g>(&self, graph: &'g Graph<'g>, symbols: &[u32], (h, c): (Var<'g>, Var<'g>)) -> (Var<'g>, Var<'g>) {
        let x = self.symbols.apply(graph, aview1(symbols));
        let [i, o, u] = (self.x.apply(x) + self.h.apply(h.sum(&[1]))).chunk(-1);
        let forget = (self.forget_x.apply(x).unsqueeze(1) + self.forget_h.apply(h)).sigmoid();
        let c = i.sigmoid() * u.tanh() + (forget * c).sum(&[1]);
        (o.sigmoid() * c.tanh(), c)
    }

    /// Returns h of the roots, `[tree, hidden]`.
    fn read<'g>(&self, graph: &'g Graph<'g>, trees: &[Tree]) -> Var<'g> {
        let mut levels = vec![];
        let roots: Vec<Place> = trees.iter().map(|tree| place(tree, &mut levels)).collect();
        // Rows are counted through the levels, as `gather_rows` counts them through its parts.
        let starts: Vec<usize> = levels
            .iter()
            .scan(0, |next, level: &Level| Some(std::mem::replace(next, *next + level.symbols.len())))
            .collect();
        let row = |&(level, node): &Place| (starts[level] + node) as u32;
        let (mut hs, mut cs) = (vec![], vec![]);
        for Level { symbols, children } in &levels {
            let most = children.iter().map(Vec::len).max().unwrap_or(0).max(1);
            let padded = children.iter().flat_map(|places| {
                let missing = most - places.len();
                places.iter().map(row).chain(std::iter::repeat_n(NO_ROW, missing))
            });
            let sources: Arc<[u32]> = padded.collect();
            let gather = |parts: &[Var<'g>]| match parts {
                [] => graph.zeros([symbols.len(), most, self.hidden_size]),
                parts => graph.gather_rows(parts, sources.clone(), [symbols.len(), most]),
            };
            let (h, c) = self.nodes(graph, symbols, (gather(&hs), gather(&cs)));
            hs.push(h);
            cs.push(c);
        }
        graph.gather_rows(&hs, roots.iter().map(row).collect(), [trees.len()])
    }
}

/// A node: its level, and its number within the level.
type Place = (usize, usize);

/// All nodes of one height, in all trees: their symbols, and the places of their children.
#[derive(Default)]
struct Level {
    symbols: Vec<u32>,
    children: Vec<Vec<Place>>,
}

/// Adds a tree to the levels, children first.
fn place(tree: &Tree, levels: &mut Vec<Level>) -> Place {
    let children: Vec<Place> = tree.children.iter().map(|child| place(child, levels)).collect();
    let height = children.iter().map(|(level, _)| level + 1).max().unwrap_or(0);
    if levels.len() == height {
        levels.push(Level::default());
    }
    let level = &mut levels[height];
    level.symbols.push(tree.symbol);
    level.children.push(children);
    (height, level.symbols.len() - 1)
}

/// Draws a formula of at most this depth.
fn formula(key: RngKey, depth: usize) -> Tree {
    if depth == 0 || key.uniform(0) < 0.2 {
        return Tree { symbol: u32::from(key.uniform(1) < 0.5), children: vec![] };
    }
    let children = 2 + (key.uniform(2) * 2.0) as u64;
    let children = (0..children).map(|child| formula(key.fold_in(child), depth - 1)).collect();
    Tree { symbol: 2 + u32::from(key.uniform(3) < 0.5), children }
}

fn value(tree: &Tree) -> bool {
    match tree.symbol {
        2 => tree.children.iter().all(value),
        3 => tree.children.iter().any(value),
        leaf => leaf == 1,
    }
}

fn batch(seed: u64) -> (Vec<Tree>, Vec<u32>) {
    let trees: Vec<Tree> = (0..48).map(|tree| formula(RngKey::seed(seed).fold_in(tree), 3)).collect();
    let values = trees.iter().map(|tree| u32::from(value(tree))).collect();
    (trees, values)
}

/// Trains, and returns the share of new formulas whose value is right.
fn run() -> Result<f64> {
    let mut params = Params::seeded(3);
    let model = TreeLstm::new(params.scope("tree"), 4, 16);
    let readout = Linear::new(params.scope("readout"), 16, 2);
    let mut adam = Adam::new();
    for step in 0..150 {
        let (trees, values) = batch(step);
        let graph = Graph::new(&params).training(3, step);
        let loss = readout.apply(model.read(&graph, &trees)).cross_entropy(&values).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let (trees, values) = batch(1_000_000);
    let graph = Graph::new(&params);
    let guesses = readout.apply(model.read(&graph, &trees)).argmax()?;
    Ok(guesses.iter().zip(&values).filter(|(a, b)| a == b).count() as f64 / values.len() as f64)
}

fn main() -> Result<()> {
    println!("values of new formulas: {:.2} right", run()?);
    Ok(())
}

#[test]
fn the_model_learns_the_values_of_formulas() {
    let right = run().unwrap();
    assert!(right > 0.9, "{right}");
}

/// Returns h and c of one tree by recursion, `[1, hidden]`.
#[cfg(test)]
fn recursive<'g>(model: &TreeLstm, graph: &'g Graph<'g>, tree: &Tree) -> (Var<'g>, Var<'g>) {
    let (hs, cs): (Vec<_>, Vec<_>) = tree.children.iter().map(|child| recursive(model, graph, child)).unzip();
    let children = match hs.len() {
        0 => (graph.zeros([1, 1, model.hidden_size]), graph.zeros([1, 1, model.hidden_size])),
        _ => (graph.stack(&hs, 1), graph.stack(&cs, 1)),
    };
    model.nodes(graph, &[tree.symbol], children)
}

#[test]
fn levels_give_what_recursion_gives() {
    let mut params = Params::seeded(3);
    let model = TreeLstm::new(params.scope("tree"), 4, 16);
    let (params, (trees, _)) = (params.to_f64(), batch(7));
    let graph = Graph::new(&params);
    let roots: Vec<Var<'_>> = trees.iter().map(|tree| recursive(&model, &graph, tree).0).collect();
    let difference = (model.read(&graph, &trees) - graph.concat(&roots, 0)).abs().max(&[]).item().unwrap();
    assert!(difference < 1e-12, "{difference}");
}
