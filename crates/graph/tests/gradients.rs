//! Every operation's gradient is its finite differences' slope, and its forward-mode derivative is the adjoint of its backward, over
//! random shapes of rank 0 to 5, with axes of size 0 and 1 among them, and over random values away from kinks.
//!
//! An operation's case is a line. The last test reads the operations' source and fails where a public one has none here.

use ndarray::{ArrayD, IxDyn};
use proptest::prelude::*;
use unspool_graph::{CrossEntropy, Draw, Graph, Params, Var, check, init};

/// A random shape and the random choices that go with it.
#[derive(Clone, Debug)]
struct Case {
    shape: Vec<usize>,
    seed: u64,
}

fn case() -> impl Strategy<Value = Case> {
    (prop::collection::vec(1..=3usize, 0..=5), any::<u64>()).prop_map(|(shape, seed)| Case { shape, seed })
}

impl Case {
    fn key(&self, what: &str) -> Draw {
        Draw::seed(self.seed).text(what)
    }
    fn below(&self, what: &str, n: usize) -> usize {
        (self.key(what).bits(0) % n as u64) as usize
    }
    /// At least this many axes.
    fn axes(mut self, least: usize) -> Case {
        while self.shape.len() < least {
            self.shape.push(2);
        }
        self
    }
    /// At most this many axes.
    fn most(mut self, most: usize) -> Case {
        self.shape.truncate(most);
        self
    }
    fn rank(&self) -> usize {
        self.shape.len()
    }
    /// Any axis, counted from the front or from the end.
    fn axis(&self) -> isize {
        let axis = self.below("axis", self.rank()) as isize;
        if self.below("sign", 2) == 0 { axis } else { axis - self.rank() as isize }
    }
    fn size(&self) -> usize {
        self.shape[self.axis().rem_euclid(self.rank() as isize) as usize]
    }
    fn with(&self, axis: isize, size: usize) -> Vec<usize> {
        let mut shape = self.shape.clone();
        shape[axis.rem_euclid(self.rank() as isize) as usize] = size;
        shape
    }
    /// Some of the axes; all where none are named.
    fn some_axes(&self) -> Vec<isize> {
        let key = self.key("axes");
        (0..self.rank()).filter(|&i| key.bits(i as u64).is_multiple_of(2)).map(|i| i as isize).collect()
    }
    fn order(&self, n: usize) -> Vec<usize> {
        let (key, mut order) = (self.key("order"), (0..n).collect::<Vec<_>>());
        order.sort_by_key(|&i| key.bits(i as u64));
        order
    }
    /// A shape that broadcasts to this one.
    fn narrow(&self) -> Vec<usize> {
        let (key, from) = (self.key("narrow"), self.below("lead", self.rank() + 1));
        (from..self.rank()).map(|i| if key.bits(i as u64).is_multiple_of(2) { 1 } else { self.shape[i] }).collect()
    }
    fn numbers(&self, n: usize, below: usize) -> Vec<u32> {
        let key = self.key("numbers");
        (0..n as u64).map(|i| (key.bits(i) % below as u64) as u32).collect()
    }
    fn flags(&self, n: usize) -> Vec<bool> {
        self.numbers(n, 3).iter().map(|&x| x > 0).collect()
    }
    /// ±[0.5, 1.5).
    fn away(&self, shape: &[usize]) -> ArrayD<f64> {
        let (mut i, key) = (0, self.key("away"));
        self.positive(shape).mapv(|x| {
            i += 1;
            if key.bits(i).is_multiple_of(2) { x } else { -x }
        })
    }
    /// [0.5, 1.5).
    fn positive(&self, shape: &[usize]) -> ArrayD<f64> {
        let (mut i, key) = (0, self.key(&format!("positive {shape:?}")));
        ArrayD::zeros(IxDyn(shape)).mapv(|_: f64| {
            i += 1;
            0.5 + key.uniform(i)
        })
    }
    /// In an order of their own, 0.5 apart, from `start` on.
    fn distinct(&self, shape: &[usize], start: f64) -> ArrayD<f64> {
        let order = self.order(shape.iter().product());
        let values =
            order.iter().map(|&i| start + 0.5 * (i as f64 - order.len() as f64 / 2.0).rem_euclid(8.0)).collect();
        ArrayD::from_shape_vec(IxDyn(shape), values).unwrap()
    }
    /// The first operand, sometimes without any element left along one axis, sometimes as a computed node.
    fn thin<'g>(&self, x: Var<'g>) -> Var<'g> {
        match self.below("thin", 6) {
            0 if self.rank() > 0 => x.slice(self.axis(), 0..0),
            1 | 2 => x * 1.0,
            _ => x,
        }
    }
    /// Sometimes a computed node in a parameter's place.
    fn made<'g>(&self, x: Var<'g>) -> Var<'g> {
        if self.below("made", 2) == 0 { x } else { x * 1.0 }
    }
}

