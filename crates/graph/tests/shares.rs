//! Gradients that several processes add up in shares: the bits are those of adding whole gradients one after the other.

use proptest::prelude::*;
use unspool_graph::{Gradients, Graph, Params, Part, Precision, Share, Var, init};

const WORDS: usize = 11;
const WIDTH: usize = 3;

/// What one of the gradients to be added is of.
#[derive(Clone, Debug)]
struct Summand {
    /// Words whose rows of the table are used, which makes a gradient of rows.
    words: Vec<u32>,
    /// Whether all of the table is used, which makes a gradient of every element.
    whole: bool,
    /// Whether the other parameters take part.
    others: bool,
    /// What the gradients' elements are.
    values: Vec<f64>,
}

fn summand() -> impl Strategy<Value = Summand> {
    // Zeros of either sign too: x + 0 and no addition at all are not the same then.
    let value = prop_oneof![4 => -1.0..1.0f64, 1 => Just(-0.0), 1 => Just(0.0)];
    let words = prop::collection::vec(0..WORDS as u32, 0..8);
    (words, prop::bool::weighted(0.2), any::<bool>(), prop::collection::vec(value, 64))
        .prop_map(|(words, whole, others, values)| Summand { words, whole, others, values })
}

fn params(precision: Precision) -> Params {
    let mut params = Params::seeded(3);
    let mut scope = params.scope("m");
    for (name, shape) in [("table", &[WORDS, WIDTH][..]), ("w", &[5, 4]), ("b", &[4]), ("s", &[]), ("k", &[2, 2, 3])] {
        scope.add_sized(name, shape, init::normal(1.0));
    }
    if precision == Precision::F64 { params.to_f64() } else { params }
}

/// A sum of elements times some numbers, which has these numbers as its gradient.
fn term<'g>(x: Var<'g>, shape: &[usize], numbers: &[f64]) -> Var<'g> {
    let numbers = numbers.iter().cycle().take(shape.iter().product()).copied().collect();
    (x * x.graph().input(ndarray::ArrayD::from_shape_vec(shape, numbers).unwrap())).sum_all()
}

fn gradients(params: &Params, summand: &Summand) -> Gradients {
    let graph = Graph::new(params);
    let mut loss = graph.zeros([]);
    let term = |x, shape: &[usize]| term(x, shape, &summand.values);
    for p in params.iter() {
        let shape = params.shape(p);
        if params.name(p) != "m.table" {
            if summand.others {
                loss = loss + term(graph.param(p), &shape);
            }
            continue;
        }
        if summand.whole {
            loss = loss + term(graph.param(p), &shape);
        }
        if !summand.words.is_empty() {
            loss = loss
                + term(graph.embedding(p, &summand.words, [summand.words.len()], None), &[summand.words.len(), WIDTH]);
        }
    }
    // A path that is cut is reported, and must not be lost on the way.
    if summand.others
        && let Some(p) = params.iter().next()
    {
        loss = loss + graph.param(p).eq(0.25).sum_all();
    }
    loss.backward().unwrap()
}

/// All that can be told of gradients, to the bit and in order.
fn told(gradients: &Gradients, params: &Params) -> Vec<String> {
    fn part<E: unspool_graph::Element>(part: Option<Part<'_, E>>) -> String {
        let bits = |values: &[E]| values.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
        match part {
            None => "none".into(),
            Some(Part::Dense(values)) => format!("{:?}", bits(values)),
            Some(Part::Rows { rows, width, values }) => format!("{rows:?} {width} {:?}", bits(values)),
        }
    }
    let mut told: Vec<String> = (0..params.len())
        .map(|i| match params.precision() {
            Precision::F32 => part(gradients.part::<f32>(i)),
            Precision::F64 => part(gradients.part::<f64>(i)),
        })
        .collect();
    told.push(format!("{:x}", gradients.norm().to_bits()));
    told.push(format!("{:?}", gradients.report().cuts));
    told
}

fn added(params: &Params, all: &[Gradients]) -> Gradients {
    let mut sum = Gradients::none(params);
    all.iter().for_each(|one| sum.add(one).unwrap());
    sum
}

