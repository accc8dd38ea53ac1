//! Gradients that several processes add up in shares: the bits are those of adding whole gradients one after the other.

use proptest::prelude::*;
use unspool_graph::{Elements, GradShard, Gradients, Graph, ParamGrad, Params, Precision, Var, init};

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
    fn part<E: unspool_graph::Element>(part: Option<ParamGrad<'_, E>>) -> String {
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
fn added_in_shares(params: &Params, all: &[Gradients], parts: usize) -> Gradients {
    // One list for all messages: what is left of a longer one must not be seen.
    let mut message = vec![];
    let mut sum_of = |part| {
        let mut sum = GradShard::none(params, part, parts);
        for (number, one) in all.iter().enumerate() {
            GradShard::write(one, number as u32, part, parts, &mut message);
            sum.add(&message).unwrap();
        }
        sum.to_bytes(&mut message);
        message.clone()
    };
    let sums: Vec<Vec<u8>> = (0..parts).map(&mut sum_of).collect();
    GradShard::join(params, &sums).unwrap()
}

fn written(gradients: &Gradients, part: usize, parts: usize) -> Vec<u8> {
    let mut bytes = vec![];
    GradShard::write(gradients, 0, part, parts, &mut bytes);
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
            prop_assert_eq!(&told(&added_in_shares(&params, &all, parts), &params), &whole, "{} parts", parts);
        }
    }

    #[test]
    fn bytes_that_are_no_share_are_refused(one in summand(), cut in 1usize..40, part in 0usize..3) {
        let params = params(Precision::F32);
        let bytes = written(&gradients(&params, &one), part, 3);
        let add = |bytes: &[u8]| GradShard::none(&params, part, 3).add(bytes);
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
        let mut shares: Vec<Vec<u8>> = (0..2).map(|part| written(&of, part, 2)).collect();
        for (place, byte) in changes {
            let place = place.index(shares[0].len());
            shares[0][place] = byte;
        }
        let mut sum = GradShard::none(&params, 0, 2);
        let _ = sum.add(&written(&of, 0, 2)).and_then(|()| sum.add(&shares[0]));
        let _ = GradShard::join(&params, &shares);
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
    let share = |part, parts| written(&single, part, parts);
    let mut sum = GradShard::none(&params, 0, 2);
    assert!(sum.add(&share(0, 2)).is_ok());
    assert!(sum.add(&share(1, 2)).is_err());
    assert!(sum.add(&share(0, 3)).is_err());
    assert!(sum.add(&written(&double, 0, 2)).is_err());
    assert!(GradShard::join(&params, &[share(1, 2), share(0, 2)]).is_err());
    assert!(GradShard::join(&params, &[share(0, 2)]).is_err());
    assert!(GradShard::join(&params, &[] as &[Vec<u8>]).is_err());
    assert!(GradShard::join(&other, &[share(0, 2), share(1, 2)]).is_err());
    assert!(GradShard::join(&params, &[share(0, 2), share(1, 2)]).is_ok());
}

#[test]
fn whole_gradients_are_taken_out_and_rows_are_left() {
    let params = params(Precision::F64);
    let with = |whole, others| gradients(&params, &Summand { words: vec![1, 2], whole, others, values: vec![0.5; 64] });
    let all = with(false, true);
    let mut rows = all.clone();
    assert_eq!(rows.is_dense(), [false, true, true, true, true]);
    let mut whole = rows.split_off_dense(&rows.is_dense());
    assert_eq!(rows.is_dense(), [false; 5]);
    let elements: usize = whole
        .elements_mut()
        .map(|elements| match elements {
            Elements::F32(_) => 0,
            Elements::F64(elements) => elements.len(),
        })
        .sum();
    assert_eq!(elements, params.elements() - WORDS * WIDTH);
    whole.add(&rows).unwrap();
    assert_eq!(told(&whole, &params), told(&all, &params));
    // Rows that are asked for as a whole are one, and so is what is not there.
    let mut rows = with(false, false);
    let mut table = rows.split_off_dense(&[true, true]);
    assert_eq!((table.is_dense(), rows.is_dense()), (vec![true, true, false, false, false], vec![false; 5]));
    let both = Summand { words: vec![1, 2], whole: true, others: false, values: vec![0.0; 64] };
    table.add(&gradients(&params, &both)).unwrap();
    assert_eq!(table.norm(), with(false, false).norm());
}
