//! Connectionist temporal classification (Graves and others 2006): a loss for sequences whose labels are known but not
//! their times.
//!
//! A path gives each frame a label or the blank; it stands for the labels that remain when repeats are merged and then
//! blanks are dropped. The loss of a row is −ln of the summed probability of all paths for its target.
//!
//! More in [chapter 19](https://github.com/unspool/unspool/blob/main/docs/19-speech.md) of the tutorial.
//!
//! ```
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Sequence, ctc::{Ctc, greedy, prefix_beam}};
//! let params = Params::seeded(0);
//! let graph = Graph::new(&params);
//! // [batch, time, class]; class 0 is the blank
//! let logits = ndarray::array![[[0.0f32, 5.0, 0.0], [5.0, 0.0, 0.0], [0.0, 5.0, 0.0]]];
//! let losses = Ctc::new().losses(&Sequence::full(graph.input(&logits)), &[vec![1, 1]]);  // [batch]
//! assert!(losses.to_f64()?[[0]] < 0.1);
//! let frames = logits.index_axis(ndarray::Axis(0), 0);                                   // [time, class]
//! assert_eq!(greedy(frames, 0)?, [1, 1]);
//! assert_eq!(prefix_beam(frames, 0, 4)?[0].labels, [1, 1]);
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod decode;

pub use decode::{Hypothesis, greedy, prefix_beam};

use crate::{
    Sequence,
    log_sum_exp::{log_add, log_sum_exp},
    parallel_map,
};
use unspool_graph::{Element, GradSink, OpContext, Operation, Shape, Var, View};

/// Computes the loss of connectionist temporal classification, with its options.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, ctc::Ctc};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let ctc = Ctc::new().blank(2).impossible_is_zero();
/// let losses = ctc.losses(&Sequence::full(graph.zeros([2, 2, 3])), &[vec![0, 1], vec![0, 0]]).to_f64()?;
/// assert!((losses[[0]] - 9f64.ln()).abs() < 1e-5); // one path of nine
/// assert_eq!(losses[[1]], 0.0);                     // two equal labels need three frames
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Ctc {
    blank: u32,
    impossible_is_zero: bool,
}

impl Ctc {
    /// Creates the loss with class 0 as the blank; a target that does not fit into its frames is an error.
    pub fn new() -> Ctc {
        Ctc::default()
    }

    /// Makes another class the blank.
    pub fn blank(mut self, blank: u32) -> Ctc {
        self.blank = blank;
        self
    }

    /// Gives a row loss 0 and no gradient where its target does not fit into its frames or has probability 0 (PyTorch's
    /// `zero_infinity`).
    pub fn impossible_is_zero(mut self) -> Ctc {
        self.impossible_is_zero = true;
        self
    }

    /// Returns −ln p(targets\[b\] | the frames of example b), `[batch]`, for logits before any softmax, `[.., class]`
    /// per frame.
    ///
    /// A target needs a frame for each label and one more between equal neighbors.
    ///
    /// As in PyTorch, a row whose target has the probability 0, because a logit that it needs is −∞, has the loss +∞
    /// and the gradient NaN; with [`impossible_is_zero`](Ctc::impossible_is_zero) both are 0. A NaN among the logits of
    /// a real frame gives the loss NaN, with either.
    #[track_caller]
    pub fn losses<'g>(self, logits: &Sequence<'g>, targets: &[Vec<u32>]) -> Var<'g> {
        let losses = Losses { ctc: self, lengths: logits.lengths().to_vec(), targets: targets.to_vec() };
        logits.graph().apply(losses, &[logits.padded()])
    }
}

/// L = −ln Σ over paths π for the target of Π_t softmax(x_t)\[π_t\].
///
/// ∂L/∂x_tk = softmax(x_t)_k − P(π_t = k | the target), by the forward and backward variables of the paper, in log
/// space and in double precision whatever the model's.
struct Losses {
    ctc: Ctc,
    lengths: Vec<usize>,
    targets: Vec<Vec<u32>>,
}

