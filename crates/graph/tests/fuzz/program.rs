//! Any bytes as a program of operations, well-formed or not: a value and gradients, or an error. Never a panic.

use std::ops::Neg;
use unspool_graph::{CrossEntropy, Drawing, Graph, Param, Params, Var, init};

/// Reads numbers from bytes; zeros when they have run out.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(first)
    }
    fn signed(&mut self) -> isize {
        self.next() as isize % 9 - 4
    }
    /// Two small sizes, of which one may be 0.
    fn pair(&mut self) -> [usize; 2] {
        [self.next() % 4, self.next() % 4]
    }
    /// Places in something of a few elements, now and then none at all.
    fn places(&mut self) -> Vec<u32> {
        self.sizes().into_iter().map(|n| if n == 3 { u32::MAX } else { n as u32 }).collect()
    }
    fn sizes(&mut self) -> Vec<usize> {
        let rank = self.next() % 8;
        (0..rank).map(|_| self.next() % 4).collect()
    }
}

/// One operation on values chosen from `known`.
fn operation<'g>(graph: &'g Graph<'g>, known: &[Var<'g>], bytes: &mut Bytes<'_>) -> Var<'g> {
    let pick = |bytes: &mut Bytes<'_>| known[bytes.next() % known.len()];
    let (which, a) = (bytes.next() % 72, pick(bytes));
    match which {
        0 => a + pick(bytes),
        1 => a - pick(bytes),
        2 => a * pick(bytes),
        3 => a / pick(bytes),
        4 => a.matmul(pick(bytes)),
        5 => a.linear(pick(bytes), None::<Var<'g>>),
        6 => a.linear(pick(bytes), Some(pick(bytes))),
        7 => a.maximum(pick(bytes)),
        8 => a.gt(pick(bytes)).where_(a, pick(bytes)),
        9 => a.where_(pick(bytes), pick(bytes)),
        10 => a.exp(),
        11 => a.log(),
        12 => a.sqrt(),
        13 => a.tanh(),
        14 => a.sigmoid(),
        15 => a.relu(),
        16 => a.gelu(),
        17 => a.softplus(),
        18 => a.powi(bytes.signed() as i32),
        19 => a.powf(bytes.signed() as f64),
        20 => a.clamp(bytes.signed() as f64, bytes.signed() as f64),
        21 => a.permute(&bytes.sizes()),
        22 => a.transpose(bytes.signed(), bytes.signed()),
        23 => a.reshape(bytes.sizes()),
        24 => a.unsqueeze(bytes.signed()),
        25 => a.squeeze(bytes.signed()),
        26 => a.slice(bytes.signed(), bytes.next() % 4..bytes.next() % 4),
        27 => a.index(bytes.signed(), bytes.next() % 4),
        28 => a.split(bytes.signed(), bytes.next() % 4).first().copied().unwrap_or(a),
        29 => a.chunk::<2>(bytes.signed())[1],
        30 => a.flip(bytes.signed()),
        31 => a.expand(bytes.sizes()),
        32 => a.pad(bytes.signed(), bytes.next() % 4, bytes.next() % 4),
        33 => graph.concat(&[a, pick(bytes), pick(bytes)], bytes.signed()),
        34 => graph.stack(&[a, pick(bytes)], bytes.signed()),
        35 => a.index_select(&[bytes.next() as u32 % 4, bytes.next() as u32 % 4]),
        36 => a.pack(&bytes.sizes()),
        37 => a.sum(&[bytes.signed()]),
        38 => a.mean(&[bytes.signed(), bytes.signed()]),
        39 => a.max(&[bytes.signed()]),
        40 => a.logsumexp(&[bytes.signed()]),
        41 => a.norm(&[]),
        42 => a.cumsum(bytes.signed()),
        43 => a.softmax(),
        44 => {
            let flags: Vec<bool> = bytes.sizes().iter().map(|&n| n > 1).collect();
            a.masked_log_softmax(flags)
        }
        45 => {
            let targets: Vec<u32> = bytes.sizes().iter().map(|&n| n as u32).collect();
            a.cross_entropy_with(&targets, CrossEntropy::new().smoothing(bytes.next() as f64 / 128.0))
        }
        46 => graph.embedding(a, &[bytes.next() as u32 % 4], [1], Some(0)),
        47 => a.layer_norm(pick(bytes), pick(bytes), 1e-5).dropout(bytes.next() as f64 / 200.0),
        48 => a.conv2d(pick(bytes), None::<Var<'g>>, bytes.pair(), bytes.pair()),
        49 => a.conv2d(pick(bytes), Some(pick(bytes)), bytes.pair(), bytes.pair()),
        50 => a.max_pool2d(bytes.pair(), bytes.pair()),
        51 => a.mean_pool2d(bytes.pair(), bytes.pair()),
        52 => {
            // Any operation as a segment, one that is a segment itself and one that does not fit among them.
            let (b, inside) = (pick(bytes), bytes.0.to_vec());
            graph.recompute(move |graph, inputs| operation(graph, inputs, &mut Bytes(&inside)), &[a, b])
        }
        53 => graph.recompute(|_, inputs| inputs[0].dropout(0.5).watch() * inputs[1], &[a, pick(bytes)]),
        54 => a.reverse_sequence(&bytes.sizes()),
        55 => a.gather_steps(bytes.places().into()),
        56 => {
            let b = pick(bytes);
            graph.gather_rows(&[a, b], bytes.places().into(), bytes.pair())
        }
        57 => a.minimum(pick(bytes)),
        58 => a.min(&[bytes.signed()]),
        59 => a.detach() + a,
        60 => a.silu(),
        61 => a.leaky_relu(bytes.signed() as f64),
        62 => a.abs().neg(),
        63 => a.powf(pick(bytes)),
        64 => a.log_softmax(),
        65 => a.masked_softmax(bytes.sizes().iter().map(|&n| n > 1).collect::<Vec<_>>()),
        66 => {
            let b = pick(bytes);
            a.lt(b) + a.eq(b) + a.ge(b) + a.le(b) + a.ne(b)
        }
        67 => a.watch(),
        68 => a.argmax().map_or(a, |best| graph.embedding(pick(bytes), &best, [best.len()], None)),
        69 => a
            .top_k(bytes.next() % 4)
            .map_or(a, |best| a.index_select(&best.concat().iter().map(|b| b.0).collect::<Vec<_>>())),
        70 => a.to_tensor().map_or(a, |value| graph.input(value)),
        _ => {
            // Within a scope and a time step, handing itself on.
            let _scope = graph.scope("fuzz");
            let _step = graph.at_step(bytes.next());
            let b = a * pick(bytes);
            graph.carry(&[a, b]);
            b
        }
    }
}

/// Bytes to an operation: each has as many, so that leaving one out does not change the others.
const STRIDE: usize = 12;

/// Runs the program that the bytes say, forwards, backwards and as a tangent. An operation that is an error is left out
/// of the next run, so that one ill-formed operation does not hide what stands behind it.
pub(crate) fn run(data: &[u8]) {
    let head = data.len().min(STRIDE);
    let mut operations: Vec<&[u8]> = data[head..].chunks(STRIDE).take(30).collect();
    while let Some(wrong) = attempt(&data[..head], &operations) {
        operations.remove(wrong);
    }
}

/// Runs one program. The place of its first ill-formed operation, if it has one.
fn attempt(head: &[u8], operations: &[&[u8]]) -> Option<usize> {
    let mut bytes = Bytes(head);
    let mut params = Params::seeded(1);
    let shape = [bytes.next() % 3 + 1, bytes.next() % 3 + 1];
    let w = params.scope("fuzz").add("w", shape, init::uniform(1.0));
    let graph = Graph::new(&params).training(1, 2);
    let light = Graph::inference(&params).training(1, 2);
    let sizes: Vec<usize> = bytes.sizes().into_iter().take(5).collect();
    let mut known = leaves(&graph, w, &sizes);
    let mut lightly = leaves(&light, w, &sizes);
    for (place, operation_bytes) in operations.iter().enumerate() {
        let made = operation(&graph, &known, &mut Bytes(operation_bytes));
        if let Err(error) = graph.check() {
            assert!(error.to_string().contains(".rs:"), "an error without a line: {error}");
            assert!(made.sum_all().backward().is_err(), "a gradient after an error: {error}");
            return Some(place);
        }
        // A recording that keeps nothing for a backward has the same values, to the bit.
        let same = operation(&light, &lightly, &mut Bytes(operation_bytes));
        assert_eq!(bits(made), bits(same), "a recording for inference gives another value");
        if made.known_shape().is_some_and(|shape| shape.elements() > 1 << 12) {
            break;
        }
        known.push(made);
        lightly.push(same);
    }
    let last = known[known.len() - 1];
    let gradients = last.sum_all().backward().expect("a program without an error has gradients");
    // Both ways of asking must hold together: what has a value has a tangent.
    let tangent = graph.jvp(last, &[(w, params.value(w).expect("a parameter of this store"))]);
    assert!(tangent.is_ok() && graph.check().is_ok());
    assert!(gradients.of(w).is_none_or(|g| g.shape() == shape));
    // Whatever was recorded can be looked at.
    assert_eq!(graph.topology().node_count(), graph.len());
    assert!(Drawing::of(&graph).gradients(&gradients).to_svg().ends_with("</svg>\n"));
    None
}

/// What every program begins with.
fn leaves<'g>(graph: &'g Graph<'g>, w: Param, sizes: &[usize]) -> Vec<Var<'g>> {
    vec![graph.param(w), graph.full(sizes, 0.5), graph.full([2, 3], -1.5), graph.full([1, 2, 3, 3], 0.25)]
}

fn bits(v: Var<'_>) -> (Vec<usize>, Vec<u64>) {
    let value = v.value().expect("an operation that was no error has a value").to_f64();
    (value.shape().to_vec(), value.iter().map(|x| x.to_bits()).collect())
}
