//! The vector registers of either precision, under one name.

use pulp::Simd;

/// Names the vector registers that hold numbers of one precision: what [`pulp`] offers for `f32` and `f64`, under one
/// name.
#[doc(hidden)]
pub trait Lanes: Copy + Sized + 'static {
    /// A register of them.
    type Register<S: Simd>: Copy;
    /// How many fit one.
    fn lanes<S: Simd>() -> usize {
        size_of::<Self::Register<S>>() / size_of::<Self>()
    }
    fn splat<S: Simd>(simd: S, x: Self) -> Self::Register<S>;
    /// a·b + c, rounded once.
    fn multiply_add<S: Simd>(
        simd: S,
        a: Self::Register<S>,
        b: Self::Register<S>,
        c: Self::Register<S>,
    ) -> Self::Register<S>;
    /// The slice as whole registers.
    fn registers<S: Simd>(x: &[Self]) -> &[Self::Register<S>];
    fn registers_mut<S: Simd>(x: &mut [Self]) -> &mut [Self::Register<S>];
    fn numbers<S: Simd>(x: &mut [Self::Register<S>]) -> &mut [Self];
}

macro_rules! lanes {
    ($type:ident, $register:ident, $splat:ident, $multiply_add:ident, $registers:ident, $registers_mut:ident) => {
        impl Lanes for $type {
            type Register<S: Simd> = S::$register;
            #[inline(always)]
            fn splat<S: Simd>(simd: S, x: Self) -> S::$register {
                simd.$splat(x)
            }
            #[inline(always)]
            fn multiply_add<S: Simd>(simd: S, a: S::$register, b: S::$register, c: S::$register) -> S::$register {
                simd.$multiply_add(a, b, c)
            }
            #[inline(always)]
            fn registers<S: Simd>(x: &[Self]) -> &[S::$register] {
                S::$registers(x).0
            }
            #[inline(always)]
            fn registers_mut<S: Simd>(x: &mut [Self]) -> &mut [S::$register] {
                S::$registers_mut(x).0
            }
            #[inline(always)]
            fn numbers<S: Simd>(x: &mut [S::$register]) -> &mut [Self] {
                pulp::bytemuck::cast_slice_mut(x)
            }
        }
    };
}

lanes!(f32, f32s, splat_f32s, mul_add_f32s, as_simd_f32s, as_mut_simd_f32s);
lanes!(f64, f64s, splat_f64s, mul_add_f64s, as_simd_f64s, as_mut_simd_f64s);
