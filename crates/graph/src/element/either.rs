//! Things that there are in either precision: the one place that says how they are told apart.
//!
//! Models have no type parameter for the precision, so what a [`Params`](crate::Params), a graph or a set of gradients
//! holds is in one precision or the other, which is known when the program runs. Such a thing is an [`Either`] of its
//! [`Family`]. [`typed!`] runs the same code for both precisions; code that is generic over a [`Float`] asks for the
//! thing in its own with [`Either::of`].

use super::{Float, Precision};
use std::{fmt, marker::PhantomData};

/// Names what there is in each precision: a list of arrays, a recording.
pub trait Family {
    type Of<E: Float>;
}

/// Holds a thing in one of the two precisions.
pub enum Either<F: Family> {
    F32(F::Of<f32>),
    F64(F::Of<f64>),
}

/// Runs the same code for a thing of either precision.
macro_rules! typed {
    ($either:expr, $thing:pat => $body:expr) => {
        match $either {
            $crate::element::Either::F32($thing) => $body,
            $crate::element::Either::F64($thing) => $body,
        }
    };
}
pub(crate) use typed;

/// Finds a [`Float`]'s own side of an [`Either`]; a dual number has none.
pub trait Side: Sized {
    #[doc(hidden)]
    fn wrap<F: Family>(thing: F::Of<Self>) -> Either<F>
    where
        Self: Float;
    #[doc(hidden)]
    fn of<F: Family>(either: &Either<F>) -> Option<&F::Of<Self>>
    where
        Self: Float;
    #[doc(hidden)]
    fn of_mut<F: Family>(either: &mut Either<F>) -> Option<&mut F::Of<Self>>
    where
        Self: Float;
}

macro_rules! side {
    ($type:ident, $variant:ident) => {
        impl Side for $type {
            fn wrap<F: Family>(thing: F::Of<Self>) -> Either<F> {
                Either::$variant(thing)
            }
            fn of<F: Family>(either: &Either<F>) -> Option<&F::Of<Self>> {
                if let Either::$variant(thing) = either { Some(thing) } else { None }
            }
            fn of_mut<F: Family>(either: &mut Either<F>) -> Option<&mut F::Of<Self>> {
                if let Either::$variant(thing) = either { Some(thing) } else { None }
            }
        }
    };
}
side!(f32, F32);
side!(f64, F64);

/// Numbers of either precision that are lent to be changed in place.
#[derive(Debug)]
pub struct Slice<'a>(PhantomData<&'a ()>);

impl<'a> Family for Slice<'a> {
    type Of<E: Float> = &'a mut [E];
}

/// Numbers of either precision that are shown.
pub(crate) struct Shown<'a>(PhantomData<&'a ()>);

impl<'a> Family for Shown<'a> {
    type Of<E: Float> = &'a [E];
}

impl<F: Family> Either<F> {
    /// Which of the two it is.
    pub(crate) fn precision(&self) -> Precision {
        match self {
            Either::F32(_) => Precision::F32,
            Either::F64(_) => Precision::F64,
        }
    }
    /// The thing, if it is in precision `E`.
    #[inline(always)]
    pub(crate) fn of<E: Float>(&self) -> Option<&F::Of<E>> {
        E::of(self)
    }
    #[inline(always)]
    pub(crate) fn of_mut<E: Float>(&mut self) -> Option<&mut F::Of<E>> {
        E::of_mut(self)
    }
}

impl<F: Family> Clone for Either<F>
where
    F::Of<f32>: Clone,
    F::Of<f64>: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Either::F32(thing) => Either::F32(thing.clone()),
            Either::F64(thing) => Either::F64(thing.clone()),
        }
    }
}

impl<F: Family> fmt::Debug for Either<F>
where
    F::Of<f32>: fmt::Debug,
    F::Of<f64>: fmt::Debug,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        typed!(self, thing => thing.fmt(f))
    }
}
