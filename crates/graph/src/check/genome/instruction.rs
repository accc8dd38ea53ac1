//! The instructions of a genome: which there are, what they need of their operands, and how they run.

use super::Gene;
use crate::{CrossEntropy, Graph, MAX_RANK, Shape, Var};
use std::fmt;

/// The most elements of a value.
const ELEMENTS: usize = 64;
/// How far from its kink an operand must be.
const MARGIN: f64 = 0.01;

/// How many kinds of instructions there are.
const KINDS: u8 = 54;

/// A value, by its place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct V(usize);

impl fmt::Debug for V {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// An operation on values that fit it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Instruction {
    Add(V, V),
    Sub(V, V),
    Mul(V, V),
    /// a / (b² + ½)
    Div(V, V),
    Tanh(V),
    Sigmoid(V),
    Exp(V),
    /// ln(a² + ½)
    Log(V),
    /// √(a² + ½)
    Sqrt(V),
    Softplus(V),
    Gelu(V),
    Silu(V),
    Neg(V),
    /// aⁿ
    PowI(V, i32),
    /// (a² + ½)ᵇ
    PowF(V, V),
    Relu(V),
    LeakyRelu(V),
    Abs(V),
    Clamp(V),
    Maximum(V, V),
    Minimum(V, V),
    /// a where a > b, elsewhere b²
    Select(V, V),
    Max(V, isize),
    Min(V, isize),
    Reverse(V),
    Transpose(V, isize, isize),
    Row(V),
    Unsqueeze(V, isize),
    Squeeze(V, isize),
    Slice(V, isize, usize, usize),
    Index(V, isize, usize),
    Halves(V, isize),
    Concat(V, V, isize),
    Stack(V, V, isize),
    Flip(V, isize),
    Expand(V, usize),
    Pad(V, isize),
    Rows(V, u32, u32),
    Sum(V, isize),
    SumAll(V),
    Mean(V, isize),
    LogSumExp(V, isize),
    Norm(V),
    CumSum(V, isize),
    Softmax(V),
    LogSoftmax(V),
    MaskedSoftmax(V, u8),
    MaskedLogSoftmax(V, u8),
    CrossEntropy(V, u32),
    LayerNorm(V, V, V),
    MatMul(V, V),
    Linear(V, V),
    LinearBias(V, V, V),
    Embedding(V, u32, u32),
}
use Instruction as I;

/// What is known of the values so far, and the numbers of one gene.
struct Decoder<'a, 'g> {
    known: &'a [Var<'g>],
    gene: Gene,
}

