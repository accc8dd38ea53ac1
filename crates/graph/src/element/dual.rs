//! Numbers that carry a derivative: the third element, in which recordings are run again for second derivatives.
//!
//! A dual number is a value and the speed at which it changes along some direction, v + ṫ·ε with ε² = 0. Running any
//! computation in dual numbers gives its derivative along that direction, exactly. The computation that is run here is
//! a recording and its backward pass, so what comes out is the derivative of a gradient.

use super::{Element, Precision, math};
use std::{
    cmp::Ordering,
    f64::consts::FRAC_2_SQRT_PI,
    iter::Sum,
    ops::{Add, AddAssign, Div, Mul, MulAssign, Neg, Sub, SubAssign},
};

/// A value, and its derivative along the direction at hand.
///
/// Two of them are equal if both parts are, so that code which leaves out a gradient of zero leaves out nothing that
/// still changes. They are ordered by their values alone, so that a choice is made as it was made without derivatives.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub(crate) struct Dual {
    pub(crate) value: f64,
    pub(crate) tangent: f64,
}

impl Dual {
    /// f(x), from the value of f at x and its slope there. What stands still has a tangent of zero even where the slope
    /// is infinite.
    #[inline(always)]
    fn map(self, value: f64, slope: f64) -> Dual {
        Dual { value, tangent: if self.tangent == 0.0 { 0.0 } else { slope * self.tangent } }
    }

    /// A constant.
    #[inline(always)]
    fn constant(value: f64) -> Dual {
        Dual { value, tangent: 0.0 }
    }
}

