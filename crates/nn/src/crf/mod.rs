//! A linear-chain conditional random field (Lafferty, McCallum and Pereira 2001): a layer that scores whole sequences
//! of tags, so that the tag of a step depends on its neighbors' tags.
//!
//! The score of the tags y of T steps is
//! s(y) = start\[y₁\] + Σ_t emission_t\[y_t\] + Σ_t transitions\[y_{t−1}, y_t\] + end\[y_T\],
//! and their probability is e^s(y) / Z, where Z sums over all sequences of tags.
//!
//! ```
//! use ndarray::array;
//! use unspool_graph::{Graph, Params};
//! use unspool_nn::{Sequence, crf::Crf};
//! let mut params = Params::seeded(0);
//! let crf = Crf::new(params.scope("crf"), 3);
//! let graph = Graph::new(&params);
//! let emissions = array![[[4.0f32, 0.0, 0.0], [0.0, 4.0, 0.0]], [[0.0, 0.0, 4.0], [0.0, 0.0, 0.0]]];
//! let emissions = Sequence::pack(graph.input(emissions), &[2, 1]);         // [batch, time, tag], lengths
//! let losses = crf.losses(&emissions, &array![[0, 1], [2, 0]]);            // [batch]
//! assert!(losses.to_f64()?.iter().all(|loss| *loss < 0.2));
//! let found = crf.decode(&emissions)?;
//! assert_eq!((&found[0].tags[..], &found[1].tags[..]), (&[0, 1][..], &[2][..]));
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod decode;

pub use decode::Path;

use crate::{Sequence, log_sum_exp::log_add, parallel_map};
use ndarray::{Array2, ArrayView2, AsArray, Ix2};
use std::{ops::Range, sync::Arc};
use unspool_graph::{Element, GradSink, OpContext, Operation, Param, Scope, Shape, Var, View, init};

/// Scores sequences of tags, with the names and first values of pytorch-crf: uniform in ±0.1.
///
/// ```
/// use unspool_graph::Params;
/// use unspool_nn::crf::Crf;
/// let mut params = Params::seeded(0);
/// let crf = Crf::new(params.scope("crf"), 5);
/// assert_eq!(params.value(crf.transitions)?.shape(), [5, 5]);
/// assert!(params.value(crf.transitions)?.to_f64().iter().all(|score| score.abs() <= 0.1));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Crf {
    /// `[tag, next tag]`: how well a tag is followed by another.
    pub transitions: Param,
    /// `[tag]`: how well a sequence begins with a tag.
    pub start_transitions: Param,
    /// `[tag]`: how well a sequence ends with a tag.
    pub end_transitions: Param,
    tags: usize,
    allowed: Option<Arc<Array2<bool>>>,
}

impl Crf {
    /// Adds a layer over so many tags.
    pub fn new(mut scope: Scope<'_>, tags: usize) -> Crf {
        Crf {
            start_transitions: scope.add("start_transitions", [tags], init::uniform(0.1)),
            end_transitions: scope.add("end_transitions", [tags], init::uniform(0.1)),
            transitions: scope.add("transitions", [tags, tags], init::uniform(0.1)),
            tags,
            allowed: None,
        }
    }

    /// Restricts [`decode`](Crf::decode) to transitions that are allowed, such as from `B-PER` to `I-PER` but not to
    /// `I-LOC`. `allowed(None, Some(tag))` says whether a sequence may begin with a tag, and `allowed(Some(tag), None)`
    /// whether it may end with one. Losses and probabilities stay those of all sequences.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Sequence, crf::Crf};
    /// let mut params = Params::seeded(0);
    /// let crf = Crf::new(params.scope("crf"), 3);                          // O, B and I
    /// let bio = crf.clone().allow(|tag, next| next != Some(2) || matches!(tag, Some(1 | 2)));
    /// let graph = Graph::new(&params);
    /// let emissions = Sequence::full(graph.input(ndarray::array![[[1.0f32, 0.0, 0.0], [0.0, 0.0, 9.0]]]));
    /// assert_eq!(crf.decode(&emissions)?[0].tags, [0, 2]);                 // O I
    /// assert_eq!(bio.decode(&emissions)?[0].tags, [1, 2]);                 // B I
    /// # Ok::<(), unspool_nn::Error>(())
    /// ```
    pub fn allow(mut self, allowed: impl Fn(Option<usize>, Option<usize>) -> bool) -> Crf {
        let tag = |number: usize| (number < self.tags).then_some(number);
        let size = self.tags + 1;
        self.allowed = Some(Arc::new(Array2::from_shape_fn((size, size), |(from, to)| allowed(tag(from), tag(to)))));
        self
    }

