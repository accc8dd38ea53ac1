//! Laws of decoding, on step functions that are nothing but tables and on small models.

use ndarray::Array2;
use proptest::prelude::*;
use unspool_graph::{Draw, Graph, Params, Var};
use unspool_nn::{
    AdditiveAttention, Cell, Decoder, DecoderSteps, Embedding, Error, Gru, Linear, Result, TruthSchedule,
    attention::padding_bias,
    decoding::{Beam, Decoding, Ensemble, Hypothesis, LengthPenalty, Prediction, Sampling, StepFunction},
    gru_gates, scheduled_sampling, teacher_forcing,
};

const BEGIN: u32 = 0;
const END: u32 = 1;

/// Any distribution over sequences: the log-probabilities after a history are drawn from it. Attention says the row's sentence and time.
struct Tree {
    seed: u64,
    vocabulary: usize,
    rows: Vec<(usize, Vec<u32>)>,
    sentences: usize,
    /// Rows of each step.
    asked: Vec<usize>,
}

impl Tree {
    fn new(seed: u64, vocabulary: usize, sentences: usize) -> Tree {
        Tree { seed, vocabulary, rows: (0..sentences).map(|s| (s, vec![])).collect(), sentences, asked: vec![] }
    }
    fn log_probs(&self, sentence: usize, history: &[u32]) -> Vec<f64> {
        let key = Draw::seed(self.seed).word(sentence as u64);
        let key = history.iter().fold(key, |key, &token| key.word(u64::from(token)));
        let logits: Vec<f64> = (0..self.vocabulary as u64).map(|i| 2.0 * key.normal(i)).collect();
        let total = logits.iter().map(|x| x.exp()).sum::<f64>().ln();
        logits.iter().map(|x| x - total).collect()
    }
    /// All that can be written within `limit` predictions: tokens, whether ended, log-probability.
    fn all(&self, sentence: usize, limit: usize) -> Vec<(Vec<u32>, bool, f64)> {
        let (mut open, mut found) = (vec![(vec![], 0.0)], vec![]);
        for written in 1..=limit {
            for (history, total) in std::mem::take(&mut open) {
                let mut full = vec![BEGIN];
                full.extend(&history);
                for (token, x) in self.log_probs(sentence, &full).into_iter().enumerate() {
                    let mut next: Vec<u32> = history.clone();
                    match token as u32 {
                        END => found.push((next, true, total + x)),
                        token => {
                            next.push(token);
                            if written == limit {
                                found.push((next, false, total + x))
                            } else {
                                open.push((next, total + x))
                            }
                        }
                    }
                }
            }
        }
        found
    }
}

impl StepFunction for Tree {
    fn sentences(&self) -> usize {
        self.sentences
    }
    fn step(&mut self, parents: &[u32], tokens: &[u32]) -> Result<Prediction> {
        let next = |(&p, &token): (&u32, &u32)| {
            let (sentence, mut history) = self.rows[p as usize].clone();
            history.push(token);
            (sentence, history)
        };
        self.rows = parents.iter().zip(tokens).map(next).collect();
        self.asked.push(self.rows.len());
        let rows: Vec<Vec<f64>> = self.rows.iter().map(|(s, history)| self.log_probs(*s, history)).collect();
        let log_probs = Array2::from_shape_fn((rows.len(), self.vocabulary), |(i, j)| rows[i][j]);
        let looked = |(i, j): (usize, usize)| if j == 0 { self.rows[i].0 as f64 } else { self.rows[i].1.len() as f64 };
        Ok(Prediction { log_probs, attention: Some(Array2::from_shape_fn((rows.len(), 2), looked)) })
    }
}

/// What every hypothesis has to be, whoever wrote it.
fn is_sound(h: &Hypothesis, sentence: usize) {
    assert_eq!(h.log_probs.len(), h.tokens.len() + usize::from(h.ended));
    assert!((h.log_probs.iter().sum::<f64>() - h.log_prob).abs() < 1e-9);
    let attention = h.attention.as_ref().unwrap();
    assert_eq!(attention.dim(), (h.log_probs.len(), 2));
    for (t, row) in attention.rows().into_iter().enumerate() {
        assert_eq!((row[0], row[1]), (sentence as f64, t as f64 + 1.0));
    }
}

fn penalties() -> impl Strategy<Value = LengthPenalty> {
    prop_oneof![Just(LengthPenalty::None), Just(LengthPenalty::Average), (0.0..1.0f64).prop_map(LengthPenalty::Gnmt)]
}

