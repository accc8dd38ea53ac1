//! Laws of attention and of the decoders over it: padding leaks nowhere, the cache changes nothing, gradients are
//! right.

use ndarray::{Array2, ArrayD, IxDyn};
use unspool_graph::{Graph, Param, Params, RngKey, Var, check, init};
use unspool_nn::{
    Attention, AttentionDecoder, Bridge, Cell, Decoder, DecoderSteps, Embedding, Gru, Lstm, MultiheadAttention,
    Positions, Sequence, TransformerConfig, TransformerDecoder, TransformerEncoder, TransformerLayer,
    decoding::{Beam, Decoding},
    leaves, scheduled_sampling, teacher_forcing,
};

const SIZE: usize = 4;
const TIME: usize = 5;
const LENGTHS: [usize; 3] = [5, 1, 3];
const VOCABULARY: usize = 7;

fn random(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let (draw, mut i) = (RngKey::seed(seed), 0);
    ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
        i += 1;
        draw.normal(i)
    })
}

/// `[3, TIME, SIZE]` with `filler` at padding.
fn padded(seed: u64, filler: f64) -> ArrayD<f64> {
    let mut all = random(&[3, TIME, SIZE], seed);
    for (b, &length) in LENGTHS.iter().enumerate() {
        all.slice_mut(ndarray::s![b, length.., ..]).fill(filler);
    }
    all
}

