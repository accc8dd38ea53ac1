//! Calls with extreme arguments end in an error or in a result: never in a panic, an abort, or a value that is not what
//! its shape says.

use ndarray::ArrayD;
use std::sync::Arc;
use unspool_graph::{CrossEntropy, Graph, Params, Var, init};

const MAX: usize = usize::MAX;

/// What a case gives: a node that is looked at forwards and backwards, or nothing.
type Case = for<'g> fn(&'g Graph<'g>) -> Option<Var<'g>>;

/// A watched input of this shape.
fn x<'g>(graph: &'g Graph<'g>, shape: &[usize]) -> Var<'g> {
    let count: usize = shape.iter().product();
    let values = (0..count).map(|i| i as f32 * 0.1 - 0.3).collect();
    graph.input(ArrayD::from_shape_vec(shape.to_vec(), values).unwrap()).watch()
}

/// Runs a case; whether it gave a value.
fn run(name: &str, case: Case) -> bool {
    let params = Params::seeded(1);
    let graph = Graph::new(&params);
    let Some(node) = case(&graph) else { return true };
    let value = match node.value() {
        Err(error) => {
            assert!(error.to_string().contains(file!()), "{name}: {error}");
            return false;
        }
        Ok(value) => value,
    };
    assert_eq!(node.shape().unwrap().to_vec(), value.shape(), "{name}");
    // Backward must end too, be it in an error.
    let _ = node.sum_all().backward();
    true
}