/// What forward keeps of a row.
struct Row<W> {
    /// ln α: `[frame, state]`, with the frame's own label in it.
    alphas: Vec<W>,
    /// ln Σ eˣ of each frame.
    normalisers: Vec<W>,
    /// ln p of the target.
    log_p: W,
}

impl<W: Element> Row<W> {
    fn is_impossible(&self) -> bool {
        self.log_p.to_f64() == f64::NEG_INFINITY
    }
}

/// How many frames a target needs.
fn frames_needed(target: &[u32]) -> usize {
    target.len() + target.windows(2).filter(|pair| pair[0] == pair[1]).count()
}

impl Losses {
    /// Label of state s: the blank at even ones, the target's between.
    fn label(&self, row: usize, state: usize) -> usize {
        if state.is_multiple_of(2) { self.ctc.blank as usize } else { self.targets[row][state / 2] as usize }
    }

    /// Whether a path may skip the state before `state`: between labels that differ it need not visit the blank.
    fn skips(&self, row: usize, state: usize) -> bool {
        state >= 2 && !state.is_multiple_of(2) && self.label(row, state) != self.label(row, state - 2)
    }

    fn states(&self, row: usize) -> usize {
        2 * self.targets[row].len() + 1
    }

    /// The forward variables of one row; `x` are its frames, `[time, class]`.
    fn run<E: Element>(&self, row: usize, x: &[E], classes: usize) -> Row<E::Wide> {
        let (frames, states) = (self.lengths[row], self.states(row));
        let never = E::Wide::from_f64(f64::NEG_INFINITY);
        let normalisers: Vec<E::Wide> = x.chunks_exact(classes).take(frames).map(log_sum_exp).collect();
        let mut alphas = vec![never; frames * states];
        for t in 0..frames {
            let frame = &x[t * classes..][..classes];
            let (before, now) = alphas.split_at_mut(t * states);
            let before = before.rchunks_exact(states).next();
            for s in 0..states {
                let came = match before {
                    None if s < 2 => E::Wide::ZERO,
                    None => continue,
                    Some(before) => {
                        let one = if s >= 1 { before[s - 1] } else { never };
                        let two = if self.skips(row, s) { before[s - 2] } else { never };
                        log_add([before[s], one, two])
                    }
                };
                now[s] = came + frame[self.label(row, s)].widen() - normalisers[t];
            }
        }
        let log_p = match alphas.rchunks_exact(states).next() {
            // No frames hold no labels, with certainty.
            None if states == 1 => E::Wide::ZERO,
            None => never,
            Some(last) => log_add([last[states - 1], if states > 1 { last[states - 2] } else { never }]),
        };
        Row { alphas, normalisers, log_p }
    }

    /// ∂L/∂x of one row, `[time, class]`, by the backward variables.
    fn slope<E: Element>(&self, row: usize, x: &[E], classes: usize, ran: &Row<E::Wide>) -> Vec<E::Wide> {
        let (frames, states) = (self.lengths[row], self.states(row));
        let (never, certain) = (E::Wide::from_f64(f64::NEG_INFINITY), E::Wide::ZERO);
        let mut out = vec![certain; x.len()];
        if ran.is_impossible() && self.ctc.impossible_is_zero {
            return out;
        }
        // ln β without the frame's own label, of this frame and with it, of the one after.
        let mut betas = vec![never; states];
        let mut after = vec![never; states];
        for t in (0..frames).rev() {
            let (frame, slope) = (&x[t * classes..][..classes], &mut out[t * classes..][..classes]);
            for (s, beta) in betas.iter_mut().enumerate() {
                *beta = if t + 1 == frames {
                    if s + 2 >= states { certain } else { never }
                } else {
                    let one = if s + 1 < states { after[s + 1] } else { never };
                    let two = if s + 2 < states && self.skips(row, s + 2) { after[s + 2] } else { never };
                    log_add([after[s], one, two])
                };
            }
            slope.iter_mut().zip(frame).for_each(|(slope, x)| *slope = (x.widen() - ran.normalisers[t]).exp());
            for s in 0..states {
                let label = self.label(row, s);
                slope[label] -= (ran.alphas[t * states + s] + betas[s] - ran.log_p).exp();
                after[s] = betas[s] + frame[label].widen() - ran.normalisers[t];
            }
        }
        out
    }