/// Both checks hold for a function of these tensors.
fn right(
    inputs: &[ArrayD<f64>],
    f: impl for<'g> Fn(&'g Graph<'g>, &[Var<'g>]) -> Var<'g>,
) -> Result<(), TestCaseError> {
    check::function(inputs, f).map_err(|failure| TestCaseError::fail(failure.to_string()))
}

/// Declares property tests, each over random cases.
macro_rules! cases {
    ($($name:ident: |$case:ident| $body:expr;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]
            $(#[test] fn $name($case in case()) { $body?; })*
        }
    };
}

/// Functions of one tensor: its values, and the function.
macro_rules! of_one {
    ($($name:ident: $values:ident, |$c:ident, $x:ident| $body:expr;)*) => {
        cases! { $($name: |$c| right(&[$c.$values(&$c.shape)], |_, x| { let $x = $c.thin(x[0]); $body });)* }
    };
}

/// Functions of two tensors of which either is the narrower one.
macro_rules! of_two {
    ($($name:ident: $first:expr, $second:expr, |$a:ident, $b:ident| $body:expr;)*) => {
        cases! { $($name: |c| {
            let (first, second): (Values, Values) = ($first, $second);
            let swapped = c.below("swap", 2) == 0;
            let (a, b) = if swapped { (c.narrow(), c.shape.clone()) } else { (c.shape.clone(), c.narrow()) };
            right(&[first(&c, &a), second(&c, &b)], |_, x| {
                let ($a, $b) = (x[0], x[1]);
                $body
            })?;
            right(&[first(&c, &c.shape), second(&c, &c.shape)], |_, x| {
                let ($a, $b) = (c.thin(x[0]), c.thin(x[1]));
                $body
            })
        };)* }
    };
}
type Values = fn(&Case, &[usize]) -> ArrayD<f64>;

of_one! {
    tanh_is_right: away, |c, x| x.tanh();
    sigmoid_is_right: away, |c, x| x.sigmoid();
    relu_is_right: away, |c, x| x.relu();
    leaky_relu_is_right: away, |c, x| x.leaky_relu(0.1);
    gelu_is_right: away, |c, x| x.gelu();
    silu_is_right: away, |c, x| x.silu();
    softplus_is_right: away, |c, x| x.softplus();
    exp_is_right: away, |c, x| x.exp();
    log_is_right: positive, |c, x| x.log();
    sqrt_is_right: positive, |c, x| x.sqrt();
    abs_is_right: away, |c, x| x.abs();
    neg_is_right: away, |c, x| -x;
    powi_is_right: away, |c, x| x.powi(c.below("n", 7) as i32 - 3);
    powf_with_a_number_is_right: positive, |c, x| x.powf([-1.5, 0.0, 0.5, 1.0, 2.0, 3.3][c.below("p", 6)]);
    clamp_is_right: away, |c, x| x.clamp(-0.3, 0.4) + (x * 0.2).clamp(-5.0, 5.0);
    numbers_on_the_right_are_right: away, |c, x| (x + 2.0) * 3.0 - 0.5 + x / 4.0;
    numbers_on_the_left_are_right: away, |c, x| 2.0 + 3.0 * x + (0.5 - x) + 0.25 / x;
    sum_is_right: away, |c, x| x.sum(&c.some_axes());
    sum_all_is_right: away, |c, x| x.sum_all();
    norm_is_right: away, |c, x| x.norm(&c.some_axes());
    reshape_is_right: away, |c, x| {
        let mut shape = x.known_shape().map_or(vec![], |s| s.to_vec());
        shape.reverse();
        x.reshape(shape).tanh()
    };
    reshape_to_a_row_is_right: away, |c, x| x.reshape([x.known_shape().map_or(0, |s| s.elements())]).exp();
    unsqueeze_is_right: away, |c, x| {
        let at = c.below("at", c.rank() + 1) as isize;
        x.unsqueeze(at).tanh() + x.unsqueeze(at - c.rank() as isize - 1)
    };
    squeeze_is_right: away, |c, x| {
        let at = c.below("at", c.rank() + 1) as isize;
        x.unsqueeze(at).squeeze(at).tanh()
    };
    permute_is_right: away, |c, x| x.permute(&c.order(c.rank())) * x.permute(&c.order(c.rank())).sum_all();
    same_node_twice_is_right: away, |c, x| x * x + x.sin_like() * x;
}