#[test]
#[allow(clippy::reversed_empty_ranges)]
fn every_call_ends_in_a_value_or_in_an_error_that_names_its_line() {
    let cases: &[(&str, Case)] = &[
        ("zeros [usize::MAX]", |g| Some(g.zeros([MAX]))),
        ("zeros [MAX,2]", |g| Some(g.zeros([MAX, 2]))),
        ("zeros [2^32,2^32]", |g| Some(g.zeros([1 << 32, 1 << 32]))),
        ("zeros [2^63,2]", |g| Some(g.zeros([1 << 63, 2]))),
        ("zeros [2^40]", |g| Some(g.zeros([1 << 46]))),
        ("zeros [0,MAX]", |g| Some(g.zeros([0, MAX]))),
        ("zeros [MAX,0] sum", |g| Some(g.zeros([MAX, 0]).sum(&[-1]))),
        ("zeros 7 axes", |g| Some(g.zeros([1; 7]))),
        ("reshape wrap [2^63+2,2] of 4", |g| Some(x(g, &[4]).reshape([(1 << 63) + 2, 2]))),
        ("reshape wrap then tanh", |g| Some(x(g, &[4]).reshape([(1 << 63) + 2, 2]).tanh())),
        ("reshape wrap then slice", |g| Some(x(g, &[4]).reshape([(1 << 63) + 2, 2]).slice(0, 1000..1001))),
        ("reshape wrap then index", |g| Some(x(g, &[4]).reshape([(1 << 63) + 2, 2]).index(0, 1 << 46))),
        ("reshape wrap then sum axis", |g| Some(x(g, &[4]).reshape([(1 << 63) + 2, 2]).sum(&[1]))),
        ("reshape wrap zero [2^32,2^32] of 0", |g| Some(g.zeros([0]).reshape([1 << 32, 1 << 32]))),
        ("reshape wrap zero then sum axis0", |g| Some(g.zeros([0]).reshape([1 << 32, 1 << 32]).sum(&[1]))),
        ("reshape wrap zero then matmul", |g| {
            let a = g.zeros([0]).reshape([1 << 32, 1 << 32]);
            Some(x(g, &[2, 2]).reshape([4]).sum(&[0]) + a.sum_all())
        }),
        ("reshape wrap zero mean", |g| Some(g.zeros([0]).reshape([1 << 32, 1 << 32]).mean(&[]))),
        ("reshape wrap zero then index", |g| Some(g.zeros([0]).reshape([1 << 32, 1 << 32]).index(0, 5).index(0, 7))),
        ("expand to 2^40", |g| Some(x(g, &[1]).expand([1 << 46]))),
        ("expand to MAX", |g| Some(x(g, &[1]).expand([MAX]))),
        ("expand wrap [2^32,2^32]", |g| Some(x(g, &[1, 1]).expand([1 << 32, 1 << 32]))),
        ("expand wrap then sum", |g| Some(x(g, &[1, 1]).expand([1 << 32, 1 << 32]).sum(&[0]))),
        ("expand wrap [2^63+2,2]", |g| Some(x(g, &[1, 1]).expand([(1 << 63) + 2, 2]))),
        ("pad MAX", |g| Some(x(g, &[2]).pad(0, MAX, 1))),
        ("pad MAX MAX", |g| Some(x(g, &[2]).pad(0, MAX, MAX))),
        ("pad MAX-1 1 wraps to 0", |g| Some(x(g, &[2]).pad(0, MAX - 1, 1))),
        ("pad wraps small", |g| Some(x(g, &[2]).pad(0, MAX, 5))),
        ("pad 2^40", |g| Some(x(g, &[2]).pad(0, 1 << 46, 1))),
        ("slice reversed", |g| Some(x(g, &[4]).slice(0, 3..1))),
        ("slice MAX", |g| Some(x(g, &[4]).slice(0, 0..MAX))),
        ("index MAX", |g| Some(x(g, &[4]).index(0, MAX))),
        ("axis isize::MIN", |g| Some(x(g, &[4]).sum(&[isize::MIN]))),
        ("axis isize::MAX slice", |g| Some(x(g, &[4]).slice(isize::MAX, 0..1))),
        ("unsqueeze isize::MAX", |g| Some(x(g, &[4]).unsqueeze(isize::MAX))),
        ("unsqueeze isize::MIN", |g| Some(x(g, &[4]).unsqueeze(isize::MIN))),
        ("stack isize::MIN", |g| Some(g.stack(&[x(g, &[4])], isize::MIN))),
        ("stack isize::MAX", |g| Some(g.stack(&[x(g, &[4])], isize::MAX))),
        ("transpose MAX", |g| Some(x(g, &[4, 4]).transpose(isize::MAX, isize::MIN))),
        ("permute dup", |g| Some(x(g, &[4, 4]).permute(&[0, 0]))),
        ("permute MAX", |g| Some(x(g, &[4, 4]).permute(&[MAX, 0]))),
        ("permute none of scalar", |g| Some(x(g, &[]).permute(&[]))),
        ("split 0", |g| x(g, &[4]).split(0, 0).first().copied()),
        ("split MAX", |g| x(g, &[4]).split(0, MAX).first().copied()),
        ("split of empty axis", |g| x(g, &[0, 3]).split(0, 1).first().copied()),
        ("chunk 0", |g| {
            let a: [Var; 0] = x(g, &[4]).chunk(0);
            let _ = a;
            None
        }),
        ("flip empty", |g| Some(x(g, &[0, 3]).flip(0))),
        ("concat none", |g| Some(g.concat(&[], 0))),
        ("concat zero width", |g| Some(g.concat(&[x(g, &[3, 0]), x(g, &[3, 0])], 1))),
        ("concat huge zero", |g| Some(g.concat(&[g.zeros([MAX, 0]), g.zeros([MAX, 0])], 0))),
        ("stack huge zero", |g| Some(g.stack(&[g.zeros([MAX, 0]), g.zeros([MAX, 0])], 0))),
        ("rank 6 unsqueeze", |g| Some(x(g, &[1; 6]).unsqueeze(0))),
        ("matmul 0 inner", |g| Some(x(g, &[2, 0]).matmul(x(g, &[0, 3])))),
        ("matmul 0 outer", |g| Some(x(g, &[0, 2]).matmul(x(g, &[2, 0])))),
        ("matmul huge zero", |g| Some(g.zeros([MAX, 0]).matmul(g.zeros([0, 2])))),
        ("matmul huge zero 2^40", |g| Some(g.zeros([1 << 46, 0]).matmul(g.zeros([0, 1 << 46])))),
        ("matmul wrap 2^32", |g| Some(g.zeros([1 << 32, 0]).matmul(g.zeros([0, 1 << 32])))),
        ("matmul scalar", |g| Some(x(g, &[]).matmul(x(g, &[])))),
        ("matmul rank1", |g| Some(x(g, &[3]).matmul(x(g, &[3])))),
        ("matmul batch bcast", |g| Some(x(g, &[2, 1, 3, 4]).matmul(x(g, &[5, 4, 2])))),
        ("matmul batch bad", |g| Some(x(g, &[2, 3, 4]).matmul(x(g, &[5, 4, 2])))),
        ("linear bias bad", |g| Some(x(g, &[2, 3]).linear(x(g, &[4, 3]), Some(x(g, &[5]))))),
        ("linear zero", |g| Some(x(g, &[0, 3]).linear(x(g, &[4, 3]), Some(x(g, &[4]))))),
        ("sum dup axes", |g| Some(x(g, &[2, 3]).sum(&[0, 0]))),
        ("sum neg dup", |g| Some(x(g, &[2, 3]).sum(&[0, -2]))),
        ("mean empty", |g| Some(x(g, &[0]).mean(&[]))),
        ("max empty", |g| Some(x(g, &[0]).max(&[0]))),
        ("min empty axis", |g| Some(x(g, &[0, 3]).min(&[0]))),
        ("logsumexp empty", |g| Some(x(g, &[0]).logsumexp(&[0]))),
        ("norm empty", |g| Some(x(g, &[0]).norm(&[]))),
        ("norm of zeros", |g| Some(g.zeros([3]).watch().norm(&[]))),
        ("softmax empty", |g| Some(x(g, &[3, 0]).softmax())),
        ("softmax scalar", |g| Some(x(g, &[]).softmax())),
        ("softmax -inf", |g| Some(g.full([2, 3], f64::NEG_INFINITY).watch().softmax())),
        ("softmax +inf", |g| Some(g.full([2, 3], f64::INFINITY).watch().softmax())),
        ("softmax nan", |g| Some(g.full([2, 3], f64::NAN).watch().softmax())),
        ("masked_softmax short mask", |g| Some(x(g, &[2, 3]).masked_softmax(vec![true; 2]))),
        ("masked_softmax all false", |g| Some(x(g, &[2, 3]).masked_softmax(vec![false; 6]))),
        ("masked_log_softmax all false", |g| Some(x(g, &[2, 3]).masked_log_softmax(vec![false; 6]))),
        ("masked_softmax long mask", |g| Some(x(g, &[2, 3]).masked_softmax(vec![true; 600]))),
        ("cross_entropy empty", |g| Some(x(g, &[0, 3]).cross_entropy(&[]))),
        ("cross_entropy width 0", |g| Some(x(g, &[2, 0]).cross_entropy(&[0, 0]))),
        ("cross_entropy target big", |g| Some(x(g, &[2, 3]).cross_entropy(&[3, u32::MAX]))),
        ("cross_entropy count", |g| Some(x(g, &[2, 3]).cross_entropy(&[0]))),
        ("cross_entropy scalar", |g| Some(x(g, &[]).cross_entropy(&[0]))),
        ("cross_entropy rank1", |g| Some(x(g, &[3]).cross_entropy(&[0]))),
        ("cross_entropy nan", |g| Some(g.full([2, 3], f64::NAN).watch().cross_entropy(&[0, 1]))),
        ("cross_entropy inf", |g| Some(g.full([2, 3], f64::INFINITY).watch().cross_entropy(&[0, 1]))),
        ("cross_entropy smoothing nan", |g| {
            Some(x(g, &[2, 3]).cross_entropy_with(&[0, 1], CrossEntropy::new().smoothing(f64::NAN)))
        }),
        ("cross_entropy smoothing 5", |g| {
            Some(x(g, &[2, 3]).cross_entropy_with(&[0, 1], CrossEntropy::new().smoothing(5.0)))
        }),
        ("cross_entropy weights short", |g| {
            Some(x(g, &[2, 3]).cross_entropy_with(&[0, 1], CrossEntropy::new().weights(vec![1.0f32])))
        }),
        ("cross_entropy class weights short", |g| {
            Some(x(g, &[2, 3]).cross_entropy_with(&[0, 2], CrossEntropy::new().class_weights(vec![1.0f32])))
        }),
        ("cross_entropy class weights empty", |g| {
            Some(x(g, &[2, 3]).cross_entropy_with(&[0, 2], CrossEntropy::new().class_weights(vec![])))
        }),
        ("cross_entropy ignore all", |g| {
            Some(x(g, &[2, 3]).cross_entropy_with(&[9, 9], CrossEntropy::new().ignore(9)))
        }),
        ("top_k MAX", |g| {
            drop(x(g, &[2, 3]).top_k(MAX));
            None
        }),
        ("top_k nan", |g| {
            drop(g.full([2, 3], f64::NAN).top_k(2));
            None
        }),
        ("argmax empty", |g| {
            drop(x(g, &[2, 0]).argmax());
            None
        }),
        ("argmax scalar", |g| {
            drop(x(g, &[]).argmax());
            None
        }),
        ("top_k huge zero rows", |g| {
            drop(g.zeros([1 << 46, 0]).top_k(0));
            None
        }),
        ("embedding id big", |g| Some(g.embedding(x(g, &[3, 2]), &[u32::MAX], [1], None))),
        ("embedding table scalar", |g| Some(g.embedding(x(g, &[]), &[0], [1], None))),
        ("embedding table rank1", |g| Some(g.embedding(x(g, &[3]), &[0], [1], None))),
        ("embedding table rank3", |g| Some(g.embedding(x(g, &[3, 2, 2]), &[0], [1], None))),
        ("embedding leading wrap", |g| Some(g.embedding(x(g, &[3, 2]), &[], [1 << 32, 1 << 32], None))),
        ("embedding leading rank6", |g| Some(g.embedding(x(g, &[3, 2]), &[0], [1; 6], None))),
        ("embedding padding MAX", |g| Some(g.embedding(x(g, &[3, 2]), &[0, 1], [2], Some(u32::MAX)))),
        ("embedding empty table", |g| Some(g.embedding(x(g, &[0, 2]), &[], [0], None))),
        ("rows MAX", |g| Some(x(g, &[3, 2]).index_select(&[u32::MAX]))),
        ("rows scalar", |g| Some(x(g, &[]).index_select(&[0]))),
        ("gather places", |g| Some(x(g, &[3, 2]).gather_steps(Arc::from(vec![6u32])))),
        ("gather rank1", |g| Some(x(g, &[3]).gather_steps(Arc::from(vec![0u32])))),
        ("reverse_sequence long", |g| Some(x(g, &[2, 3, 1]).reverse_sequence(&[4, 1]))),
        ("reverse_sequence MAX", |g| Some(x(g, &[2, 3, 1]).reverse_sequence(&[MAX, 1]))),
        ("pack none", |g| Some(x(g, &[2, 3, 1]).pack(&[0, 0]))),
        ("pack count", |g| Some(x(g, &[2, 3, 1]).pack(&[1]))),
        ("gather_rows holes", |g| Some(g.gather_rows(&[x(g, &[2, 3])], Arc::from(vec![u32::MAX, 1]), [2]))),
        ("gather_rows bad", |g| Some(g.gather_rows(&[x(g, &[2, 3])], Arc::from(vec![2u32]), [1]))),
        ("gather_rows wrap", |g| Some(g.gather_rows(&[x(g, &[2, 3])], Arc::from(vec![]), [1 << 32, 1 << 32]))),
        ("gather_rows scalar part", |g| Some(g.gather_rows(&[x(g, &[])], Arc::from(vec![0u32]), [1]))),
        ("dropout nan", |g| Some(x(g, &[3]).dropout(f64::NAN))),
        ("dropout 1", |g| Some(x(g, &[3]).dropout(1.0))),
        ("dropout -1", |g| Some(x(g, &[3]).dropout(-1.0))),
        ("layer_norm eps nan", |g| Some(x(g, &[2, 3]).layer_norm(x(g, &[3]), x(g, &[3]), f64::NAN))),
        ("layer_norm eps 0 const", |g| Some(g.full([2, 3], 1.0).watch().layer_norm(x(g, &[3]), x(g, &[3]), 0.0))),
        ("layer_norm width 0", |g| Some(x(g, &[2, 0]).layer_norm(x(g, &[0]), x(g, &[0]), 1e-5))),
        ("layer_norm scalar", |g| Some(x(g, &[]).layer_norm(x(g, &[]), x(g, &[]), 1e-5))),
        ("layer_norm bad", |g| Some(x(g, &[2, 3]).layer_norm(x(g, &[2]), x(g, &[3]), 1e-5))),
        ("conv2d stride 0", |g| Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [0, 1], [0, 0]))),
        ("conv2d stride MAX", |g| {
            Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [MAX, MAX], [0, 0]))
        }),
        ("conv2d padding MAX", |g| {
            Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1, 1], [MAX, 0]))
        }),
        ("conv2d padding MAX/2", |g| {
            Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1, 1], [MAX / 2, 0]))
        }),
        ("conv2d padding 2^40", |g| {
            Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1, 1], [1 << 46, 0]))
        }),
        ("conv2d padding 2^40 stride 2^39", |g| {
            Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1 << 39, 1], [1 << 46, 0]))
        }),
        ("conv2d kernel 0", |g| Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 0, 2]), None::<Var>, [1, 1], [0, 0]))),
        ("conv2d kernel larger", |g| {
            Some(x(g, &[1, 1, 2, 2]).conv2d(x(g, &[1, 1, 3, 3]), None::<Var>, [1, 1], [0, 0]))
        }),
        ("conv2d batch 0", |g| Some(x(g, &[0, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1, 1], [0, 0]))),
        ("conv2d channels 0", |g| Some(x(g, &[1, 0, 4, 4]).conv2d(x(g, &[1, 0, 2, 2]), None::<Var>, [1, 1], [0, 0]))),
        ("conv2d out 0", |g| Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[0, 1, 2, 2]), None::<Var>, [1, 1], [0, 0]))),
        ("conv2d bias bad", |g| {
            Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), Some(x(g, &[2])), [1, 1], [0, 0]))
        }),
        ("conv2d rank 1", |g| Some(x(g, &[4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1, 1], [0, 0]))),
        ("pool window 0", |g| Some(x(g, &[1, 4, 4]).max_pool2d([0, 0], [1, 1]))),
        ("pool stride 0", |g| Some(x(g, &[1, 4, 4]).max_pool2d([2, 2], [0, 0]))),
        ("pool window MAX", |g| Some(x(g, &[1, 4, 4]).mean_pool2d([MAX, MAX], [1, 1]))),
        ("pool stride MAX", |g| Some(x(g, &[1, 4, 4]).mean_pool2d([2, 2], [MAX, MAX]))),
        ("pool rank1", |g| Some(x(g, &[4]).mean_pool2d([1, 1], [1, 1]))),
        ("pool empty", |g| Some(x(g, &[0, 4, 4]).max_pool2d([2, 2], [2, 2]))),
        ("pool nan", |g| Some(g.full([1, 4, 4], f64::NAN).watch().max_pool2d([2, 2], [2, 2]))),
        ("powi MIN", |g| Some(x(g, &[3]).powi(i32::MIN))),
        ("powi MAX", |g| Some(x(g, &[3]).powi(i32::MAX))),
        ("powf nan", |g| Some(x(g, &[3]).powf(f64::NAN))),
        ("powf 1e300", |g| Some(x(g, &[3]).powf(1e300))),
        ("clamp reversed", |g| Some(x(g, &[3]).clamp(1.0, -1.0))),
        ("clamp nan", |g| Some(x(g, &[3]).clamp(f64::NAN, 1.0))),
        ("log 0", |g| Some(g.zeros([3]).watch().log())),
        ("sqrt 0 grad", |g| Some(g.zeros([3]).watch().sqrt())),
        ("div 0", |g| Some(x(g, &[3]) / g.zeros([3]))),
        ("leaky nan", |g| Some(x(g, &[3]).leaky_relu(f64::NAN))),
        ("exp inf", |g| Some(g.full([3], 1e38).watch().exp())),
        ("cumsum empty", |g| Some(x(g, &[0, 2]).cumsum(0))),
        ("select shapes", |g| Some(x(g, &[2, 1]).where_(x(g, &[1, 3]), x(g, &[2, 3])))),
        ("at_step MAX", |g| {
            let _step = g.at_step(MAX);
            Some(x(g, &[2]).tanh())
        }),
        ("name_rows odd", |g| {
            let _rows = g.name_rows([5u32]);
            Some(x(g, &[2, 3]).dropout(0.5))
        }),
        ("backward of non scalar", |g| {
            drop(x(g, &[3]).backward());
            None
        }),
        ("backward twice", |g| {
            let l = x(g, &[3]).sum_all();
            drop(l.backward());
            drop(l.backward());
            None
        }),
        ("item empty", |g| {
            drop(x(g, &[0]).item());
            None
        }),
        ("softmax huge zero rows", |g| Some(g.zeros([1 << 46, 0]).softmax())),
        ("sum huge zero rows", |g| Some(g.zeros([1 << 46, 0]).sum(&[-1]))),
        ("layer_norm huge zero rows", |g| Some(g.zeros([1 << 46, 0]).layer_norm(g.zeros([0]), g.zeros([0]), 1e-5))),
        ("concat rows wrap", |g| Some(g.concat(&[g.zeros([0, MAX]), g.zeros([1, 2])], 1))),
        ("concat sum overflow", |g| Some(g.concat(&[g.zeros([0, MAX]), g.zeros([0, 5])], 1))),
    ];
    for (name, case) in cases {
        run(name, *case);
    }
}

