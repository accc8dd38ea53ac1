//! The two precisions and the dual numbers, and the mathematics of one element in each.

mod dual;
mod either;
mod float;
mod lanes;
mod loops;
mod math;

pub(crate) use dual::Dual;
pub(crate) use either::{Either, Family, Shown, Side, Slice, typed};
pub use float::Float;
pub(crate) use lanes::Lanes;
pub(crate) use loops::{Loops, Start, ThreadMemory};

use std::{
    fmt::Debug,
    iter::Sum,
    ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign},
};

/// Says in which numbers a model computes. It is a property of [`Params`](crate::Params), and every graph inherits it.
///
/// ```
/// use unspool_graph::{Params, Precision};
/// let params = Params::seeded(0);
/// assert_eq!(params.precision(), Precision::F32);
/// assert_eq!(params.to_f64().precision(), Precision::F64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Precision {
    /// IEEE single precision: for training and for use.
    F32,
    /// IEEE double precision: for checking gradients.
    F64,
}

/// Abstracts over the numbers that operations compute with: `f32`, `f64`, and the dual numbers of [second
/// derivatives](crate::Var::hessian_vector). Operations are written once for all of them.
///
/// A dual number is a double-precision number and its derivative. All that this trait offers carries the derivative on,
/// but for [`to_f64`](Element::to_f64), which gives the number alone: an operation that computes in double precision
/// whatever the model's precision does so in [`Wide`](Element::Wide). Two dual numbers are equal if their derivatives
/// are too, so that `g == E::ZERO` is said of no gradient that still matters; `<` and `>` compare the numbers alone.
///
/// `f32` uses rational and polynomial approximations for `exp`, `tanh` and `sigmoid` that run in vector registers;
/// their errors are stated at [`Element::exp`], [`Element::tanh`] and [`Element::sigmoid`] and tested over the whole
/// range. `f64` is exact to the last bits.
///
/// ```
/// use unspool_graph::Element;
/// /// ln cosh x, in either precision.
/// fn log_cosh<E: Element>(x: E) -> E {
///     let x = x.abs();
///     x + ((x * E::from_f64(-2.0)).exp() + E::ONE).ln() - E::from_f64(2.0).ln()
/// }
/// assert!((log_cosh(1.0f64) - 1f64.cosh().ln()).abs() < 1e-12);
/// assert!((log_cosh(100.0f32) - (100.0 - 2f32.ln())).abs() < 1e-4);
/// ```
pub trait Element:
    Loops
    + Copy
    + Debug
    + Default
    + PartialEq
    + PartialOrd
    + Send
    + Sync
    + 'static
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + Sum
{
    /// The numbers of this sort that have double precision: `f64` for both `f32` and `f64`.
    type Wide: Element<Wide = Self::Wide>;
    /// How precise the numbers are.
    const PRECISION: Precision;
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// The number nearest to `x`.
    fn from_f64(x: f64) -> Self;
    /// The number as an `f64`, which is exact, without the derivative that a dual number has.
    fn to_f64(self) -> f64;
    /// The number in double precision, which is exact.
    fn widen(self) -> Self::Wide;
    /// The number nearest to one in double precision.
    fn narrow(wide: Self::Wide) -> Self;
    /// eˣ. In `f32` the relative error is at most 2e-7 where the result is a normal number.
    fn exp(self) -> Self;
    /// ln x.
    fn ln(self) -> Self;
    /// ln(1 + x), exact to the last bits also where x is small.
    fn ln_1p(self) -> Self;
    /// sin x.
    fn sin(self) -> Self;
    /// cos x.
    fn cos(self) -> Self;
    /// eˣ − 1, exact to the last bits also where x is small.
    fn exp_m1(self) -> Self;
    /// The greatest whole number that is not greater.
    fn floor(self) -> Self;
    /// The nearest whole number; of two the even one.
    fn round_ties_even(self) -> Self;
    /// √x.
    fn sqrt(self) -> Self;
    /// xʸ.
    fn powf(self, y: Self) -> Self;
    /// xⁿ.
    fn powi(self, n: i32) -> Self;
    /// |x|.
    fn abs(self) -> Self;
    /// tanh x. In `f32` the absolute error is at most 4e-7, the relative error at most 1.5e-6.
    fn tanh(self) -> Self;
    /// 1 / (1 + e⁻ˣ). In `f32` the relative error is at most 4e-7 where the result is a normal number.
    fn sigmoid(self) -> Self;
    /// The error function, with an error below one unit in the last place. In `f32` computed in double precision.
    fn erf(self) -> Self;
    /// Neither infinite nor not-a-number.
    fn is_finite(self) -> bool;
    /// The greater of the two; not-a-number if either is.
    fn maximum(self, other: Self) -> Self;
}

macro_rules! element {
    ($type:ident, $variant:ident, $exp:expr, $tanh:expr, $sigmoid:expr) => {
        impl Element for $type {
            type Wide = f64;
            const PRECISION: Precision = Precision::$variant;
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $type
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn widen(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn narrow(wide: f64) -> Self {
                wide as $type
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $exp(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                self.ln()
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                self.ln_1p()
            }
            #[inline(always)]
            fn sin(self) -> Self {
                self.sin()
            }
            #[inline(always)]
            fn cos(self) -> Self {
                self.cos()
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                self.exp_m1()
            }
            #[inline(always)]
            fn floor(self) -> Self {
                self.floor()
            }
            #[inline(always)]
            fn round_ties_even(self) -> Self {
                self.round_ties_even()
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn powf(self, y: Self) -> Self {
                self.powf(y)
            }
            #[inline(always)]
            fn powi(self, n: i32) -> Self {
                self.powi(n)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                self.abs()
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $tanh(self)
            }
            #[inline(always)]
            fn sigmoid(self) -> Self {
                $sigmoid(self)
            }
            #[inline(always)]
            fn erf(self) -> Self {
                libm::erf(self as f64) as $type
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                self.is_finite()
            }
            #[inline(always)]
            fn maximum(self, other: Self) -> Self {
                if self > other || self.is_nan() { self } else { other }
            }
        }
    };
}

element!(f32, F32, math::exp_f32, math::tanh_f32, math::sigmoid_f32);
element!(f64, F64, f64::exp, f64::tanh, math::sigmoid_f64);
