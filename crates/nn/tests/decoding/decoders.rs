//! Decoders through every way of decoding: states that are reordered, teacher forcing, scheduled sampling, ensembles.

use crate::{
    BEGIN, END,
    small::{LENGTHS, ROWS, Small, steps},
};
use ndarray::Array2;
use proptest::prelude::*;
use unspool_graph::{Graph, Params, Var};
use unspool_nn::{
    Attention, AttentionDecoder, Bridge, Cell, Decoder, DecoderSteps, Embedding, Error, Gru, Result, Sequence,
    TeacherForcingSchedule,
    decoding::{Beam, Decoding, Ensemble, LengthPenalty, StepFunction},
    scheduled_sampling, teacher_forcing,
};

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(24))]

    #[test]
    fn sentences_in_a_batch_are_decoded_as_alone(seed: u64) {
        let mut params = Params::seeded(seed);
        let model = Small::new(&mut params);
        let params = params.to_f64();
        let (rules, beam) = (Decoding::new(BEGIN, END, 8), Beam::new(4).best(4).penalty(LengthPenalty::Average));
        let together = rules.beam(&mut steps(&params, &model, seed), &beam).unwrap();
        for row in 0..3 {
            let length = &LENGTHS[row..=row];
            let mut one =
                DecoderSteps::new(&params, &model, 1, |graph| model.start(graph, seed, &[row], length)).unwrap();
            let alone = rules.beam(&mut one, &beam).unwrap();
            prop_assert_eq!(&alone[0], &together[row]);
            // Padding is not looked at, and the rest adds up to 1.
            let looked = alone[0][0].attention.as_ref().unwrap();
            for weights in looked.rows() {
                prop_assert!((weights.iter().take(LENGTHS[row]).sum::<f64>() - 1.0).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn states_follow_their_hypotheses(seed: u64) {
        let mut params = Params::seeded(seed);
        let model = Small::new(&mut params);
        let params = params.to_f64();
        let rules = Decoding::new(BEGIN, END, 8);
        let found = rules.beam(&mut steps(&params, &model, seed), &Beam::new(4).best(3)).unwrap();
        // By teacher forcing, where no state is ever reordered, each hypothesis has the same log-probabilities and
        // attention.
        for nth in 0..3 {
            let nth_best = found.iter().map(|best| &best[nth.min(best.len() - 1)]);
            let targets: Vec<Vec<u32>> = nth_best.map(|hypothesis| hypothesis.tokens.clone()).collect();
            let scored = rules.score(&mut steps(&params, &model, seed), &targets).unwrap();
            for (best, s) in found.iter().zip(&scored) {
                let h = &best[nth.min(best.len() - 1)];
                for (a, b) in h.log_probs.iter().zip(&s.log_probs) {
                    prop_assert!((a - b).abs() < 1e-12);
                }
                let (a, b) = (h.attention.as_ref().unwrap(), s.attention.as_ref().unwrap());
                let worst = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                prop_assert!(worst < 1e-12);
            }
        }
    }

    #[test]
    fn teacher_forcing_is_the_decoders_own_step(seed: u64) {
        let mut params = Params::seeded(seed);
        let model = Small::new(&mut params);
        let params = params.to_f64();
        let targets: Vec<Vec<u32>> = vec![vec![3, 4, 2], vec![], vec![6, 6]];
        let scored = Decoding::new(BEGIN, END, 9).score(&mut steps(&params, &model, seed), &targets).unwrap();
        let graph = Graph::new(&params);
        let before = |b: usize, t: usize| targets[b].get(t - 1).copied().unwrap_or(5);
        let ids = Array2::from_shape_fn((3, 4), |(b, t)| if t == 0 { BEGIN } else { before(b, t) });
        let lengths = [4, 1, 3];
        let next = Array2::from_shape_fn((3, 4), |(b, t)| targets[b].get(t).copied().unwrap_or(END));
        let state = || model.start(&graph, seed, &ROWS, &LENGTHS);
        let taught = teacher_forcing(&model, &graph, &ids, &lengths, state());
        let losses = taught.cross_entropy(&next).to_f64().unwrap();
        let losses = taught.layout().unpack(losses.as_slice().unwrap()).concat();
        let own: Vec<f64> = scored.iter().flat_map(|h| h.log_probs.clone()).collect();
        for (a, b) in losses.iter().zip(&own) {
            prop_assert!((a + b).abs() < 1e-12);
        }
        let sampled = scheduled_sampling(&model, &graph, &ids, &lengths, state(), 1.0);
        let (a, b) = (taught.rows().to_f64().unwrap(), sampled.rows().to_f64().unwrap());
        prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
        // Running free, it reads what greedy search writes.
        let free = scheduled_sampling(&model, &graph, &ids, &lengths, state(), 0.0);
        let rules = Decoding::endless(BEGIN, 1).max_lengths(lengths);
        let greedy = rules.greedy(&mut steps(&params, &model, seed)).unwrap();
        let best: Vec<u32> = greedy.iter().flat_map(|h| h.tokens.clone()).collect();
        prop_assert_eq!(free.layout().unpack(&free.rows().argmax().unwrap()).concat(), best);
    }
}

#[test]
fn scheduled_sampling_reads_its_share_and_has_gradients() {
    let mut params = Params::seeded(3);
    let model = Small::new(&mut params);
    let ids = Array2::from_elem((3, 4), 2);
    let lengths = [4, 1, 3];
    let run = |truth: f64, step: u64| {
        let graph = Graph::new(&params).training(9, step);
        let loss = |graph| -> Result<f64> {
            let logits =
                scheduled_sampling(&model, graph, &ids, &lengths, model.start(graph, 1, &ROWS, &LENGTHS), truth);
            let loss = logits.cross_entropy(&Array2::from_elem((3, 4), 4)).sum_all();
            assert!(loss.backward()?.norm() > 0.0);
            Ok(loss.item()?)
        };
        loss(&graph).unwrap()
    };
    let (taught, free) = (run(1.0, 0), run(0.0, 0));
    assert_ne!(taught, free);
    assert_eq!(run(0.5, 3), run(0.5, 3));
    let mixed: Vec<f64> = (0..20).map(|step| run(0.5, step)).collect();
    assert!(mixed.iter().any(|&x| x != taught && x != free), "{mixed:?}");
    let graph = Graph::new(&params);
    let wrong = scheduled_sampling(&model, &graph, &ids, &[5, 1, 1], model.start(&graph, 1, &ROWS, &LENGTHS), 1.0);
    let error = wrong.rows().value().unwrap_err().to_string();
    assert!(error.contains("[3, 4] values do not fit 3 examples of up to 5 steps"), "{error}");
}

#[test]
fn schedules_of_truth_fall_as_their_formulas() {
    assert_eq!(TeacherForcingSchedule::Constant(0.3).at(99), 0.3);
    let linear = TeacherForcingSchedule::Linear { start: 1.0, slope: 0.125, least: 0.25 };
    assert_eq!((linear.at(0), linear.at(2), linear.at(50)), (1.0, 0.75, 0.25));
    assert_eq!(TeacherForcingSchedule::Exponential { k: 0.5 }.at(3), 0.125);
    let k = 20.0f64;
    assert!((TeacherForcingSchedule::InverseSigmoid { k }.at((k * k.ln()).round() as u64) - 0.5).abs() < 0.01);
    assert_eq!(TeacherForcingSchedule::InverseSigmoid { k }.at(u64::MAX), 0.0);
}

#[test]
fn every_search_begins_at_the_start() {
    let mut params = Params::seeded(4);
    let model = Small::new(&mut params);
    let (rules, beam) = (Decoding::new(BEGIN, END, 6), Beam::new(3).best(2));
    let mut steps = steps(&params, &model, 5);
    let greedy = rules.greedy(&mut steps).unwrap();
    let best = rules.beam(&mut steps, &beam).unwrap();
    assert_eq!(best, rules.beam(&mut steps, &beam).unwrap());
    assert_eq!(greedy, rules.greedy(&mut steps).unwrap());
    assert_eq!(best, rules.beam(&mut crate::small::steps(&params, &model, 5), &beam).unwrap());
    let targets: Vec<Vec<u32>> = greedy.iter().map(|found| found.tokens.clone()).collect();
    assert_eq!(rules.score(&mut steps, &targets).unwrap(), rules.score(&mut steps, &targets).unwrap());
    // Through a box and through an ensemble too.
    let mut ensemble = Ensemble::new(vec![Box::new(steps) as Box<dyn StepFunction>]);
    let first = rules.greedy(&mut ensemble).unwrap();
    assert_eq!(first, rules.greedy(&mut ensemble).unwrap());
    assert_eq!(first.iter().map(|one| &one.tokens).collect::<Vec<_>>(), targets.iter().collect::<Vec<_>>());
}

#[test]
fn an_ensemble_is_one_recording_a_model() {
    let make = |seed| {
        let mut params = Params::seeded(seed);
        let model = Small::new(&mut params);
        (params.to_f64(), model)
    };
    let (a, b) = (make(1), make(2));
    let members: Vec<Box<dyn StepFunction + '_>> = vec![Box::new(steps(&a.0, &a.1, 5)), Box::new(steps(&b.0, &b.1, 5))];
    let rules = Decoding::new(BEGIN, END, 6);
    let best = rules.beam(&mut Ensemble::new(members), &Beam::new(3)).unwrap();
    let targets: Vec<Vec<u32>> = best.iter().map(|best| best[0].tokens.clone()).collect();
    let alone = [(&a.0, &a.1), (&b.0, &b.1)].map(|(p, m)| rules.score(&mut steps(p, m, 5), &targets).unwrap());
    for sentence in 0..3 {
        for (t, &both) in best[sentence][0].log_probs.iter().enumerate() {
            let mean = alone.iter().map(|scored| scored[sentence].log_probs[t].exp()).sum::<f64>() / 2.0;
            assert!((both.exp() - mean).abs() < 1e-12);
        }
    }
}

#[test]
fn a_state_without_a_row_for_each_sentence_is_an_error() {
    let mut params = Params::seeded(3);
    let model = Small::new(&mut params);
    let made = DecoderSteps::new(&params, &model, 2, |graph| model.start(graph, 1, &ROWS, &LENGTHS));
    assert!(matches!(made, Err(Error::Decoding { why }) if why.contains("2 sentences")));
}

#[test]
fn the_ready_made_decoder_gives_the_attention_of_each_of_its_steps() {
    let mut params = Params::seeded(6);
    let table = Embedding::new(params.scope("embedding"), 7, 5);
    let model = AttentionDecoder::new(params.scope("decoder"), Gru::new, table, Attention::dot(), 4, 4);
    let params = params.to_f64();
    let memory = ndarray::Array3::from_shape_fn((2, 3, 4), |(b, s, j)| ((7 * b + 5 * s + 3 * j) % 4) as f64 - 1.5);
    let lengths = [3, 2];
    fn start<'g>(
        model: &AttentionDecoder<Gru>,
        graph: &'g Graph<'g>,
        memory: &ndarray::Array3<f64>,
        lengths: &[usize],
    ) -> <AttentionDecoder<Gru> as Cell>::State<'g> {
        model.start(&Bridge::Zero, &[], &Sequence::pack(graph.input(memory), lengths))
    }
    let mut steps = DecoderSteps::new(&params, &model, 2, |graph| start(&model, graph, &memory, &lengths)).unwrap();
    let found = Decoding::endless(BEGIN, 3).greedy(&mut steps).unwrap();

    let graph = Graph::new(&params);
    let mut state = start(&model, &graph, &memory, &lengths);
    for t in 0..3 {
        let before = |row: usize| if t == 0 { BEGIN } else { found[row].tokens[t - 1] };
        let ids = ndarray::array![before(0), before(1)];
        (_, state) = model.step(table.apply(&graph, ids.view()), state);
        let weights = state.weights.to_f64().unwrap();
        for (row, length) in lengths.into_iter().enumerate() {
            let given = found[row].attention.as_ref().unwrap().row(t).to_vec();
            let own: Vec<f64> = weights.index_axis(ndarray::Axis(0), row).iter().copied().collect();
            assert!(given.iter().zip(&own).all(|(a, b)| (a - b).abs() < 1e-12), "{given:?} is not {own:?}");
            assert!((given[..length].iter().sum::<f64>() - 1.0).abs() < 1e-12, "{given:?}");
        }
    }
}

#[test]
fn a_projected_bridge_joins_leaves_along_their_last_axis() {
    let mut params = Params::seeded(0);
    let bridge = Bridge::projected(params.scope("bridge"), 6, &[4]);
    let graph = Graph::new(&params);
    let last = [graph.full([2, 3, 5], 0.5), graph.full([2, 3, 1], -1.0)];
    let first = bridge.apply(&graph, graph.zeros([2, 3, 4]), &last);
    let Bridge::Projected(maps) = &bridge else { panic!("not the map that was made") };
    let expected = maps[0].apply(graph.concat(&last, 2)).tanh();
    assert_eq!(first.value().unwrap(), expected.value().unwrap());
    assert_eq!(*first.shape().unwrap(), [2, 3, 4]);
}

/// A decoder that says which token it has just read: its logits are 1 at that token and 0 elsewhere.
struct Echo;

const ECHOED: usize = 3;

impl Cell for Echo {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        graph.zeros([batch, 1])
    }
    fn step<'g>(&self, x: Var<'g>, state: Var<'g>) -> (Var<'g>, Var<'g>) {
        (x, state)
    }
}