    /// The slopes of all rows; each is computed by itself, so threads change no bits.
    fn slopes<E: Element>(&self, ran: &OpContext<'_, E, Vec<Row<E::Wide>>>) -> Vec<Vec<E::Wide>> {
        let (x, shape) = (ran.inputs[0].data(), ran.inputs[0].shape());
        let size = shape[1] * shape[2];
        let rows = ran.saved.iter().enumerate().collect();
        parallel_map(rows, |(row, kept)| self.slope(row, &x[row * size..][..size], shape[2], kept))
    }
}

impl Operation for Losses {
    type Saved<E: Element> = Vec<Row<E::Wide>>;

    fn name(&self) -> &'static str {
        "ctc"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [batch, time, classes] = *inputs[0] else { return Err("must be [batch, time, class]".into()) };
        if self.lengths.len() != batch || self.targets.len() != batch {
            return Err(format!(
                "has {batch} rows, but there are {} lengths and {} targets",
                self.lengths.len(),
                self.targets.len()
            ));
        }
        let blank = self.ctc.blank;
        if blank as usize >= classes {
            return Err(format!("has {classes} classes, so {blank} cannot be the blank"));
        }
        for (row, (&length, target)) in self.lengths.iter().zip(&self.targets).enumerate() {
            if length > time {
                return Err(format!("has {time} frames, but the length of row {row} is {length}"));
            }
            if let Some(label) = target.iter().find(|&&label| label == blank || label as usize >= classes) {
                return Err(format!(
                    "has {classes} classes with blank {blank}, but the target of row {row} has a {label}"
                ));
            }
            let needed = frames_needed(target);
            if length < needed && !self.ctc.impossible_is_zero {
                return Err(format!(
                    "has {length} real frames in row {row}, but its target of {} labels needs {needed} (one for each, \
                     one more \
                     between equal neighbours); leave such rows out, or take `impossible_is_zero`",
                    target.len()
                ));
            }
        }
        Ok([batch].into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Vec<Row<E::Wide>> {
        let (x, shape) = (inputs[0].data(), inputs[0].shape());
        let size = shape[1] * shape[2];
        let rows = parallel_map((0..shape[0]).collect(), |row| self.run(row, &x[row * size..][..size], shape[2]));
        for (loss, row) in output.iter_mut().zip(&rows) {
            let zero = row.is_impossible() && self.ctc.impossible_is_zero;
            *loss = if zero { E::ZERO } else { E::narrow(-row.log_p) };
        }
        rows
    }

    fn backward<E: Element>(
        &self,
        ran: &OpContext<'_, E, Vec<Row<E::Wide>>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        if !into.wants(0) {
            return;
        }
        let rows = self.slopes(ran).into_iter().zip(gradient.data());
        into.add(0, rows.flat_map(|(row, &g)| row.into_iter().map(move |slope| E::narrow(slope) * g)).collect());
    }

    fn jvp<E: Element>(
        &self,
        ran: &OpContext<'_, E, Vec<Row<E::Wide>>>,
        tangents: &[Option<View<'_, E>>],
        output: &mut [E],
    ) {
        let Some(v) = tangents[0] else { return };
        let shape = ran.inputs[0].shape();
        let rows = v.data().chunks_exact((shape[1] * shape[2]).max(1));
        for ((out, slopes), v) in output.iter_mut().zip(self.slopes(ran)).zip(rows) {
            *out = E::narrow(slopes.iter().zip(v).map(|(&slope, v)| slope * v.widen()).sum());
        }
    }
}
