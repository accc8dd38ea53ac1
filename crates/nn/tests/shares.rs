//! Gradients that several processes add up in shares: the bits are those of adding whole gradients one after the other.

use proptest::prelude::*;
use unspool_graph::{Float, Gradients, Graph, ParamGrad, Params, Precision, Var, init};
use unspool_nn::exchange::GradShard;

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
                loss += term(graph.param(p), &shape);
            }
            continue;
        }
        if summand.whole {
            loss += term(graph.param(p), &shape);
        }
        if !summand.words.is_empty() {
            loss +=
                term(graph.embedding(p, &summand.words, [summand.words.len()], None), &[summand.words.len(), WIDTH]);
        }
    }
    // A path that is cut is reported, and must not be lost on the way.
    if summand.others
        && let Some(p) = params.iter().next()
    {
        loss += graph.param(p).eq(0.25).sum_all();
    }
    loss.backward().unwrap()
}

/// All that can be told of gradients, to the bit and in order.
fn told(gradients: &Gradients, params: &Params) -> Vec<String> {
    fn part<E: Float>(part: Option<ParamGrad<'_, E>>) -> String {
        let bits = |values: &[E]| values.iter().map(|x| x.to_f64().to_bits()).collect::<Vec<_>>();
        match part {
            None => "none".into(),
            Some(ParamGrad::Dense(values)) => format!("{:?}", bits(values)),
            Some(ParamGrad::SparseRows { rows, width, values }) => format!("{rows:?} {width} {:?}", bits(values)),
        }
    }
    let mut told: Vec<String> = (0..params.len())
        .map(|i| match params.precision() {
            Precision::F32 => part(gradients.param_grad::<f32>(i)),
            Precision::F64 => part(gradients.param_grad::<f64>(i)),
        })
        .collect();
    told.push(format!("{:x}", gradients.norm().to_bits()));
    told.push(format!("{:?}", gradients.report().exits));
    told
}

fn added(params: &Params, all: &[Gradients]) -> Gradients {
    let mut sum = Gradients::none(params);
    all.iter().for_each(|one| sum.add(one).unwrap());
    sum
}

/// The same by `parts` processes, each of which gets bytes alone.
fn added_in_shares<E: Float>(params: &Params, all: &[Gradients], parts: usize) -> Gradients {
    // One list for all messages: what is left of a longer one must not be seen.
    let mut message = vec![];
    let mut sum_of = |part| {
        let mut sum = GradShard::<E>::none(params, part, parts);
        for (number, one) in all.iter().enumerate() {
            GradShard::<E>::write(params, one, number as u32, part, parts, &mut message);
            sum.add(&message).unwrap();
        }
        sum.to_bytes(&mut message);
        message.clone()
    };
    let sums: Vec<Vec<u8>> = (0..parts).map(&mut sum_of).collect();
    GradShard::<E>::join(params, &sums).unwrap()
}

fn written<E: Float>(params: &Params, gradients: &Gradients, part: usize, parts: usize) -> Vec<u8> {
    let mut bytes = vec![];
    GradShard::<E>::write(params, gradients, 0, part, parts, &mut bytes);
    bytes
}

