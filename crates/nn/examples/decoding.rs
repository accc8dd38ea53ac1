//! Writing 10,000 symbols one by one in flat memory: the state is carried detached, the recording is reset after each symbol.

use ndarray::Array2;
use unspool_graph::{Graph, Params, Tensor};
use unspool_nn::{Adam, Cell, Embedding, Gru, Linear, Result, detach, unroll};

const TEXT: &[u8] = b"to be or not to be, ";
const TOKENS: usize = 10_000;

/// A language model over characters.
struct Model {
    embedding: Embedding,
    cell: Gru,
    readout: Linear,
}

impl Model {
    fn trained() -> Result<(Params, Model)> {
        let mut params = Params::seeded(9);
        let model = Model {
            embedding: Embedding::new(params.scope("embedding"), 128, 16),
            cell: Gru::new(params.scope("rnn"), 16, 48),
            readout: Linear::new(params.scope("readout"), 48, 128),
        };
        let time = 3 * TEXT.len();
        let character = |t: usize| u32::from(TEXT[t % TEXT.len()]);
        let ids = Array2::from_shape_fn((1, time), |(_, t)| character(t));
        let targets: Vec<u32> = (1..=time).map(character).collect();
        let mut adam = Adam::new();
        for step in 0..150 {
            let graph = Graph::new(&params).training(9, step);
            let xs = model.embedding.apply(&graph, ids.view());
            let (hs, _) = unroll(&model.cell, xs, &[time], model.cell.initial_state(&graph, 1));
            let loss = model.readout.apply(hs.real_rows(&[time])).cross_entropy(&targets).mean(&[]);
            let gradients = loss.backward()?;
            adam.step(&mut params, &gradients, 0.01)?;
        }
        Ok((params, model))
    }

    /// The likeliest symbol after `last`, and the state after it. `carried` is empty at the beginning.
    fn next(&self, graph: &Graph<'_>, last: u32, carried: &[Tensor]) -> Result<(u32, Vec<Tensor>)> {
        let state = match carried {
            [] => self.cell.initial_state(graph, 1),
            carried => self.cell.attach(graph, carried),
        };
        let x = graph.embedding(self.embedding.weight, &[last], [1], None);
        let (h, state) = self.cell.advance(x, state);
        Ok((self.readout.apply(h).argmax()?[0], detach(&state)?))
    }
}

/// The text, and the greatest number of nodes that ever stood in the recording.
fn run() -> Result<(String, usize)> {
    let (params, model) = Model::trained()?;
    let mut graph = Graph::new(&params);
    let (mut text, mut last, mut carried, mut most) = (String::from("t"), u32::from(b't'), vec![], 0);
    for _ in 1..TOKENS {
        graph.reset(); // takes `&mut`: the compiler proves that no `Var` is alive
        (last, carried) = model.next(&graph, last, &carried)?;
        text.push(last as u8 as char);
        most = most.max(graph.len());
    }
    Ok((text, most))
}

fn main() -> Result<()> {
    let (text, most) = run()?;
    println!("{}…", &text[..60]);
    println!("{} symbols, never more than {most} nodes", text.len());
    Ok(())
}

#[test]
fn the_recording_stays_small_over_ten_thousand_symbols() {
    let (text, most) = run().unwrap();
    assert_eq!(text.len(), TOKENS);
    assert!(most < 50, "{most}");
    assert!(text.starts_with("to be or not to be, to be"), "{}", &text[..40]);
}
