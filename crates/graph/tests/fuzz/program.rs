//! Any bytes as a program of operations, well-formed or not: a value and gradients, or an error. Never a panic.

use unspool_graph::{CrossEntropy, Graph, Params, Var, init};

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
    fn sizes(&mut self) -> Vec<usize> {
        let rank = self.next() % 8;
        (0..rank).map(|_| self.next() % 4).collect()
    }
}

/// One operation on values chosen from `known`.
fn operation<'g>(graph: &'g Graph<'g>, known: &[Var<'g>], bytes: &mut Bytes<'_>) -> Var<'g> {
    let pick = |bytes: &mut Bytes<'_>| known[bytes.next() % known.len()];
    let (which, a) = (bytes.next() % 48, pick(bytes));
    match which {
        0 => a + pick(bytes),
        1 => a - pick(bytes),
        2 => a * pick(bytes),
        3 => a / pick(bytes),
        4 => a.matmul(pick(bytes)),
        5 => a.linear(pick(bytes), None::<Var<'g>>),
        6 => a.linear(pick(bytes), Some(pick(bytes))),
        7 => a.maximum(pick(bytes)),
        8 => a.gt(pick(bytes)).select(a, pick(bytes)),
        9 => a.select(pick(bytes), pick(bytes)),
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
        35 => a.rows(&[bytes.next() as u32 % 4, bytes.next() as u32 % 4]),
        36 => a.real_rows(&bytes.sizes()),
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
        _ => a.layer_norm(pick(bytes), pick(bytes), 1e-5).dropout(bytes.next() as f64 / 200.0),
    }
}

/// Bytes to an operation: each has as many, so that leaving one out does not change the others.
const STRIDE: usize = 12;

/// Runs the program that the bytes say, forwards, backwards and as a tangent. An operation that is an error is left out of the
/// next run, so that one ill-formed operation does not hide what stands behind it.
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
    let sizes: Vec<usize> = bytes.sizes().into_iter().take(5).collect();
    let mut known = vec![graph.param(w), graph.full(sizes, 0.5), graph.full([2, 3], -1.5)];
    for (place, operation_bytes) in operations.iter().enumerate() {
        let made = operation(&graph, &known, &mut Bytes(operation_bytes));
        if let Err(error) = graph.check() {
            assert!(error.to_string().contains(".rs:"), "an error without a line: {error}");
            assert!(made.sum_all().backward().is_err(), "a gradient after an error: {error}");
            return Some(place);
        }
        if made.known_shape().is_some_and(|shape| shape.elements() > 1 << 12) {
            break;
        }
        known.push(made);
    }
    let last = known[known.len() - 1];
    let gradients = last.sum_all().backward().expect("a program without an error has gradients");
    // Both ways of asking must hold together: what has a value has a tangent.
    let tangent = graph.jvp(last, &[(w, params.value(w).expect("a parameter of this store"))]);
    assert!(tangent.is_ok() && graph.check().is_ok());
    assert!(gradients.of(w).is_none_or(|g| g.shape() == shape));
    None
}
