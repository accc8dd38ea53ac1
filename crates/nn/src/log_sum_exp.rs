//! Maxima and sums of exponentials that never hide a NaN: where there is one, it is the result.

use unspool_graph::Element;

/// Returns whether `x` replaces `best` as the maximum so far. The first of the greatest is the maximum; NaN is greater
/// than any number.
pub(crate) fn exceeds<E: Element>(x: E, best: E) -> bool {
    x > best || (is_nan(x) && !is_nan(best))
}

fn is_nan<E: Element>(x: E) -> bool {
    x.partial_cmp(&x).is_none()
}

/// Returns the maximum; −∞ of nothing.
fn maximum<E: Element>(x: impl IntoIterator<Item = E>) -> E {
    x.into_iter().fold(E::from_f64(f64::NEG_INFINITY), |best, x| if exceeds(x, best) { x } else { best })
}

/// Returns ln Σ eˣ, in double precision.
pub(crate) fn log_sum_exp<E: Element>(x: &[E]) -> E::Wide {
    let top = maximum(x.iter().map(|x| x.widen()));
    if top.to_f64() == f64::NEG_INFINITY {
        return top;
    }
    top + x.iter().map(|x| (x.widen() - top).exp()).sum::<E::Wide>().ln()
}

/// Returns ln Σ eˣ of numbers many of which may be −∞, as precisely as they are. Goes over them twice.
pub(crate) fn log_add<E: Element>(x: impl IntoIterator<Item = E> + Clone) -> E {
    let top = maximum(x.clone());
    if top.to_f64() == f64::NEG_INFINITY {
        return top;
    }
    let each = x.into_iter().map(|x| if x.to_f64() == f64::NEG_INFINITY { E::ZERO } else { (x - top).exp() });
    top + each.sum::<E>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_wins_wherever_it_stands() {
        let (nan, none) = (f64::NAN, f64::NEG_INFINITY);
        for x in [[nan, none, none], [none, nan, none], [none, none, nan], [1.0, nan, 2.0], [2.0, 1.0, nan]] {
            assert!(maximum(x).is_nan() && log_add(x).is_nan() && log_sum_exp(&x).is_nan(), "{x:?}");
        }
    }

    #[test]
    fn the_first_of_the_greatest_is_the_maximum() {
        assert!(exceeds(2.0, 1.0) && exceeds(f64::NAN, 1.0) && exceeds(f32::NAN, f32::INFINITY));
        assert!(!exceeds(1.0, 1.0) && !exceeds(1.0, 2.0) && !exceeds(1.0, f64::NAN) && !exceeds(f64::NAN, f64::NAN));
    }

    #[test]
    fn sums_of_exponentials_do_not_overflow() {
        assert_eq!(log_add([none(), none()]), none());
        assert_eq!(log_sum_exp::<f32>(&[]), none());
        assert!((log_add([1000.0, 1000.0]) - (1000.0 + 2f64.ln())).abs() < 1e-12);
        assert!((log_sum_exp(&[-1000.0, none(), -1000.0, -1000.0]) - (3f64.ln() - 1000.0)).abs() < 1e-12);
        assert!((log_add([0.0, 3f64.ln(), none()]) - 4f64.ln()).abs() < 1e-12);
    }

    fn none() -> f64 {
        f64::NEG_INFINITY
    }
}
