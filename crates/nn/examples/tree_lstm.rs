//! A recurrence over trees instead of sequences: a child-sum Tree-LSTM (Tai, Socher and Manning 2015) learns the values
//! of formulas such as `and(1, or(0, 1, 0))`.
//!
//! All trees of a batch are one [`Forest`], which [`tree::unroll`] runs level by level.

use ndarray::aview1;
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{
    Adam, Embedding, Linear, Result,
    tree::{self, ChildSumTreeLstm, Forest},
};

/// Formulas as nodes: 0 and 1 are leaves, 2 is "and", 3 is "or".
#[derive(Default)]
struct Formulas {
    symbols: Vec<u32>,
    children: Vec<Vec<usize>>,
    /// The value of each formula, which is that of its root.
    values: Vec<u32>,
}

impl Formulas {
    fn draw(seed: u64) -> Formulas {
        let mut formulas = Formulas::default();
        for formula in 0..48 {
            let (_, value) = formulas.add(RngKey::seed(seed).fold_in(formula), 3);
            formulas.values.push(u32::from(value));
        }
        formulas
    }

    /// Adds a formula of at most this depth; its node, which comes after those inside, and its value.
    fn add(&mut self, key: RngKey, depth: usize) -> (usize, bool) {
        let (mut symbol, mut children) = (u32::from(key.uniform(1) < 0.5), vec![]);
        let mut value = symbol == 1;
        if depth > 0 && key.uniform(0) >= 0.2 {
            symbol = 2 + u32::from(key.uniform(3) < 0.5);
            let count = 2 + (key.uniform(2) * 2.0) as u64;
            let inside: Vec<(usize, bool)> = (0..count).map(|child| self.add(key.fold_in(child), depth - 1)).collect();
            value = if symbol == 2 {
                inside.iter().all(|&(_, value)| value)
            } else {
                inside.iter().any(|&(_, value)| value)
            };
            children = inside.into_iter().map(|(node, _)| node).collect();
        }
        self.symbols.push(symbol);
        self.children.push(children);
        (self.symbols.len() - 1, value)
    }
}

struct Model {
    symbols: Embedding,
    cell: ChildSumTreeLstm,
    readout: Linear,
}

impl Model {
    fn new(params: &mut Params) -> Model {
        Model {
            symbols: Embedding::new(params.scope("symbols"), 4, 16),
            cell: ChildSumTreeLstm::new(params.scope("tree"), 16, 16),
            readout: Linear::new(params.scope("readout"), 16, 2),
        }
    }

    /// Returns the scores of both values for each formula, `[formula, 2]`.
    fn logits<'g>(&self, graph: &'g Graph<'g>, formulas: &Formulas) -> Result<Var<'g>> {
        let xs = self.symbols.apply(graph, aview1(&formulas.symbols));
        let states = tree::unroll(&self.cell, &Forest::from_children(&formulas.children)?, xs);
        Ok(self.readout.apply(states.roots.h))
    }
}

/// Trains, and returns the share of new formulas whose value is right.
fn run() -> Result<f64> {
    let mut params = Params::seeded(3);
    let model = Model::new(&mut params);
    let mut adam = Adam::new();
    for step in 0..150 {
        let formulas = Formulas::draw(step);
        let graph = Graph::new(&params).training(3, step);
        let loss = model.logits(&graph, &formulas)?.cross_entropy(&formulas.values).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let formulas = Formulas::draw(1_000_000);
    let graph = Graph::new(&params);
    let guesses = model.logits(&graph, &formulas)?.argmax()?;
    Ok(guesses.iter().zip(&formulas.values).filter(|(a, b)| a == b).count() as f64 / formulas.values.len() as f64)
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
