//! Arithmetic on parameters before there is a graph: `w * 0.5`, `w + u`, `-w`.

use crate::{Graph, Operand, Param, Var};
use std::ops::{Add, Div, Mul, Neg, Sub};

/// Holds a formula of parameters and numbers that becomes nodes where it meets a [`Var`] or a graph: plain data, as a
/// [`Param`] is.
///
/// ```
/// use unspool_graph::{Graph, Operand, Params, init};
/// let mut params = Params::seeded(0);
/// let mut m = params.scope("m");
/// let (w, u) = (m.add("w", [2], init::constant(3.0)), m.add("u", [2], init::constant(1.0)));
/// let mixed = w * 0.5 + (1.0 - u) - -w; // no graph yet
/// let graph = Graph::new(&params);
/// assert_eq!((graph.zeros([2]) + mixed).sum_all().item()?, 9.0);
/// assert_eq!(mixed.on(&graph).tanh().sum_all().backward()?.of(w).is_some(), true);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Expression<A, B> {
    sign: Sign,
    left: A,
    right: B,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Sign {
    Plus,
    Minus,
    Times,
    DividedBy,
}

impl<'g, A: Operand<'g>, B: Operand<'g>> Operand<'g> for Expression<A, B> {
    #[track_caller]
    fn on(self, graph: &'g Graph<'g>) -> Var<'g> {
        let left = self.left.on(graph);
        match self.sign {
            Sign::Plus => left + self.right,
            Sign::Minus => left - self.right,
            Sign::Times => left * self.right,
            Sign::DividedBy => left / self.right,
        }
    }
}

/// Marks what a formula is made of: a parameter, a number, a formula.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot stand beside a `Param`",
    label = "this is no number, `Param` or formula of these",
    note = "a `Var` may stand beside a `Param` on either side; an array enters by `graph.input(array)`"
)]
pub trait Term: Copy {}
impl Term for Param {}
impl<A: Term, B: Term> Term for Expression<A, B> {}

macro_rules! signs {
    ($(($trait:ident, $method:ident, $sign:ident)),*) => {$(
        impl<R: Term> $trait<R> for Param {
            type Output = Expression<Param, R>;
            fn $method(self, right: R) -> Self::Output {
                Expression { sign: Sign::$sign, left: self, right }
            }
        }
        impl<A: Term, B: Term, R: Term> $trait<R> for Expression<A, B> {
            type Output = Expression<Self, R>;
            fn $method(self, right: R) -> Self::Output {
                Expression { sign: Sign::$sign, left: self, right }
            }
        }
        impl<'g, A: Operand<'g>, B: Operand<'g>> $trait<Var<'g>> for Expression<A, B> {
            type Output = Var<'g>;
            #[track_caller]
            fn $method(self, right: Var<'g>) -> Var<'g> {
                $trait::$method(self.on(right.graph()), right)
            }
        }
        impl $trait<Param> for f64 {
            type Output = Expression<f64, Param>;
            fn $method(self, right: Param) -> Self::Output {
                Expression { sign: Sign::$sign, left: self, right }
            }
        }
        impl<A: Term, B: Term> $trait<Expression<A, B>> for f64 {
            type Output = Expression<f64, Expression<A, B>>;
            fn $method(self, right: Expression<A, B>) -> Self::Output {
                Expression { sign: Sign::$sign, left: self, right }
            }
        }
    )*};
}
signs!((Add, add, Plus), (Sub, sub, Minus), (Mul, mul, Times), (Div, div, DividedBy));

macro_rules! numbers {
    ($($number:ident),*) => {$(impl Term for $number {})*};
}
numbers!(f64, f32, i32, i64, u32, u64, usize);

impl Neg for Param {
    type Output = Expression<f64, Param>;
    fn neg(self) -> Self::Output {
        -1.0 * self
    }
}

impl<A: Term, B: Term> Neg for Expression<A, B> {
    type Output = Expression<f64, Self>;
    fn neg(self) -> Self::Output {
        -1.0 * self
    }
}
