//! Elementary functions of one `f32`, written so that the compiler turns a loop over them into vector instructions: no
//! table, no branch. Fused multiply-add is left alone, since without the instruction it would become a library call.

/// eˣ by Cody and Waite's reduction x = n·ln 2 + r and a polynomial of degree 6 in r (coefficients: Cephes, `expf`).
/// Relative error at most 2e-7. Below −87.3 the result is 0, never a subnormal number.
#[inline(always)]
pub(crate) fn exp_f32(x: f32) -> f32 {
    // `max`/`min` would turn not-a-number into a bound; these comparisons let it through.
    let x = if x > 88.722_83 { f32::INFINITY } else { x };
    let clamped = if x < -87.336_54 { -87.336_54 } else { x };
    // Adding and taking away 1.5·2²³ rounds to the nearest whole number without a rounding instruction.
    const ROUND: f32 = 12_582_912.0;
    let rounded = clamped * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * r + 1.398_199_9e-3;
    p = p * r + 8.333_452e-3;
    p = p * r + 4.166_579_5e-2;
    p = p * r + 1.666_666_5e-1;
    p = p * r + 0.5;
    let y = p * (r * r) + r + 1.0;
    // 2ⁿ in two factors, since 2¹²⁸ alone has no exponent.
    // n as an integer is in the last bits of the rounded sum: a conversion would be one more instruction, and slow.
    let whole = rounded.to_bits().wrapping_sub(ROUND.to_bits()) as i32;
    let half = whole >> 1;
    let rest = whole - half;
    // At infinity n is no exponent; what comes of it is replaced below.
    let power = |k: i32| f32::from_bits((k.wrapping_add(127) << 23) as u32);
    let y = y * power(half) * power(rest);
    let y = if x == f32::INFINITY { x } else { y };
    if x < -87.336_54 { 0.0 } else { y }
}

/// tanh x as an odd polynomial of degree 13 over an even one of degree 6, on [−7.905, 7.905], beyond which the result
/// rounds to ±1 (the minimax coefficients that Eigen's `ptanh` made known). Absolute error at most 4e-7.
#[inline(always)]
pub(crate) fn tanh_f32(x: f32) -> f32 {
    const BOUND: f32 = 7.905_311;
    let c = if x > BOUND { BOUND } else { x };
    let c = if c < -BOUND { -BOUND } else { c };
    let s = c * c;
    let mut p = -2.760_768_5e-16;
    p = p * s + 2.000_188e-13;
    p = p * s - 8.604_672e-11;
    p = p * s + 5.122_297e-8;
    p = p * s + 1.485_722_4e-5;
    p = p * s + 6.372_619_4e-4;
    p = p * s + 4.893_524_6e-3;
    let mut q = 1.198_258_4e-6;
    q = q * s + 1.185_347_1e-4;
    q = q * s + 2.268_434_6e-3;
    q = q * s + 4.893_525e-3;
    let y = c * p / q;
    let y = if y > 1.0 { 1.0 } else { y };
    if y < -1.0 { -1.0 } else { y }
}

/// 1 / (1 + e⁻ˣ), with e⁻ˣ as in [`exp_f32`]: relative error at most 4e-7.
#[inline(always)]
pub(crate) fn sigmoid_f32(x: f32) -> f32 {
    1.0 / (1.0 + exp_f32(-x))
}

/// 1 / (1 + e⁻ˣ).
#[inline(always)]
pub(crate) fn sigmoid_f64(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::vector::routes;

    /// Every 4,001st of all `f32` bit patterns: both signs, every exponent.
    fn all() -> impl Iterator<Item = f32> {
        (0..=u32::MAX).step_by(4001).map(f32::from_bits).filter(|x| x.is_finite())
    }

    #[test]
    fn exp_is_within_its_stated_relative_error_over_the_whole_range() {
        for x in all() {
            let exact = (x as f64).exp();
            let got = exp_f32(x) as f64;
            if exact > f32::MAX as f64 {
                assert!(got >= 3.4e38, "{x} {got}");
            } else if exact < f32::MIN_POSITIVE as f64 {
                assert!((0.0..=1.2e-38).contains(&got), "{x} {got}");
            } else {
                assert!((got / exact - 1.0).abs() <= 2e-7, "exp({x}) = {got}, exact {exact}");
            }
        }
        assert!(exp_f32(f32::NAN).is_nan() && exp_f32(f32::INFINITY) == f32::INFINITY);
        assert!(exp_f32(f32::NEG_INFINITY) <= f32::MIN_POSITIVE);
    }

    #[test]
    fn tanh_is_within_its_stated_error_over_the_whole_range() {
        for x in all() {
            let (exact, got) = ((x as f64).tanh(), tanh_f32(x) as f64);
            assert!((got - exact).abs() <= 4e-7, "tanh({x}) = {got}, exact {exact}");
            if x.abs() > 1e-30 {
                assert!((got / exact - 1.0).abs() <= 1.5e-6, "tanh({x}) = {got}, exact {exact}");
            }
        }
        assert!(tanh_f32(f32::NAN).is_nan());
        assert!((tanh_f32(f32::INFINITY) - 1.0).abs() < 1e-6);
    }

    #[test]
    fn sigmoid_is_within_its_stated_relative_error_over_the_whole_range() {
        for x in all() {
            let (exact, got) = (sigmoid_f64(x as f64), sigmoid_f32(x) as f64);
            if exact > f32::MIN_POSITIVE as f64 {
                assert!((got / exact - 1.0).abs() <= 4e-7, "sigmoid({x}) = {got}, exact {exact}");
            } else {
                assert!((0.0..=1.2e-38).contains(&got), "{x} {got}");
            }
        }
        assert!(sigmoid_f32(f32::NAN).is_nan());
    }

    #[test]
    fn every_route_gives_the_bits_of_the_plain_one() {
        let x: Vec<f32> = all().step_by(101).chain([f32::NAN, f32::INFINITY, f32::NEG_INFINITY]).collect();
        let bits = |y: &[f32]| y.iter().map(|y| y.to_bits()).collect::<Vec<u32>>();
        macro_rules! same {
            ($($function:ident),*) => {$({
                let plain: Vec<f32> = x.iter().map(|&x| $function(x)).collect();
                for route in routes() {
                    let mut y = vec![0.0; x.len()];
                    route.dispatch(
                        #[inline(always)]
                        || y.iter_mut().zip(&x).for_each(|(y, &x)| *y = $function(x)),
                    );
                    assert_eq!(bits(&y), bits(&plain), "{} by {route:?}", stringify!($function));
                }
            })*};
        }
        same!(exp_f32, tanh_f32, sigmoid_f32);
    }
}