/// The real steps of a padded batch.
fn real(xs: Var<'_>) -> Sequence<'_> {
    Sequence::pack(xs, &LENGTHS)
}

const CONFIG: TransformerConfig =
    TransformerConfig { size: SIZE, heads: 2, feedforward: 6, dropout: 0.0, norm_first: true, bias: true };

/// Every way of attending.
enum Model {
    One(Attention),
    Heads(MultiheadAttention, bool),
    Encoder(TransformerEncoder),
    Translator(TransformerDecoder),
    Recurrent(AttentionDecoder<Gru>),
}

fn models(params: &mut Params) -> Vec<Model> {
    let table = Embedding::normal(params.scope("table"), VOCABULARY, SIZE, 0.5);
    let places = Positions::learned(params.scope("places"), TIME, SIZE);
    let post = TransformerConfig { norm_first: false, ..CONFIG };
    let bare = TransformerConfig { bias: false, ..CONFIG };
    let general = Attention::general(params.scope("a"), SIZE, SIZE);
    let over = Attention::multi_head(params.scope("over"), 6, SIZE, 3);
    vec![
        Model::One(Attention::dot()),
        Model::One(Attention::scaled_dot()),
        Model::One(Attention::general(params.scope("general"), SIZE, SIZE)),
        Model::One(Attention::additive(params.scope("additive"), SIZE, SIZE, 3)),
        Model::One(Attention::multi_head(params.scope("one"), SIZE, SIZE, 2)),
        Model::Heads(MultiheadAttention::new(params.scope("heads"), SIZE, 2), false),
        Model::Heads(MultiheadAttention::new(params.scope("causal"), SIZE, 4), true),
        Model::Encoder(TransformerEncoder::new(params.scope("pre"), 2, Positions::Sinusoidal, CONFIG)),
        Model::Encoder(TransformerEncoder::new(params.scope("post"), 1, places, post)),
        Model::Translator(TransformerDecoder::new(params.scope("writer"), 2, table, Positions::Sinusoidal, CONFIG)),
        Model::Translator(TransformerDecoder::new(params.scope("bare"), 1, table, Positions::Sinusoidal, bare)),
        Model::Recurrent(AttentionDecoder::new(params.scope("decoder"), Gru::new, table, general, SIZE, SIZE)),
        // Heads over a memory of another size than the query's.
        Model::Recurrent(AttentionDecoder::new(params.scope("heads_decoder"), Gru::new, table, over, SIZE, 6)),
    ]
}

impl Model {
    /// From two padded batches of `LENGTHS`, what reads and what is looked at.
    fn run<'g>(&self, xs: Var<'g>, memory: Var<'g>) -> Var<'g> {
        let graph = xs.graph();
        match self {
            Model::One(attention) => {
                let (context, weights) = attention.attend(xs.index(1, 0), &attention.memory(&real(memory)));
                graph.concat(&[context, weights], -1)
            }
            Model::Heads(attention, causal) => attention.apply(&real(xs), &real(memory), *causal).0.padded(),
            Model::Encoder(encoder) => encoder.apply(&real(xs + memory)).padded(),
            Model::Translator(decoder) => decoder.outputs(&real(xs), decoder.start(&real(memory))).padded(),
            Model::Recurrent(decoder) => {
                decoder.outputs(&real(xs), decoder.start(&Bridge::Zero, &[], &real(memory))).padded()
            }
        }
    }
}

#[test]
fn padding_reaches_neither_values_nor_gradients() {
    let mut params = Params::seeded(1);
    let models = models(&mut params);
    let params = params.to_f64();
    for (i, model) in models.iter().enumerate() {
        let run = |filler: f64| {
            let graph = Graph::new(&params);
            let (xs, memory) = (graph.input(padded(2, filler)).watch(), graph.input(padded(3, filler)).watch());
            let out = model.run(xs, memory);
            let value = out.to_f64().unwrap();
            let gradients = out.vjp(random(value.shape(), 4)).unwrap();
            let mut all = vec![value];
            all.extend(params.iter().filter_map(|p| gradients.of(p)).map(|g| g.to_f64()));
            all.extend([xs, memory].into_iter().filter_map(|x| gradients.of(x)).map(|g| g.to_f64()));
            all
        };
        let (zero, nan) = (run(0.0), run(f64::NAN));
        assert!(zero.iter().flatten().all(|x| x.is_finite()));
        assert_eq!(zero, nan, "model {i}");
        // What stands at real places does matter.
        assert!(zero[1..].iter().flatten().any(|&g| g != 0.0), "model {i}");
    }
}

#[test]
fn gradients_agree_with_finite_differences() {
    let mut params = Params::seeded(5);
    let (xs, memory) = (padded(2, 0.0), padded(3, 0.0));
    let models = models(&mut params);
    let mut input = |name: &str, x: &ArrayD<f64>| -> Param {
        params.scope("input").add_sized(name, x.shape(), init::values(x.iter().copied().collect()))
    };
    let (xs, memory) = (input("xs", &xs), input("memory", &memory));
    for (i, model) in models.iter().enumerate() {
        if let Err(why) = both(&params, model, xs, memory) {
            panic!("model {i}: {why}");
        }
    }
}

fn both(params: &Params, model: &Model, xs: Param, memory: Param) -> Result<(), check::Failure> {
    fn record<'g>(graph: &'g Graph<'g>, model: &Model, xs: Param, memory: Param) -> Var<'g> {
        model.run(graph.param(xs), graph.param(memory))
    }
    check::parameters(params, |graph| record(graph, model, xs, memory))?;
    check::adjoint(params, |graph| record(graph, model, xs, memory))
}

#[test]
fn weights_are_a_distribution_over_the_real_places() {
    let mut params = Params::seeded(6);
    let models = models(&mut params);
    let params = params.to_f64();
    let graph = Graph::new(&params);
    let (xs, memory) = (graph.input(padded(2, 0.0)), graph.input(padded(3, 0.0)));
    let mut seen = 0;
    for model in &models {
        let Model::One(attention) = model else { continue };
        let weights = attention.attend(xs.index(1, 0), &attention.memory(&real(memory))).1.to_f64().unwrap();
        for (b, &length) in LENGTHS.iter().enumerate() {
            let row: Vec<f64> = (0..TIME).map(|s| weights[[b, s]]).collect();
            assert!((row[..length].iter().sum::<f64>() - 1.0).abs() < 1e-12 && row[length..].iter().all(|&w| w == 0.0));
        }
        seen += 1;
    }
    for causal in [false, true] {
        let Some(Model::Heads(attention, _)) = models.iter().find(|m| matches!(m, Model::Heads(_, c) if *c == causal))
        else {
            panic!()
        };
        let weights = attention.apply(&real(xs), &real(memory), causal).1.to_f64().unwrap();
        for (at, &w) in weights.indexed_iter() {
            let (t, s) = (at[2], at[3]);
            let shown = s < LENGTHS[at[0]] && (!causal || s <= t);
            assert_eq!(w > 0.0, shown);
        }
        seen += 1;
    }
    assert_eq!(seen, 7);
}

/// Token by token with the cache, and all places at once without: the same logits.
fn cache_is_exact<D: Decoder>(params: &Params, decoder: &D, start: impl for<'g> Fn(&'g Graph<'g>) -> D::State<'g>) {
    let targets: Vec<Vec<u32>> = vec![vec![3, 4, 2, 5], vec![], vec![6, 6]];
    let ids = Array2::from_shape_fn((3, TIME), |(b, t)| match t {
        0 => 0,
        t => targets[b].get(t - 1).copied().unwrap_or(1),
    });
    let next = Array2::from_shape_fn((3, TIME), |(b, t)| targets[b].get(t).copied().unwrap_or(1));
    let graph = Graph::new(params);
    losses(&graph, decoder, &ids, &next, &start, params, &targets);
}

fn losses<'g, D: Decoder>(
    graph: &'g Graph<'g>,
    decoder: &D,
    ids: &Array2<u32>,
    next: &Array2<u32>,
    start: &impl for<'a> Fn(&'a Graph<'a>) -> D::State<'a>,
    params: &Params,
    targets: &[Vec<u32>],
) {
    let at_once = teacher_forcing(decoder, graph, ids, &LENGTHS, start(graph));
    let own = at_once.cross_entropy(next).to_f64().unwrap();
    let own = at_once.layout().unpack(own.as_slice().unwrap()).concat();
    let mut steps = DecoderSteps::new(params, decoder, 3, start).unwrap();
    let scored = Decoding::new(0, 1, 9).score(&mut steps, targets).unwrap();
    let cached: Vec<f64> = scored.iter().flat_map(|h| h.log_probs.clone()).collect();
    assert_eq!(own.len(), cached.len());
    for (a, b) in own.iter().zip(&cached) {
        assert!((a + b).abs() < 1e-12, "{a} {b}");
    }
    let stepped = scheduled_sampling(decoder, graph, ids, &LENGTHS, start(graph), 1.0);
    let (at_once, stepped) = (at_once.rows(), stepped.rows());
    let (a, b) = (at_once.to_f64().unwrap(), stepped.to_f64().unwrap());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));
    // Beams reorder the cache: what they find has the log-probabilities that the cacheless model gives it.
    let mut steps = DecoderSteps::new(params, decoder, 3, start).unwrap();
    let found = Decoding::new(0, 1, 6).beam(&mut steps, &Beam::new(4)).unwrap();
    let best: Vec<Vec<u32>> = found.iter().map(|best| best[0].tokens.clone()).collect();
    let mut steps = DecoderSteps::new(params, decoder, 3, start).unwrap();
    for (h, s) in found.iter().zip(Decoding::new(0, 1, 6).score(&mut steps, &best).unwrap()) {
        assert!(h[0].log_probs.iter().zip(&s.log_probs).all(|(a, b)| (a - b).abs() < 1e-12));
    }
}