fn penalised(penalty: LengthPenalty, log_prob: f64, length: usize) -> f64 {
    match penalty {
        LengthPenalty::None => log_prob,
        LengthPenalty::Average => log_prob / length as f64,
        LengthPenalty::Gnmt(alpha) => log_prob / ((5.0 + length as f64) / 6.0).powf(alpha),
    }
}

proptest! {
    #[test]
    fn a_beam_of_one_is_greedy(seed: u64, penalty in penalties(), vocabulary in 3..9usize, limit in 0..7usize, least in 0..3usize,
        forced in prop::collection::vec(2..3u32, 0..3), banned in any::<bool>()) {
        let rules = Decoding::new(BEGIN, END, limit).min_length(least.min(limit))
            .prefixes(vec![forced.clone(), vec![], vec![]]).banned(if banned { vec![2] } else { vec![] });
        let greedy = rules.greedy(&mut Tree::new(seed, vocabulary, 3)).unwrap();
        let beam = rules.beam(&mut Tree::new(seed, vocabulary, 3), &Beam::new(1).penalty(penalty)).unwrap();
        for (sentence, (g, b)) in greedy.iter().zip(&beam).enumerate() {
            prop_assert_eq!(b.len(), 1);
            let b = Hypothesis { score: g.score, ..b[0].clone() };
            prop_assert_eq!(&b, g);
            if limit > 0 { is_sound(g, sentence); }
            prop_assert!(!g.ended || g.tokens.len() >= least.min(limit));
            prop_assert!(g.log_probs.len() <= limit);
            let free = if sentence == 0 { forced.len().min(limit) } else { 0 };
            prop_assert!(!banned || !g.tokens[free..].contains(&2));
            if sentence == 0 { prop_assert_eq!(&g.tokens[..free], &forced[..free]); }
        }
    }

    #[test]
    fn a_beam_as_wide_as_the_space_is_exhaustive_search(seed: u64, penalty in penalties(), vocabulary in 3..5usize, limit in 1..5usize) {
        let model = Tree::new(seed, vocabulary, 2);
        let width = model.all(0, limit).len();
        let rules = Decoding::new(BEGIN, END, limit);
        let beam = Beam::new(width).penalty(penalty).best(width);
        let found = rules.beam(&mut Tree::new(seed, vocabulary, 2), &beam).unwrap();
        let first = rules.beam(&mut Tree::new(seed, vocabulary, 2), &beam.best(1)).unwrap();
        for sentence in 0..2 {
            let mut all = model.all(sentence, limit);
            let score = |x: &(Vec<u32>, bool, f64)| penalised(penalty, x.2, x.0.len() + usize::from(x.1));
            all.sort_by(|a, b| score(b).total_cmp(&score(a)));
            prop_assert_eq!(found[sentence].len(), all.len());
            for (h, truth) in found[sentence].iter().zip(&all) {
                is_sound(h, sentence);
                prop_assert!((h.score - score(truth)).abs() < 1e-9);
                prop_assert_eq!((&h.tokens, h.ended), (&truth.0, truth.1));
            }
            // The search that stops early finds the same best.
            prop_assert_eq!(&first[sentence][0], &found[sentence][0]);
        }
    }

    #[test]
    fn a_narrow_beam_is_ranked_and_no_worse_than_its_own_scores(seed: u64, penalty in penalties(), width in 2..6usize) {
        let rules = Decoding::new(BEGIN, END, 6);
        let mut model = Tree::new(seed, 6, 3);
        let found = rules.beam(&mut model, &Beam::new(width).best(width).penalty(penalty)).unwrap();
        prop_assert!(model.asked.iter().all(|&rows| rows <= 3 * width));
        for (sentence, best) in found.iter().enumerate() {
            prop_assert!(!best.is_empty() && best.len() <= width);
            prop_assert!(best.windows(2).all(|pair| pair[0].score >= pair[1].score));
            for h in best {
                is_sound(h, sentence);
                // A given target has the log-probabilities of the search that found it.
                let mut targets = vec![vec![]; 3];
                targets[sentence] = h.tokens.clone();
                let scored = rules.score(&mut Tree::new(seed, 6, 3), &targets).unwrap();
                let (given, own) = (&scored[sentence].log_probs[..h.log_probs.len()], &h.log_probs[..]);
                prop_assert_eq!(given, own);
            }
        }
    }

    #[test]
    fn sampling_of_the_likeliest_alone_is_greedy(seed: u64, draws: u64) {
        let rules = Decoding::new(BEGIN, END, 6).min_length(2).banned(vec![3]);
        let greedy = rules.greedy(&mut Tree::new(seed, 7, 3)).unwrap();
        for sampling in [Sampling::new(draws).top_k(1), Sampling::new(draws).top_p(1e-9), Sampling::new(draws).temperature(1e-6)] {
            let sampled = rules.sample(&mut Tree::new(seed, 7, 3), &sampling).unwrap();
            prop_assert_eq!(&sampled, &greedy);
        }
        let sampling = Sampling::new(draws).temperature(1.5).top_k(4).top_p(0.9);
        let twice = [(); 2].map(|()| rules.sample(&mut Tree::new(seed, 7, 3), &sampling).unwrap());
        prop_assert_eq!(&twice[0], &twice[1]);
        prop_assert!(twice[0].iter().all(|h| !h.tokens.contains(&3) && (!h.ended || h.tokens.len() >= 2)));
    }

    #[test]
    fn an_ensemble_of_one_model_twice_is_that_model(seed: u64) {
        let rules = Decoding::new(BEGIN, END, 5);
        let alone = rules.beam(&mut Tree::new(seed, 6, 2), &Beam::new(3).best(3)).unwrap();
        let members = vec![Tree::new(seed, 6, 2), Tree::new(seed, 6, 2)];
        let both = rules.beam(&mut Ensemble::new(members), &Beam::new(3).best(3)).unwrap();
        for (a, b) in alone.iter().flatten().zip(both.iter().flatten()) {
            prop_assert_eq!(&a.tokens, &b.tokens);
            prop_assert!((a.log_prob - b.log_prob).abs() < 1e-9);
            is_sound(b, b.attention.as_ref().unwrap()[[0, 0]] as usize);
        }
    }
}

