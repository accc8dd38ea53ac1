//! An N-ary Tree-LSTM computes nested boolean expressions such as `xor(not(1), and(0, or(1, 0)))`. It learns from
//! expressions of depth four at most, and is asked for deeper ones.
//!
//! Each node is an expression of its own, so all nodes are learned from; what is scored are the roots.

use ndarray::aview1;
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{
    Adam, Embedding, Linear, Result,
    tree::{self, Forest, NaryTreeLstm},
};

/// Symbols: 0 and 1 are leaves; then come the operations.
const NOT: u32 = 2;
const AND: u32 = 3;
const OR: u32 = 4;
const XOR: u32 = 5;

const HIDDEN: usize = 24;

/// Expressions as nodes, numbered together.
#[derive(Default)]
struct Expressions {
    symbols: Vec<u32>,
    parents: Vec<Option<usize>>,
    /// Of every node.
    values: Vec<u32>,
    roots: Vec<usize>,
}

impl Expressions {
    /// Draws expressions, as many of each of these depths.
    fn draw(seed: u64, count: u64, depths: std::ops::RangeInclusive<usize>) -> Expressions {
        let mut all = Expressions::default();
        let span = depths.end() - depths.start() + 1;
        for expression in 0..count {
            let depth = depths.start() + expression as usize % span;
            let root = all.add(RngKey::seed(seed).fold_in(expression), depth);
            all.roots.push(root);
        }
        all
    }

    /// Adds an expression of this depth: one operand of each operation is as deep as can be. Returns its node.
    fn add(&mut self, key: RngKey, depth: usize) -> usize {
        let symbol = if depth == 0 { u32::from(key.uniform(0) < 0.5) } else { NOT + (key.uniform(1) * 4.0) as u32 };
        let mut operands = vec![];
        if symbol >= NOT {
            operands.push(self.add(key.fold_in(0), depth - 1));
        }
        if symbol > NOT {
            let other = (key.uniform(2) * depth as f64) as usize;
            operands.push(self.add(key.fold_in(1), other));
        }
        if key.uniform(3) < 0.5 {
            operands.reverse();
        }
        let value = |operand: usize| self.values[operands[operand]] == 1;
        let value = match symbol {
            NOT => !value(0),
            AND => value(0) && value(1),
            OR => value(0) || value(1),
            XOR => value(0) != value(1),
            leaf => leaf == 1,
        };
        let node = self.symbols.len();
        operands.into_iter().for_each(|operand| self.parents[operand] = Some(node));
        self.symbols.push(symbol);
        self.parents.push(None);
        self.values.push(u32::from(value));
        node
    }
}

struct Model {
    symbols: Embedding,
    cell: NaryTreeLstm,
    readout: Linear,
}

impl Model {
    fn new(params: &mut Params) -> Model {
        Model {
            symbols: Embedding::new(params.scope("symbols"), 6, HIDDEN),
            cell: NaryTreeLstm::new(params.scope("tree"), HIDDEN, HIDDEN, 2),
            readout: Linear::new(params.scope("readout"), HIDDEN, 2),
        }
    }

    /// Returns the scores of both values of each node, `[node, 2]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, all: &Expressions) -> Result<Var<'g>> {
        let xs = self.symbols.apply(graph, aview1(&all.symbols));
        let states = tree::unroll(&self.cell, &Forest::from_parents(&all.parents)?, xs);
        Ok(self.readout.apply(states.nodes.h))
    }

    /// Returns the share of expressions whose value is right.
    fn accuracy(&self, params: &Params, all: &Expressions) -> Result<f64> {
        let graph = Graph::inference(params);
        let guesses = self.logits(&graph, all)?.argmax()?;
        let right = all.roots.iter().filter(|&&root| guesses[root] == all.values[root]).count();
        Ok(right as f64 / all.roots.len() as f64)
    }
}

/// Trains; the accuracy on new expressions of depth 1 to 4, of 5 and 6, and of 7 and 8.
fn run() -> Result<[f64; 3]> {
    let mut params = Params::seeded(5);
    let model = Model::new(&mut params);
    let mut adam = Adam::new();
    for step in 0..300 {
        let all = Expressions::draw(step, 32, 1..=4);
        let graph = Graph::new(&params).training(5, step);
        let loss = model.logits(&graph, &all)?.cross_entropy(&all.values).mean(&[]);
        let mut gradients = loss.backward()?;
        gradients.clip_norm(1.0)?;
        adam.step(&mut params, &gradients, if step < 200 { 0.02 } else { 0.004 })?;
    }
    let mut scores = [0.0; 3];
    for (score, depths) in scores.iter_mut().zip([1..=4, 5..=6, 7..=8]) {
        *score = model.accuracy(&params, &Expressions::draw(1_000_000, 1000, depths))?;
    }
    Ok(scores)
}

fn main() -> Result<()> {
    let [seen, deeper, deepest] = run()?;
    println!("accuracy: {seen:.3} at depth 1 to 4, {deeper:.3} at 5 and 6, {deepest:.3} at 7 and 8");
    Ok(())
}

#[test]
fn deeper_expressions_than_those_learned_from_are_computed() {
    let scores = run().unwrap();
    assert!(scores.iter().all(|&score| score >= 0.99), "{scores:?}");
}
