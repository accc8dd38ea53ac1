//! What operations are called where people read it.

use ndarray::array;
use unspool_graph::{Graph, Params, RngKey, Var};

/// An operation's name, and one recording of it.
type Named = (&'static str, for<'g> fn(Var<'g>) -> Var<'g>);

/// Operations of a tensor `[1, 4, 4]` of positive numbers.
const NAMED: [Named; 41] = [
    ("add", |x| x + x),
    ("affine", |x| x + 1.0),
    ("clamp", |x| x.clamp(0.0, 1.0)),
    ("concat", |x| x.graph().concat(&[x, x], 0)),
    ("conv2d", |x| x.conv2d(x.graph().zeros([2, 1, 3, 3]), None::<Var<'_>>, [1, 1], [0, 0])),
    ("cross_entropy", |x| x.cross_entropy(&[0, 1, 2, 3])),
    ("cumsum", |x| x.cumsum(0)),
    ("detach", |x| x.detach()),
    ("div", |x| x / x.exp()),
    ("dropout", |x| x.dropout(0.5)),
    ("embedding", |x| x.graph().embedding(x.index(0, 0), &[1], [1], None)),
    ("eq", |x| x.eq(x)),
    ("gather", |x| x.gather(2, array![[[0u32]]].view())),
    ("gather_rows", |x| x.graph().gather_rows(&[x, x], [1, 0].into(), [2])),
    ("ge", |x| x.ge(x)),
    ("gt", |x| x.gt(x)),
    ("hook", |x| x.on_gradient(|_| {})),
    ("layer_norm", |x| x.layer_norm(1.0, 0.0, 1e-5)),
    ("le", |x| x.le(x)),
    ("linear", |x| x.linear(x.graph().zeros([2, 4]), None::<Var<'_>>)),
    ("log_softmax", |x| x.log_softmax()),
    ("logsumexp", |x| x.logsumexp(&[])),
    ("lt", |x| x.lt(x)),
    ("matmul", |x| x.matmul(x)),
    ("max", |x| x.max(&[])),
    ("max_pool2d", |x| x.max_pool2d([2, 2], [1, 1])),
    ("mean", |x| x.mean(&[])),
    ("mean_pool2d", |x| x.mean_pool2d([2, 2], [1, 1])),
    ("min", |x| x.min(&[])),
    ("mul", |x| x * x),
    ("ne", |x| x.ne(x)),
    ("norm", |x| x.norm(&[])),
    ("pad", |x| x.pad(0, 1, 1)),
    ("permute", |x| x.permute(&[2, 0, 1])),
    ("powi", |x| x.powi(3)),
    ("reverse_sequence", |x| x.reverse_sequence(&[3])),
    ("rows", |x| x.index_select(&[0, 0])),
    ("softmax", |x| x.softmax()),
    ("sub", |x| x - x.exp()),
    ("sum", |x| x.sum_all()),
    ("where", |x| x.where_(x, x)),
];

#[test]
fn a_profile_calls_every_operation_by_its_name() {
    let params = Params::seeded(0);
    for (name, record) in NAMED {
        let graph = Graph::new(&params).training(1, 0);
        let x = graph.input(ndarray::Array3::from_shape_fn((1, 4, 4), |(_, i, j)| {
            0.5 + RngKey::seed(1).uniform((4 * i + j) as u64)
        }));
        assert!(record(x).value().is_ok(), "{name}");
        let rows = graph.profile().by_operation().rows;
        assert!(rows.iter().any(|(found, cost)| found == name && cost.calls == 1), "{name} is not among {rows:?}");
    }
}
