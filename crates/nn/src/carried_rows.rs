//! The state of many streams that are trained side by side, in shards and in processes.

use crate::{Error, Result, exchange::Exchange};
use ndarray::{ArrayD, Axis, Slice};
use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};
use unspool_graph::Tensor;

/// What a batch of streams carries from step to step where it is cut into shards: each takes the rows of its own streams, and puts their
/// next state back. Shards may do so at the same time, from any thread, and with [`share`](CarriedRows::share) in several processes.
///
/// ```
/// use unspool_graph::Tensor;
/// use unspool_nn::CarriedRows;
/// let carried = CarriedRows::new(4);
/// assert_eq!(carried.rows(0..2), None);                                         // streams that have only just begun
/// carried.put(0..2, &[Tensor::from(ndarray::array![[1.0], [2.0]])]);
/// carried.put(2..4, &[Tensor::from(ndarray::array![[3.0], [4.0]])]);
/// assert_eq!(carried.rows(1..3), Some(vec![Tensor::from(ndarray::array![[2.0], [3.0]])]));
/// let saved = carried.all();
/// carried.reset();
/// carried.restore(saved);
/// assert_eq!(carried.all()[0].shape(), [4, 1]);
/// ```
#[derive(Debug, Default)]
pub struct CarriedRows {
    streams: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The leaves of the state, of all streams; none before the first step.
    leaves: Vec<Tensor>,
    /// Which streams were put here and are not shared yet.
    fresh: Vec<bool>,
}

impl CarriedRows {
    /// Of so many streams.
    pub fn new(streams: usize) -> CarriedRows {
        CarriedRows { streams, state: Mutex::new(State { leaves: vec![], fresh: vec![false; streams] }) }
    }

    /// The leaves of these streams' states; `None` where nothing is carried yet.
    pub fn rows(&self, streams: Range<usize>) -> Option<Vec<Tensor>> {
        let state = self.lock();
        let fits = !state.leaves.is_empty() && streams.end <= self.streams && streams.start <= streams.end;
        let range = Slice::from(streams);
        fits.then(|| {
            let rows = |leaf: &Tensor| match leaf {
                Tensor::F32(all) => Tensor::from(all.slice_axis(Axis(0), range)),
                Tensor::F64(all) => Tensor::from(all.slice_axis(Axis(0), range)),
            };
            state.leaves.iter().map(rows).collect()
        })
    }

    /// Keeps the leaves of these streams' states, `[streams, …]` each. What does not fit these streams is left out.
    pub fn put(&self, streams: Range<usize>, leaves: &[Tensor]) {
        let mut state = self.lock();
        let rows = |leaf: &Tensor| leaf.shape().first().copied();
        if streams.end > self.streams || leaves.iter().any(|leaf| rows(leaf) != Some(streams.len())) {
            return;
        }
        let alike = |all: &[Tensor]| {
            let pairs = || all.iter().zip(leaves);
            all.len() == leaves.len()
                && pairs().all(|(a, b)| a.shape()[1..] == b.shape()[1..] && a.precision() == b.precision())
        };
        if !alike(&state.leaves) {
            state.leaves = leaves.iter().map(|leaf| zeros(self.streams, leaf)).collect();
        }
        state.fresh[streams.clone()].fill(true);
        let range = Slice::from(streams);
        for (all, leaf) in state.leaves.iter_mut().zip(leaves) {
            match (all, leaf) {
                (Tensor::F32(all), Tensor::F32(leaf)) => all.slice_axis_mut(Axis(0), range).assign(leaf),
                (Tensor::F64(all), Tensor::F64(leaf)) => all.slice_axis_mut(Axis(0), range).assign(leaf),
                _ => {}
            }
        }
    }