/// The same by `parts` processes, each of which gets bytes alone.
fn added_in_shares(params: &Params, all: &[Gradients], parts: usize) -> Gradients {
    let share = |part| {
        let sent = all.iter().enumerate().map(move |(n, one)| Share::of(one, n as u32, part, parts).to_bytes());
        let mut received = sent.map(|bytes| Share::from_bytes(params, part, parts, &bytes).unwrap());
        let mut sum = received.next().unwrap();
        received.for_each(|share| sum.add(share).unwrap());
        Share::from_bytes(params, part, parts, &sum.to_bytes()).unwrap()
    };
    Share::join(params, &(0..parts).map(share).collect::<Vec<_>>()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn adding_in_shares_gives_the_bits_and_the_order_of_adding_whole(
        summands in prop::collection::vec(summand(), 1..6),
        double in any::<bool>(),
    ) {
        let params = params(if double { Precision::F64 } else { Precision::F32 });
        let all: Vec<Gradients> = summands.iter().map(|one| gradients(&params, one)).collect();
        let whole = told(&added(&params, &all), &params);
        for parts in 1..=6 {
            prop_assert_eq!(&told(&added_in_shares(&params, &all, parts), &params), &whole, "{} parts", parts);
        }
    }

    #[test]
    fn bytes_that_are_no_share_are_refused(one in summand(), cut in 1usize..40, part in 0usize..3) {
        let params = params(Precision::F32);
        let bytes = Share::of(&gradients(&params, &one), 0, part, 3).to_bytes();
        prop_assert!(Share::from_bytes(&params, part, 3, &bytes).is_ok());
        // What stands behind the last parameter is text, of which nothing may be left.
        let longer = [&bytes[..], &[7]].concat();
        prop_assert!(Share::from_bytes(&params, part, 3, &longer).is_err());
        let short = Share::from_bytes(&params, part, 3, &bytes[..bytes.len().saturating_sub(cut)]);
        prop_assert!(short.is_err() || part == 0 && one.others, "{} bytes fewer", cut);
    }
}

#[test]
fn another_order_gives_other_bits() {
    let params = params(Precision::F32);
    let of = |values: [f64; 2], word| {
        let values = values.iter().cycle().take(64).copied().collect();
        gradients(&params, &Summand { words: vec![word], whole: false, others: true, values })
    };
    let all = [of([1e8, 1.0], 3), of([-1e8, 0.3], 5), of([0.7, 0.1], 3)];
    let right = told(&added_in_shares(&params, &all, 3), &params);
    let [a, b, c] = all;
    assert_ne!(told(&added_in_shares(&params, &[a.clone(), c.clone(), b.clone()], 3), &params), right);
    // The order of rows alone is seen too: here every row has the same sum.
    let rows = |all: &[Gradients]| told(&added_in_shares(&params, all, 2), &params)[0].clone();
    assert_ne!(rows(&[a.clone(), b.clone()]), rows(&[b, a]));
}

#[test]
fn shares_that_do_not_belong_together_are_refused() {
    let (params, other) = (params(Precision::F32), params(Precision::F64));
    let one = Summand { words: vec![1, 2], whole: false, others: true, values: vec![0.5; 64] };
    let (single, double) = (gradients(&params, &one), gradients(&other, &one));
    let share = |part, parts| Share::of(&single, 0, part, parts);
    assert!(share(0, 2).add(share(1, 2)).is_err());
    assert!(share(0, 2).add(share(0, 3)).is_err());
    assert!(share(0, 2).add(Share::of(&double, 1, 0, 2)).is_err());
    assert!(Share::join(&params, &[share(1, 2), share(0, 2)]).is_err());
    assert!(Share::join(&params, &[share(0, 2)]).is_err());
    assert!(Share::join(&params, &[]).is_err());
    assert!(Share::join(&other, &[share(0, 2), share(1, 2)]).is_err());
    assert!(Share::join(&params, &[share(0, 2), share(1, 2)]).is_ok());
}
