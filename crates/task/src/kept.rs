//! Which weights of a training are kept: those of its best evaluation, or where weights are averaged and it is better,
//! the last ones without the average.

use crate::{
    error::{Error, Result},
    json::Evaluated,
    number::{score, significant},
    signals,
    task::{Search, Task},
    train::Run,
    training::epochs_of,
};
use unspool::{graph::Params, nn::training::Outcome};

/// The weights that are kept.
pub(crate) struct Kept<'p> {
    pub(crate) params: &'p Params,
    /// How many steps they have seen.
    pub(crate) step: u64,
    /// How good they are on the dev part.
    pub(crate) dev: Evaluated,
    /// Both scores, where there is an average.
    pub(crate) told: Option<String>,
    /// Whether they are the last ones, which the checkpoint of the best evaluation does not hold.
    pub(crate) is_last: bool,
}

impl<T: Task> Run<'_, T> {
    /// Chooses the weights to keep, by their score on the dev part. `last` are those of the last step.
    ///
    /// # Errors
    /// No evaluation gave a number, or a signal came.
    pub(crate) fn kept<'p>(&self, outcome: &'p Outcome, last: &'p Params, steps_per_epoch: u64) -> Result<Kept<'p>> {
        let metric = T::SPEC.metric;
        let (Some(best), Some(params)) = (outcome.best(), &outcome.best_params) else {
            return Err(Error::failure(format!("no epoch had a {} that is a number", metric.name), ""));
        };
        let of_dev = |params| Ok::<_, Error>(self.part(params, &self.begun.dev, Search::Quick)?.0);
        let dev = of_dev(params)?;
        signals::check_together(self.exchange)?;
        let kept = Kept { params, step: best.step, dev, told: None, is_last: false };
        if !self.is_averaged() {
            return Ok(kept);
        }
        let of_last = of_dev(last)?;
        let told = format!(
            "dev {} {} with averaged weights (epoch {}), {} with the last weights without the average",
            metric.name,
            score(kept.dev.score.value, metric.digits),
            significant(epochs_of(best.step, steps_per_epoch), 4),
            score(of_last.score.value, metric.digits)
        );
        let is_better = metric.sign(of_last.score.value) > metric.sign(kept.dev.score.value);
        // A run that is resumed after its end finds the weights that it kept.
        let is_last = is_better || is_equal(params, last);
        Ok(match is_last {
            true => Kept { params: last, step: outcome.steps, dev: of_last, told: Some(told), is_last },
            false => Kept { told: Some(told), ..kept },
        })
    }
}

/// Whether two models have the same numbers.
fn is_equal(a: &Params, b: &Params) -> bool {
    a.iter().all(|p| matches!((a.value(p), b.value(p)), (Ok(a), Ok(b)) if a == b))
}