    /// Gives what was put since the last time to all processes, so that each has the state of every stream:
    /// [`Objective::share`](crate::training::Objective::share) after each step.
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached.
    pub fn share(&self, exchange: &dyn Exchange) -> Result<()> {
        let fresh = std::mem::replace(&mut self.lock().fresh, vec![false; self.streams]);
        if exchange.ranks() <= 1 {
            return Ok(());
        }
        let mut message = vec![];
        let mut start = 0;
        for run in fresh.chunk_by(|a, b| a == b) {
            let streams = start..start + run.len();
            start = streams.end;
            if let Some(leaves) = self.rows(streams.clone()).filter(|_| run[0]) {
                write(&mut message, streams, &leaves);
            }
        }
        for (rank, message) in exchange.all_gather(&message)?.iter().enumerate() {
            let mut message = message.as_slice();
            while rank != exchange.rank() && !message.is_empty() {
                let Some((streams, leaves)) = read(&mut message) else {
                    return Err(Error::Exchange {
                        why: format!("the state that process {rank} has sent is unreadable"),
                    });
                };
                self.put(streams.clone(), &leaves);
                self.lock().fresh[streams].fill(false);
            }
        }
        Ok(())
    }

    /// Everything, to be saved: each leaf of all streams.
    pub fn all(&self) -> Vec<Tensor> {
        self.lock().leaves.clone()
    }

    /// Takes back what [`all`](CarriedRows::all) gave. Arrays of another number of streams are nothing.
    pub fn restore(&self, leaves: Vec<Tensor>) {
        let fit = leaves.iter().all(|leaf| leaf.shape().first() == Some(&self.streams));
        self.lock().leaves = if fit { leaves } else { vec![] };
    }

    /// All streams begin anew.
    pub fn reset(&self) {
        self.lock().leaves.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Zeros for so many streams, each like a row of `leaf`.
fn zeros(streams: usize, leaf: &Tensor) -> Tensor {
    let mut shape = leaf.shape().to_vec();
    shape[0] = streams;
    match leaf {
        Tensor::F32(_) => Tensor::F32(ArrayD::zeros(shape)),
        Tensor::F64(_) => Tensor::F64(ArrayD::zeros(shape)),
    }
}

/// A line of JSON that says what follows, and the elements.
fn write(out: &mut Vec<u8>, streams: Range<usize>, leaves: &[Tensor]) {
    let shapes: Vec<_> = leaves.iter().map(|leaf| (matches!(leaf, Tensor::F64(_)), leaf.shape())).collect();
    out.extend(serde_json::json!((streams.start, streams.end, shapes)).to_string().bytes());
    out.push(b'\n');
    for leaf in leaves {
        match leaf {
            Tensor::F32(all) => out.extend(all.iter().flat_map(|x| x.to_le_bytes())),
            Tensor::F64(all) => out.extend(all.iter().flat_map(|x| x.to_le_bytes())),
        }
    }
}

fn read(bytes: &mut &[u8]) -> Option<(Range<usize>, Vec<Tensor>)> {
    let line = bytes.split_off(..bytes.iter().position(|&byte| byte == b'\n')? + 1)?;
    let (start, end, shapes): (usize, usize, Vec<(bool, Vec<usize>)>) = serde_json::from_slice(line).ok()?;
    let leaf = |(double, shape): (bool, Vec<usize>)| {
        let elements = shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size))?;
        let bytes = bytes.split_off(..elements.checked_mul(if double { 8 } else { 4 })?)?;
        let (singles, doubles) = (bytes.as_chunks().0.iter(), bytes.as_chunks().0.iter());
        Some(if double {
            Tensor::F64(ArrayD::from_shape_vec(shape, doubles.map(|&b| f64::from_le_bytes(b)).collect()).ok()?)
        } else {
            Tensor::F32(ArrayD::from_shape_vec(shape, singles.map(|&b| f32::from_le_bytes(b)).collect()).ok()?)
        })
    };
    Some((start..end, shapes.into_iter().map(leaf).collect::<Option<_>>()?))
}
