//! Buffers that are used again: what one recording gives back, the next one takes.

use crate::Element;
use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex},
};

/// From this length on a buffer comes from the pool; shorter ones are what an allocator is good at.
const POOLED_FROM: usize = 2048;

/// Idle buffers by capacity. They keep their old contents, so taking one writes nothing.
#[derive(Debug, Default)]
pub struct Pool<E>(Mutex<BTreeMap<usize, Vec<Vec<E>>>>);

/// An array from a [`Pool`], to which it goes back when dropped.
#[doc(hidden)]
#[derive(Debug)]
pub struct Buffer<E: Element> {
    data: Vec<E>,
    len: usize,
    pool: Option<Arc<Pool<E>>>,
}

/// Capacities come in eighths of a power of two, so that batches of nearly the same size share buffers.
fn capacity(len: usize) -> usize {
    let step = (len.next_power_of_two() / 16).max(1);
    len.div_ceil(step) * step
}

impl<E: Element> Pool<E> {
    /// A buffer with any contents: the caller writes all of it. Dev builds fill it with not-a-number, so that a test sees where not.
    pub(crate) fn take(self: &Arc<Self>, len: usize) -> Buffer<E> {
        if len < POOLED_FROM {
            return Buffer { data: vec![E::ZERO; len], len, pool: None };
        }
        let wanted = capacity(len);
        let mut idle = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let found = idle.range_mut(wanted..=wanted + wanted / 4).find_map(|(_, buffers)| buffers.pop());
        drop(idle);
        let mut data = found.unwrap_or_else(|| vec![E::ZERO; wanted]);
        if cfg!(debug_assertions) {
            data[..len].fill(E::from_f64(f64::NAN));
        }
        Buffer { data, len, pool: Some(self.clone()) }
    }

    pub(crate) fn zeros(self: &Arc<Self>, len: usize) -> Buffer<E> {
        let mut buffer = self.take(len);
        buffer.fill(E::ZERO);
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
    /// Makes it longer.
    pub(crate) fn append(&mut self, more: &[E]) {
        self.data.truncate(self.len);
        self.data.extend_from_slice(more);
        self.len = self.data.len();
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
        if let Some(pool) = self.pool.take() {
            let data = std::mem::take(&mut self.data);
            let mut idle = pool.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            idle.entry(data.len()).or_default().push(data);
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
}
