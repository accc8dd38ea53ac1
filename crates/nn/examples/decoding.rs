//! Writing 10,000 symbols one by one in flat memory, and the same model's best guesses side by side.

use ndarray::Array2;
use unspool_graph::{Graph, Params};
use unspool_nn::{
    Adam, Cell, DecoderSteps, Embedding, Gru, Linear, Result, TokenModel,
    decoding::{Beam, Decoding, LengthPenalty, Sampling},
    teacher_forcing,
};

const TEXT: &[u8] = b"to be or not to be, ";
const TOKENS: usize = 10_000;

/// A language model over characters.
type Model = TokenModel<Gru>;

fn trained() -> Result<(Params, Model)> {
    let mut params = Params::seeded(9);
    let model = TokenModel {
        embedding: Embedding::new(params.scope("embedding"), 128, 16),
        cell: Gru::new(params.scope("rnn"), 16, 48),
        readout: Linear::new(params.scope("readout"), 48, 128),
    };
    let time = 3 * TEXT.len();
    let character = |t: usize| u32::from(TEXT[t % TEXT.len()]);
    let ids = Array2::from_shape_fn((1, time), |(_, t)| character(t));
    let targets = Array2::from_shape_fn((1, time), |(_, t)| character(t + 1));
    let mut adam = Adam::new();
    for step in 0..150 {
        let graph = Graph::new(&params).training(9, step);
        let logits = teacher_forcing(&model, &graph, &ids, &[time], model.initial_state(&graph, 1));
        let gradients = logits.cross_entropy(&targets).mean(&[]).backward()?;
        adam.step(&mut params, &gradients, 0.01)?;
    }
    Ok((params, model))
}

fn text(tokens: &[u32]) -> String {
    tokens.iter().map(|&token| token as u8 as char).collect()
}

fn main() -> Result<()> {
    let (params, model) = trained()?;
    let begin = u32::from(b't');
    let steps = || DecoderSteps::new(&params, &model, 1, |graph| model.initial_state(graph, 1));

    let mut long = steps()?;
    let written = Decoding::endless(begin, TOKENS).greedy(&mut long)?;
    println!("t{}…", text(&written[0].tokens[..60]));
    println!("{} symbols; the recording holds {} nodes", written[0].tokens.len(), long.recorded());

    let sentence = Decoding::new(begin, u32::from(b','), 40);
    for found in &sentence.beam(&mut steps()?, &Beam::new(4).best(3).penalty(LengthPenalty::Average))?[0] {
        println!("{:8.3}  t{},", found.score, text(&found.tokens));
    }
    let drawn = sentence.sample(&mut steps()?, &Sampling::new(1).temperature(1.5).top_k(20))?;
    println!("{:8.3}  t{},", drawn[0].score, text(&drawn[0].tokens));
    Ok(())
}

#[test]
fn the_recording_stays_small_over_ten_thousand_symbols() {
    let (params, model) = trained().unwrap();
    let steps = || DecoderSteps::new(&params, &model, 1, |graph| model.initial_state(graph, 1)).unwrap();
    use unspool_nn::decoding::StepFunction;

    /// Watches how large the recording gets.
    struct Watched<S>(S, usize);
    impl StepFunction for Watched<DecoderSteps<'_, '_, Model>> {
        fn sentences(&self) -> usize {
            self.0.sentences()
        }
        fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<unspool_nn::decoding::Prediction> {
            let prediction = self.0.step(parents, tokens)?;
            self.1 = self.1.max(self.0.recorded());
            Ok(prediction)
        }
    }
    let mut watched = Watched(steps(), 0);
    let begin = u32::from(b't');
    let written = Decoding::endless(begin, TOKENS).greedy(&mut watched).unwrap();
    assert_eq!(written[0].tokens.len(), TOKENS);
    assert!((1..50).contains(&watched.1), "{}", watched.1);
    assert!(text(&written[0].tokens).starts_with("o be or not to be, to be"));
    let found = Decoding::new(begin, u32::from(b','), 40)
        .beam(&mut steps(), &Beam::new(4).penalty(LengthPenalty::Average))
        .unwrap();
    assert_eq!(text(&found[0][0].tokens), "o be or not to be");
}
