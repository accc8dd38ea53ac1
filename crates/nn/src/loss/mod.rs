//! Losses: a prediction against what it should be, as one number from which gradients are computed. Padding is left
//! out, whatever it holds.
//!
//! A prediction is a [`Var`], every place of which counts, or a [`Sequence`], whose real steps count. [`LossReduction`]
//! says how much each place counts and what the sum is divided by.
//!
//! ```
//! use unspool_graph::{CrossEntropy, Graph, Params};
//! use unspool_nn::{Sequence, loss::{self, LossReduction}};
//! let params = Params::seeded(0);
//! let graph = Graph::new(&params);
//! let logits = Sequence::pack(graph.zeros([2, 3, 5]), &[2, 1]); // [batch, time, class] and lengths
//! let targets = [1, 4, 9, 0, 9, 9];                             // 9 is no class: it is in the padding
//! let loss = loss::cross_entropy(logits, &targets, CrossEntropy::new(), LossReduction::all());
//! assert!((loss.item()? - 5f64.ln()).abs() < 1e-6);
//!
//! let prediction = Sequence::pack(graph.input(ndarray::array![[1.0f32, f32::NAN], [3.0, 6.0]]), &[1, 2]);
//! let loss = loss::squared_error(prediction, ndarray::array![[0.0f32, 0.0], [4.0, 4.0]], LossReduction::all());
//! assert_eq!(loss.item()?, 2.0);                              // (1 + 1 + 4) / 3
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod pointwise;

use crate::{Layout, Sequence};
use pointwise::{Absolute, Binary, Huber, Pointwise, Squared};
use unspool_graph::{CrossEntropy, Tensor, Var};

/// Chooses which places of a batch a loss is over, and by what the sum is divided: by default by the total weight of
/// the real places, so that the loss is a mean.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, loss::{LossReduction, absolute_error}};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let off_by_one = Sequence::pack(graph.full([2, 3], 1.0), &[3, 1]);
/// let loss = |over| absolute_error(&off_by_one, ndarray::Array2::<f32>::zeros((2, 3)), over).item();
/// assert_eq!(loss(LossReduction::all())?, 1.0);                               // the mean over four places
/// assert_eq!(loss(LossReduction::all().sum())?, 4.0);
/// assert_eq!(loss(LossReduction::all().per_sequence())?, 2.0);
/// assert_eq!(loss(LossReduction::weights([0.0, 1.0]).sum())?, 1.0);           // the second sequence alone
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct LossReduction {
    which: Which,
    reduction: Reduction,
}

#[derive(Clone, Debug)]
enum Which {
    All,
    Weights(Vec<f32>),
}

#[derive(Clone, Copy, Debug)]
enum Reduction {
    Mean,
    PerSequence,
    Sum,
}

impl LossReduction {
    fn new(which: Which) -> LossReduction {
        LossReduction { which, reduction: Reduction::Mean }
    }

    /// Counts every place.
    pub fn all() -> LossReduction {
        LossReduction::new(Which::All)
    }

    /// Gives each place a factor, in the order of the leading axes; a place of weight 0 is left out. There is one for
    /// each row, `[batch]`, or one for each step, `[batch, time]`: as many as the sizes of some leading axes
    /// multiplied.
    pub fn weights(weights: impl Into<Vec<f32>>) -> LossReduction {
        LossReduction::new(Which::Weights(weights.into()))
    }

    /// Takes the sum itself, as shards of a batch want it.
    pub fn sum(self) -> LossReduction {
        LossReduction { reduction: Reduction::Sum, ..self }
    }

    /// Takes the sum divided by the number of sequences, of a [`Var`] the size of axis 0: a long sequence counts more
    /// than a short one.
    pub fn per_sequence(self) -> LossReduction {
        LossReduction { reduction: Reduction::PerSequence, ..self }
    }

    /// What each place counts, for `shape` whose last `inner` axes lie within a place.
    fn place_weights(&self, shape: &[usize], inner: usize, layout: Option<&Layout>) -> Result<Vec<f32>, String> {
        let places: usize = shape[..shape.len() - inner].iter().product();
        match (&self.which, layout) {
            (Which::All, _) => Ok(vec![1.0; places]),
            // One weight per example, or one per place of the padded batch.
            (Which::Weights(weights), Some(layout)) if weights.len() == layout.batch() => {
                Ok(layout.steps().map(|(example, _)| weights[example]).collect())
            }
            (Which::Weights(weights), Some(layout)) => layout.pack(padded(weights, layout)?),
            (Which::Weights(weights), None) => {
                let places = &shape[..shape.len() - inner];
                if leading(places).any(|count| count == weights.len()) {
                    return Ok(weights.clone());
                }
                let possible: Vec<String> = leading(places).map(|count| count.to_string()).collect();
                Err(format!(
                    "has places of shape {places:?}, but there are {} weights: one for each row or for each place is \
                     needed, {} of them",
                    weights.len(),
                    possible.join(" or ")
                ))
            }
        }
    }

