//! What a recording keeps, counted by the allocator: recomputation's root, inference's flat line.

use peak_alloc::PeakAlloc;
use std::sync::Mutex;
use unspool_graph::{Graph, Param, Params, Tensor, Var, init};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Held by each test, so that they count one after the other.
static TURN: Mutex<()> = Mutex::new(());

const BATCH: usize = 16;
const HIDDEN: usize = 64;

#[derive(Clone, Copy)]
struct Rnn {
    weight: Param,
    bias: Param,
}

impl Rnn {
    fn new(params: &mut Params) -> Rnn {
        let mut scope = params.scope("rnn");
        let weight = scope.add("weight", [HIDDEN, HIDDEN], init::orthogonal(1.0));
        Rnn { weight, bias: scope.add("bias", [HIDDEN], init::zeros()) }
    }
    fn steps<'g>(&self, mut h: Var<'g>, steps: usize) -> Var<'g> {
        for _ in 0..steps {
            h = h.linear(self.weight, Some(self.bias)).tanh() * h.sigmoid();
        }
        h
    }
}

/// The most bytes held during one training step of `steps` steps, whole or in segments.
fn peak(steps: usize, segment: Option<usize>) -> usize {
    let mut params = Params::seeded(1);
    let rnn = Rnn::new(&mut params);
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    {
        let graph = Graph::new(&params);
        let mut h = graph.full([BATCH, HIDDEN], 0.1);
        match segment {
            None => h = rnn.steps(h, steps),
            Some(length) => {
                for _ in 0..steps / length {
                    h = graph.recompute(move |_, x| rnn.steps(x[0], length), &[h]);
                }
            }
        }
        assert!(h.sum_all().backward().unwrap().of(rnn.weight).is_some());
    }
    ALLOCATOR.peak_usage() - before
}

#[test]
fn recomputation_needs_memory_of_the_order_of_the_root() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let (whole, long) = (peak(256, None), peak(1024, None));
    let (segments, more) = (peak(256, Some(16)), peak(1024, Some(32)));
    println!("256 steps: {whole} bytes, in segments of 16 {segments}; 1024 steps: {long}, in segments of 32 {more}");
    assert!(segments * 5 < whole && more * 10 < long, "{segments} of {whole}, {more} of {long}");
    // Four times the steps: twice the bytes, where the whole needs more than three times as many.
    assert!(long as f64 / whole as f64 > 3.0, "{long} after {whole}");
    assert!(more as f64 / (segments as f64) < 2.5, "{more} after {segments}");
}

#[test]
fn generating_ten_thousand_tokens_takes_no_more_memory_than_a_hundred() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let mut params = Params::seeded(1);
    let rnn = Rnn::new(&mut params);
    let vocabulary = params.scope("words").add("table", [300, HIDDEN], init::normal(1.0));
    let mut graph = Graph::inference(&params);
    let mut carried = Tensor::from(ndarray::Array2::<f32>::zeros((BATCH, HIDDEN)));
    let mut tokens = vec![0u32; BATCH];
    let mut live = vec![];
    for token in 1..=10_000 {
        {
            let _scope = graph.scope("decoder");
            let _step = graph.at_step(token);
        }
        let next = next_token(&graph, rnn, vocabulary, &tokens, &carried);
        (tokens, carried) = next;
        graph.reset();
        if token % 100 == 0 {
            live.push(ALLOCATOR.current_usage());
        }
    }
    // Between two readings the list of readings itself may have grown.
    let room = live.capacity() * size_of::<usize>();
    assert!(live.iter().all(|&bytes| bytes <= live[1] + room), "{} bytes, later {}", live[1], live[99]);
}

fn next_token<'g>(
    graph: &'g Graph<'g>,
    rnn: Rnn,
    vocabulary: Param,
    tokens: &[u32],
    carried: &Tensor,
) -> (Vec<u32>, Tensor) {
    let x = graph.embedding(vocabulary, tokens, [tokens.len()], None);
    let h = rnn.steps(graph.input(carried) + x, 1);
    let logits = h.linear(vocabulary, None::<Var<'_>>);
    (logits.argmax().unwrap(), h.to_tensor().unwrap())
}

#[test]
fn releasing_memory_frees_what_a_dropped_graph_left() {
    let _turn = TURN.lock().unwrap_or_else(|e| e.into_inner());
    let params = Params::seeded(0);
    let before = ALLOCATOR.current_usage();
    let bytes = {
        let graph = Graph::new(&params);
        let x = graph.full([512, 512], 0.5).watch();
        assert!(x.tanh().sum_all().backward().unwrap().of(x).is_some());
        2 * 512 * 512 * size_of::<f32>() // the value and its hyperbolic tangent
    };
    // The next recording takes the memory of the one before it.
    let kept = ALLOCATOR.current_usage() - before;
    assert!(kept >= bytes, "{kept} bytes are kept of {bytes}");
    params.release_memory();
    let kept = ALLOCATOR.current_usage().saturating_sub(before);
    assert!(kept < 4096, "{kept} bytes are held still");
}