#[test]
fn decoding_with_a_cache_equals_decoding_without() {
    for norm_first in [false, true] {
        let mut params = Params::seeded(8);
        let config = TransformerConfig { norm_first, ..CONFIG };
        let table = Embedding::normal(params.scope("table"), VOCABULARY, SIZE, 1.0);
        let places = Positions::learned(params.scope("places"), 9, SIZE);
        let writer = TransformerDecoder::new(params.scope("writer"), 2, table, places, config);
        let model = TransformerDecoder::language_model(params.scope("lm"), 2, table, Positions::Sinusoidal, config);
        let params = params.to_f64();
        cache_is_exact(&params, &writer, |graph| writer.start(&real(graph.input(padded(3, f64::NAN)))));
        cache_is_exact(&params, &model, |graph| model.initial_state(graph, 3));
    }
}

#[test]
fn a_recurrent_decoder_steps_as_it_is_taught() {
    let mut params = Params::seeded(8);
    let table = Embedding::normal(params.scope("table"), VOCABULARY, SIZE, 1.0);
    // Heads over a memory narrower than the query, then additive scores.
    let hidden = 6;
    let attentions = [
        Attention::multi_head(params.scope("heads"), hidden, SIZE, 2),
        Attention::additive(params.scope("additive"), hidden, SIZE, 3),
    ];
    for (i, attention) in attentions.into_iter().enumerate() {
        let scope = params.scope(format!("decoder{i}"));
        let decoder = AttentionDecoder::new(scope, Lstm::new, table, attention, SIZE, hidden);
        let bridge = Bridge::projected(params.scope(format!("bridge{i}")), 6, &[hidden, hidden]);
        let params = params.to_f64();
        cache_is_exact(&params, &decoder, |graph| {
            decoder.start(&bridge, &[graph.input(random(&[3, 6], 9))], &real(graph.input(padded(3, f64::NAN))))
        });
    }
}

