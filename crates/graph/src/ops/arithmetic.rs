//! Sums, products, powers and their like, elementwise.

use super::elementwise::{Binary, Unary, Zip};
use crate::{Element, Operand, Param, Var};
use std::{
    cmp::Ordering,
    ops::{Add, Div, Mul, Neg, Sub},
    panic::Location,
};

/// Declares the mathematics of a function of one element: its value from x, its derivative from x and y. A constant of
/// the function stands last.
macro_rules! unary {
    ($(#[$doc:meta])* $name:ident $(($type:ty))?, $label:literal, |$x:ident $(, $of:ident)?| $value:expr,
     |$dx:pat_param, $dy:pat_param $(, $by:ident)?| $derivative:expr $(, $squash:expr)?) => {
        $(#[$doc])*
        pub(crate) struct $name $((pub(crate) $type))?;
        impl Unary for $name {
            const NAME: &'static str = $label;
            $(const SQUASH: Option<Activation> = Some($squash);)?
            #[inline(always)]
            fn value<E: Element>(&self, $x: E) -> E {
                $(let $of = E::from_f64(self.0);)?
                $value
            }
            #[inline(always)]
            fn derivative<E: Element>(&self, $dx: E, $dy: E) -> E {
                $(let $by = E::from_f64(self.0);)?
                $derivative
            }
        }
    };
}
pub(crate) use unary;

/// Declares the mathematics of a function of two elements: its value, and its derivatives by either from a, b and y.
macro_rules! binary {
    ($(#[$doc:meta])* $name:ident, $label:literal, |$a:ident, $b:ident| $value:expr,
     |$fa:pat_param, $fb:pat_param, $fy:pat_param| $by_first:expr,
     |$sa:pat_param, $sb:pat_param, $sy:pat_param| $by_second:expr) => {
        $(#[$doc])*
        pub(crate) struct $name;
        impl $name {
            /// Records it. This is no generic function, so it is compiled here once, and not again in each crate that
            /// calculates.
            pub(crate) fn record<'g>(a: Var<'g>, b: Var<'g>, line: &'static Location<'static>) -> Var<'g> {
                a.graph.apply_planned($name::NAME, &[a, b], line, |shapes| Zip::plan($name, shapes))
            }
        }
        impl Binary for $name {
            const NAME: &'static str = $label;
            #[inline(always)]
            fn value<E: Element>(&self, $a: E, $b: E) -> E {
                $value
            }
            #[inline(always)]
            fn by_first<E: Element>(&self, $fa: E, $fb: E, $fy: E) -> E {
                $by_first
            }
            #[inline(always)]
            fn by_second<E: Element>(&self, $sa: E, $sb: E, $sy: E) -> E {
                $by_second
            }
        }
    };
}

binary!(/// y = a + b
    Sum, "add", |a, b| a + b, |_, _, _| E::ONE, |_, _, _| E::ONE);
binary!(/// y = a − b
    Difference, "sub", |a, b| a - b, |_, _, _| E::ONE, |_, _, _| -E::ONE);
binary!(/// y = a · b
    Product, "mul", |a, b| a * b, |_, b, _| b, |a, _, _| a);
binary!(/// y = a / b;  ∂y/∂b = −y / b
    Quotient, "div", |a, b| a / b, |_, b, _| E::ONE / b, |_, b, y| -y / b);
binary!(/// y = max(a, b); where they are equal, half of the gradient goes to each
    Larger, "maximum", |a, b| a.maximum(b), |a, b, _| share(a, b), |a, b, _| share(b, a));
binary!(/// y = min(a, b); where they are equal, half of the gradient goes to each
    Smaller, "minimum", |a, b| -(-a).maximum(-b), |a, b, _| share(b, a), |a, b, _| share(a, b));
binary!(/// y = aᵇ;  ∂y/∂a = b·aᵇ⁻¹, 0 for b = 0;  ∂y/∂b = y·ln a, 0 where a is 0 and b ≥ 0
    Power, "powf", |a, b| a.powf(b), |a, b, _| if b == E::ZERO { E::ZERO } else { b * a.powf(b - E::ONE) },
    |a, b, y| if a == E::ZERO && b >= E::ZERO { E::ZERO } else { y * a.ln() });

/// Which part of the gradient goes to `own`, where the greater one is taken.
fn share<E: Element>(own: E, other: E) -> E {
    E::from_f64(match own.partial_cmp(&other) {
        Some(Ordering::Greater) => 1.0,
        Some(Ordering::Equal) => 0.5,
        _ => 0.0,
    })
}

/// y = scale · x + shift
pub(crate) struct Affine {
    scale: f64,
    shift: f64,
}

impl Unary for Affine {
    const NAME: &'static str = "affine";
    #[inline(always)]
    fn value<E: Element>(&self, x: E) -> E {
        E::from_f64(self.scale) * x + E::from_f64(self.shift)
    }
    #[inline(always)]
    fn derivative<E: Element>(&self, _x: E, _y: E) -> E {
        E::from_f64(self.scale)
    }
}

unary!(/// y = x, as a node of its own
    Same, "same", |x| x, |_, _| E::ONE);
unary!(/// y = −x
    Negative, "neg", |x| -x, |_, _| -E::ONE);
unary!(/// y = c / x;  dy/dx = −y / x
    LossReduction(f64), "div", |x, c| c / x, |x, y| -y / x);
unary!(/// y = x / c
    DividedBy(f64), "div", |x, c| x / c, |_, _, c| E::ONE / c);
unary!(/// y = eˣ
    Exp, "exp", |x| x.exp(), |_, y| y);
unary!(/// y = ln x;  dy/dx = 1 / x
    Log, "log", |x| x.ln(), |x, _| E::ONE / x);
unary!(/// y = ln(1 + x);  dy/dx = 1 / (1 + x)
    LogOnePlus, "log1p", |x| x.ln_1p(), |x, _| E::ONE / (E::ONE + x));
unary!(/// y = eˣ − 1;  dy/dx = y + 1
    ExpMinusOne, "expm1", |x| x.exp_m1(), |_, y| y + E::ONE);
unary!(/// y = sin x;  dy/dx = cos x
    Sine, "sin", |x| x.sin(), |x, _| x.cos());
unary!(/// y = cos x;  dy/dx = −sin x
    Cosine, "cos", |x| x.cos(), |x, _| -x.sin());
unary!(/// y = ⌊x⌋;  dy/dx = 0
    Floor, "floor", |x| x.floor(), |_, _| E::ZERO);
unary!(/// y = the whole number nearest to x, of two the even one;  dy/dx = 0
    Round, "round", |x| x.round_ties_even(), |_, _| E::ZERO);
unary!(/// y = −1, 0 or 1, as x is below, at or above 0;  dy/dx = 0
    Sign, "sign", |x| if x > E::ZERO { E::ONE } else if x < E::ZERO { -E::ONE } else { x * E::ZERO }, |_, _| E::ZERO);
unary!(/// y = √x;  dy/dx = 1 / (2y)
    Sqrt, "sqrt", |x| x.sqrt(), |_, y| E::from_f64(0.5) / y);
unary!(/// y = |x|;  dy/dx = sign x, 0 at 0
    Abs, "abs", |x| x.abs(), |x, _| if x > E::ZERO { E::ONE } else if x < E::ZERO { -E::ONE } else { E::ZERO });
unary!(/// y = xᵖ;  dy/dx = p·xᵖ⁻¹, 0 for p = 0
    PowerOf(f64), "powf", |x, p| x.powf(p), |x, _, p| if p == E::ZERO { E::ZERO } else { p * x.powf(p - E::ONE) });

/// y = xⁿ for a whole n;  dy/dx = n·xⁿ⁻¹, 0 for n = 0
struct WholePower(i32);

impl Unary for WholePower {
    const NAME: &'static str = "powi";
    #[inline(always)]
    fn value<E: Element>(&self, x: E) -> E {
        x.powi(self.0)
    }
    #[inline(always)]
    fn derivative<E: Element>(&self, x: E, y: E) -> E {
        match self.0 {
            0 => E::ZERO,
            i32::MIN => E::from_f64(f64::from(i32::MIN)) * (y / x),
            n => E::from_f64(f64::from(n)) * x.powi(n - 1),
        }
    }
}

/// y = x limited to [low, high]; no gradient where it is outside
struct Clamp(f64, f64);

impl Unary for Clamp {
    const NAME: &'static str = "clamp";
    #[inline(always)]
    fn value<E: Element>(&self, x: E) -> E {
        let (low, high) = (E::from_f64(self.0), E::from_f64(self.1));
        if x < low {
            low
        } else if x > high {
            high
        } else {
            x
        }
    }
    #[inline(always)]
    fn derivative<E: Element>(&self, x: E, _y: E) -> E {
        let inside = x >= E::from_f64(self.0) && x <= E::from_f64(self.1);
        if inside { E::ONE } else { E::ZERO }
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $binary:ident, |$x:ident, $c:ident| $right:expr, |$d:ident, $y:ident| $left:expr) => {
        impl<'g, R: Operand<'g>> $trait<R> for Var<'g> {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, right: R) -> Var<'g> {
                let line = Location::caller();
                match right.number() {
                    Some($c) => {
                        let $x = self;
                        $right(line)
                    }
                    None => $binary::record(self, right.on(self.graph), line),
                }
            }
        }
        impl<'g> $trait<Var<'g>> for Param {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, right: Var<'g>) -> Var<'g> {
                $binary::record(self.on(right.graph), right, Location::caller())
            }
        }
        // For one type of number alone, or the type of `1.0 - x` would be open until a method of it is called.
        impl<'g> $trait<Var<'g>> for f64 {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, $y: Var<'g>) -> Var<'g> {
                let ($d, line) = (self, Location::caller());
                $left(line)
            }
        }
    };
}

operator!(Add, add, Sum, |x, c| |l| x.affine(1.0, c, l), |c, x| |l| x.affine(1.0, c, l));
operator!(Sub, sub, Difference, |x, c| |l| x.affine(1.0, -c, l), |c, x| |l| x.affine(-1.0, c, l));
operator!(Mul, mul, Product, |x, c| |l| x.affine(c, 0.0, l), |c, x| |l| x.affine(c, 0.0, l));
operator!(Div, div, Quotient, |x, c| |l| x.map(DividedBy(c), l), |c, x| |l| x.map(LossReduction(c), l));

macro_rules! assign {
    ($trait:ident, $method:ident, $sign:tt) => {
        impl<'g, R: Operand<'g>> std::ops::$trait<R> for Var<'g> {
            /// Makes this handle one on the new node.
            #[track_caller]
            fn $method(&mut self, right: R) {
                *self = *self $sign right;
            }
        }
    };
}
assign!(AddAssign, add_assign, +);
assign!(SubAssign, sub_assign, -);
assign!(MulAssign, mul_assign, *);
assign!(DivAssign, div_assign, /);

/// The sum of nodes, such as the losses of a batch's parts: `None` of none, since there is no graph to put a zero on.
///
/// ```
/// # use unspool_graph::{Graph, Params, Var};
/// # let params = Params::seeded(0);
/// # let graph = Graph::new(&params);
/// let losses = [1.0, 2.0, 4.0].map(|loss| graph.full([], loss));
/// let mut loss = losses.into_iter().sum::<Option<Var>>().unwrap_or(graph.zeros([]));
/// loss *= 2;
/// assert_eq!(loss.item()?, 14.0);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
impl<'g> std::iter::Sum<Var<'g>> for Option<Var<'g>> {
    fn sum<I: Iterator<Item = Var<'g>>>(nodes: I) -> Self {
        nodes.reduce(|sum, node| sum + node)
    }
}