#[test]
fn sizes_that_no_tensor_has_are_refused() {
    let cases: &[(&str, Case)] = &[
        ("zeros", |g| Some(g.zeros([1 << 32, 1 << 32]))),
        ("zeros beyond memory", |g| Some(g.zeros([1 << 46]))),
        ("no elements", |g| Some(g.zeros([MAX, 0]))),
        ("reshape", |g| Some(x(g, &[4]).reshape([(1 << 63) + 2, 2]))),
        ("expand", |g| Some(x(g, &[1, 1]).expand([1 << 32, 1 << 32]))),
        ("expand beyond memory", |g| Some(x(g, &[1]).expand([1 << 46]))),
        ("broadcast", |g| {
            Some(
                g.zeros([1 << 20, 1]).expand([1 << 20, 1])
                    + g.zeros([1, 0]).reshape([0]).sum_all().expand([1, 1 << 45]),
            )
        }),
        ("pad", |g| Some(x(g, &[2]).pad(0, MAX, 1))),
        ("concat", |g| Some(g.concat(&[g.zeros([0, 1 << 60]), g.zeros([0, 1 << 60])], 1))),
        ("matmul", |g| Some(g.zeros([1 << 32, 0]).matmul(g.zeros([0, 1 << 32])))),
        ("linear", |g| Some(g.zeros([1 << 32, 0]).linear(g.zeros([1 << 32, 0]), None::<Var>))),
        ("embedding", |g| Some(g.embedding(x(g, &[3, 2]), &[], [1 << 32, 1 << 32], None))),
        ("gather_rows", |g| Some(g.gather_rows(&[x(g, &[2, 3])], Arc::from(vec![]), [1 << 32, 1 << 32]))),
        ("conv2d", |g| Some(x(g, &[1, 1, 4, 4]).conv2d(x(g, &[1, 1, 2, 2]), None::<Var>, [1, 1], [1 << 46, 0]))),
        ("sum of no columns", |g| Some(g.zeros([1 << 46, 0]).sum(&[-1]))),
        ("places of a padded batch", |g| Some(g.zeros([1 << 17, 1 << 16, 0]).reverse_sequence(&vec![0; 1 << 17]))),
        ("rows of a padded batch", |g| Some(g.zeros([1 << 17, 1 << 16, 0]).pack(&vec![0; 1 << 17]))),
    ];
    for (name, case) in cases {
        assert!(!run(name, *case), "{name}");
    }
}

#[test]
fn a_parameter_that_no_memory_holds_is_the_stores_error() {
    for shape in [&[1 << 32, 1 << 32][..], &[(1 << 63) + 1, 2], &[MAX], &[1 << 46], &[1 << 42, 1 << 4], &[0], &[1; 7]] {
        let mut params = Params::seeded(0);
        let w = params.scope("a").add_sized("w", shape, init::normal(1.0));
        let error = params.check().unwrap_err().to_string();
        assert!(error.contains("\"a.w\" cannot be made with shape"), "{error}");
        assert!(Graph::new(&params).param(w).value().is_err());
    }
}
