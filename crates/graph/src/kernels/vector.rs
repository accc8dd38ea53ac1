//! Running a loop with the widest vectors that the processor has, and sums in an order that never changes.

use crate::Element;
use std::sync::OnceLock;

/// Runs `work` compiled for what the processor at hand can do (AVX-512, AVX2, NEON or plain); the loop inside must be
/// `#[inline(always)]` all the way down. Which one it is does not depend on the data, so bits do not either.
#[inline(always)]
pub fn dispatch<R>(work: impl FnOnce() -> R) -> R {
    arch().dispatch(work)
}

/// What the processor can do.
#[inline(always)]
pub(crate) fn arch() -> pulp::Arch {
    static ARCH: OnceLock<pulp::Arch> = OnceLock::new();
    *ARCH.get_or_init(pulp::Arch::new)
}

/// Σ x, in sixteen interleaved partial sums that are added pairwise at the end: the order is a function of the length alone.
#[inline(always)]
pub fn sum<E: Element>(x: &[E]) -> E {
    sum_of(
        x.len(),
        #[inline(always)]
        |i| x[i],
    )
}

/// Σ f(i) for i in 0..n, in the order of [`sum`].
#[inline(always)]
pub(crate) fn sum_of<E: Element>(n: usize, f: impl Fn(usize) -> E) -> E {
    const LANES: usize = 16;
    let mut lanes = [E::ZERO; LANES];
    let whole = n / LANES * LANES;
    let mut i = 0;
    while i < whole {
        for (lane, total) in lanes.iter_mut().enumerate() {
            *total += f(i + lane);
        }
        i += LANES;
    }
    for (lane, i) in (whole..n).enumerate() {
        lanes[lane] += f(i);
    }
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