/// A longer composition under one name, for a node with many uses.
trait SinLike {
    fn sin_like(self) -> Self;
}
impl SinLike for Var<'_> {
    fn sin_like(self) -> Self {
        self - self.powi(3) / 6.0
    }
}

of_two! {
    add_is_right: Case::away, Case::positive, |a, b| a + b;
    sub_is_right: Case::away, Case::positive, |a, b| a - b;
    mul_is_right: Case::away, Case::positive, |a, b| a * b;
    div_is_right: Case::away, Case::positive, |a, b| a / b;
    powf_is_right: Case::positive, Case::away, |a, b| a.powf(b);
    maximum_is_right: |c, s| c.distinct(s, -2.0), |c, s| c.distinct(s, -1.8), |a, b| a.maximum(b) + a.maximum(0.1);
    minimum_is_right: |c, s| c.distinct(s, -2.0), |c, s| c.distinct(s, -1.8), |a, b| a.minimum(b) + a.minimum(0.1);
    select_is_right: Case::away, Case::away, |a, b| a.gt(0.0).select(a, b) + b.lt(0.0).select(b, 3.0);
    eq_chooses_and_passes_nothing_itself: Case::away, Case::positive, |a, b| a.eq(a).select(a * b, b) + a.eq(9.0).select(a, b);
    ge_le_and_ne_choose: Case::away, Case::positive, |a, b| {
        a.ge(a).select(a * b, b) + a.le(0.0).select(a, b) * a.ne(9.0).select(b, a) + a.ne(a).select(a * 3.0, b)
    };
}

