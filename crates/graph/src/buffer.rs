//! Buffers that are used again: what one recording gives back, the next one takes.

use crate::{Element, element::ThreadMemory};
use std::{
    any::{Any, TypeId},
    collections::{BTreeMap, HashMap},
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard},
};

/// From this length on a buffer comes from the pool that all recordings over the parameters share; shorter ones wait on
/// their own thread, which takes no lock.
const POOLED_FROM: usize = 2048;

/// Short buffers have room for a multiple of this many elements.
const GRAIN: usize = 16;

/// A short buffer that waits on this thread.
fn take_short<E: Element>(grains: usize) -> Option<Vec<E>> {
    let take = |memory: &ThreadMemory<E>| memory.short.borrow_mut().get_mut(grains - 1).and_then(Vec::pop);
    E::thread_memory().try_with(take).ok().flatten()
}

/// Keeps a short buffer on this thread for its next use, by its length in grains. One that did not come from here, and
/// more than 4,096 elements of a length, go back to the allocator. So does everything at the end of a thread.
fn give_short<E: Element>(data: Vec<E>) {
    const KEPT: usize = 4096 / GRAIN;
    let grains = data.len() / GRAIN;
    if grains == 0 || grains > POOLED_FROM / GRAIN || !data.len().is_multiple_of(GRAIN) {
        return;
    }
    let _ = E::thread_memory().try_with(|memory| {
        let mut waiting = memory.short.borrow_mut();
        if waiting.is_empty() {
            waiting.resize_with(POOLED_FROM / GRAIN, Vec::new);
        }
        if (waiting[grains - 1].len() + 1) * grains <= KEPT {
            waiting[grains - 1].push(data);
        }
    });
}

/// What waits for the next recording over the same parameters.
#[derive(Debug, Default)]
pub(crate) struct Pool<E: Element> {
    /// By capacity. They keep their old contents, so taking one writes nothing.
    buffers: Mutex<BTreeMap<usize, Vec<Vec<E>>>>,
    /// Whatever else is used again; the pool does not know what it is.
    pub(crate) lists: Idle,
}

/// Lists that wait for their next use, apart by what they are lists of.
#[derive(Default)]
pub(crate) struct Idle(Mutex<HashMap<TypeId, Vec<Box<dyn Any + Send>>>>);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Idle {
    /// The list of `T`s that was given last; an empty one where none waits.
    pub(crate) fn take<T: Send + 'static>(&self) -> Vec<T> {
        let list = lock(&self.0).get_mut(&TypeId::of::<T>()).and_then(Vec::pop);
        list.and_then(|list| list.downcast().ok()).map_or_else(Vec::new, |list| *list)
    }
    pub(crate) fn give<T: Send + 'static>(&self, list: Vec<T>) {
        lock(&self.0).entry(TypeId::of::<T>()).or_default().push(Box::new(list));
    }
}

impl fmt::Debug for Idle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} idle", lock(&self.0).values().map(Vec::len).sum::<usize>())
    }
}

/// Holds an array in a recording's memory, to which it goes back when dropped: [`View::buffer`](crate::View::buffer)
/// and [`GradSink::buffer`](crate::GradSink::buffer) give one.
///
/// ```
/// use unspool_graph::{Buffer, Element, Graph, GradSink, Operation, Params, OpContext, Shape, View};
///
/// /// y = 1 / (1 + x²); dy/dx = −2 x y², of which forward keeps −2 x.
/// struct Witch;
///
/// impl Operation for Witch {
///     type Saved<E: Element> = Buffer<E>;
///     fn name(&self) -> &'static str { "witch" }
///     fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> { Ok(inputs[0]) }
///     fn forward<E: Element>(&self, x: &[View<'_, E>], y: &mut [E]) -> Buffer<E> {
///         let mut kept = x[0].buffer(y.len()); // any contents: all of it is written
///         for ((y, kept), &x) in y.iter_mut().zip(&mut kept[..]).zip(x[0].data()) {
///             (*y, *kept) = (E::ONE / (E::ONE + x * x), E::from_f64(-2.0) * x);
///         }
///         kept
///     }
///     fn backward<E: Element>(
///         &self, ctx: &OpContext<'_, E, Buffer<E>>, gradient: View<'_, E>, into: &mut GradSink<'_, E>,
///     ) {
///         let each = gradient.data().iter().zip(&ctx.saved[..]).zip(ctx.output.data());
///         into.add(0, each.map(|((&g, &kept), &y)| g * kept * y * y).collect());
///     }
///     fn jvp<E: Element>(&self, ctx: &OpContext<'_, E, Buffer<E>>, v: &[Option<View<'_, E>>], out: &mut [E]) {
///         let Some(v) = v[0] else { return };
///         let y = ctx.output.data();
///         (0..out.len()).for_each(|i| out[i] = ctx.saved[i] * y[i] * y[i] * v.data()[i]);
///     }
/// }
///
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let x = graph.input(vec![1.0f32]).watch();
/// assert_eq!(graph.apply(Witch, &[x]).sum_all().backward()?.of(x).unwrap().to_f64()[[0]], -0.5);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Debug)]
pub struct Buffer<E: Element> {
    data: Vec<E>,
    len: usize,
    pool: Option<Arc<Pool<E>>>,
}

/// Capacities come in eighths of a power of two, so that batches of nearly the same size share buffers.
fn capacity(len: usize) -> usize {
    let step = (len.next_power_of_two() / 16).max(1); // `len` is at most isize::MAX / 8
    len.div_ceil(step) * step
}

