//! A language model of n-grams.

use super::{Best, interrupted, stop};
use crate::long_text::{Text, Window};
use unspool_baselines::KneserNey;
use unspool_task::{Baseline, Result, check_signals};

/// The shortest and the longest n-grams that are tried.
const ORDERS: [usize; 2] = [3, 8];

/// Tokens of the train part that are counted, at most: the last ones. The counts take up to half a gigabyte.
const MOST: usize = 2_000_000;

/// Makes the metric of −ln p of the tokens that are to be predicted in each window.
pub(crate) type Scored<'a> = &'a dyn Fn(&[Window], Vec<f64>) -> Result<f64>;

/// Kneser–Ney smoothing of n-grams, whose longest length is chosen on the dev part: it rises until dev becomes worse.
pub(crate) fn kneser_ney(
    train: &Text,
    vocabulary: usize,
    dev: &[Window],
    test: &[Window],
    score: Scored<'_>,
) -> Result<Baseline> {
    Baseline::timed(|| {
        let count = train.ids.len();
        let ids = train.ids.to_vec(count.saturating_sub(MOST)..count);
        let mut best = Best::new();
        for order in ORDERS[0]..=ORDERS[1] {
            let model = KneserNey::fit(&ids, vocabulary, order, &stop).map_err(interrupted)?;
            if !best.offer(-score(dev, nats(&model, order, dev)?)?, || (order, model)) {
                break;
            }
        }
        let Some((order, model)) = best.into_inner() else {
            return Ok(Baseline::left_out("kneser_ney", "there is nothing to choose its order by"));
        };
        let part = if count > MOST { format!(" of the last {MOST} tokens") } else { String::new() };
        let found = score(test, nats(&model, order, test)?)?;
        Ok(Baseline::new("kneser_ney", found).settings(format!("n-grams of up to {order} tokens{part}")))
    })
}

/// −ln p of the tokens that are to be predicted in each window.
fn nats(model: &KneserNey, order: usize, windows: &[Window]) -> Result<Vec<f64>> {
    let window = |window: &Window| {
        check_signals()?;
        let ids = window.ids.to_vec(0..window.ids.len());
        let predicted = ids.len() - window.predicted..ids.len();
        Ok(predicted.map(|at| -model.probability(&ids[at.saturating_sub(order)..at], ids[at]).ln()).sum())
    };
    windows.iter().map(window).collect()
}