cases! {
    transpose_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).transpose(c.axis(), c.below("b", c.rank()) as isize).exp())
    };
    slice_is_right: |c| {
        let c = c.axes(1);
        let from = c.below("from", c.size() + 1);
        let to = from + c.below("to", c.size() + 1 - from);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).slice(c.axis(), from..to).exp())
    };
    index_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).index(c.axis(), c.below("i", c.size())).exp())
    };
    split_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.with(c.axis(), 4))], |_, x| {
            let pieces = c.made(x[0]).split(c.axis(), [1, 2, 4][c.below("size", 3)]);
            pieces.iter().skip(1).fold(pieces[0].exp(), |sum, p| sum * 0.5 + *p)
        })
    };
    chunk_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.with(c.axis(), 6))], |_, x| {
            let [a, b, d] = c.made(x[0]).chunk(c.axis());
            a.tanh() * b + d
        })
    };
    flip_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).flip(c.axis()) * c.thin(x[0]))
    };
    expand_is_right: |c| right(&[c.away(&c.narrow())], |_, x| x[0].expand(&c.shape).exp());
    expand_to_nothing_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.with(c.axis(), 1))], |_, x| x[0].expand(c.with(c.axis(), 0)).sum_all() + x[0])
    };
    pad_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| {
            c.thin(x[0]).pad(c.axis(), c.below("before", 3), c.below("after", 3)).exp()
        })
    };
    concat_is_right: |c| {
        let c = c.axes(1);
        let (a, b) = (c.away(&c.shape), c.positive(&c.with(c.axis(), 2)));
        right(&[a, b], |g, x| g.concat(&[x[0], c.made(x[1]), x[0], x[1].slice(c.axis(), 0..0)], c.axis()).exp())
    };
    concat_of_one_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |g, x| g.concat(&[x[0]], c.axis()).exp())
    };
    stack_is_right: |c| {
        let at = c.below("at", c.rank() + 1) as isize;
        let (a, b) = (c.away(&c.shape), c.positive(&c.shape));
        right(&[a, b], |g, x| g.stack(&[c.thin(x[0]), c.thin(x[1]), c.thin(x[0])], at).exp())?;
        right(&[c.away(&c.shape)], |g, x| g.stack(&[x[0]], at - c.rank() as isize - 1).exp())
    };
    rows_is_right: |c| {
        let c = c.axes(1);
        let ids = c.numbers(c.below("count", 6), c.shape[0]);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).rows(&ids).exp())
    };
    gather_places_is_right: |c| {
        let c = c.axes(2);
        let sources = c.numbers(c.below("count", 9), c.shape[0] * c.shape[1]);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).gather_places(sources.clone().into()).exp())
    };
    real_rows_is_right: |c| {
        let c = c.axes(2);
        let lengths: Vec<usize> = c.numbers(c.shape[0], c.shape[1] + 1).iter().map(|&n| n as usize).collect();
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).real_rows(&lengths).exp())
    };
    flip_within_is_right: |c| {
        let c = c.axes(2);
        let lengths: Vec<usize> = c.numbers(c.shape[0], c.shape[1] + 1).iter().map(|&n| n as usize).collect();
        right(&[c.away(&c.shape), c.positive(&c.shape)], |_, x| c.made(x[0]).flip_within(&lengths) * x[1])?;
        right(&[c.away(&c.with(1, 2))], |_, x| x[0].slice(1, 0..0).flip_within(&vec![0; c.shape[0]]).sum_all() + x[0])
    };
    recompute_is_right: |c| {
        let narrow = c.narrow();
        right(&[c.away(&c.shape), c.positive(&narrow)], |g, x| {
            let part = c.thin(x[0]);
            let inside = g.recompute(|_, v| (v[0] * v[1]).tanh() * v[2], &[c.made(x[0]), x[1], x[0]]);
            inside + g.recompute(|g, v| g.recompute(|_, v| v[0].exp(), v).sum_all(), &[part]) * x[1]
        })
    };
    arrange_rows_is_right: |c| {
        let c = c.axes(1).most(4);
        let (a, b) = (c.away(&c.shape), c.positive(&c.with(0, 2)));
        let rows = c.shape[0] + 2;
        let mut sources = c.numbers(6, rows + 1);
        sources.iter_mut().filter(|s| **s == rows as u32).for_each(|s| *s = u32::MAX);
        right(&[a, b], |g, x| g.arrange_rows(&[x[0], c.made(x[1])], sources.clone().into(), [2, 3]).exp())
    };
    matmul_of_matrices_is_right: |c| {
        let (m, k, n) = (c.below("m", 4), c.below("k", 4), c.below("n", 4));
        right(&[c.away(&[3, 3]), c.positive(&[3, 3])], |_, x| {
            let (a, b) = (x[0].slice(0, 0..m).slice(1, 0..k), x[1].slice(0, 0..k).slice(1, 0..n));
            c.made(a).matmul(c.made(b)).exp()
        })
    };
    matmul_of_two_parameters_is_right: |c| {
        right(&[c.away(&[c.below("m", 4) + 1, 3]), c.positive(&[3, c.below("n", 4) + 1])], |_, x| x[0].matmul(x[1]).tanh())
    };
    matmul_of_a_batch_by_one_matrix_is_right: |c| {
        let c = c.axes(2).most(4);
        let k = c.shape[c.rank() - 1];
        right(&[c.away(&c.shape), c.positive(&[k, c.below("n", 3) + 1])], |_, x| c.thin_front(x[0]).matmul(c.made(x[1])).tanh())
    };
    matmul_of_batches_is_right: |c| {
        let c = c.most(3);
        let (mut a, mut b) = (c.shape.clone(), c.narrow());
        if c.below("swap", 2) == 0 {
            std::mem::swap(&mut a, &mut b);
        }
        a.extend([c.below("m", 3) + 1, 2]);
        b.extend([2, c.below("n", 3) + 1]);
        right(&[c.away(&a), c.positive(&b)], |_, x| c.made(x[0]).matmul(c.made(x[1])).tanh())
    };
    matmul_of_batches_over_no_middle_is_zero_and_right: |c| {
        right(&[c.away(&[2, 2, 3]), c.positive(&[2, 3, 2])], |_, x| {
            x[0].slice(2, 0..0).matmul(x[1].slice(1, 0..0)) + x[0].sum_all()
        })
    };
    matmul_with_vectors_is_right: |c| {
        let c = c.axes(2).most(4);
        let (m, k) = (c.shape[c.rank() - 2], c.shape[c.rank() - 1]);
        let inputs = [c.away(&c.shape), c.positive(&[k]), c.away(&[m])];
        right(&inputs, |_, x| x[0].matmul(x[1]).tanh().sum_all() + x[2].matmul(x[0]).tanh())?;
        right(&[c.away(&[k]), c.positive(&[k])], |_, x| x[0].matmul(x[1]).tanh())
    };
    linear_with_bias_is_right: |c| {
        let c = c.axes(1);
        let (k, n) = (c.shape[c.rank() - 1], c.below("n", 3) + 1);
        let inputs = [c.away(&c.shape), c.positive(&[n, k]), c.away(&[n])];
        right(&inputs, |_, x| c.thin_front(x[0]).linear(c.made(x[1]), Some(x[2])).tanh())
    };
    linear_without_bias_is_right: |c| {
        let c = c.axes(1);
        let (k, n) = (c.shape[c.rank() - 1], c.below("n", 3) + 1);
        right(&[c.away(&c.shape), c.positive(&[n, k])], |_, x| {
            c.thin_front(x[0]).linear(c.made(x[1]), None::<Var<'_>>).tanh()
        })
    };
    linear_of_a_reshaped_parameter_is_right: |c| {
        right(&[c.away(&[2, 3]), c.positive(&[2, 3])], |_, x| {
            let first = x[0].linear(x[1], None::<Var<'_>>);
            first.tanh().sum_all() + x[0].slice(1, 0..2).linear(x[1].reshape([3, 2]), None::<Var<'_>>).tanh()
        })
    };
    mean_is_right: |c| right(&[c.away(&c.shape)], |_, x| c.made(x[0]).mean(&c.some_axes()));
    logsumexp_is_right: |c| right(&[c.away(&c.shape)], |_, x| c.made(x[0]).logsumexp(&c.some_axes()));
    max_and_min_over_axes_are_right: |c| {
        let c = c.most(3);
        right(&[c.apart(&c.shape)], |_, x| c.made(x[0]).max(&c.some_axes()).exp())?;
        right(&[c.apart(&c.shape)], |_, x| c.made(x[0]).min(&c.some_axes()).exp())
    };
    cumsum_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).cumsum(c.axis()).tanh())
    };
    cut_passes_nothing: |c| {
        right(&[c.away(&c.shape)], |_, x| x[0].exp())?;
        let mut params = Params::seeded(0).to_f64();
        let w = params.scope("m").add_sized("w", &c.shape, init::uniform(1.0));
        let graph = Graph::new(&params);
        let x = graph.param(w);
        let gradients = (x.cut() * x).sum_all().backward().unwrap();
        prop_assert_eq!(gradients.of(w).unwrap().to_f64(), params.value(w).unwrap().to_f64());
        Ok::<(), TestCaseError>(())
    };
    softmax_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).softmax())
    };
    log_softmax_is_right: |c| {
        let c = c.axes(1);
        right(&[c.away(&c.shape)], |_, x| c.thin(x[0]).log_softmax())
    };
    masked_softmax_is_right: |c| {
        let c = c.axes(1);
        let flags = c.flags(c.shape.iter().product());
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).masked_softmax(flags.clone()))
    };
    masked_log_softmax_is_right: |c| {
        let c = c.axes(1);
        let flags = c.flags(c.shape.iter().product());
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).masked_log_softmax(flags.clone()))
    };
    cross_entropy_is_right: |c| {
        let c = c.axes(1);
        let classes = c.shape[c.rank() - 1];
        let targets = c.numbers(c.shape.iter().product::<usize>() / classes, classes);
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).cross_entropy(&targets))
    };
    cross_entropy_with_smoothing_and_weights_is_right: |c| {
        let c = c.axes(1);
        let classes = c.shape[c.rank() - 1];
        let rows = c.shape.iter().product::<usize>() / classes;
        let targets = c.numbers(rows, classes);
        let mut options = CrossEntropy::new();
        if c.below("smooth", 2) == 0 {
            options = options.smoothing(0.2);
        }
        if c.below("weights", 2) == 0 {
            options = options.weights(c.flags(rows).iter().map(|&f| if f { 0.75 } else { 0.0 }).collect::<Vec<_>>());
        }
        if c.below("classes", 2) == 0 {
            options = options.class_weights((0..classes).map(|j| 0.5 + j as f32).collect::<Vec<_>>());
        }
        right(&[c.away(&c.shape)], |_, x| c.made(x[0]).cross_entropy_with(&targets, options.clone()))
    };
    cross_entropy_of_no_rows_is_right: |c| {
        right(&[c.away(&[2, 3])], |_, x| x[0].slice(0, 0..0).cross_entropy(&[]).sum_all() + x[0])
    };
    conv2d_is_right: |c| {
        let (pair, c) = (|what: &str, n: usize| [c.below(what, n), c.below(&format!("{what} 2"), n)], &c);
        let (kernel, padding, stride) = (pair("kernel", 3).map(|k| k + 1), pair("padding", 3), pair("stride", 2).map(|s| s + 1));
        let (channels, out) = (c.below("channels", 2) + 1, c.below("out", 3) + 1);
        let plane = pair("plane", 3).map(|p| p + 3);
        let lead = c.shape.iter().copied().take(3).collect::<Vec<_>>();
        let shape: Vec<usize> = lead.iter().copied().chain([channels, plane[0], plane[1]]).collect();
        let biased = c.below("biased", 2) == 0;
        right(&[c.away(&shape), c.away(&[out, channels, kernel[0], kernel[1]]), c.away(&[out])], |_, x| {
            let thin = c.below("thin", 4) == 0 && !lead.is_empty();
            let (a, bias) = (if thin { x[0].slice(0, 0..0) } else { c.made(x[0]) }, biased.then_some(x[2]));
            (a.conv2d(c.made(x[1]), bias, stride, padding) * 0.3).tanh()
        })
    };
    conv2d_without_channels_is_right: |c| {
        right(&[c.away(&[2, 2, 3, 3]), c.away(&[2, 2, 2, 2]), c.away(&[2])], |g, x| {
            let none = x[0].slice(1, 0..0).conv2d(x[1].slice(1, 0..0), Some(x[2]), [1, 1], [0, 0]);
            let nowhere = x[0].conv2d(x[1].slice(0, 0..0), None::<Var<'_>>, [1, 1], [0, 0]);
            g.concat(&[none, nowhere], 1).exp()
        })
    };
    max_pool2d_is_right: |c| {
        let c = c.axes(1);
        let shape: Vec<usize> = c.shape.iter().copied().take(3).chain([4, 5]).collect();
        right(&[c.apart(&shape)], |_, x| {
            let x = c.thin_front(x[0]);
            x.max_pool2d([c.below("a", 3) + 1, 2], [c.below("b", 3) + 1, 1]).exp()
        })
    };
    mean_pool2d_is_right: |c| {
        let c = c.axes(1);
        let shape: Vec<usize> = c.shape.iter().copied().take(3).chain([4, 5]).collect();
        right(&[c.away(&shape)], |_, x| {
            let x = c.thin_front(x[0]);
            x.mean_pool2d([c.below("a", 3) + 1, 2], [c.below("b", 3) + 1, 1]).exp()
        })
    };
    embedding_is_right: |c| {
        let (rows, n) = (c.below("rows", 4) + 1, c.below("count", 4));
        let ids = c.numbers(2 * n, rows);
        right(&[c.away(&[rows, 3])], |g, x| g.embedding(c.made(x[0]), &ids, [2, n], None).exp())
    };
    embedding_and_a_dense_use_of_one_table_are_right: |c| {
        let ids = c.numbers(5, 4);
        right(&[c.away(&[4, 3]), c.positive(&[2, 3])], |g, x| {
            g.embedding(x[0], &ids, [5], None).exp().sum_all() + x[1].linear(x[0], None::<Var<'_>>)
        })
    };
    layer_norm_is_right: |c| {
        let c = c.axes(1);
        let n = c.shape[c.rank() - 1];
        right(&[c.apart(&c.shape), c.positive(&[n]), c.away(&[n])], |_, x| {
            c.made(x[0]).layer_norm(x[1], x[2], 1e-2)
        })
    };
    dropout_is_its_own_mask_both_ways: |c| {
        let mut params = Params::seeded(c.seed).to_f64();
        let w = params.scope("m").add_sized("w", &c.shape, init::constant(2.0));
        let graph = Graph::new(&params).training(c.seed, 3);
        let y = graph.param(w).dropout(0.4);
        let mask = y.value().unwrap().to_f64() / 2.0;
        prop_assert!(mask.iter().all(|&m| m == 0.0 || (m - 1.0 / 0.6).abs() < 1e-12));
        let direction = c.away(&c.shape);
        let gradients = y.vjp(&direction).unwrap();
        prop_assert_eq!(gradients.of(w).unwrap().to_f64(), &mask * &direction);
        prop_assert_eq!(graph.jvp(y, &[(w, (&direction).into())]).unwrap().to_f64(), &mask * &direction);
        right(&[c.away(&c.shape)], |_, x| x[0].dropout(0.4))
    };
}

impl Case {
    /// As [`Case::thin`], but with the last axis left as it is.
    fn thin_front<'g>(&self, x: Var<'g>) -> Var<'g> {
        let rank = x.known_shape().map_or(0, |s| s.len());
        if self.below("thin", 5) == 0 && rank > 1 { x.slice(0, 0..0) } else { self.made(x) }
    }
    /// No two alike, a tenth apart at least.
    fn apart(&self, shape: &[usize]) -> ArrayD<f64> {
        let order = self.order(shape.iter().product());
        let values =
            order.iter().map(|&i| 0.5 * (i as f64 - order.len() as f64 / 2.0) / (1.0 + order.len() as f64 / 16.0));
        ArrayD::from_shape_vec(IxDyn(shape), values.collect()).unwrap()
    }
}