#[test]
fn sampling_has_the_models_frequencies() {
    let rules = Decoding::endless(BEGIN, 1);
    let model = Tree::new(5, 6, 1);
    let log_probs = model.log_probs(0, &[BEGIN]);
    let draws = 20_000;
    let frequencies = |sampling: &dyn Fn(u64) -> Sampling| {
        let mut counts = [0.0; 6];
        for seed in 0..draws {
            let found = rules.sample(&mut Tree::new(5, 6, 1), &sampling(seed)).unwrap();
            counts[found[0].tokens[0] as usize] += 1.0 / draws as f64;
        }
        counts
    };
    let expect = |found: [f64; 6], weights: Vec<f64>| {
        let sum: f64 = weights.iter().sum();
        for (f, w) in found.iter().zip(weights) {
            assert!((f - w / sum).abs() < 0.012, "{f} is not {}", w / sum);
        }
    };
    expect(frequencies(&Sampling::new), log_probs.iter().map(|x| x.exp()).collect());
    expect(frequencies(&|s| Sampling::new(s).temperature(2.0)), log_probs.iter().map(|x| (x / 2.0).exp()).collect());
    let mut order: Vec<usize> = (0..6).collect();
    order.sort_by(|&a, &b| log_probs[b].total_cmp(&log_probs[a]));
    let only = |kept: &[usize]| (0..6).map(|i| if kept.contains(&i) { log_probs[i].exp() } else { 0.0 }).collect();
    expect(frequencies(&|s| Sampling::new(s).top_k(3)), only(&order[..3]));
    // Just more than the two likeliest have together: three are needed.
    let share = log_probs[order[0]].exp() + log_probs[order[1]].exp() + 1e-6;
    expect(frequencies(&|s| Sampling::new(s).top_p(share)), only(&order[..3]));
}

