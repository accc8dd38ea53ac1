//! Train, dev and test by a hash of the line.
//!
//! Where a line goes depends on its text alone: adding, removing or reordering others moves no line, and equal lines
//! stay together, so no line is both trained on and tested.

use crate::error::Error;
use crate::random::mix;

/// Names one of the three parts of a data set.
///
/// ```
/// use unspool_text::{Part, Split};
/// let split = Split::new(0.25, 0.25)?;
/// // The hash says where in [0, 1) a line lies: test first, then dev, then train.
/// let parts = [0, u64::MAX / 3, u64::MAX].map(|hash| split.part(hash));
/// assert_eq!(parts, [Part::Test, Part::Dev, Part::Train]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// For training.
    Train,
    /// For choices during training.
    Dev,
    /// For the score that is reported at the end.
    Test,
}

/// Says which share of the lines belongs to which part.
///
/// ```
/// use unspool_text::{Part, Source, Split, Tsv};
///
/// let table: String = (0..1000).map(|n| format!("{n}\tx{n}\n")).collect();
/// let rows = Tsv::without_header(Source::bytes("t", table.into_bytes()))?;
/// let split = Split::new(0.1, 0.1)?;
/// let mut sizes = [0, 0, 0];
/// for row in rows {
///     match split.part(row?.hash) {
///         Part::Train => sizes[0] += 1,
///         Part::Dev => sizes[1] += 1,
///         Part::Test => sizes[2] += 1,
///     }
/// }
/// assert_eq!(sizes, [817, 87, 96]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Split {
    dev: f64,
    test: f64,
}

impl Split {
    /// Takes the shares of dev and test, each from 0 to 1; train has the rest.
    ///
    /// # Errors
    /// [`Error::Option`] when a share is outside 0 to 1 or both leave nothing to train on.
    pub fn new(dev: f64, test: f64) -> Result<Self, Error> {
        let share = |share: f64| (0.0..1.0).contains(&share);
        if !share(dev) || !share(test) || dev + test >= 1.0 {
            return Err(Error::Option {
                option: "the share of dev and test",
                found: format!("{dev} and {test}"),
                expected: "two numbers from 0 up that are less than 1 together",
            });
        }
        Ok(Split { dev, test })
    }

    /// Returns the part of a line with this hash; test comes first, then dev, so a larger dev share moves no test line.
    pub fn part(&self, hash: u64) -> Part {
        // 53 bits, all that an f64 in [0, 1) can tell apart.
        let place = (hash >> 11) as f64 / (1u64 << 53) as f64;
        if place < self.test {
            Part::Test
        } else if place < self.test + self.dev {
            Part::Dev
        } else {
            Part::Train
        }
    }
}

/// FNV-1a of the line's bytes, then mixed: short lines that differ in a digit must differ in the high bits.
pub(crate) fn hash_line(line: &str) -> u64 {
    let fnv = line
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mix(fnv)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_larger_dev_share_moves_lines_from_train_to_dev_only(hash: u64, dev in 0.0..0.4, more in 0.0..0.2) {
            let before = Split::new(dev, 0.2).unwrap().part(hash);
            let after = Split::new(dev + more, 0.2).unwrap().part(hash);
            prop_assert!(before == after || (before == Part::Train && after == Part::Dev));
        }
    }

    #[test]
    fn the_hash_is_pinned() {
        // Changing it would move every line of every user's data between train and test.
        assert_eq!(hash_line("Hej!\tHello!"), 10_368_880_789_933_817_250);
        assert_eq!(hash_line(""), mix(0xcbf2_9ce4_8422_2325));
    }

    #[test]
    fn shares_that_leave_nothing_are_refused() {
        for (dev, test) in [(0.5, 0.5), (-0.1, 0.1), (f64::NAN, 0.1), (0.1, 1.0)] {
            assert!(Split::new(dev, test).is_err());
        }
    }
}
