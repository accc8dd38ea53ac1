//! Many-to-one: one answer for a whole sequence. Somewhere among noise stands a spike, upwards or downwards: which was
//! it? The vectors at all steps are pooled within each row's length: the last, the mean, the greatest, or what
//! attention picks.

use ndarray::Array3;
use unspool_graph::{Graph, Params, RngKey, Var};
use unspool_nn::{Adam, AttentionPooling, Gru, Linear, Pooling, Recurrent, RecurrentConfig, Result, Sequence};

const BATCH: usize = 24;
const LONGEST: usize = 12;
const HIDDEN: usize = 12;

/// Noise with one spike, padded with not-a-number, which nobody looks at; lengths; 1 where the spike goes up.
fn spikes(seed: u64) -> (Array3<f32>, Vec<usize>, Vec<u32>) {
    let draw = |b: usize| RngKey::seed(seed).fold_in(b as u64);
    let lengths: Vec<usize> = (0..BATCH).map(|b| 3 + b % (LONGEST - 2)).collect();
    let targets: Vec<u32> = (0..BATCH).map(|b| u32::from(draw(b).uniform(100) < 0.5)).collect();
    let mut xs = Array3::from_elem((BATCH, LONGEST, 1), f32::NAN);
    for (b, &length) in lengths.iter().enumerate() {
        let at = (draw(b).uniform(101) * length as f64) as usize;
        for t in 0..length {
            let spike = if t == at { 2.0 * f64::from(targets[b]) - 1.0 } else { 0.0 };
            xs[[b, t, 0]] = (spike + 0.4 * (draw(b).uniform(t as u64) - 0.5)) as f32;
        }
    }
    (xs, lengths, targets)
}

/// Trains with a pooling, or with attention for `None`; the share of right answers on new sequences.
fn run(pooling: Option<Pooling>) -> Result<f64> {
    let mut params = Params::seeded(6);
    let both = RecurrentConfig { bidirectional: true, ..RecurrentConfig::default() };
    let rnn = Recurrent::new(params.scope("rnn"), Gru::new, 1, HIDDEN, both);
    let attention = AttentionPooling::new(params.scope("attention"), 2 * HIDDEN, 8);
    let readout = Linear::new(params.scope("readout"), 2 * HIDDEN, 2);
    fn logits<'g>(
        (rnn, attention, readout): (&Recurrent<Gru>, &AttentionPooling, &Linear),
        pooling: Option<Pooling>,
        xs: &Sequence<'g>,
    ) -> Var<'g> {
        let (ys, _) = rnn.unroll(xs, rnn.initial_state(xs.graph(), xs.batch()));
        readout.apply(match pooling {
            Some(Pooling::Last) => rnn.last(&ys), // each direction's own end
            Some(pooling) => pooling.apply(&ys),
            None => attention.apply(&ys).0,
        })
    }
    let model = (&rnn, &attention, &readout);
    let mut adam = Adam::new();
    for step in 0..120 {
        let (xs, lengths, targets) = spikes(step);
        let graph = Graph::new(&params).training(6, step);
        let xs = Sequence::pack(graph.input(xs), &lengths);
        let loss = logits(model, pooling, &xs).cross_entropy(&targets).mean(&[]);
        let gradients = loss.backward()?;
        adam.step(&mut params, &gradients, 0.02)?;
    }
    let (xs, lengths, targets) = spikes(1_000_000);
    let graph = Graph::new(&params);
    let guesses = logits(model, pooling, &Sequence::pack(graph.input(xs), &lengths)).argmax()?;
    Ok(guesses.iter().zip(&targets).filter(|(a, b)| a == b).count() as f64 / BATCH as f64)
}

fn main() -> Result<()> {
    for pooling in Pooling::ALL {
        println!("{pooling}: {:.2} right", run(Some(pooling))?);
    }
    println!("attention: {:.2} right", run(None)?);
    Ok(())
}

#[test]
fn each_pooling_finds_the_spike() {
    for pooling in Pooling::ALL.map(Some).into_iter().chain([None]) {
        let right = run(pooling).unwrap();
        assert!(right > 0.9, "{pooling:?}: {right}");
    }
}
