//! The state of many streams that are trained side by side, in shards and in processes.

use crate::{Error, Result, exchange::Exchange};
use ndarray::{ArrayD, Axis, Slice};
use std::{
    ops::Range,
    sync::{Mutex, MutexGuard, PoisonError},
};
use unspool_graph::Tensor;

/// Holds what a batch of streams carries from step to step when the batch is cut into shards: each shard takes the rows
/// of its streams and puts their next state back. Shards may do so at the same time, from any thread, and with
/// [`share`](CarriedStates::share) in several processes.
///
/// ```
/// use unspool_graph::Tensor;
/// use unspool_nn::CarriedStates;
/// let carried = CarriedStates::new(4);
/// assert_eq!(carried.rows(0..2), None);                                         // streams that have only just begun
/// carried.put(0..2, &[Tensor::from(ndarray::array![[1.0], [2.0]])])?;
/// carried.put(2..4, &[Tensor::from(ndarray::array![[3.0], [4.0]])])?;
/// assert_eq!(carried.rows(1..3), Some(vec![Tensor::from(ndarray::array![[2.0], [3.0]])]));
/// let saved = carried.all();
/// carried.reset();
/// carried.restore(saved)?;
/// assert_eq!(carried.all()[0].shape(), [4, 1]);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Debug, Default)]
pub struct CarriedStates {
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

impl CarriedStates {
    /// Creates an empty store for the states of `streams` streams.
    pub fn new(streams: usize) -> CarriedStates {
        CarriedStates { streams, state: Mutex::default() }
    }

    /// Returns the leaves of these streams' states; `None` where nothing is carried yet.
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

    /// Keeps the leaves of these streams' states, `[streams, …]` each.
    ///
    /// # Errors
    /// [`Error::Carried`] for streams that there are not, for leaves without a row per stream, and for leaves of
    /// another number, shape or precision than those that are kept; then nothing is changed.
    pub fn put(&self, streams: Range<usize>, leaves: &[Tensor]) -> Result<()> {
        let mut state = self.lock();
        if streams.start > streams.end || streams.end > self.streams {
            return Err(Error::Carried { why: format!("there are {} streams, but not {streams:?}", self.streams) });
        }
        check_rows(leaves, streams.len())?;
        if state.leaves.is_empty() {
            state.leaves = leaves.iter().map(|leaf| zeros(self.streams, leaf)).collect::<Result<_>>()?;
            state.fresh = vec![false; self.streams];
        }
        let kinds = |all: &[Tensor]| -> Vec<_> {
            all.iter().map(|leaf| (leaf.shape()[1..].to_vec(), leaf.precision())).collect()
        };
        let (kept, given) = (kinds(&state.leaves), kinds(leaves));
        if kept != given {
            return Err(Error::Carried {
                why: format!("leaves of {kept:?} per stream are kept, but {given:?} were put"),
            });
        }
        state.fresh[streams.clone()].fill(true);
        let range = Slice::from(streams);
        for (all, leaf) in state.leaves.iter_mut().zip(leaves) {
            match (all, leaf) {
                (Tensor::F32(all), Tensor::F32(leaf)) => all.slice_axis_mut(Axis(0), range).assign(leaf),
                (Tensor::F64(all), Tensor::F64(leaf)) => all.slice_axis_mut(Axis(0), range).assign(leaf),
                _ => {} // the precisions are the same
            }
        }
        Ok(())
    }

    /// Sends what was put since the last call to all processes, so that each has the state of every stream:
    /// [`Objective::share`](crate::training::Objective::share).
    ///
    /// # Errors
    /// [`Error::Exchange`] where a process cannot be reached.
    pub fn share(&self, exchange: &dyn Exchange) -> Result<()> {
        let fresh = {
            let mut state = self.lock();
            let none = vec![false; state.fresh.len()];
            std::mem::replace(&mut state.fresh, none)
        };
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
                self.put(streams.clone(), &leaves)?;
                self.lock().fresh[streams].fill(false);
            }
        }
        Ok(())
    }

    /// Returns everything, to be saved: each leaf of all streams.
    pub fn all(&self) -> Vec<Tensor> {
        self.lock().leaves.clone()
    }

    /// Takes back what [`all`](CarriedStates::all) gave.
    ///
    /// # Errors
    /// [`Error::Carried`] for arrays of another number of streams. Arrays of other shapes than the model's are found by
    /// the next [`put`](CarriedStates::put).
    pub fn restore(&self, leaves: Vec<Tensor>) -> Result<()> {
        check_rows(&leaves, self.streams)?;
        let fresh = if leaves.is_empty() { vec![] } else { vec![false; self.streams] };
        *self.lock() = State { leaves, fresh };
        Ok(())
    }

    /// Forgets all states: every stream begins again.
    pub fn reset(&self) {
        *self.lock() = State::default();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns zeros for `streams` streams, each like a row of `leaf`.
fn zeros(streams: usize, leaf: &Tensor) -> Result<Tensor> {
    let mut shape = leaf.shape().to_vec();
    shape[0] = streams;
    let elements = shape.iter().try_fold(1usize, |all, &size| all.checked_mul(size));
    if elements.is_none_or(|all| all > isize::MAX as usize / 8) {
        return Err(Error::Carried {
            why: format!("the states of all streams would be an array of {shape:?}: too large"),
        });
    }
    Ok(match leaf {
        Tensor::F32(_) => Tensor::F32(ArrayD::zeros(shape)),
        Tensor::F64(_) => Tensor::F64(ArrayD::zeros(shape)),
    })
}

/// Returns the error of leaves that do not have `rows` rows.
fn check_rows(leaves: &[Tensor], rows: usize) -> Result<()> {
    match leaves.iter().find(|leaf| leaf.shape().first() != Some(&rows)) {
        Some(leaf) => Err(Error::Carried {
            why: format!("a leaf of shape {:?} has no row for each of {rows} streams", leaf.shape()),
        }),
        None => Ok(()),
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