#[test]
fn wrong_rules_are_errors() {
    let says = |result: Result<Vec<Hypothesis>>| match result {
        Err(Error::Decoding { why }) => why,
        other => panic!("{other:?}"),
    };
    let rules = Decoding::new(BEGIN, END, 3);
    let model = || Tree::new(1, 4, 2);
    assert!(says(rules.clone().banned(vec![4]).greedy(&mut model())).contains("token 4"));
    assert!(says(rules.clone().prefixes(vec![vec![9], vec![]]).greedy(&mut model())).contains("token 9"));
    assert!(says(rules.clone().prefixes(vec![vec![]]).greedy(&mut model())).contains("1 prefixes for 2"));
    assert!(says(rules.clone().min_length(4).greedy(&mut model())).contains("at least 4"));
    assert!(says(rules.score(&mut model(), &[vec![2]])).contains("1 targets"));
    assert!(says(rules.score(&mut model(), &[vec![2], vec![7]])).contains("token 7"));
    assert!(says(rules.sample(&mut model(), &Sampling::new(0).top_p(0.0))).contains("top_p 0"));
    for beam in [Beam::new(0), Beam::new(2).best(3), Beam::new(2).best(0)] {
        assert!(matches!(rules.beam(&mut model(), &beam), Err(Error::Decoding { .. })));
    }
    struct Broken(f64, usize);
    impl StepFunction for Broken {
        fn sentences(&self) -> usize {
            1
        }
        fn step(&mut self, _: &[u32], _: &[u32]) -> Result<Prediction> {
            Ok(Prediction { log_probs: Array2::from_elem((self.1, 3), self.0), attention: None })
        }
    }
    assert!(says(rules.greedy(&mut Broken(f64::NAN, 1))).contains("not a number"));
    assert!(says(rules.greedy(&mut Broken(-1.0, 2))).contains("2 rows for 1"));
    // Nothing at all is possible: the sentence stops as it is.
    let stopped = rules.greedy(&mut Broken(f64::NEG_INFINITY, 1)).unwrap();
    assert!(stopped[0].tokens.is_empty() && !stopped[0].ended);
    let stopped = rules.beam(&mut Broken(f64::NEG_INFINITY, 1), &Beam::new(2)).unwrap();
    assert!(stopped[0].len() == 1 && stopped[0][0].tokens.is_empty());
}

unspool_nn::state! {
    struct Attending<'g> { h: Var<'g>, looked: Var<'g>, memory: Var<'g>, keys: Var<'g>, padding: Var<'g> }
}

/// A small attending decoder, written by hand as a user would.
struct Small {
    embedding: Embedding,
    cell: Gru,
    context: Linear,
    hidden: Linear,
    attention: AdditiveAttention,
    readout: Linear,
}

const WIDTH: usize = 5;
const SOURCE: usize = 4;
const TOKENS: usize = 7;

impl Small {
    fn new(params: &mut Params) -> Small {
        Small {
            embedding: Embedding::new(params.scope("embedding"), TOKENS, WIDTH),
            cell: Gru::new(params.scope("cell"), WIDTH, WIDTH),
            context: Linear::new(params.scope("context"), WIDTH, 3 * WIDTH),
            hidden: Linear::new(params.scope("hidden"), WIDTH, 3 * WIDTH),
            attention: AdditiveAttention::new(params.scope("attention"), WIDTH, WIDTH, WIDTH),
            readout: Linear::new(params.scope("readout"), 2 * WIDTH, TOKENS),
        }
    }
    fn start<'g>(&self, graph: &'g Graph<'g>, seed: u64, rows: &[usize], lengths: &[usize]) -> Attending<'g> {
        let key = Draw::seed(seed);
        let memory = ndarray::Array3::from_shape_fn((rows.len(), SOURCE, WIDTH), |(b, s, j)| {
            key.word(rows[b] as u64).normal((s * WIDTH + j) as u64)
        });
        let memory = graph.input(memory);
        let (zeros, looked) = (graph.zeros([rows.len(), WIDTH]), graph.zeros([rows.len(), SOURCE]));
        let padding = padding_bias(graph, lengths, SOURCE);
        Attending { h: zeros, looked, memory, keys: self.attention.keys(memory, lengths), padding }
    }
}

impl Cell for Small {
    type State<'g> = Attending<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Attending<'g> {
        let none = graph.zeros([batch]);
        Attending { h: none, looked: none, memory: none, keys: none, padding: none }
    }
    fn step<'g>(&self, x: Var<'g>, s: Attending<'g>) -> (Var<'g>, Attending<'g>) {
        let (context, looked) = self.attention.attend(s.h, s.keys, s.memory, s.padding);
        let h = gru_gates(self.cell.inputs(x) + self.context.apply(context), self.hidden.apply(s.h), s.h);
        (x.graph().concat(&[h, context], -1), Attending { h, looked, ..s })
    }
}