    /// Returns −ln p(tags\[b\] | emissions of example b), `[batch]`, for emissions `[.., tag]` and tags
    /// `[batch, time]`, of which only the real steps are read. An example without steps has loss 0.
    ///
    /// The number of tags itself, one more than the last tag, means an unknown tag: the loss then sums over all
    /// tags of that step, so that a step which no model tag fits costs nothing.
    ///
    /// Where the score of the right tags is −∞, the loss is +∞ and the gradient NaN. A NaN among the emissions of a
    /// real step gives the loss NaN.
    ///
    /// # Errors
    /// The graph records an error for emissions or tags of another shape, or a tag that does not exist.
    #[track_caller]
    pub fn losses<'a, 'g>(&self, emissions: &Sequence<'g>, tags: impl AsArray<'a, u32, Ix2>) -> Var<'g> {
        let graph = emissions.graph();
        let tags: ArrayView2<'_, u32> = tags.into();
        let losses = Losses { lengths: emissions.lengths().to_vec(), tags: tags.to_owned() };
        let [transitions, start, end] = self.params().map(|param| graph.param(param));
        graph.apply(losses, &[emissions.padded(), transitions, start, end])
    }

    fn params(&self) -> [Param; 3] {
        [self.transitions, self.start_transitions, self.end_transitions]
    }
}

/// What one example is scored by.
#[derive(Clone, Copy)]
struct Scores<'a, E> {
    /// `[time, tag]`.
    emissions: &'a [E],
    /// `[tag, next tag]`.
    transitions: &'a [E],
    start: &'a [E],
    end: &'a [E],
    /// The real steps.
    length: usize,
}

/// The forward variables of one example: ln Σ of e^score over the beginnings of sequences.
struct Forward<W> {
    /// `[time, tag]`: of those that end with a tag, its emission included.
    alphas: Vec<W>,
    /// Of whole sequences.
    log_z: W,
}

/// The slopes of one example's loss, in the order of the operation's inputs.
struct Slopes<W>([Vec<W>; 4]);

