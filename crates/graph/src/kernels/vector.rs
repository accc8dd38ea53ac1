//! Running a loop with the widest vectors that the processor has, and sums in an order that never changes.

use crate::{Element, reference::reference_mode};
use std::sync::OnceLock;

/// Runs `work` compiled for what the processor at hand can do (AVX-512, AVX2, NEON or plain); the loop inside must be
/// `#[inline(always)]` all the way down. Which one it is does not depend on the data, so bits do not either.
///
/// ```
/// use unspool_graph::vectorize;
/// let (x, mut y) = (vec![1.0f32; 1000], vec![2.0f32; 1000]);
/// vectorize(
///     #[inline(always)]
///     || y.iter_mut().zip(&x).for_each(|(y, &x)| *y += 3.0 * x),
/// );
/// assert!(y.iter().all(|&y| y == 5.0));
/// ```
#[inline(always)]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    arch().dispatch(work)
}

/// Returns the widest vectors that the processor has, or narrower ones if the environment variable
/// `UNSPOOL_CPU_CAPABILITY` asks for them: `avx2` to measure on a newer processor what older ones do, `scalar` for
/// none.
#[inline(always)]
pub(crate) fn arch() -> pulp::Arch {
    if reference_mode() {
        return pulp::Arch::Scalar;
    }
    static ARCH: OnceLock<pulp::Arch> = OnceLock::new();
    *ARCH.get_or_init(|| match std::env::var("UNSPOOL_CPU_CAPABILITY").as_deref() {
        Ok("scalar") => pulp::Arch::Scalar,
        #[cfg(target_arch = "x86_64")]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(pulp::Arch::Scalar, pulp::Arch::V3),
        _ => pulp::Arch::new(),
    })
}

/// How many partial sums run side by side.
pub(crate) const LANES: usize = 16;

/// Returns Σ x, in sixteen interleaved partial sums that are added pairwise at the end: the order is a function of the
/// length alone.
///
/// ```
/// use unspool_graph::lane_sum;
/// let x: Vec<f32> = (1..=100).map(|i| i as f32).collect();
/// assert_eq!(lane_sum(&x), 5050.0);
/// ```
#[inline(always)]
pub fn sum<E: Element>(x: &[E]) -> E {
    sum_map(
        x,
        #[inline(always)]
        |x| x,
    )
}

/// Σ f(x), in the order of [`sum`].
#[inline(always)]
pub(crate) fn sum_map<E: Element, F: Element>(x: &[E], f: impl Fn(E) -> F) -> F {
    let mut lanes = [F::ZERO; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] += f(chunk[i]);
        }
    }
    lanes.iter_mut().zip(rest).for_each(|(lane, &x)| *lane += f(x));
    pairwise(lanes)
}

/// Σ f(i) for i in 0..n, in the order of [`sum`].
#[inline(always)]
pub(crate) fn sum_of<E: Element>(n: usize, f: impl Fn(usize) -> E) -> E {
    let mut lanes = [E::ZERO; LANES];
    let whole = n / LANES * LANES;
    for first in (0..whole).step_by(LANES) {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f(first + lane);
        }
    }
    for (lane, i) in (whole..n).enumerate() {
        lanes[lane] += f(i);
    }
    pairwise(lanes)
}

#[inline(always)]
fn pairwise<E: Element>(mut lanes: [E; LANES]) -> E {
    let mut width = LANES / 2;
    while width > 0 {
        for lane in 0..width {
            let other = lanes[lane + width];
            lanes[lane] += other;
        }
        width /= 2;
    }
    lanes[0]
}

/// All that the processor at hand can run: vectors of each width, and none.
#[cfg(test)]
pub(crate) fn routes() -> Vec<pulp::Arch> {
    let mut all = vec![pulp::Arch::Scalar];
    #[cfg(target_arch = "x86_64")]
    {
        all.extend(pulp::x86::V3::try_new().map(pulp::Arch::V3));
        all.extend(pulp::x86::V4::try_new().map(pulp::Arch::V4));
    }
    #[cfg(target_arch = "aarch64")]
    all.extend(pulp::aarch64::Neon::try_new().map(pulp::Arch::Neon));
    all
}