impl Decoder for Small {
    fn embed<'g>(&self, graph: &'g Graph<'g>, ids: ndarray::ArrayView2<'_, u32>) -> Var<'g> {
        self.embedding.apply(graph, ids)
    }
    fn logits<'g>(&self, outputs: Var<'g>, _: Var<'g>) -> Var<'g> {
        // Sharp enough that hypotheses differ.
        self.readout.apply(outputs) * 4.0
    }
    fn attention<'g>(&self, _: &'g Graph<'g>, state: &Attending<'g>) -> Option<Var<'g>> {
        Some(state.looked)
    }
}

const ROWS: [usize; 3] = [0, 1, 2];
const LENGTHS: [usize; 3] = [4, 1, 3];

fn steps<'p, 'd>(params: &'p Params, model: &'d Small, seed: u64) -> DecoderSteps<'p, 'd, Small> {
    DecoderSteps::new(params, model, 3, |graph| model.start(graph, seed, &ROWS, &LENGTHS)).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn sentences_in_a_batch_are_decoded_as_alone(seed: u64) {
        let mut params = Params::seeded(seed);
        let model = Small::new(&mut params);
        let params = params.to_f64();
        let (rules, beam) = (Decoding::new(BEGIN, END, 8), Beam::new(4).best(4).penalty(LengthPenalty::Average));
        let together = rules.beam(&mut steps(&params, &model, seed), &beam).unwrap();
        for row in 0..3 {
            let mut one = DecoderSteps::new(&params, &model, 1, |graph| model.start(graph, seed, &[row], &LENGTHS[row..=row])).unwrap();
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
        // By teacher forcing, where no state is ever reordered, each hypothesis has the same log-probabilities and attention.
        for nth in 0..3 {
            let targets: Vec<Vec<u32>> = found.iter().map(|best| best[nth.min(best.len() - 1)].tokens.clone()).collect();
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
        let ids = Array2::from_shape_fn((3, 4), |(b, t)| if t == 0 { BEGIN } else { targets[b].get(t - 1).copied().unwrap_or(5) });
        let lengths = [4, 1, 3];
        let flat: Vec<u32> = targets.iter().flat_map(|t| t.iter().copied().chain([END])).collect();
        let state = || model.start(&graph, seed, &ROWS, &LENGTHS);
        let taught = teacher_forcing(&model, &graph, ids.view(), &lengths, state());
        let losses = taught.cross_entropy(&flat).value().unwrap().to_f64();
        let own: Vec<f64> = scored.iter().flat_map(|h| h.log_probs.clone()).collect();
        for (a, b) in losses.iter().zip(&own) {
            prop_assert!((a + b).abs() < 1e-12);
        }
        let sampled = scheduled_sampling(&model, &graph, ids.view(), &lengths, state(), 1.0);
        let (a, b) = (taught.value().unwrap().to_f64(), sampled.value().unwrap().to_f64());
        prop_assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
        // Running free, it reads what greedy search writes.
        let free = scheduled_sampling(&model, &graph, ids.view(), &lengths, state(), 0.0);
        let greedy = Decoding::endless(BEGIN, 1).max_lengths(lengths).greedy(&mut steps(&params, &model, seed)).unwrap();
        let best: Vec<u32> = greedy.iter().flat_map(|h| h.tokens.clone()).collect();
        prop_assert_eq!(free.argmax().unwrap(), best);
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
                scheduled_sampling(&model, graph, ids.view(), &lengths, model.start(graph, 1, &ROWS, &LENGTHS), truth);
            let loss = logits.cross_entropy(&[4; 8]).sum_all();
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
    let wrong =
        scheduled_sampling(&model, &graph, ids.view(), &[5, 1, 1], model.start(&graph, 1, &ROWS, &LENGTHS), 1.0);
    assert!(wrong.value().unwrap_err().to_string().contains("do not fit lengths [5, 1, 1]"));
}

#[test]
fn schedules_of_truth_fall_as_their_formulas() {
    assert_eq!(TruthSchedule::Constant(0.3).at(99), 0.3);
    let linear = TruthSchedule::Linear { start: 1.0, slope: 0.125, least: 0.25 };
    assert_eq!((linear.at(0), linear.at(2), linear.at(50)), (1.0, 0.75, 0.25));
    assert_eq!(TruthSchedule::Exponential { k: 0.5 }.at(3), 0.125);
    let k = 20.0f64;
    assert!((TruthSchedule::InverseSigmoid { k }.at((k * k.ln()).round() as u64) - 0.5).abs() < 0.01);
    assert_eq!(TruthSchedule::InverseSigmoid { k }.at(u64::MAX), 0.0);
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