impl PartialOrd for Dual {
    #[inline(always)]
    fn partial_cmp(&self, other: &Dual) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Add for Dual {
    type Output = Dual;
    #[inline(always)]
    fn add(self, other: Dual) -> Dual {
        Dual { value: self.value + other.value, tangent: self.tangent + other.tangent }
    }
}

impl Sub for Dual {
    type Output = Dual;
    #[inline(always)]
    fn sub(self, other: Dual) -> Dual {
        Dual { value: self.value - other.value, tangent: self.tangent - other.tangent }
    }
}

impl Mul for Dual {
    type Output = Dual;
    #[inline(always)]
    fn mul(self, other: Dual) -> Dual {
        let value = self.value * other.value;
        self.map(value, other.value) + other.map(0.0, self.value)
    }
}

impl Div for Dual {
    type Output = Dual;
    #[inline(always)]
    fn div(self, other: Dual) -> Dual {
        let value = self.value / other.value;
        self.map(value, 1.0 / other.value) + other.map(0.0, -value / other.value)
    }
}

impl Neg for Dual {
    type Output = Dual;
    #[inline(always)]
    fn neg(self) -> Dual {
        Dual { value: -self.value, tangent: -self.tangent }
    }
}

impl AddAssign for Dual {
    #[inline(always)]
    fn add_assign(&mut self, other: Dual) {
        *self = *self + other;
    }
}

impl SubAssign for Dual {
    #[inline(always)]
    fn sub_assign(&mut self, other: Dual) {
        *self = *self - other;
    }
}

impl MulAssign for Dual {
    #[inline(always)]
    fn mul_assign(&mut self, other: Dual) {
        *self = *self * other;
    }
}

impl Sum for Dual {
    fn sum<I: Iterator<Item = Dual>>(all: I) -> Dual {
        all.fold(Dual::ZERO, Dual::add)
    }
}

impl Element for Dual {
    type Wide = Dual;
    const PRECISION: Precision = Precision::F64;
    const ZERO: Dual = Dual { value: 0.0, tangent: 0.0 };
    const ONE: Dual = Dual { value: 1.0, tangent: 0.0 };
    fn from_f64(x: f64) -> Dual {
        Dual::constant(x)
    }
    fn to_f64(self) -> f64 {
        self.value
    }
    fn widen(self) -> Dual {
        self
    }
    fn narrow(wide: Dual) -> Dual {
        wide
    }
    fn exp(self) -> Dual {
        let y = self.value.exp();
        self.map(y, y)
    }
    fn ln(self) -> Dual {
        self.map(self.value.ln(), 1.0 / self.value)
    }
    fn ln_1p(self) -> Dual {
        self.map(self.value.ln_1p(), 1.0 / (1.0 + self.value))
    }
    fn sin(self) -> Dual {
        self.map(self.value.sin(), self.value.cos())
    }
    fn cos(self) -> Dual {
        self.map(self.value.cos(), -self.value.sin())
    }
    fn exp_m1(self) -> Dual {
        self.map(self.value.exp_m1(), self.value.exp())
    }
    fn floor(self) -> Dual {
        Dual::constant(self.value.floor())
    }
    fn round_ties_even(self) -> Dual {
        Dual::constant(self.value.round_ties_even())
    }
    fn sqrt(self) -> Dual {
        let y = self.value.sqrt();
        self.map(y, 0.5 / y)
    }
    fn powf(self, y: Dual) -> Dual {
        let (x, p) = (self.value, y.value);
        let value = x.powf(p);
        let by_base = if p == 0.0 { 0.0 } else { p * x.powf(p - 1.0) };
        let by_power = if x == 0.0 && p >= 0.0 { 0.0 } else { value * x.ln() };
        self.map(value, by_base) + y.map(0.0, by_power)
    }
    fn powi(self, n: i32) -> Dual {
        let value = self.value.powi(n);
        let slope = match n {
            0 => 0.0,
            i32::MIN => f64::from(n) * (value / self.value),
            n => f64::from(n) * self.value.powi(n - 1),
        };
        self.map(value, slope)
    }
    fn abs(self) -> Dual {
        let slope = if self.value == 0.0 { 0.0 } else { self.value.signum() };
        self.map(self.value.abs(), slope)
    }
    fn tanh(self) -> Dual {
        let y = self.value.tanh();
        self.map(y, 1.0 - y * y)
    }
    fn sigmoid(self) -> Dual {
        let y = math::sigmoid_f64(self.value);
        self.map(y, y * (1.0 - y))
    }
    fn erf(self) -> Dual {
        self.map(libm::erf(self.value), FRAC_2_SQRT_PI * (-self.value * self.value).exp())
    }
    fn is_finite(self) -> bool {
        self.value.is_finite()
    }
    fn maximum(self, other: Dual) -> Dual {
        if self > other || self.value.is_nan() { self } else { other }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const H: f64 = 1e-5;

    /// The tangent is the slope of the values, along x + ε·t.
    fn is_the_slope(name: &str, f: impl Fn(Dual, Dual) -> Dual, x: Dual, y: Dual) {
        let at = |h: f64| f(Dual::constant(x.value + h * x.tangent), Dual::constant(y.value + h * y.tangent)).value;
        let numeric = (at(H) - at(-H)) / (2.0 * H);
        let exact = f(x, y);
        assert_eq!(exact.value, at(0.0), "{name}({x:?}, {y:?})");
        let apart = (exact.tangent - numeric).abs();
        assert!(apart <= 1e-7 * exact.tangent.abs().max(1.0), "{name}({x:?}, {y:?}): {exact:?} {numeric}");
    }

    proptest! {
        #[test]
        fn every_function_has_its_slope(x in 0.3..2.0f64, y in -2.0..2.0f64, t in -1.0..1.0f64, u in -1.0..1.0f64) {
            let (x, y) = (Dual { value: x, tangent: t }, Dual { value: y, tangent: u });
            let safe = if y.value.abs() < 0.1 { Dual { value: 0.5, ..y } } else { y };
            macro_rules! one {
                ($($f:ident),*) => {$(is_the_slope(stringify!($f), |x, _| x.$f(), safe, x);)*};
            }
            macro_rules! positive {
                ($($f:ident),*) => {$(is_the_slope(stringify!($f), |x, _| x.$f(), x, y);)*};
            }
            one!(exp, sin, cos, exp_m1, abs, tanh, sigmoid, erf);
            positive!(ln, ln_1p, sqrt);
            is_the_slope("powf", |x, y| x.powf(y), x, y);
            for n in -3..4 {
                is_the_slope("powi", |x, _| x.powi(n), safe, x);
            }
            is_the_slope("+", |x, y| x + y, x, y);
            is_the_slope("-", |x, y| x - y, x, y);
            is_the_slope("·", |x, y| x * y, x, y);
            is_the_slope("/", |x, y| y / x, x, y);
            is_the_slope("maximum", |x, y| x.maximum(y), Dual { value: 3.0, ..x }, y);
        }
    }

    #[test]
    fn what_stands_still_stays_still_where_a_slope_is_infinite() {
        let zero = Dual::ZERO;
        for still in [zero.sqrt(), zero.ln(), zero.powf(Dual::constant(0.5)), Dual::ONE / zero, zero.abs()] {
            assert_eq!(still.tangent, 0.0, "{still:?}");
        }
    }

    #[test]
    fn a_gradient_of_zero_that_changes_is_not_zero_and_a_tie_is_one() {
        let (still, moving) = (Dual::ZERO, Dual { value: 0.0, tangent: 1.0 });
        assert!(moving != Dual::ZERO && still == Dual::ZERO);
        assert_eq!(moving.partial_cmp(&still), Some(Ordering::Equal));
    }
}