impl<'g> Neg for Var<'g> {
    type Output = Var<'g>;
    #[track_caller]
    fn neg(self) -> Var<'g> {
        self.map(Negative, Location::caller())
    }
}

impl<'g> Var<'g> {
    fn affine(self, scale: f64, shift: f64, line: &'static Location<'static>) -> Var<'g> {
        self.map(Affine { scale, shift }, line)
    }
    /// Returns eˣ, elementwise.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![0.0f32, 1.0]).exp().to_f64()?;
    /// assert!((y[[1]] - 1f64.exp()).abs() < 1e-6);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn exp(self) -> Var<'g> {
        self.map(Exp, Location::caller())
    }
    /// Returns ln x, elementwise: −∞ at 0, not-a-number below.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![1.0f32, 0.0]).log();
    /// assert_eq!(y.value()?, array![0.0, f32::NEG_INFINITY].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn log(self) -> Var<'g> {
        self.map(Log, Location::caller())
    }
    /// Returns ln(1 + x), elementwise: exact also for small x.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![1e-10f32, 0.0]).log1p();
    /// assert_eq!(y.value()?, array![1e-10f32, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn log1p(self) -> Var<'g> {
        self.map(LogOnePlus, Location::caller())
    }
    /// Returns eˣ − 1, elementwise: exact also for small x.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let y = graph.input(array![1e-10f32, 0.0]).expm1();
    /// assert_eq!(y.value()?, array![1e-10f32, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn expm1(self) -> Var<'g> {
        self.map(ExpMinusOne, Location::caller())
    }
    /// Returns sin x, elementwise.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![0.0f32]).watch();
    /// assert_eq!(x.sin().value()?, array![0.0f32].into());
    /// assert_eq!(x.sin().sum_all().backward()?.of(x).unwrap(), array![1.0f32].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sin(self) -> Var<'g> {
        self.map(Sine, Location::caller())
    }
    /// Returns cos x, elementwise.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![0.0f32]).cos().value()?, array![1.0f32].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn cos(self) -> Var<'g> {
        self.map(Cosine, Location::caller())
    }
    /// Returns ⌊x⌋, the greatest whole number that is not greater, elementwise. Its gradient is 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![1.5f32, -0.5]).floor().value()?, array![1.0f32, -1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn floor(self) -> Var<'g> {
        self.map(Floor, Location::caller())
    }
    /// Returns the nearest whole number, of two the even one, elementwise. Its gradient is 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![1.5f32, 2.5, -0.7]).round().value()?, array![2.0f32, 2.0, -1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn round(self) -> Var<'g> {
        self.map(Round, Location::caller())
    }
    /// Returns −1, 0 or 1 as x is below, at or above 0, elementwise. Its gradient is 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![1.5f32, 0.0, -0.7]).sign().value()?, array![1.0f32, 0.0, -1.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sign(self) -> Var<'g> {
        self.map(Sign, Location::caller())
    }
    /// Returns √x, elementwise. Its gradient is infinite at 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![4.0f32, 0.25]).sqrt().value()?, array![2.0f32, 0.5].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn sqrt(self) -> Var<'g> {
        self.map(Sqrt, Location::caller())
    }
    /// Returns |x|, elementwise, with gradient 0 at 0.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// assert_eq!(graph.input(array![-4.0f32, 0.25]).abs().value()?, array![4.0f32, 0.25].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn abs(self) -> Var<'g> {
        self.map(Abs, Location::caller())
    }
    /// Returns xⁿ for a whole n, elementwise.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![-2.0f32, 3.0]).watch();
    /// assert_eq!(x.powi(3).value()?, array![-8.0f32, 27.0].into());
    /// assert_eq!(x.powi(3).sum_all().backward()?.of(x).unwrap(), array![12.0f32, 27.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn powi(self, n: i32) -> Var<'g> {
        self.map(WholePower(n), Location::caller())
    }
    /// Returns xʸ, elementwise, for x ≥ 0; y may be a number or a tensor.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![4.0f32, 9.0]);
    /// assert_eq!(x.powf(0.5).value()?, array![2.0f32, 3.0].into());
    /// assert_eq!(x.powf(graph.input(array![2.0f32, 1.0])).value()?, array![16.0f32, 9.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn powf(self, y: impl Operand<'g>) -> Var<'g> {
        let line = Location::caller();
        match y.number() {
            Some(p) => self.power_of(p, line),
            None => Power::record(self, y.on(self.graph), line),
        }
    }

    fn power_of(self, p: f64, line: &'static Location<'static>) -> Var<'g> {
        self.map(PowerOf(p), line)
    }

    /// Returns the greater of the two, elementwise, shapes broadcast; where they are equal each gets half of the
    /// gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![-1.0f32, 2.0]);
    /// assert_eq!(x.maximum(0.5).value()?, array![0.5f32, 2.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn maximum(self, other: impl Operand<'g>) -> Var<'g> {
        Larger::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns the lesser of the two, elementwise, shapes broadcast; where they are equal each gets half of the
    /// gradient.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![-1.0f32, 2.0]);
    /// assert_eq!(x.minimum(0.5).value()?, array![-1.0f32, 0.5].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn minimum(self, other: impl Operand<'g>) -> Var<'g> {
        Smaller::record(self, other.on(self.graph), Location::caller())
    }
    /// Returns x limited to [`low`, `high`], elementwise; no gradient outside.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![-3.0f32, 0.25, 3.0]).watch();
    /// assert_eq!(x.clamp(-1.0, 1.0).value()?, array![-1.0f32, 0.25, 1.0].into());
    /// let gradients = x.clamp(-1.0, 1.0).sum_all().backward()?;
    /// assert_eq!(gradients.of(x).unwrap(), array![0.0f32, 1.0, 0.0].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn clamp(self, low: f64, high: f64) -> Var<'g> {
        if low > high || low.is_nan() || high.is_nan() {
            return self.refuse("clamp", format!("the bounds {low} and {high} enclose nothing"), Location::caller());
        }
        self.map(Clamp(low, high), Location::caller())
    }
}