proptest! {
    #![proptest_config(unspool_graph::check::strategy::config(256))]

    #[test]
    fn adding_in_shares_gives_the_bits_and_the_order_of_adding_whole(
        summands in prop::collection::vec(summand(), 1..6),
        double in any::<bool>(),
    ) {
        let params = params(if double { Precision::F64 } else { Precision::F32 });
        let all: Vec<Gradients> = summands.iter().map(|one| gradients(&params, one)).collect();
        let whole = told(&added(&params, &all), &params);
        for parts in 1..=6 {
            let sum = match params.precision() {
                Precision::F32 => added_in_shares::<f32>(&params, &all, parts),
                Precision::F64 => added_in_shares::<f64>(&params, &all, parts),
            };
            prop_assert_eq!(&told(&sum, &params), &whole, "{} parts", parts);
        }
    }

    #[test]
    fn bytes_that_are_no_share_are_refused(one in summand(), cut in 1usize..40, part in 0usize..3) {
        let params = params(Precision::F32);
        let bytes = written::<f32>(&params, &gradients(&params, &one), part, 3);
        let add = |bytes: &[u8]| GradShard::<f32>::none(&params, part, 3).add(bytes);
        prop_assert!(add(&bytes).is_ok());
        // What stands behind the last parameter is text, of which nothing may be left.
        let longer = [&bytes[..], &[7]].concat();
        prop_assert!(add(&longer).is_err());
        let short = add(&bytes[..bytes.len().saturating_sub(cut)]);
        prop_assert!(short.is_err() || part == 0 && one.others, "{} bytes fewer", cut);
    }

    #[test]
    fn bytes_that_were_changed_on_the_way_never_panic(
        one in summand(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let params = params(Precision::F32);
        let of = gradients(&params, &one);
        let mut shares: Vec<Vec<u8>> = (0..2).map(|part| written::<f32>(&params, &of, part, 2)).collect();
        for (place, byte) in changes {
            let place = place.index(shares[0].len());
            shares[0][place] = byte;
        }
        let mut sum = GradShard::<f32>::none(&params, 0, 2);
        let _ = sum.add(&written::<f32>(&params, &of, 0, 2)).and_then(|()| sum.add(&shares[0]));
        let _ = GradShard::<f32>::join(&params, &shares);
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
    let right = told(&added_in_shares::<f32>(&params, &all, 3), &params);
    let [a, b, c] = all;
    assert_ne!(told(&added_in_shares::<f32>(&params, &[a.clone(), c.clone(), b.clone()], 3), &params), right);
    // The order of rows alone is seen too: here every row has the same sum.
    let rows = |all: &[Gradients]| told(&added_in_shares::<f32>(&params, all, 2), &params)[0].clone();
    assert_ne!(rows(&[a.clone(), b.clone()]), rows(&[b, a]));
}

#[test]
fn shares_that_do_not_belong_together_are_refused() {
    let (params, other) = (params(Precision::F32), params(Precision::F64));
    let one = Summand { words: vec![1, 2], whole: false, others: true, values: vec![0.5; 64] };
    let (single, double) = (gradients(&params, &one), gradients(&other, &one));
    let share = |part, parts| written::<f32>(&params, &single, part, parts);
    let mut sum = GradShard::<f32>::none(&params, 0, 2);
    assert!(sum.add(&share(0, 2)).is_ok());
    assert!(sum.add(&share(1, 2)).is_err());
    assert!(sum.add(&share(0, 3)).is_err());
    assert!(sum.add(&written::<f64>(&other, &double, 0, 2)).is_err());
    assert!(GradShard::<f32>::join(&params, &[share(1, 2), share(0, 2)]).is_err());
    assert!(GradShard::<f32>::join(&params, &[share(0, 2)]).is_err());
    assert!(GradShard::<f32>::join(&params, &[] as &[Vec<u8>]).is_err());
    assert!(GradShard::<f64>::join(&other, &[share(0, 2), share(1, 2)]).is_err());
    assert!(GradShard::<f32>::join(&params, &[share(0, 2), share(1, 2)]).is_ok());
}

#[test]
fn gradients_that_are_taken_out_and_added_again_are_what_they_were() {
    let params = params(Precision::F64);
    let all = gradients(&params, &Summand { words: vec![1, 2], whole: false, others: true, values: vec![0.5; 64] });
    let mut rows = all.clone();
    let mut whole = rows.split_off(|p| params.name(p) != "m.table");
    let elements: usize = whole.iter_mut::<f64>().map(|(_, _, elements)| elements.len()).sum();
    assert_eq!(elements, params.elements() - WORDS * WIDTH);
    assert!(
        rows.iter::<f64>()
            .all(|(_, name, grad)| { name == "m.table" && matches!(grad, ParamGrad::SparseRows { rows: [1, 2], .. }) })
    );
    whole.add(&rows).unwrap();
    whole.add_exits(all.exits().iter().cloned());
    assert_eq!(told(&whole, &params), told(&all, &params));
}
