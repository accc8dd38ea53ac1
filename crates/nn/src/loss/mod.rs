//! Losses: a prediction against what it should be, as one number to walk back from. Padding is left out, whatever
//! stands there.
//!
//! [`Over`] says which places of a batch count and what the sum is divided by.
//!
//! ```
//! use unspool_graph::{CrossEntropy, Graph, Params};
//! use unspool_nn::loss::{self, Over};
//! let params = Params::seeded(0);
//! let graph = Graph::new(&params);
//! let logits = graph.full([2, 3, 5], 0.0);                    // [batch, time, class]
//! let targets = [1, 4, 9, 0, 9, 9];                           // 9 is no class: it stands in the padding
//! let loss = loss::cross_entropy(logits, &targets, CrossEntropy::new(), Over::lengths(&[2, 1]));
//! assert!((loss.item()? - 5f64.ln()).abs() < 1e-6);
//!
//! let prediction = graph.input(ndarray::array![[1.0f32, f32::NAN], [3.0, 6.0]]);
//! let loss = loss::squared_error(prediction, ndarray::array![[0.0f32, 0.0], [4.0, 4.0]], Over::lengths(&[1, 2]));
//! assert_eq!(loss.item()?, 2.0);                              // (1 + 1 + 4) / 3
//! # Ok::<(), unspool_nn::Error>(())
//! ```

mod pointwise;

use pointwise::{Absolute, Binary, Huber, Pointwise, Refused, Squared};
use unspool_graph::{CrossEntropy, Tensor, Var};

/// Which places of a batch a loss is over, and what the sum is divided by: unless told otherwise, by what all real
/// places count together, so that it is a mean.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{Over, absolute_error};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let off_by_one = || (graph.full([2, 3], 1.0), ndarray::Array2::<f32>::zeros((2, 3)));
/// let loss = |over| { let (x, y) = off_by_one(); absolute_error(x, y, over).item() };
/// assert_eq!(loss(Over::lengths(&[3, 1]))?, 1.0);                    // the mean over four places
/// assert_eq!(loss(Over::lengths(&[3, 1]).sum())?, 4.0);
/// assert_eq!(loss(Over::lengths(&[3, 1]).per_sequence())?, 2.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Over {
    which: Which,
    reduction: Reduction,
}

#[derive(Clone, Debug)]
enum Which {
    All,
    Lengths(Vec<usize>),
    Weights(Vec<f32>),
}

#[derive(Clone, Copy, Debug)]
enum Reduction {
    Mean,
    PerSequence,
    Sum,
}

impl Over {
    fn new(which: Which) -> Over {
        Over { which, reduction: Reduction::Mean }
    }

    /// Counts every place.
    pub fn all() -> Over {
        Over::new(Which::All)
    }

    /// Counts the places within the lengths of a padded batch `[batch, time, …]`.
    pub fn lengths(lengths: &[usize]) -> Over {
        Over::new(Which::Lengths(lengths.to_vec()))
    }

    /// Gives each place a factor, in the order of the leading axes; a place of weight 0 is left out. There is one for
    /// each row, `[batch]`, or one for each step, `[batch, time]`: as many as the sizes of some leading axes
    /// multiplied.
    pub fn weights(weights: impl Into<Vec<f32>>) -> Over {
        Over::new(Which::Weights(weights.into()))
    }

    /// Takes the sum itself, as shards of a batch want it.
    pub fn sum(self) -> Over {
        Over { reduction: Reduction::Sum, ..self }
    }

    /// Takes the sum divided by the number of sequences, the size of axis 0: a long sequence counts more than a short
    /// one.
    pub fn per_sequence(self) -> Over {
        Over { reduction: Reduction::PerSequence, ..self }
    }