impl<E: Element> Scores<'_, E> {
    fn tags(&self) -> usize {
        self.start.len()
    }

    fn emission(&self, step: usize, tag: usize) -> E::Wide {
        self.emissions[step * self.tags() + tag].widen()
    }

    fn transition(&self, from: usize, to: usize) -> E::Wide {
        self.transitions[from * self.tags() + to].widen()
    }

    /// The forward variables of the sequences whose tags are among the choices at each step.
    fn forward(&self, choices: impl Fn(usize) -> Range<usize>) -> Forward<E::Wide> {
        let tags = self.tags();
        let mut alphas = vec![E::Wide::from_f64(f64::NEG_INFINITY); self.length * tags];
        for step in 0..self.length {
            for tag in choices(step) {
                let came = match step.checked_sub(1) {
                    None => self.start[tag].widen(),
                    Some(before) => {
                        log_add(choices(before).map(|from| alphas[before * tags + from] + self.transition(from, tag)))
                    }
                };
                alphas[step * tags + tag] = came + self.emission(step, tag);
            }
        }
        let log_z = match self.length.checked_sub(1) {
            None => E::Wide::ZERO,
            Some(last) => log_add(choices(last).map(|tag| alphas[last * tags + tag] + self.end[tag].widen())),
        };
        Forward { alphas, log_z }
    }

    /// The backward variables of a step, of those of the next one: ln Σ of e^score over the ends of sequences, without
    /// the step's own emission.
    fn betas(&self, step: usize, after: &[E::Wide], choices: impl Fn(usize) -> Range<usize>) -> Vec<E::Wide> {
        let mut betas = vec![E::Wide::from_f64(f64::NEG_INFINITY); self.tags()];
        for tag in choices(step) {
            betas[tag] = if step + 1 == self.length {
                self.end[tag].widen()
            } else {
                let next = step + 1;
                log_add(choices(next).map(|to| self.transition(tag, to) + self.emission(next, to) + after[to]))
            };
        }
        betas
    }

    /// Adds `sign` times ∂ log_z: the probability of each tag at each step, and of each transition.
    fn add_slopes(
        &self,
        ran: &Forward<E::Wide>,
        choices: impl Fn(usize) -> Range<usize> + Copy,
        sign: E::Wide,
        Slopes([emissions, transitions, start, end]): &mut Slopes<E::Wide>,
    ) {
        let tags = self.tags();
        let mut after = vec![];
        for step in (0..self.length).rev() {
            let betas = self.betas(step, &after, choices);
            for tag in choices(step) {
                let p = sign * (ran.alphas[step * tags + tag] + betas[tag] - ran.log_z).exp();
                emissions[step * tags + tag] += p;
                if step == 0 {
                    start[tag] += p;
                }
                if step + 1 == self.length {
                    end[tag] += p;
                }
                let Some(before) = step.checked_sub(1) else { continue };
                let rest = self.emission(step, tag) + betas[tag] - ran.log_z;
                for from in choices(before) {
                    let score = ran.alphas[before * tags + from] + self.transition(from, tag) + rest;
                    transitions[from * tags + tag] += sign * score.exp();
                }
            }
            after = betas;
        }
    }
}

/// L = ln Z − ln Σ over the sequences with the right tags of e^s(y), by the forward algorithm in log space and in
/// double precision whatever the model's.
///
/// ∂ ln Z / ∂ emission_t\[k\] = P(y_t = k), ∂ ln Z / ∂ transitions\[i, j\] = Σ_t P(y_{t−1} = i, y_t = j), by the
/// backward algorithm; and so for the second term, where P is given the right tags.
struct Losses {
    lengths: Vec<usize>,
    tags: Array2<u32>,
}

impl Losses {
    /// The tags that are right at a step: all, where the tag is unknown.
    fn right(&self, row: usize, tags: usize) -> impl Fn(usize) -> Range<usize> + Copy + '_ {
        move |step| match self.tags[[row, step]] as usize {
            tag if tag < tags => tag..tag + 1,
            _ => 0..tags,
        }
    }

    fn scores<'a, E: Element>(&self, row: usize, inputs: &[View<'a, E>]) -> Scores<'a, E> {
        let shape = inputs[0].shape();
        let size = shape[1] * shape[2];
        Scores {
            emissions: &inputs[0].data()[row * size..][..size],
            transitions: inputs[1].data(),
            start: inputs[2].data(),
            end: inputs[3].data(),
            length: self.lengths[row],
        }
    }

    /// The slopes of all rows; each is computed by itself, so that threads change no bits.
    fn slopes<E: Element>(&self, ran: &OpContext<'_, E, Vec<[Forward<E::Wide>; 2]>>) -> Vec<Slopes<E::Wide>> {
        let rows = ran.saved.iter().enumerate().collect();
        parallel_map(rows, |(row, [all, right]): (usize, &[Forward<E::Wide>; 2])| {
            let scores = self.scores(row, ran.inputs);
            let tags = scores.tags();
            let zeros = |size: usize| vec![E::Wide::ZERO; size];
            let mut slopes = Slopes([zeros(scores.emissions.len()), zeros(tags * tags), zeros(tags), zeros(tags)]);
            scores.add_slopes(all, |_| 0..tags, E::Wide::ONE, &mut slopes);
            scores.add_slopes(right, self.right(row, tags), -E::Wide::ONE, &mut slopes);
            slopes
        })
    }
}