impl<E: Element> Pool<E> {
    /// Gives all that waits back to the system, and with it what waits on this thread.
    pub(crate) fn release(&self) {
        lock(&self.buffers).clear();
        lock(&self.lists.0).clear();
        E::thread_memory().with(|memory| memory.short.take());
    }

    /// A buffer with any contents: the caller writes all of it. Dev builds fill it with not-a-number, so that a test
    /// sees where not.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer<E> {
        if len < POOLED_FROM {
            let grains = len.div_ceil(GRAIN);
            let data = if grains == 0 { None } else { take_short(grains) };
            return Buffer::begun(data.unwrap_or_else(|| vec![E::ZERO; grains * GRAIN]), len, None);
        }
        let data = self.waiting(len).unwrap_or_else(|| vec![E::ZERO; capacity(len)]);
        Buffer::begun(data, len, Some(self.clone()))
    }

    /// As [`take`](Pool::take), with an error in words where the machine does not have that much memory.
    pub(crate) fn try_take(self: &Arc<Self>, len: usize) -> Result<Buffer<E>, String> {
        const LARGE: usize = 1 << 20;
        if len < LARGE {
            return Ok(self.take(len));
        }
        let mut data = self.waiting(len).unwrap_or_default();
        // An allocation that fails would end the process, so a new buffer is reserved first.
        data.try_reserve_exact(capacity(len).saturating_sub(data.len())).map_err(|_| {
            let bytes = len as f64 * size_of::<E>() as f64;
            format!("needs {:.1} GB of memory, which this machine does not give", bytes / 1e9)
        })?;
        data.resize(capacity(len).max(data.len()), E::ZERO);
        Ok(Buffer::begun(data, len, Some(self.clone())))
    }

    /// A buffer of about that length that waits for its next use, if there is one.
    fn waiting(&self, len: usize) -> Option<Vec<E>> {
        let wanted = capacity(len);
        lock(&self.buffers).range_mut(wanted..=wanted + wanted / 4).find_map(|(_, buffers)| buffers.pop())
    }

    pub(crate) fn zeros(self: &Arc<Self>, len: usize) -> Buffer<E> {
        let mut buffer = self.take(len);
        buffer.fill(E::ZERO);
        buffer
    }

    /// An empty buffer with room for `len` elements, which grows within the pool.
    pub(crate) fn empty(self: &Arc<Self>, len: usize) -> Buffer<E> {
        let mut buffer = self.take(len.max(POOLED_FROM));
        buffer.len = 0;
        buffer
    }

    pub(crate) fn copy(self: &Arc<Self>, data: &[E]) -> Buffer<E> {
        let mut buffer = self.take(data.len());
        buffer.copy_from_slice(data);
        buffer
    }
}

impl<E: Element> From<Vec<E>> for Buffer<E> {
    fn from(data: Vec<E>) -> Self {
        Buffer { len: data.len(), data, pool: None }
    }
}

impl<E: Element> Buffer<E> {
    /// A buffer whose first `len` elements may be anything.
    fn begun(mut data: Vec<E>, len: usize, pool: Option<Arc<Pool<E>>>) -> Buffer<E> {
        if cfg!(debug_assertions) {
            data[..len].fill(E::from_f64(f64::NAN));
        }
        Buffer { data, len, pool }
    }

    /// Makes it longer by these elements.
    ///
    /// ```
    /// use unspool_graph::Buffer;
    /// let mut buffer = Buffer::from(vec![1.0f32]);
    /// buffer.extend_from_slice(&[2.0, 3.0]);
    /// assert_eq!(buffer[..], [1.0, 2.0, 3.0]);
    /// ```
    pub fn extend_from_slice(&mut self, more: &[E]) {
        let (len, from) = (self.len + more.len(), self.len);
        if len > self.data.len() {
            match &self.pool {
                Some(pool) => {
                    let mut wider = pool.take(len.max(2 * from));
                    wider[..from].copy_from_slice(self);
                    *self = wider;
                }
                None => self.data.resize(len, E::ZERO),
            }
        }
        self.len = len;
        self[from..].copy_from_slice(more);
    }
}

impl<E: Element> Clone for Buffer<E> {
    fn clone(&self) -> Self {
        match &self.pool {
            Some(pool) => pool.copy(self),
            None => self.to_vec().into(),
        }
    }
}

impl<E: Element> PartialEq for Buffer<E> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<E: Element> Drop for Buffer<E> {
    fn drop(&mut self) {
        let data = std::mem::take(&mut self.data);
        match self.pool.take() {
            Some(pool) => lock(&pool.buffers).entry(data.len()).or_default().push(data),
            None => give_short(data),
        }
    }
}

impl<E: Element> Deref for Buffer<E> {
    type Target = [E];
    #[inline(always)]
    fn deref(&self) -> &[E] {
        &self.data[..self.len]
    }
}

impl<E: Element> DerefMut for Buffer<E> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.data[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_returned_buffer_is_taken_again_also_for_a_slightly_shorter_array() {
        let pool = Arc::new(Pool::<f32>::default());
        let first = pool.take(10_000);
        let address = first.as_ptr();
        drop(first);
        assert_eq!(pool.take(9_990).as_ptr(), address);
    }

    #[test]
    fn a_buffer_grows_within_the_pool_and_keeps_what_it_holds() {
        let pool = Arc::new(Pool::<f32>::default());
        let rows: Vec<f32> = (0..10_000).map(|i| i as f32).collect();
        for mut grown in [pool.empty(1), Buffer::from(vec![])] {
            rows.chunks(7).for_each(|row| grown.extend_from_slice(row));
            assert_eq!(grown[..], rows);
        }
        let larger = pool.take(10_000);
        assert!(pool.empty(9_000).as_ptr() != larger.as_ptr());
    }
}
