//! A random batch in few numbers, which shrink.

use crate::Direction;
use proptest::{
    prelude::*,
    test_runner::{RngAlgorithm, TestError, TestRng, TestRunner},
};
use unspool_graph::check::strategy;

/// Describes a batch on which a law is tested; all its values follow from the seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// How many real steps each row has; some may have none, but not all.
    pub lengths: Vec<usize>,
    /// Steps on the time axis beyond the longest row.
    pub padding: usize,
    /// Where a sequence is cut, and how much padding is added.
    pub at: usize,
    /// Whether the sequences are read from their ends.
    pub backward: bool,
    /// Whether the recording is one for training, with its random draws, where the law can be asked so.
    pub training: bool,
    /// From which parameters, inputs and initial states are made.
    pub seed: u64,
}

impl Case {
    /// Returns the size of the time axis.
    pub fn time(&self) -> usize {
        self.lengths.iter().max().copied().unwrap_or(0) + self.padding
    }

    /// Returns the direction in which it is read.
    pub fn direction(&self) -> Direction {
        if self.backward { Direction::Backward } else { Direction::Forward }
    }
}

/// Batches of up to `most` rows and steps.
pub(super) fn cases(most: usize) -> impl Strategy<Value = Case> {
    (strategy::lengths(1..=most, most), 0..3usize, 0..8usize, any::<bool>(), any::<bool>(), 0..1000u64).prop_map(
        |(lengths, padding, at, backward, training, seed)| Case { lengths, padding, at, backward, training, seed },
    )
}

/// Asks `holds` of `count` cases, the same at every call, and returns the smallest that does not. With
/// `PROPTEST_CASES=N` in the environment it is asked of N other cases, new ones at every call (or those of
/// `PROPTEST_RNG_SEED`).
pub(super) fn search(
    count: u32,
    cases: impl Strategy<Value = Case>,
    holds: impl Fn(&Case) -> Result<(), String>,
) -> Result<(), (String, Case)> {
    let further = std::env::var_os("PROPTEST_CASES").is_some();
    let config = ProptestConfig { failure_persistence: None, ..strategy::config(count) };
    let mut runner = match further {
        true => TestRunner::new(config),
        false => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    let found = runner.run(&cases, |case| holds(&case).map_err(TestCaseError::fail));
    match found {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => Err((why.message().to_string(), case)),
        Err(TestError::Abort(why)) => {
            let none = Case { lengths: vec![], padding: 0, at: 0, backward: false, training: false, seed: 0 };
            Err((why.message().to_string(), none))
        }
    }
}