    /// What each place counts, for `shape` whose last `inner` axes lie within a place.
    fn place_weights(&self, shape: &[usize], inner: usize) -> Result<Vec<f32>, String> {
        let (batch, time) = (shape.first().copied().unwrap_or(1), shape.get(1).copied().unwrap_or(1));
        match &self.which {
            Which::All => Ok(vec![1.0; shape[..shape.len() - inner].iter().product()]),
            Which::Lengths(lengths) => {
                if shape.len() < 2 + inner || lengths.len() != batch || lengths.iter().any(|&length| length > time) {
                    return Err(format!("is no padded batch of {} rows with lengths {lengths:?}", lengths.len()));
                }
                let real = |place: usize| f32::from(u8::from(place % time < lengths[place / time]));
                Ok((0..batch * time).map(real).collect())
            }
            Which::Weights(weights) => {
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

/// An operation that does not fit: its error names the line that called the loss.
#[track_caller]
fn refuse<'g>(name: &'static str, x: Var<'g>, why: String) -> Var<'g> {
    x.graph().apply(Refused { name, why }, &[x])
}

/// Cross-entropy of logits `[…, class]` against class numbers, one for each place in the order of the leading axes
/// (also for those in the padding, where any number may stand). `options` has label smoothing and weights of classes.
/// The mean is over what the real places count, times their targets' class weights, as PyTorch's.
///
/// ```
/// use unspool_graph::{CrossEntropy, Graph, Params};
/// use unspool_nn::loss::{self, Over};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let logits = graph.zeros([2, 3, 4]);                                      // [batch, time, class]
/// let sum = loss::cross_entropy(logits, &[0, 1, 2, 3, 9, 9], CrossEntropy::new(), Over::lengths(&[3, 1]).sum());
/// assert!((sum.item()? - 4.0 * 4f64.ln()).abs() < 1e-5);                    // four real places
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn cross_entropy<'g>(logits: Var<'g>, targets: &[u32], options: CrossEntropy, over: Over) -> Var<'g> {
    let Ok(shape) = logits.shape() else { return logits };
    if shape.is_empty() {
        return refuse("cross_entropy", logits, "has no axis of classes".into());
    }
    let mut weights = match over.place_weights(&shape, 1) {
        Ok(weights) => weights,
        Err(why) => return refuse("cross_entropy", logits, why),
    };
    // A single weight a row of a batch with a time axis holds for all of the row.
    let places: usize = shape[..shape.len() - 1].iter().product();
    if !weights.is_empty() && weights.len() < places && places.is_multiple_of(weights.len()) {
        let each = places / weights.len();
        weights = weights.iter().flat_map(|&w| std::iter::repeat_n(w, each)).collect();
    }
    let counted = weights.iter().zip(targets).filter(|(w, _)| **w != 0.0);
    let count: f64 = counted.map(|(w, t)| f64::from(*w) * options.class_weight(*t)).sum();
    let factor = over.factor(count, shape[0]);
    logits.cross_entropy_with(targets, options.weights(weights)).sum_all() * factor
}

/// Mean of (x − t)².
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, Over};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let loss = loss::squared_error(graph.input(vec![1.0f32, 4.0]), vec![0.0f32, 1.0], Over::all());
/// assert_eq!(loss.item()?, 5.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn squared_error<'g>(prediction: Var<'g>, target: impl Into<Tensor>, over: Over) -> Var<'g> {
    pointwise(Squared, prediction, target.into(), over)
}

/// Mean of |x − t|; the gradient at 0 is 0.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, Over};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let loss = loss::absolute_error(graph.input(vec![1.0f32, 4.0]), vec![0.0f32, 1.0], Over::all());
/// assert_eq!(loss.item()?, 2.0);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn absolute_error<'g>(prediction: Var<'g>, target: impl Into<Tensor>, over: Over) -> Var<'g> {
    pointwise(Absolute, prediction, target.into(), over)
}

/// Mean of ½ d² where |d| ≤ δ, δ (|d| − ½ δ) elsewhere, with d = x − t (Huber 1964): an outlier pulls no harder than δ.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, Over};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let x = graph.input(vec![0.5f32, 100.0]).watch();
/// let gradients = loss::huber(x, vec![0.0f32, 0.0], 1.0, Over::all().sum()).backward()?;
/// assert_eq!(gradients.of(x).unwrap().to_f64().as_slice(), Some(&[0.5, 1.0][..])); // the outlier pulls no harder than 1
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn huber<'g>(prediction: Var<'g>, target: impl Into<Tensor>, delta: f64, over: Over) -> Var<'g> {
    if delta.is_nan() || delta <= 0.0 {
        return refuse("huber", prediction, format!("cannot have δ = {delta}: it must be greater than 0"));
    }
    pointwise(Huber(delta), prediction, target.into(), over)
}

/// Mean of −t ln σ(x) − (1 − t) ln(1 − σ(x)), for logits x and targets in [0, 1]: max(x, 0) − x t + ln(1 + e^−|x|),
/// which is finite for every finite x.
///
/// ```
/// use unspool_graph::{Graph, Params};
/// use unspool_nn::loss::{self, Over};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let loss = loss::binary_cross_entropy(graph.input(vec![0.0f32, 1000.0]), vec![1.0f32, 1.0], Over::all().sum());
/// assert!((loss.item()? - 2f64.ln()).abs() < 1e-6);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[track_caller]
pub fn binary_cross_entropy<'g>(logits: Var<'g>, target: impl Into<Tensor>, over: Over) -> Var<'g> {
    pointwise(Binary, logits, target.into(), over)
}

#[track_caller]
fn pointwise<'g, K: pointwise::Kind>(kind: K, x: Var<'g>, target: Tensor, over: Over) -> Var<'g> {
    let Ok(shape) = x.shape() else { return x };
    if target.shape() != &*shape {
        return refuse(K::NAME, x, format!("does not fit the targets {:?}", target.shape()));
    }
    let weights = match over.place_weights(&shape, 0) {
        Ok(weights) => weights,
        Err(why) => return refuse(K::NAME, x, why),
    };
    let elements = shape.elements();
    if weights.is_empty() || !elements.is_multiple_of(weights.len()) {
        return refuse(K::NAME, x, format!("has no place for each of {} weights", weights.len()));
    }
    let inner = elements / weights.len();
    let count = weights.iter().map(|&w| f64::from(w)).sum::<f64>() * inner as f64;
    let factor = over.factor(count, shape.first().copied().unwrap_or(1));
    let target = target.to_f64().iter().copied().collect();
    x.graph().apply(Pointwise { kind, target, weights, factor }, &[x])
}