    /// What to multiply a sum with, if the places that count come to `count`. Nothing real gives a loss of 0.
    fn factor(&self, count: f64, sequences: usize) -> f64 {
        let by = match self.reduction {
            Reduction::Sum => return 1.0,
            Reduction::Mean => count,
            Reduction::PerSequence => sequences as f64,
        };
        if by > 0.0 { 1.0 / by } else { 0.0 }
    }
}

/// Returns how many places there are when the first axes are told apart: one axis, two, and so on; 1 where there is no
/// axis.
fn leading(places: &[usize]) -> impl Iterator<Item = usize> + '_ {
    (places.len().min(1)..=places.len()).map(|axes| places[..axes].iter().product())
}

/// Holds what a loss judges: every place of a [`Var`], or the real steps of a [`Sequence`].
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::{Sequence, loss::Prediction};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let _every_place: Prediction<'_> = graph.zeros([2, 3]).into();
/// let _real_steps: Prediction<'_> = Sequence::pack(graph.zeros([2, 3]), &[3, 1]).into();
/// assert_eq!(graph.len(), 3); // both inputs, and the packed rows
/// ```
#[derive(Clone, Debug)]
pub struct Prediction<'g> {
    rows: Var<'g>,
    layout: Option<Layout>,
}

impl<'g> From<Var<'g>> for Prediction<'g> {
    fn from(rows: Var<'g>) -> Prediction<'g> {
        Prediction { rows, layout: None }
    }
}

impl<'g> From<&Sequence<'g>> for Prediction<'g> {
    fn from(xs: &Sequence<'g>) -> Prediction<'g> {
        Prediction { rows: xs.rows(), layout: Some(xs.layout().clone()) }
    }
}

impl<'g> From<Sequence<'g>> for Prediction<'g> {
    fn from(xs: Sequence<'g>) -> Prediction<'g> {
        Prediction::from(&xs)
    }
}

/// The elements of a padded batch as a matrix with a row per example.
fn padded<'a, T>(values: &'a [T], layout: &Layout) -> Result<ndarray::ArrayView2<'a, T>, String> {
    let columns = values.len() / layout.batch().max(1);
    ndarray::ArrayView2::from_shape((layout.batch(), columns), values)
        .map_err(|_| format!("has {} examples, which {} values cannot be shared among", layout.batch(), values.len()))
}

/// The loss that `make` gives, or the graph's error at the line that called the loss.
#[track_caller]
fn checked<'g>(name: &'static str, x: Var<'g>, make: impl FnOnce() -> Result<Var<'g>, String>) -> Var<'g> {
    x.graph().layer_fn(name, |graph| {
        let shape = x.shape()?;
        make().map_err(|why| graph.error(name, format!("{shape} {why}")))
    })
}

/// Computes the cross-entropy of logits `[…, class]` against class numbers, one per place in the order of the leading
/// axes (also for places in the padding, where any number may stand). `options` has label smoothing and weights of
/// classes. The mean is weighted by the places' weights times their targets' class weights, as PyTorch's.
///
/// ```
/// use unspool_graph::{CrossEntropy, Graph, Params};
/// use unspool_nn::{Sequence, loss::{self, LossReduction}};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let logits = Sequence::pack(graph.zeros([2, 3, 4]), &[3, 1]);             // [batch, time, class]
/// let sum = loss::cross_entropy(logits, &[0, 1, 2, 3, 9, 9], CrossEntropy::new(), LossReduction::all().sum());
/// assert!((sum.item()? - 4.0 * 4f64.ln()).abs() < 1e-5);                    // four real places
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy<'g>(
    logits: impl Into<Prediction<'g>>,
    targets: &[u32],
    options: CrossEntropy,
    over: LossReduction,
) -> Var<'g> {
    let Prediction { rows, layout } = logits.into();
    checked("cross_entropy", rows, || {
        let Some(shape) = rows.known_shape().filter(|shape| !shape.is_empty()) else {
            return Err("has no axis of classes".into());
        };
        if shape[0] == 0 && layout.is_some() {
            return Ok(rows.sum_all()); // no real step, no loss
        }
        let weights = over.place_weights(&shape, 1, layout.as_ref())?;
        let targets = match &layout {
            Some(layout) => layout.pack(padded(targets, layout)?)?,
            None => targets.to_vec(),
        };
        // The weight of a row of a batch with a time axis holds for all of the row.
        let places: usize = shape[..shape.len() - 1].iter().product();
        let each = places / weights.len().max(1);
        let weights: Vec<f32> = weights.iter().flat_map(|&w| std::iter::repeat_n(w, each)).collect();
        let counted = weights.iter().zip(&targets).filter(|(w, _)| **w != 0.0);
        let count: f64 = counted.map(|(w, t)| f64::from(*w) * options.class_weight(*t)).sum();
        let factor = over.factor(count, layout.map_or(shape[0], |layout| layout.batch()));
        Ok(rows.cross_entropy_with(&targets, options.weights(weights)).sum_all() * factor)
    })
}

