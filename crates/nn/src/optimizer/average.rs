//! Weights averaged over the steps, which often score better than the last ones.

use super::fraction;
use crate::{Error, Result};
use rayon::prelude::*;
use unspool_graph::{Element, Params, vectorize};

/// Keeps a running average of parameters: exponential, or over all steps equally (Polyak and Juditsky 1992).
///
/// The average is a separate [`Params`], and handles of the trained ones fit it: evaluate a model on it as it is.
///
/// ```
/// use unspool_graph::{Params, init};
/// use unspool_nn::optimizer::Averaged;
/// let mut params = Params::seeded(0);
/// let w = params.scope("m").add("w", [1], init::zeros());
/// let mut average = Averaged::over_all();
/// for x in [1.0f32, 2.0, 6.0] {
///     params.set(w, vec![x])?;
///     average.update(&params)?;
/// }
/// assert!((average.params().unwrap().value(w)?.to_f64()[[0]] - 3.0).abs() < 1e-6);
/// # Ok::<(), unspool_nn::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Averaged {
    decay: Option<f64>,
    count: u64,
    params: Option<Params>,
}

impl Averaged {
    /// Creates the average a ← d a + (1 − d) θ with d the lesser of `decay` and (1 + n) / (10 + n) at update n, from 0,
    /// so that it does not start slowly (as TensorFlow's `ExponentialMovingAverage`). `decay` is at least 0 and less
    /// than 1; [`update`](Averaged::update) refuses others.
    pub fn exponential(decay: f64) -> Averaged {
        Averaged { decay: Some(decay), count: 0, params: None }
    }

    /// Creates the mean of all that [`update`](Averaged::update) was given.
    pub fn over_all() -> Averaged {
        Averaged { decay: None, count: 0, params: None }
    }

    /// Takes the parameters as they are now into the average.
    ///
    /// # Errors
    /// [`Error::Optimizer`] for a decay outside [0, 1), [`Error::Foreign`] for parameters of another number or
    /// precision than before.
    pub fn update(&mut self, params: &Params) -> Result<()> {
        let n = self.count as f64;
        self.check()?;
        let Some(average) = &mut self.params else {
            self.params = Some(params.clone());
            self.count = 1;
            return Ok(());
        };
        if average.len() != params.len() || average.precision() != params.precision() {
            return Err(Error::Foreign);
        }
        let share = match self.decay {
            Some(decay) => 1.0 - decay.min((1.0 + n) / (10.0 + n)),
            None => 1.0 / (n + 1.0),
        };
        let all: Vec<_> = params.iter().collect();
        for (p, average) in all.iter().zip(average.f32_mut().into_iter().flatten()) {
            towards(average, params.elements_of::<f32>(*p).unwrap_or(&[]), share);
        }
        for (p, average) in all.iter().zip(average.f64_mut().into_iter().flatten()) {
            towards(average, params.elements_of::<f64>(*p).unwrap_or(&[]), share);
        }
        self.count += 1;
        Ok(())
    }

    /// Returns the error of a decay without a meaning.
    pub(crate) fn check(&self) -> Result<()> {
        let decay = self.decay.map_or(Ok(()), |decay| fraction("decay of the average", decay));
        decay.map_err(|why| Error::Optimizer { why })
    }

    /// Returns the average; `None` before the first update.
    pub fn params(&self) -> Option<&Params> {
        self.params.as_ref()
    }

    /// Returns how many updates there were.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Goes on from another's [`count`](Averaged::count) and [`params`](Averaged::params), to the same bits.
    pub fn restore(&mut self, count: u64, params: Option<Params>) {
        (self.count, self.params) = (count, params);
    }
}

/// a ← a + share · (x − a), in pieces that threads share.
fn towards<E: Element>(average: &mut [E], values: &[E], share: f64) {
    const PIECE: usize = 1 << 15;
    let share = E::from_f64(share);
    average.par_chunks_mut(PIECE).zip(values.par_chunks(PIECE)).for_each(|(average, values)| {
        vectorize(
            #[inline(always)]
            || average.iter_mut().zip(values).for_each(|(a, &x)| *a += share * (x - *a)),
        );
    });
}