#[test]
fn the_padding_row_of_an_embedding_gets_no_gradient() {
    let mut params = Params::seeded(0).to_f64();
    let table = params.scope("words").add("table", [3, 2], init::uniform(1.0));
    let graph = Graph::new(&params);
    for of in [graph.param(table), graph.param(table) * 1.0] {
        let y = graph.embedding(of, &[0, 1, 0], [3], Some(0)).sum_all();
        let gradient = y.backward().unwrap().of(table).unwrap().to_f64();
        assert_eq!(gradient.as_slice().unwrap(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
    }
}

#[test]
fn every_public_operation_has_a_case_here() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ops");
    let cases = include_str!("gradients.rs");
    let (mut seen, mut missing) = (0, vec![]);
    for file in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(file.unwrap().path()).unwrap();
        for signature in source.split("    pub fn ").skip(1) {
            let signature = signature.split('{').next().unwrap_or_default();
            let name = signature.split(['(', '<']).next().unwrap_or_default();
            // Those that give numbers out instead of nodes have no gradient.
            if signature.rsplit("->").next().is_some_and(|gives| gives.contains("Var<'g>")) {
                seen += 1;
                if !cases.contains(&format!(".{name}(")) {
                    missing.push(name.to_string());
                }
            }
        }
    }
    assert!(seen > 50, "only {seen} operations were found in the source");
    assert!(missing.is_empty(), "no gradient case for {missing:?}");
}
