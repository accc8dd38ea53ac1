//! Truncated back-propagation through time: a stream that is too long for one recording, window by window.

use crate::{Cell, Sequence, state_to_tensors, unroll};
use std::ops::Range;
use unspool_graph::{Result, Tensor};

/// Describes one window of a long stream.
///
/// ```
/// use unspool_nn::windows;
/// let second = windows(100, 10, 20).nth(1).unwrap();
/// assert_eq!((second.steps, second.new), (0..20, 10..20)); // ten steps to look back at, ten new ones
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TruncatedWindow {
    /// The steps to record, of the whole stream.
    pub steps: Range<usize>,
    /// Those of them that no window before has had: whose outputs are given, and whose loss counts. They are the last
    /// ones.
    pub new: Range<usize>,
    /// Where the next window begins.
    next: usize,
}

/// Returns the windows of a stream of `time` steps, in order: each brings `k1` new steps, and its gradient goes back
/// over `k2` steps at most, the new ones included (Williams and Peng 1990, BPTT(k2; k1)). With `k1` = `k2`, the usual
/// choice, windows do not overlap, except that a short last one looks back as far as the others. With `k2` ≥ `time`
/// nothing is cut.
///
/// More in [chapter 4](https://github.com/unspool/unspool/blob/main/docs/04-unrolling.md) of the tutorial.
///
/// ```
/// use unspool_nn::windows;
/// let steps = |time, k1, k2| windows(time, k1, k2).map(|window| (window.steps, window.new)).collect::<Vec<_>>();
/// assert_eq!(steps(5, 2, 2), [(0..2, 0..2), (2..4, 2..4), (3..5, 4..5)]);
/// assert_eq!(steps(5, 2, 3), [(0..2, 0..2), (1..4, 2..4), (2..5, 4..5)]);
/// ```
///
/// `k1` is at least 1 and `k2` at least `k1`; smaller numbers are taken as these.
pub fn windows(time: usize, k1: usize, k2: usize) -> impl Iterator<Item = TruncatedWindow> {
    let k1 = k1.max(1);
    let k2 = k2.max(k1);
    let (mut start, mut done) = (0, 0);
    std::iter::from_fn(move || {
        if done == time {
            return None;
        }
        let end = done.saturating_add(k1).min(time);
        // The window after this one ends k1 steps later, or with the stream, and may look k2 steps back.
        let next = end.saturating_add(k1).min(time).saturating_sub(k2).clamp(start, end);
        let window = TruncatedWindow { steps: start..end, new: done..end, next };
        (start, done) = (next, end);
        Some(window)
    })
}

/// Holds the state between the windows of truncated back-propagation: plain arrays, through which no gradient can pass.
///
/// More in [chapter 4](https://github.com/unspool/unspool/blob/main/docs/04-unrolling.md) of the tutorial.
///
/// ```
/// use ndarray::s;
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Adam, Linear, Lstm, Sequence, TruncatedBptt, loss::{self, LossReduction}, windows};
///
/// // [batch, time, feature]
/// let stream = ndarray::Array3::from_shape_fn((4, 300, 1), |(b, t, _)| (((t + b) / 3) % 2) as f32);
/// let mut params = Params::seeded(5);
/// let cell = Lstm::new(params.scope("rnn"), 1, 8);
/// let readout = Linear::new(params.scope("readout"), 8, 1);
/// let (mut adam, mut bptt) = (Adam::new(), TruncatedBptt::default());
/// for (step, window) in windows(299, 10, 20).enumerate() {
///     let graph = Graph::new(&params).training(5, step as u64);
///     let xs = Sequence::full(graph.input(stream.slice(s![.., window.steps.clone(), ..])));
///     let ys = bptt.unroll(&cell, &xs, &window)?.map(|hs| readout.apply(hs)); // the new steps
///     let next = stream.slice(s![.., window.new.start + 1..window.new.end + 1, ..]).to_owned();
///     let gradients = loss::squared_error(ys, next, LossReduction::all()).backward()?;
///     adam.step(&mut params, &gradients, 0.01)?;
/// }
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct TruncatedBptt {
    state: Option<Vec<Tensor>>,
    /// The step at which the next window begins, and the first of its new steps.
    expected: (usize, usize),
    /// Whether the next window begins new streams wherever it begins.
    is_reset: bool,
}

impl TruncatedBptt {
    /// Returns the outputs of the window's new steps, from `xs`, the window's steps of a batch of streams. The state
    /// where the next window begins is kept, detached. A window whose new steps begin at step 0 begins new streams,
    /// with the cell's initial state: nothing passes from one epoch into the next.
    ///
    /// Where windows overlap, the steps that were there before are run once more, from the state that was carried to
    /// their beginning.
    ///
    /// # Errors
    /// The graph's first error: `xs` that does not have the window's steps in every example, or a window that does not
    /// follow the one before, among them. What was carried is then as it was.
    #[track_caller]
    pub fn unroll<'g, C: Cell>(
        &mut self,
        cell: &C,
        xs: &Sequence<'g>,
        window: &TruncatedWindow,
    ) -> Result<Sequence<'g>> {
        let graph = xs.graph();
        let _scope = graph.layer("window");
        let (batch, steps) = (xs.batch(), window.steps.len());
        if xs.lengths().iter().any(|&length| length != steps) {
            let why = format!("inputs of lengths {:?} were given for a window of {steps} steps", xs.lengths());
            graph.fail(graph.error("window", why));
        }
        let begins = self.is_reset || window.new.start == 0;
        let found = (window.steps.start, window.new.start);
        if !begins && (self.state.is_none() || found != self.expected) {
            let ((steps, new), (next, done)) = (found, self.expected);
            let why = format!(
                "a window that begins at step {steps} with new steps from {new} is out of order: the next one \
                 begins at step {next} with new steps from {done}, or with new streams at step 0"
            );
            graph.fail(graph.error("window", why));
        }
        if !(window.steps.start..=window.steps.end).contains(&window.next) || !window.steps.contains(&window.new.start)
        {
            let why =
                format!("the next window begins at {}, which is not within the steps {:?}", window.next, window.steps);
            graph.fail(graph.error("window", why));
        }
        graph.check()?;
        if begins {
            self.state = None;
        }
        self.is_reset = false;
        self.expected = (window.next, window.new.end);
        let state = match &self.state {
            Some(carried) => cell.state_from_tensors(graph, carried),
            None => cell.initial_state(graph, batch),
        };
        // The next window's beginning lies in this one, or at its end.
        let lead = window.next - window.steps.start;
        let (mut parts, mut state) = (vec![], state);
        if lead > 0 {
            let (ys, last) = unroll(cell, &xs.steps(0, lead), state);
            parts.push(ys.rows());
            state = last;
        }
        self.state = Some(state_to_tensors(&state)?);
        if lead < steps {
            parts.push(unroll(cell, &xs.steps(lead, steps), state).0.rows());
        }
        // Every stream has every step, so the rows of later steps come after those of earlier ones.
        let ys = xs.with_rows(graph.concat(&parts, 0));
        Ok(ys.steps(window.new.start - window.steps.start, steps))
    }

    /// Resets the state: the next window begins new streams, at whatever step it begins.
    pub fn reset(&mut self) {
        *self = TruncatedBptt { is_reset: true, ..TruncatedBptt::default() };
    }
}
