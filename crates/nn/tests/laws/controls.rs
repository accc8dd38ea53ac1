//! Negative controls: for each law a cell, or a way to run one, that breaks it. The same call finds it and shrinks it.

use crate::{HIDDEN, INPUT, wrong::Wrong};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use unspool_graph::{Element, GradSink, Graph, OpContext, Operation, Scope, Shape, Var, View};
use unspool_nn::{
    Cell, Direction, Linear, Lstm, Rnn, Sequence,
    cells::{Candidate, IndRnn, MinGru, MinGruConfig},
    laws::{self, CellUnderTest, Law, Violation},
    unroll_directed,
};

/// An [`Rnn`] cell with a mistake in its step.
struct Mistaken<F>(Rnn, F);

/// What the mistake makes of an input and a state.
type Mistake = for<'g> fn(&Rnn, Var<'g>, Var<'g>) -> (Var<'g>, Var<'g>);

impl Cell for Mistaken<Mistake> {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        (self.1)(&self.0, x, h)
    }
}

fn mistaken(mistake: Mistake) -> impl CellUnderTest {
    laws::cell(INPUT, move |scope| Mistaken(Rnn::new(scope, INPUT, HIDDEN), mistake))
}

/// The law is broken, and by a batch as small as this.
fn found(law: Law, subject: &impl CellUnderTest, rows: usize, steps: usize) -> Violation {
    let broken = laws::check_law(law, subject).expect_err("the law must be broken");
    assert_eq!(broken.law, law);
    let longest = broken.case.lengths.iter().max().copied().unwrap_or(0);
    assert!(broken.case.lengths.len() <= rows && longest <= steps, "not shrunk: {broken}");
    println!("{broken}\n");
    broken
}

/// Counts its steps outside its state.
struct Counting(Rnn, AtomicUsize);

impl Cell for Counting {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.1.store(0, Relaxed);
        xs
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        let steps = self.1.fetch_add(1, Relaxed);
        self.0.step(x + steps as f64 * 0.1, h)
    }
}

#[test]
fn a_state_outside_of_the_state_breaks_the_law_of_split() {
    let subject = laws::cell(INPUT, |scope| Counting(Rnn::new(scope, INPUT, HIDDEN), AtomicUsize::new(0)));
    let broken = found(Law::Split, &subject, 1, 2);
    assert!(broken.why.starts_with("outputs"), "{broken}");
}

/// Runs every row to the end of the time axis.
struct Heedless;

impl CellUnderTest for Heedless {
    type Cell = Rnn;
    fn input_size(&self) -> usize {
        INPUT
    }
    fn make(&self, scope: Scope<'_>) -> Rnn {
        Rnn::new(scope, INPUT, HIDDEN)
    }
    fn run<'g>(&self, cell: &Rnn, xs: &Sequence<'g>, state: Var<'g>, direction: Direction) -> (Sequence<'g>, Var<'g>) {
        unroll_directed(cell, &Sequence::full(xs.padded()), state, direction)
    }
}

#[test]
fn running_into_the_padding_breaks_the_law_of_padding() {
    found(Law::Padding, &Heedless, 2, 1);
    // It is no law of the cell alone: rows beside longer ones, and empty ones, are wrong as well.
    found(Law::Alone, &Heedless, 2, 1);
    found(Law::Start, &Heedless, 2, 1);
}

#[test]
fn looking_at_the_first_row_breaks_the_law_of_order() {
    let nosy = mistaken(|cell, x, h| cell.step(x + h.slice(0, 0..1).sum(&[]) * 0.1, h));
    // Rows of one length, which shrink together or not at all: of others the longest is first in any order.
    found(Law::Order, &nosy, 2, 5);
    found(Law::Alone, &nosy, 2, 1);
}

#[test]
fn a_cut_inside_of_the_cell_breaks_the_law_of_truncation() {
    let cutting = mistaken(|cell, x, h| cell.step(x, h.detach()));
    let broken = found(Law::Truncation, &cutting, 1, 1);
    assert!(broken.why.contains("goes wrong at detach") && broken.why.contains("controls.rs:"), "{broken}");
}

#[test]
fn ignoring_the_state_breaks_the_law_of_start() {
    found(Law::Start, &mistaken(|cell, x, h| cell.step(x, h * 0.0)), 1, 1);
    // One that writes a state which no output is made from.
    found(Law::Start, &mistaken(|cell, x, h| (x.tanh(), cell.step(x, h).1)), 1, 1);
}

#[test]
fn a_wrong_derivative_in_either_mode_or_both_breaks_the_law_of_gradients() {
    let wrong: [Mistake; 3] = [
        |cell, x, h| wrong_after(cell, x, h, Wrong { backward: 1.01, tangent: 1.0 }),
        |cell, x, h| wrong_after(cell, x, h, Wrong { backward: 1.0, tangent: 1.01 }),
        |cell, x, h| wrong_after(cell, x, h, Wrong { backward: 1.01, tangent: 1.01 }),
    ];
    for wrong in wrong {
        let broken = found(Law::Gradients, &mistaken(wrong), 1, 1);
        assert!(broken.why.contains("goes wrong at wrong"), "{broken}");
    }
}

/// tanh x, whose backward reads its own value as if it stood still.
struct Still;

