//! Working memory that a thread keeps from call to call, so that a loop in its steady state asks the allocator for
//! nothing large.

use crate::Element;

/// Calls `work` with `len` elements of any contents.
pub(crate) fn scratch<E: Element, R>(len: usize, work: impl FnOnce(&mut [E]) -> R) -> R {
    // Taken out, not borrowed: a call inside `work` finds nothing kept and makes its own.
    let mut kept = E::thread_memory().with(|memory| memory.scratch.take());
    if kept.len() < len {
        kept.resize(len, E::ZERO);
    }
    let result = work(&mut kept[..len]);
    E::thread_memory().with(|memory| memory.scratch.set(kept));
    result
}