/// Computes the mean of (x − t)².
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, LossReduction};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let loss = loss::squared_error(graph.input(vec![1.0f32, 4.0]), vec![0.0f32, 1.0], LossReduction::all());
/// assert_eq!(loss.item()?, 5.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn squared_error<'g>(
    prediction: impl Into<Prediction<'g>>,
    target: impl Into<Tensor>,
    over: LossReduction,
) -> Var<'g> {
    pointwise(Squared, prediction.into(), target.into(), over)
}

/// Computes the mean of |x − t|; the gradient at 0 is 0.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, LossReduction};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let loss = loss::absolute_error(graph.input(vec![1.0f32, 4.0]), vec![0.0f32, 1.0], LossReduction::all());
/// assert_eq!(loss.item()?, 2.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn absolute_error<'g>(
    prediction: impl Into<Prediction<'g>>,
    target: impl Into<Tensor>,
    over: LossReduction,
) -> Var<'g> {
    pointwise(Absolute, prediction.into(), target.into(), over)
}

/// Computes the mean of ½ d² where |d| ≤ δ, and of δ (|d| − ½ δ) elsewhere, with d = x − t (Huber 1964): an outlier
/// pulls no harder than δ.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, LossReduction};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let x = graph.input(vec![0.5f32, 100.0]).watch();
/// let gradients = loss::huber(x, vec![0.0f32, 0.0], 1.0, LossReduction::all().sum()).backward()?;
/// // The outlier pulls no harder than 1.
/// assert_eq!(gradients.of(x).unwrap().to_f64().as_slice(), Some(&[0.5, 1.0][..]));
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn huber<'g>(
    prediction: impl Into<Prediction<'g>>,
    target: impl Into<Tensor>,
    delta: f64,
    over: LossReduction,
) -> Var<'g> {
    let prediction = prediction.into();
    if delta.is_nan() || delta <= 0.0 {
        let why = format!("cannot have δ = {delta}: it must be greater than 0");
        return checked("huber", prediction.rows, || Err(why));
    }
    pointwise(Huber(delta), prediction, target.into(), over)
}

/// Computes the mean of −t ln σ(x) − (1 − t) ln(1 − σ(x)), for logits x and targets in [0, 1]: max(x, 0) − x t + ln(1 +
/// e^−|x|), which is finite for every finite x.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, LossReduction};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let logits = graph.input(vec![0.0f32, 1000.0]);
/// let loss = loss::binary_cross_entropy(logits, vec![1.0f32, 1.0], LossReduction::all().sum());
/// assert!((loss.item()? - 2f64.ln()).abs() < 1e-6);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn binary_cross_entropy<'g>(
    logits: impl Into<Prediction<'g>>,
    target: impl Into<Tensor>,
    over: LossReduction,
) -> Var<'g> {
    pointwise(Binary, logits.into(), target.into(), over)
}

#[track_caller]
fn pointwise<'g, K: pointwise::Kind>(
    kind: K,
    prediction: Prediction<'g>,
    target: Tensor,
    over: LossReduction,
) -> Var<'g> {
    let Prediction { rows, layout } = prediction;
    checked(K::NAME, rows, || {
        let Some(shape) = rows.known_shape() else { return Err("has no value".into()) };
        if shape.elements() == 0 && layout.is_some() {
            return Ok(rows.sum_all()); // no real step, no loss
        }
        let inner = if layout.is_some() { shape.len().saturating_sub(1) } else { 0 };
        let target = match &layout {
            Some(layout) => packed(&target, layout, &shape)?,
            None if target.shape() == &*shape => target.to_f64().iter().copied().collect(),
            None => return Err(format!("does not fit the targets {:?}", target.shape())),
        };
        let weights = over.place_weights(&shape, inner, layout.as_ref())?;
        let elements = shape.elements();
        if weights.is_empty() || !elements.is_multiple_of(weights.len()) {
            return Err(format!("has no place for each of {} weights", weights.len()));
        }
        let within = elements / weights.len();
        let count = weights.iter().map(|&w| f64::from(w)).sum::<f64>() * within as f64;
        let sequences = layout.map_or(shape.first().copied().unwrap_or(1), |layout| layout.batch());
        let factor = over.factor(count, sequences);
        Ok(rows.graph().apply(Pointwise { kind, target, weights, factor }, &[rows]))
    })
}

/// Targets `[batch, time, …]` in the order of the packed rows.
fn packed(target: &Tensor, layout: &Layout, rows: &[usize]) -> Result<Vec<f64>, String> {
    let shape = target.shape();
    let fits = shape.len() == rows.len() + 1 && shape[0] == layout.batch() && shape[2..] == rows[1..];
    if !fits || layout.lengths().iter().any(|&length| length > shape[1]) {
        return Err(format!("are the rows of {} sequences, which the targets {shape:?} do not fit", layout.batch()));
    }
    let (target, width) = (target.to_f64(), rows[1..].iter().product::<usize>());
    let all: Vec<f64> = target.iter().copied().collect();
    Ok(layout.steps().flat_map(|(b, t)| all[(b * shape[1] + t) * width..][..width].iter().copied()).collect())
}