impl Operation for Losses {
    type Saved<E: Element> = Vec<[Forward<E::Wide>; 2]>;

    fn name(&self) -> &'static str {
        "crf"
    }

    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        let [batch, time, tags] = *inputs[0] else { return Err("emissions must be [batch, time, tag]".into()) };
        if *inputs[1] != [tags, tags] || *inputs[2] != [tags] || *inputs[3] != [tags] {
            return Err(format!("emissions are of {tags} tags, but the layer has {}", inputs[2].elements()));
        }
        let (rows, steps) = self.tags.dim();
        let longest = self.lengths.iter().copied().max().unwrap_or(0);
        if self.lengths.len() != batch || rows != batch || longest > time || longest > steps {
            return Err(format!(
                "emissions are [{batch}, {time}, tag] with {} lengths up to {longest}, but the tags are [{rows}, \
                 {steps}]",
                self.lengths.len()
            ));
        }
        for (row, &length) in self.lengths.iter().enumerate() {
            if let Some(tag) = self.tags.row(row).iter().take(length).find(|tag| **tag as usize > tags) {
                return Err(format!("there are {tags} tags, but row {row} has a {tag}; {tags} stands for unknown"));
            }
        }
        Ok([batch].into())
    }

    fn forward<E: Element>(&self, inputs: &[View<'_, E>], output: &mut [E]) -> Vec<[Forward<E::Wide>; 2]> {
        let rows = parallel_map((0..output.len()).collect(), |row: usize| {
            let scores = self.scores(row, inputs);
            let tags = scores.tags();
            [scores.forward(|_| 0..tags), scores.forward(self.right(row, tags))]
        });
        for (loss, [all, right]) in output.iter_mut().zip(&rows) {
            *loss = E::narrow(all.log_z - right.log_z);
        }
        rows
    }

    fn backward<E: Element>(
        &self,
        ran: &OpContext<'_, E, Vec<[Forward<E::Wide>; 2]>>,
        gradient: View<'_, E>,
        into: &mut GradSink<'_, E>,
    ) {
        let rows = self.slopes(ran);
        let scaled = || rows.iter().zip(gradient.data().iter().map(|g| g.widen()));
        if into.wants(0) {
            let each =
                scaled().flat_map(|(Slopes(slopes), g)| slopes[0].iter().map(move |slope| E::narrow(*slope * g)));
            into.add(0, each.collect());
        }
        for input in 1..4 {
            if into.wants(input) {
                // The sum over the batch, in its order.
                let mut sum = vec![E::Wide::ZERO; ran.inputs[input].data().len()];
                for (Slopes(slopes), g) in scaled() {
                    sum.iter_mut().zip(&slopes[input]).for_each(|(sum, slope)| *sum += *slope * g);
                }
                into.add(input, sum.into_iter().map(E::narrow).collect());
            }
        }
    }

    fn jvp<E: Element>(
        &self,
        ran: &OpContext<'_, E, Vec<[Forward<E::Wide>; 2]>>,
        tangents: &[Option<View<'_, E>>],
        output: &mut [E],
    ) {
        let size: usize = ran.inputs[0].shape()[1..].iter().product();
        for (row, (out, Slopes(slopes))) in output.iter_mut().zip(self.slopes(ran)).enumerate() {
            let mut sum = E::Wide::ZERO;
            for (input, slopes) in slopes.iter().enumerate() {
                let Some(tangent) = tangents[input] else { continue };
                let tangent = if input == 0 { &tangent.data()[row * size..][..size] } else { tangent.data() };
                sum += slopes.iter().zip(tangent).map(|(slope, v)| *slope * v.widen()).sum::<E::Wide>();
            }
            *out = E::narrow(sum);
        }
    }
}