impl Operation for Still {
    type Saved<E: Element> = ();
    fn name(&self) -> &'static str {
        "still"
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        Ok(inputs[0])
    }
    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) {
        output.iter_mut().zip(inputs[0].data()).for_each(|(y, &x)| *y = x.tanh());
    }
    fn backward<E: Element>(&self, ctx: &OpContext<'_, E, ()>, gradient: View<'_, E>, into: &mut GradSink<'_, E>) {
        let slope = ctx.output.data().iter().map(|y| E::from_f64(1.0 - y.to_f64() * y.to_f64()));
        into.add(0, slope.zip(gradient.data()).map(|(slope, &g)| slope * g).collect());
    }
}

#[test]
fn a_backward_that_no_derivative_follows_breaks_the_law_of_second_derivatives_alone() {
    let still = mistaken(|cell, x, h| cell.step(x, h.graph().apply(Still, &[h])));
    assert!(laws::check_law(Law::Gradients, &still).is_ok());
    let broken = found(Law::SecondOrder, &still, 1, 1);
    assert!(broken.why.contains("goes wrong at still"), "{broken}");
}

fn wrong_after<'g>(cell: &Rnn, x: Var<'g>, h: Var<'g>, wrong: Wrong) -> (Var<'g>, Var<'g>) {
    let (y, h) = cell.step(x, h);
    (y, h.graph().apply(wrong, &[h]))
}

/// A minGRU whose scan passes the carried state through its candidate function, as the states of the steps have been.
struct Twice(MinGru);

impl Cell for Twice {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.0.step(x, h)
    }
    fn scan<'g>(&self, xs: &Sequence<'g>, h: &Var<'g>) -> Option<(Sequence<'g>, Var<'g>)> {
        self.0.scan(xs, &Candidate::Positive.apply(*h))
    }
}

#[test]
fn a_carried_state_that_passes_through_a_function_twice_breaks_the_law_of_scans() {
    let config = MinGruConfig { candidate: Candidate::Positive };
    let subject = laws::cell(INPUT, move |scope| Twice(MinGru::with_config(scope, INPUT, HIDDEN, config)));
    found(Law::Scan, &subject, 1, 1);
    found(Law::Split, &subject, 1, 2);
    found(Law::Step, &subject, 1, 1);
}

/// A cell whose step forgets where its state came from, while an unrolling, which knows its projection, does not: an
/// influence that is not carried.
struct Forgetful(Rnn);

impl Cell for Forgetful {
    type State<'g> = Var<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Var<'g> {
        self.0.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.0.step(x, h.detach())
    }
    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        xs * 1.0
    }
    fn step_projected<'g>(&self, x: Var<'g>, _: Var<'g>, h: Var<'g>) -> (Var<'g>, Var<'g>) {
        self.0.step(x, h)
    }
}

/// A cell that says it is diagonal, between a map of its inputs and its outputs.
struct Diagonal<C>(Option<Linear>, C);

impl<C: Cell> Cell for Diagonal<C> {
    type State<'g> = C::State<'g>;
    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> Self::State<'g> {
        self.1.initial_state(graph, batch)
    }
    fn step<'g>(&self, x: Var<'g>, state: Self::State<'g>) -> (Var<'g>, Self::State<'g>) {
        self.1.step(self.0.map_or(x, |map| map.apply(x)), state)
    }
    fn is_diagonal(&self) -> bool {
        true
    }
}

#[test]
fn an_influence_that_is_not_carried_breaks_the_law_of_real_time() {
    let broken = found(Law::RealTime, &laws::cell(INPUT, |scope| Forgetful(Rnn::new(scope, INPUT, HIDDEN))), 1, 2);
    assert!(broken.why.contains("carried forward of any cell"), "{broken}");
}

#[test]
fn a_cell_that_is_not_as_diagonal_as_it_says_breaks_the_law_of_real_time() {
    let subject = laws::cell(INPUT, |scope| Diagonal(None, Rnn::new(scope, INPUT, HIDDEN)));
    let broken = found(Law::RealTime, &subject, 1, 2);
    assert!(broken.why.contains("as of a diagonal cell") || broken.why.contains("has slope"), "{broken}");
    // Nothing off the diagonal, but a parameter that several units read.
    let shared = |mut scope: Scope<'_>| {
        let map = Linear::new(scope.scope("map"), INPUT, INPUT);
        Diagonal(Some(map), IndRnn::new(scope.scope("cell"), INPUT, HIDDEN))
    };
    found(Law::RealTime, &laws::cell(INPUT, shared), 1, 3);
    // And one whose state is more than its units.
    let several = laws::cell(INPUT, |scope| Diagonal(None, Lstm::new(scope, INPUT, HIDDEN)));
    let broken = found(Law::RealTime, &several, 1, 1);
    assert!(broken.why.contains("is one leaf"), "{broken}");
}

#[test]
fn a_cell_that_is_right_keeps_each_law_by_itself() {
    for law in Law::ALL {
        let judged = laws::check_law(law, &laws::cell(INPUT, |scope| Rnn::new(scope, INPUT, HIDDEN))).unwrap();
        assert_eq!(judged.unjudged, 0, "{law}");
    }
}
