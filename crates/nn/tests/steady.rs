//! A training loop in its steady state asks the allocator for nothing large: counted by the allocator itself.

use ndarray::Array2;
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell as Flag,
};
use unspool_graph::{Graph, Params, Scope, Var};
use unspool_nn::{
    Adam, Cell, Embedding, Gru, LayerNorm, Linear, Lstm, Recurrent, RecurrentConfig, Result, Rnn, Sequence, unroll,
};

/// From how many bytes on an allocation is large.
const LARGE: usize = 16 << 10;

/// The system's allocator, with a counter for each thread: tests run side by side.
struct Counting;

thread_local!(static LARGE_ONES: Flag<usize> = const { Flag::new(0) });

fn note(bytes: usize) {
    if bytes >= LARGE {
        LARGE_ONES.set(LARGE_ONES.get() + 1);
    }
}

// SAFETY: every call is handed to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note(size);
        unsafe { System.realloc(pointer, layout, size) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const BATCH: usize = 16;
const TIME: usize = 24;
const HIDDEN: usize = 128;
const WORDS: usize = 5000;

/// The large allocations of each training step of a language model over what `run` makes of `[batch, time, feature]`.
/// All is done on one thread, since what another allocates would not be counted.
fn counted<M>(
    width: usize,
    model: impl FnOnce(&mut Params) -> M + Send,
    run: impl for<'g> Fn(&M, &'g Graph<'g>, Var<'g>, &[usize]) -> Var<'g> + Sync,
) -> Vec<usize> {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    alone.install(|| {
        let mut params = Params::seeded(1);
        let embedding = Embedding::new(params.scope("words"), WORDS, HIDDEN);
        let model = model(&mut params);
        let norm = LayerNorm::new(params.scope("norm"), width);
        let readout = Linear::new(params.scope("readout"), width, WORDS);
        let ids = Array2::from_shape_fn((BATCH, TIME), |(b, t)| ((b * 977 + t * 331) % WORDS) as u32);
        let targets: Vec<u32> = ids.iter().copied().collect();
        // Ragged, so that ended rows are cut off and put back.
        let lengths: Vec<usize> = (0..BATCH).map(|b| TIME - b % 5).collect();
        let real = lengths.iter().sum();
        let mut adam = Adam::new();
        let mut step = |number: u64| -> Result<()> {
            let graph = Graph::new(&params).training(1, number);
            let hs = run(&model, &graph, embedding.apply(&graph, ids.view()), &lengths);
            let rows = norm.apply(hs.pack(&lengths)).dropout(0.1);
            let mut gradients = readout.apply(rows).cross_entropy(&targets[..real]).mean(&[]).backward()?;
            gradients.clip_norm(1.0)?;
            adam.step(&mut params, &gradients, 1e-3).map(drop)
        };
        let counts = (0..6).map(|number| {
            let before = LARGE_ONES.get();
            step(number).unwrap();
            LARGE_ONES.get() - before
        });
        counts.collect()
    })
}

fn over<'g, C: Cell>(cell: &C, graph: &'g Graph<'g>, xs: Var<'g>, lengths: &[usize]) -> Var<'g> {
    unroll(cell, &Sequence::pack(xs, lengths), cell.initial_state(graph, lengths.len())).0.padded()
}

fn nothing_large_after_the_second(steps: &[usize]) {
    assert!(steps.len() == 6 && steps[0] > 5, "{steps:?}");
    assert!(steps[2..].iter().all(|&count| count == 0), "large allocations at each step: {steps:?}");
}

#[test]
fn steps_of_built_in_cells_allocate_nothing_large() {
    nothing_large_after_the_second(&counted(HIDDEN, |p| Rnn::new(p.scope("rnn"), HIDDEN, HIDDEN), over));
    nothing_large_after_the_second(&counted(HIDDEN, |p| Gru::new(p.scope("rnn"), HIDDEN, HIDDEN), over));
    nothing_large_after_the_second(&counted(HIDDEN, |p| Lstm::new(p.scope("rnn"), HIDDEN, HIDDEN), over));
}

/// An LSTM as a user writes it.
struct Custom(Linear);

impl Custom {
    fn new(scope: Scope<'_>) -> Custom {
        Custom(Linear::new(scope, 2 * HIDDEN, 4 * HIDDEN))
    }
}

impl Cell for Custom {
    type State<'g> = (Var<'g>, Var<'g>);
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> (Var<'g>, Var<'g>) {
        let zeros = graph.zeros([batch, HIDDEN]);
        (zeros, zeros)
    }
    fn step<'g>(&self, x: Var<'g>, (h, c): (Var<'g>, Var<'g>)) -> (Var<'g>, (Var<'g>, Var<'g>)) {
        let [i, f, g, o] = self.0.apply(x.graph().concat(&[x, h], -1)).chunk(-1);
        let c = f.sigmoid() * c + i.sigmoid() * g.tanh();
        let h = o.sigmoid() * c.tanh();
        (h, (h, c))
    }
}

#[test]
fn steps_of_a_cell_of_ones_own_allocate_nothing_large() {
    nothing_large_after_the_second(&counted(HIDDEN, |p| Custom::new(p.scope("rnn")), over));
}

#[test]
fn steps_of_a_stack_in_both_directions_allocate_nothing_large() {
    let layers = RecurrentConfig { layers: 2, bidirectional: true, dropout: 0.2 };
    let model = |p: &mut Params| Recurrent::new(p.scope("rnn"), Gru::new, HIDDEN, HIDDEN, layers);
    nothing_large_after_the_second(&counted(2 * HIDDEN, model, |model, graph, xs, lengths| {
        model.unroll(&Sequence::pack(xs, lengths), model.initial_state(graph, lengths.len())).0.padded()
    }));
}