impl Decoder for Echo {
    fn embed<'g>(&self, graph: &'g Graph<'g>, tokens: &[u32]) -> Var<'g> {
        let one_hot = |(row, token): (usize, usize)| if tokens[row] as usize == token { 1.0f32 } else { 0.0 };
        graph.input(Array2::from_shape_fn((tokens.len(), ECHOED), one_hot))
    }
    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        outputs
    }
}

#[test]
fn a_training_reads_the_truth_with_its_probability_and_its_own_tokens_otherwise() {
    let params = Params::seeded(0);
    // All examples begin with token 1, which is then their own next token; the true one is 2.
    let ids = Array2::from_shape_fn((2000, 2), |(_, t)| 1 + t as u32);
    let share_of_truth = |truth: f64| {
        let graph = Graph::new(&params).training(5, 0);
        let logits = scheduled_sampling(&Echo, &graph, &ids, &[2; 2000], Echo.initial_state(&graph, 2000), truth);
        let read = logits.layout().unpack(&logits.rows().argmax().unwrap());
        assert!(read.iter().all(|read| read[0] == 1));
        read.iter().filter(|read| read[1] == 2).count() as f64 / 2000.0
    };
    assert_eq!((share_of_truth(1.0), share_of_truth(0.0)), (1.0, 0.0));
    let share = share_of_truth(0.8);
    assert!((share - 0.8).abs() < 0.04, "{share}");
}

#[test]
fn a_recording_holds_one_token_however_long_the_sentences_are() {
    let mut params = Params::seeded(3);
    let model = Small::new(&mut params);
    let recorded = |length: usize| {
        let mut steps = steps(&params, &model, 1);
        Decoding::endless(BEGIN, length).greedy(&mut steps).unwrap();
        steps.recorded()
    };
    let one = recorded(1);
    assert!(one > 10, "{one} nodes");
    assert_eq!(recorded(9), one);
}