/// In heads, one query over a memory is what the whole layer gives for it, weights averaged; and what a memory needs is
/// made once, however many steps look at it.
#[test]
fn heads_look_as_the_layer_does_and_their_keys_are_made_once() {
    for memory_size in [SIZE, 6] {
        let mut params = Params::seeded(4);
        let layer = MultiheadAttention::over(params.scope("a"), SIZE, memory_size, 2);
        let mut same = Params::seeded(4);
        let attention = Attention::multi_head(same.scope("a"), SIZE, memory_size, 2);
        let (params, same) = (params.to_f64(), same.to_f64());
        let (query, memory) = (random(&[3, 1, SIZE], 1), random(&[3, TIME, memory_size], 2));
        let value = |x: Var<'_>| x.to_f64().unwrap();

        let graph = Graph::new(&params);
        let (context, weights) = layer.apply(&Sequence::full(graph.input(&query)), &real(graph.input(&memory)), false);
        let (context, weights) = (value(context.padded().squeeze(1)), value(weights.mean(&[1]).squeeze(1)));
        let graph = Graph::new(&same);
        let ready = attention.memory(&real(graph.input(&memory)));
        let (own_context, own_weights) = attention.attend(graph.input(&query).squeeze(1), &ready);
        assert!(value(own_context).iter().zip(&context).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!(value(own_weights).iter().zip(&weights).all(|(a, b)| (a - b).abs() < 1e-12));

        // No operation of a later step reads the memory itself, or the weights of keys and values.
        let before = graph.len();
        let _ = attention.attend(graph.input(&query).squeeze(1), &ready);
        let first = graph.len() - before;
        for _ in 0..4 {
            let before = graph.len();
            let _ = attention.attend(graph.input(&query).squeeze(1), &ready);
            assert_eq!(graph.len() - before, first);
        }
        let made = |rows: usize| {
            let topology = graph.topology();
            topology.node_weights().filter(|v| v.operation == "linear" && v.shape.first() == Some(&rows)).count()
        };
        let of_memory = if memory_size == SIZE { 1 } else { 2 };
        assert_eq!(made(LENGTHS.iter().sum()), of_memory, "keys and values of all real places");
        assert_eq!(made(3), 2 * 6, "the query's and the output's map, a step");
    }
}

#[test]
fn bridges_give_the_state_its_leaves() {
    let mut params = Params::seeded(8);
    let cell = Lstm::new(params.scope("cell"), 2, SIZE);
    let projected = Bridge::projected(params.scope("bridge"), 2 * SIZE, &[SIZE, SIZE]);
    let graph = Graph::new(&params);
    let last = [graph.full([3, SIZE], 0.5), graph.full([3, SIZE], 0.25)];
    let initial = || cell.initial_state(&graph, 3);
    let kept = leaves(&Bridge::Last.apply(&graph, initial(), &last));
    assert!(kept[0].same_node(last[0]) && kept[1].same_node(last[1]));
    assert_eq!(leaves(&Bridge::Zero.apply(&graph, initial(), &last))[0].to_f64().unwrap().sum(), 0.0);
    let made = leaves(&projected.apply(&graph, initial(), &last));
    assert_eq!(*made[1].shape().unwrap(), [3, SIZE]);
    let _ = Bridge::Last.apply(&graph, initial(), &last[..1]);
    assert!(graph.check().unwrap_err().to_string().contains("the bridge gives [3, 4]"));
}

/// What dropout draws for an example depends neither on the batch's other rows nor on its place among them.
#[test]
fn dropout_belongs_to_the_example() {
    let mut params = Params::seeded(3);
    let config = TransformerConfig { dropout: 0.4, ..CONFIG };
    let encoder = TransformerEncoder::new(params.scope("encoder"), 2, Positions::Sinusoidal, config);
    let params = params.to_f64();
    let all = padded(2, 0.0);
    let of = |rows: &[usize], step: u64| {
        let graph = Graph::new(&params).training(5, step);
        let _rows = graph.name_rows(rows.iter().map(|&row| row as u32).collect::<Vec<_>>());
        let xs = graph.input(all.select(ndarray::Axis(0), rows));
        let lengths: Vec<usize> = rows.iter().map(|&row| LENGTHS[row]).collect();
        encoder.apply(&Sequence::pack(xs, &lengths)).padded().to_f64().unwrap()
    };
    let (whole, some, next) = (of(&[0, 1, 2], 0), of(&[2, 0], 0), of(&[2, 0], 1));
    let off = |a: &ArrayD<f64>| -> f64 {
        let whole = whole.select(ndarray::Axis(0), &[2, 0]);
        whole.iter().zip(a).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
    };
    assert!(off(&some) < 1e-12);
    assert!(off(&next) > 0.01, "another step draws anew");
}

#[test]
fn where_there_is_nothing_to_look_at_the_context_is_zero() {
    let mut params = Params::seeded(6);
    let models = models(&mut params);
    let params = params.to_f64();
    let lengths = [2, 0, 1];
    for model in &models {
        let graph = Graph::new(&params);
        let (xs, memory) = (graph.input(padded(2, 0.0)).watch(), graph.input(padded(3, 0.0)).watch());
        let (context, weights) = match model {
            Model::One(attention) => {
                attention.attend(xs.index(1, 0), &attention.memory(&Sequence::pack(memory, &lengths)))
            }
            Model::Heads(attention, _) => {
                let (ys, weights) = attention.apply(&real(xs), &Sequence::pack(memory, &lengths), false);
                (ys.padded(), weights)
            }
            _ => continue,
        };
        let weights = weights.to_f64().unwrap();
        assert_eq!(weights.index_axis(ndarray::Axis(0), 1).sum(), 0.0);
        let gradients = context.sum_all().backward().unwrap();
        for x in [xs, memory] {
            assert!(gradients.of(x).unwrap().to_f64().iter().all(|g| g.is_finite()));
        }
    }
}

/// PyTorch's `bias=False`: a layer has its weights alone, and is the layer whose biases are zero.
#[test]
fn a_layer_without_biases_is_one_whose_biases_are_zero() {
    for norm_first in [false, true] {
        let config = TransformerConfig { norm_first, ..CONFIG };
        let mut params = Params::seeded(5);
        let with = TransformerLayer::decoder(params.scope("layer"), config);
        let mut bare_params = Params::seeded(5);
        let without =
            TransformerLayer::decoder(bare_params.scope("layer"), TransformerConfig { bias: false, ..config });
        for p in params.iter().collect::<Vec<_>>() {
            let name = params.name(p).to_string();
            let bias = name.ends_with("bias");
            assert_eq!(bare_params.find(&name).is_none(), bias, "{name}");
            if bias {
                params.set(p, ArrayD::<f64>::zeros(&*params.shape(p))).unwrap();
            }
        }
        fn run(params: &Params, layer: &TransformerLayer) -> ArrayD<f64> {
            let graph = Graph::new(params);
            let (xs, memory) = (graph.input(padded(2, 0.0)), graph.input(padded(3, 0.0)));
            layer.apply(&real(xs), Some(&real(memory)), true).padded().to_f64().unwrap()
        }
        let (with, without) = (run(&params.to_f64(), &with), run(&bare_params.to_f64(), &without));
        assert!(with.iter().zip(&without).all(|(a, b)| (a - b).abs() < 1e-12) && with.iter().any(|&x| x != 0.0));
    }
}
