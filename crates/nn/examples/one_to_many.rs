//! One-to-many: a whole melody from its number, in four ways. The number is given at the first step only, or as a
//! context at every step; or the model reads at each step what it wrote at the one before: a token, or a vector.

use ndarray::{arr2, aview1};
use unspool_graph::{Graph, Params, Scope};
use unspool_nn::{Adam, Cell, Embedding, Linear, Lstm, Result, Sequence, feed_back, repeated, unroll, zero_filled};

const MELODIES: [[u32; 8]; 3] = [[0, 2, 4, 0, 2, 4, 7, 7], [7, 5, 4, 2, 0, 0, 0, 7], [4, 4, 5, 7, 7, 5, 4, 2]];
const NOTES: usize = 8;
const TIME: usize = 8;
const WIDTH: usize = 12;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    ZeroFilled,
    Context,
    Token,
    Vector,
}

struct Model {
    number: Embedding,
    note: Embedding,
    cell: Lstm,
    readout: Linear,
}

impl Model {
    fn new(mut scope: Scope<'_>) -> Model {
        Model {
            number: Embedding::new(scope.scope("number"), MELODIES.len(), WIDTH),
            note: Embedding::new(scope.scope("note"), NOTES, WIDTH),
            cell: Lstm::new(scope.scope("rnn"), WIDTH, 24),
            readout: Linear::new(scope.scope("readout"), 24, NOTES),
        }
    }

    /// Logits of each note.
    fn play<'g>(&self, graph: &'g Graph<'g>, way: Way) -> Sequence<'g> {
        let first = self.number.apply(graph, aview1(&[0, 1, 2])); // [batch, feature]
        let start = self.cell.initial_state(graph, MELODIES.len());
        let over = |xs| unroll(&self.cell, &xs, start.clone()).0.map(|rows| self.readout.apply(rows));
        match way {
            Way::ZeroFilled => over(zero_filled(first, TIME)),
            Way::Context => over(repeated(first, TIME)),
            Way::Token => {
                let read = |h| {
                    let logits = self.readout.apply(h);
                    Ok((logits, self.note.apply(graph, aview1(&logits.argmax()?))))
                };
                feed_back(&self.cell, first, TIME, start, read).0
            }
            Way::Vector => {
                // The expected note's vector: differentiable all the way.
                let read = |h| {
                    let logits = self.readout.apply(h);
                    Ok((logits, logits.softmax().matmul(self.note.weight)))
                };
                feed_back(&self.cell, first, TIME, start, read).0
            }
        }
    }
}

/// The share of right notes after training.
fn run(way: Way) -> Result<f64> {
    let mut params = Params::seeded(2);
    let model = Model::new(params.scope("model"));
    let targets = arr2(&MELODIES);
    let mut adam = Adam::new();
    for step in 0..150 {
        let graph = Graph::new(&params).training(2, step);
        let loss = model.play(&graph, way).cross_entropy(&targets).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let played = model.play(&Graph::new(&params), way).padded().argmax()?;
    Ok(played.iter().zip(&targets).filter(|(a, b)| a == b).count() as f64 / targets.len() as f64)
}

fn main() -> Result<()> {
    for way in [Way::ZeroFilled, Way::Context, Way::Token, Way::Vector] {
        println!("{way:?}: {:.2} of the notes right", run(way)?);
    }
    Ok(())
}

#[test]
fn each_way_plays_the_melodies() {
    for way in [Way::ZeroFilled, Way::Context, Way::Token, Way::Vector] {
        let right = run(way).unwrap();
        assert!(right > 0.9, "{way:?}: {right}");
    }
}