/// The instruction that `gene` stands for after these values; `None` if it is to do nothing.
pub(super) fn decode(gene: Gene, known: &[Var<'_>]) -> Option<Instruction> {
    let decoder = Decoder { known, gene };
    let (a, which) = (decoder.back(gene.a), (gene.operation % (KINDS + 1)).checked_sub(1)?);
    // The last resort, which fits any value.
    Some(decoder.instruction(which, a).filter(|i| decoder.small(i)).unwrap_or(I::Tanh(a)))
}

impl Decoder<'_, '_> {
    fn back(&self, by: u8) -> V {
        V(self.known.len() - 1 - usize::from(by) % self.known.len())
    }

    fn shape(&self, v: V) -> Shape {
        self.known[v.0].known_shape().unwrap_or(Shape::from([]))
    }

    /// The first value that fits, going back from the one that the gene names.
    fn fitting(&self, from: u8, fits: impl Fn(&Shape) -> bool) -> Option<V> {
        let count = self.known.len();
        (0..count).map(|i| V((2 * count - 1 - usize::from(from) % count - i) % count)).find(|&v| fits(&self.shape(v)))
    }

    /// One that broadcasts with `a`, which `a` itself does.
    fn partner(&self, a: V) -> Option<V> {
        let shape = self.shape(a);
        self.fitting(self.gene.b, |other| shape.broadcast(other).is_some())
    }

    /// An axis, counted from the front or from the end; of a size that satisfies `fits`.
    fn axis(&self, a: V, fits: impl Fn(usize) -> bool) -> Option<isize> {
        let shape = self.shape(a);
        let axis = usize::from(self.gene.c / 2).checked_rem(shape.len())?;
        let signed = if self.gene.c.is_multiple_of(2) { axis as isize } else { axis as isize - shape.len() as isize };
        fits(shape[axis]).then_some(signed)
    }

    fn size(&self, a: V, axis: isize) -> usize {
        let shape = self.shape(a);
        shape[axis.rem_euclid(shape.len() as isize) as usize]
    }

    /// Whether all elements of what `make` gives are away from 0.
    fn away(&self, make: impl Fn() -> f64) -> Option<()> {
        (make() > MARGIN).then_some(())
    }

    /// The least |x − kink| of a value's elements; +∞ of none.
    fn margin(&self, a: V, kink: f64) -> f64 {
        let value = self.known[a.0].value().map(|v| v.to_f64());
        value.map_or(0.0, |v| v.iter().fold(f64::INFINITY, |least, x| least.min((x - kink).abs())))
    }

    /// The least distance of two values' elements.
    fn distance(&self, a: V, b: V) -> f64 {
        let difference = self.known[a.0].value().and_then(|a| Ok((a.to_f64(), self.known[b.0].to_f64()?)));
        let Ok((a, b)) = difference else { return 0.0 };
        let Some(shape) = self.shape_of(a.shape()).broadcast(&self.shape_of(b.shape())) else { return 0.0 };
        let (Some(a), Some(b)) = (a.broadcast(&*shape), b.broadcast(&*shape)) else { return 0.0 };
        a.iter().zip(&b).fold(f64::INFINITY, |least, (a, b)| least.min((a - b).abs()))
    }

    fn shape_of(&self, sizes: &[usize]) -> Shape {
        Shape::new(sizes).unwrap_or(Shape::from([]))
    }

    /// The least distance between the two greatest (`sign` 1) or smallest (−1) elements along an axis.
    fn lead(&self, a: V, axis: isize, sign: f64) -> f64 {
        let Ok(value) = self.known[a.0].value() else { return 0.0 };
        let (value, mut least) = (value.to_f64() * sign, f64::INFINITY);
        let axis = axis.rem_euclid(value.ndim() as isize) as usize;
        for lane in value.lanes(ndarray::Axis(axis)) {
            let mut sorted = lane.to_vec();
            sorted.sort_by(|a, b| b.total_cmp(a));
            if let [first, second, ..] = sorted[..] {
                least = least.min(first - second);
            }
        }
        least
    }

    fn instruction(&self, which: u8, a: V) -> Option<Instruction> {
        let (shape, c) = (self.shape(a), self.gene.c);
        let (any, some, number) = (|_| true, |n| n > 0 && shape.elements() > 0, u32::from(c));
        Some(match which {
            0 => I::Add(a, self.partner(a)?),
            1 => I::Sub(a, self.partner(a)?),
            2 => I::Mul(a, self.partner(a)?),
            3 => I::Div(a, self.partner(a)?),
            4 => I::Tanh(a),
            5 => I::Sigmoid(a),
            6 => I::Exp(a),
            7 => I::Log(a),
            8 => I::Sqrt(a),
            9 => I::Softplus(a),
            10 => I::Gelu(a),
            11 => I::Silu(a),
            12 => I::Neg(a),
            13 => I::PowI(a, i32::from(c % 3) + 1),
            14 => I::PowF(a, self.partner(a)?),
            15 => self.away(|| self.margin(a, 0.0)).map(|()| I::Relu(a))?,
            16 => self.away(|| self.margin(a, 0.0)).map(|()| I::LeakyRelu(a))?,
            17 => self.away(|| self.margin(a, 0.0)).map(|()| I::Abs(a))?,
            18 => self.away(|| self.margin(a, -0.5).min(self.margin(a, 0.75))).map(|()| I::Clamp(a))?,
            19 => self.partner(a).filter(|&b| self.distance(a, b) > MARGIN).map(|b| I::Maximum(a, b))?,
            20 => self.partner(a).filter(|&b| self.distance(a, b) > MARGIN).map(|b| I::Minimum(a, b))?,
            21 => self.partner(a).filter(|&b| self.distance(a, b) > MARGIN).map(|b| I::Select(a, b))?,
            22 => self.axis(a, some).filter(|&axis| self.lead(a, axis, 1.0) > MARGIN).map(|axis| I::Max(a, axis))?,
            23 => self.axis(a, some).filter(|&axis| self.lead(a, axis, -1.0) > MARGIN).map(|axis| I::Min(a, axis))?,
            24 => I::Reverse(a),
            25 => I::Transpose(a, self.axis(a, any)?, 0),
            26 => I::Row(a),
            27 => I::Unsqueeze(a, (usize::from(c) % (shape.len() + 1)) as isize),
            28 => I::Squeeze(a, self.axis(a, |n| n == 1)?),
            29 => {
                let axis = self.axis(a, any)?;
                let n = self.size(a, axis);
                let from = usize::from(c / 8) % (n + 1);
                I::Slice(a, axis, from, from + usize::from(c / 32) % (n + 1 - from))
            }
            30 => {
                let axis = self.axis(a, some)?;
                I::Index(a, axis, usize::from(c / 8) % self.size(a, axis))
            }
            31 => I::Halves(a, self.axis(a, |n| n > 1)?),
            32 => {
                let axis = self.axis(a, any)?;
                let at = axis.rem_euclid(shape.len() as isize) as usize;
                let alike = |other: &Shape| other.len() == shape.len() && other.with(at, 1) == shape.with(at, 1);
                I::Concat(a, self.fitting(self.gene.b, alike)?, axis)
            }
            33 => {
                let b = self.fitting(self.gene.b, |other| *other == shape)?;
                I::Stack(a, b, (usize::from(c) % (shape.len() + 1)) as isize)
            }
            34 => I::Flip(a, self.axis(a, any)?),
            35 => I::Expand(a, usize::from(c) % 4),
            36 => I::Pad(a, self.axis(a, any)?),
            37 => {
                let n = *shape.first().filter(|&&n| n > 0)? as u32;
                I::Rows(a, number % n, number / 3 % n)
            }
            38 => I::Sum(a, self.axis(a, any)?),
            39 => I::SumAll(a),
            40 => I::Mean(a, self.axis(a, some)?),
            41 => I::LogSumExp(a, self.axis(a, some)?),
            // The norm of zeros has a kink.
            42 => self.away(|| self.margin(a, 0.0)).filter(|()| shape.elements() > 0).map(|()| I::Norm(a))?,
            43 => I::CumSum(a, self.axis(a, any)?),
            44 => self.axis(a, some).map(|_| I::Softmax(a))?,
            45 => self.axis(a, some).map(|_| I::LogSoftmax(a))?,
            46 => self.axis(a, some).map(|_| I::MaskedSoftmax(a, c))?,
            47 => self.axis(a, some).map(|_| I::MaskedLogSoftmax(a, c))?,
            48 => shape.last().filter(|&&n| n > 0).map(|&n| I::CrossEntropy(a, number % n as u32))?,
            49 => {
                let n = *shape.last().filter(|&&n| n > 1)?;
                let row = |other: &Shape| **other == [n];
                I::LayerNorm(a, self.fitting(self.gene.b, row)?, self.fitting(c, row)?)
            }
            50 => {
                let (&k, rank) = (shape.last()?, shape.len());
                let fits = |other: &Shape| match other.len() {
                    0 => false,
                    1 => other[0] == k,
                    2 => rank > 1 && other[0] == k,
                    n => n == rank && other[n - 2] == k && other[..n - 2] == shape[..n - 2],
                };
                I::MatMul(a, self.fitting(self.gene.b, fits)?)
            }
            51 => I::Linear(a, self.weight(a)?),
            52 => {
                let weight = self.weight(a)?;
                let out = self.shape(weight)[0];
                I::LinearBias(a, weight, self.fitting(c, |other| **other == [out])?)
            }
            _ => {
                let n = *shape.first().filter(|&&n| n > 0 && shape.len() == 2)? as u32;
                I::Embedding(a, number % n, number / 3 % n)
            }
        })
    }

    /// A weight `[out, in]` for rows of `a`.
    fn weight(&self, a: V) -> Option<V> {
        let &k = self.shape(a).last()?;
        self.fitting(self.gene.b, |other| other.len() == 2 && other[1] == k)
    }

    /// Whether the result stays small.
    fn small(&self, instruction: &Instruction) -> bool {
        let elements = |v: V| self.shape(v).elements();
        let pair = |a: V, b: V| self.shape(a).broadcast(&self.shape(b)).map_or(0, |shape| shape.elements());
        let (elements, grows) = match *instruction {
            I::Add(a, b) | I::Sub(a, b) | I::Mul(a, b) | I::Div(a, b) | I::PowF(a, b) => (pair(a, b), 0),
            I::Maximum(a, b) | I::Minimum(a, b) | I::Select(a, b) => (pair(a, b), 0),
            I::Concat(a, b, _) => (elements(a) + elements(b), 0),
            I::Stack(a, _, _) => (2 * elements(a), self.shape(a).len() + 1),
            I::Expand(a, n) => (n * elements(a), self.shape(a).len() + 1),
            I::Unsqueeze(a, _) => (elements(a), self.shape(a).len() + 1),
            I::Rows(a, ..) => (2 * elements(a), 0),
            I::Pad(a, axis) => (elements(a) / self.size(a, axis).max(1) * (self.size(a, axis) + 3), 0),
            I::MatMul(a, b) => (elements(a) * elements(b), 0),
            I::Linear(a, w) | I::LinearBias(a, w, _) => (elements(a) * self.shape(w)[0], 0),
            _ => (0, 0),
        };
        elements <= ELEMENTS && grows < MAX_RANK
    }
}

impl Instruction {
    /// Records it.
    pub(super) fn run<'g>(self, graph: &'g Graph<'g>, known: &[Var<'g>]) -> Var<'g> {
        let v = |v: V| known[v.0];
        let positive = |a: V| v(a) * v(a) + 0.5;
        let flags = |a: V, c: u8| -> Vec<bool> {
            (0..v(a).known_shape().map_or(0, |shape| shape.elements())).map(|i| (c >> (i % 8)) & 1 == 0).collect()
        };
        match self {
            I::Add(a, b) => v(a) + v(b),
            I::Sub(a, b) => v(a) - v(b),
            I::Mul(a, b) => v(a) * v(b),
            I::Div(a, b) => v(a) / positive(b),
            I::Tanh(a) => v(a).tanh(),
            I::Sigmoid(a) => v(a).sigmoid(),
            I::Exp(a) => v(a).exp(),
            I::Log(a) => positive(a).log(),
            I::Sqrt(a) => positive(a).sqrt(),
            I::Softplus(a) => v(a).softplus(),
            I::Gelu(a) => v(a).gelu(),
            I::Silu(a) => v(a).silu(),
            I::Neg(a) => -v(a),
            I::PowI(a, n) => v(a).powi(n),
            I::PowF(a, b) => positive(a).powf(v(b)),
            I::Relu(a) => v(a).relu(),
            I::LeakyRelu(a) => v(a).leaky_relu(0.1),
            I::Abs(a) => v(a).abs(),
            I::Clamp(a) => v(a).clamp(-0.5, 0.75),
            I::Maximum(a, b) => v(a).maximum(v(b)),
            I::Minimum(a, b) => v(a).minimum(v(b)),
            I::Select(a, b) => v(a).gt(v(b)).where_(v(a), v(b) * v(b)),
            I::Max(a, axis) => v(a).max(&[axis]),
            I::Min(a, axis) => v(a).min(&[axis]),
            I::Reverse(a) => {
                let axes: Vec<usize> = (0..v(a).known_shape().map_or(0, |shape| shape.len())).rev().collect();
                v(a).permute(&axes)
            }
            I::Transpose(a, one, other) => v(a).transpose(one, other),
            I::Row(a) => v(a).reshape([v(a).known_shape().map_or(0, |shape| shape.elements())]),
            I::Unsqueeze(a, axis) => v(a).unsqueeze(axis),
            I::Squeeze(a, axis) => v(a).squeeze(axis),
            I::Slice(a, axis, from, to) => v(a).slice(axis, from..to),
            I::Index(a, axis, index) => v(a).index(axis, index),
            I::Halves(a, axis) => {
                let pieces = v(a).split(axis, 1);
                pieces.iter().skip(1).fold(pieces[0], |product, &piece| product * piece)
            }
            I::Concat(a, b, axis) => graph.concat(&[v(a), v(b)], axis),
            I::Stack(a, b, axis) => graph.stack(&[v(a), v(b)], axis),
            I::Flip(a, axis) => v(a).flip(axis),
            I::Expand(a, n) => {
                let shape = v(a).known_shape().and_then(|shape| shape.insert(0, n));
                v(a).expand(shape.as_deref().unwrap_or(&[]))
            }
            I::Pad(a, axis) => v(a).pad(axis, 1, 2),
            I::Rows(a, i, j) => v(a).index_select(&[i, j]),
            I::Sum(a, axis) => v(a).sum(&[axis]),
            I::SumAll(a) => v(a).sum_all(),
            I::Mean(a, axis) => v(a).mean(&[axis]),
            I::LogSumExp(a, axis) => v(a).logsumexp(&[axis]),
            I::Norm(a) => v(a).norm(&[]),
            I::CumSum(a, axis) => v(a).cumsum(axis),
            I::Softmax(a) => v(a).softmax(),
            I::LogSoftmax(a) => v(a).log_softmax(),
            I::MaskedSoftmax(a, c) => v(a).masked_softmax(flags(a, c)),
            // What is masked is −∞; its exponential is a number again.
            I::MaskedLogSoftmax(a, c) => v(a).masked_log_softmax(flags(a, c)).exp(),
            I::CrossEntropy(a, target) => {
                let rows = v(a).known_shape().map_or(0, |shape| shape.rows());
                v(a).cross_entropy_with(&vec![target; rows], CrossEntropy::new().smoothing(0.1))
            }
            I::LayerNorm(a, weight, bias) => v(a).layer_norm(v(weight), v(bias), 0.1),
            I::MatMul(a, b) => v(a).matmul(v(b)),
            I::Linear(a, weight) => v(a).linear(v(weight), None::<Var<'g>>),
            I::LinearBias(a, weight, bias) => v(a).linear(v(weight), Some(v(bias))),
            I::Embedding(a, i, j) => graph.embedding(v(a), &[i, j, i], [3], None),
        }
    }

    /// The places of the values it reads.
    pub(super) fn operands(self) -> Vec<usize> {
        let places = match self {
            I::Add(a, b) | I::Sub(a, b) | I::Mul(a, b) | I::Div(a, b) | I::PowF(a, b) => vec![a, b],
            I::Maximum(a, b) | I::Minimum(a, b) | I::Select(a, b) => vec![a, b],
            I::Concat(a, b, _) | I::Stack(a, b, _) | I::MatMul(a, b) | I::Linear(a, b) => vec![a, b],
            I::LayerNorm(a, b, c) | I::LinearBias(a, b, c) => vec![a, b, c],
            I::PowI(a, _) | I::Expand(a, _) | I::MaskedSoftmax(a, _) | I::MaskedLogSoftmax(a, _) => vec![a],
            I::Tanh(a) | I::Sigmoid(a) | I::Exp(a) | I::Log(a) | I::Sqrt(a) | I::Softplus(a) => vec![a],
            I::Gelu(a) | I::Silu(a) | I::Neg(a) | I::Relu(a) | I::LeakyRelu(a) | I::Abs(a) => vec![a],
            I::Clamp(a) | I::Reverse(a) | I::Row(a) | I::SumAll(a) | I::Norm(a) => vec![a],
            I::Softmax(a) | I::LogSoftmax(a) | I::Transpose(a, ..) | I::Slice(a, ..) => vec![a],
            I::Max(a, _) | I::Min(a, _) | I::Unsqueeze(a, _) | I::Squeeze(a, _) => vec![a],
            I::Halves(a, _) | I::Flip(a, _) | I::Pad(a, _) | I::Sum(a, _) | I::Mean(a, _) => vec![a],
            I::LogSumExp(a, _) | I::CumSum(a, _) | I::CrossEntropy(a, _) => vec![a],
            I::Index(a, ..) | I::Rows(a, ..) | I::Embedding(a, ..) => vec![a],
        };
        places.into_iter().map(|v| v.0).collect()
    }
}
