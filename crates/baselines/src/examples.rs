//! Labeled rows of sparse features.

/// The largest table of a number for each feature and class.
const MOST_NUMBERS: usize = 1 << 23;

/// The largest number of features that are told apart, and the smallest.
const MOST_BUCKETS: usize = 1 << 20;
const LEAST_BUCKETS: usize = 1 << 10;

/// Holds labeled rows of sparse features, all in one piece of memory.
///
/// A feature is a hash of 32 bits; a model keeps as many of its low bits as its table has. A feature that stands in a
/// row several times has that count as its value.
///
/// ```
/// use unspool_baselines::Examples;
/// let mut examples = Examples::default();
/// examples.push([7, 8, 7], 1);
/// examples.push([], 0);
/// assert_eq!((examples.len(), examples.features(0), examples.label(1)), (2, [7, 8, 7].as_slice(), 0));
/// assert_eq!(examples.labels(), [1, 0]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examples {
    features: Vec<u32>,
    /// Where the features of each row end.
    ends: Vec<usize>,
    labels: Vec<u32>,
}

impl Examples {
    /// Adds a row.
    pub fn push(&mut self, features: impl IntoIterator<Item = u32>, label: u32) {
        self.features.extend(features);
        self.ends.push(self.features.len());
        self.labels.push(label);
    }

    /// Returns the number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Returns whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Returns the features of a row.
    pub fn features(&self, row: usize) -> &[u32] {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.features[start..self.ends[row]]
    }

    /// Returns the label of a row.
    pub fn label(&self, row: usize) -> u32 {
        self.labels[row]
    }

    /// The same rows, in which each feature stands once, in the order of the features.
    pub(crate) fn each_once(&self) -> Examples {
        let mut rows = Examples::default();
        for row in 0..self.len() {
            let mut features = self.features(row).to_vec();
            features.sort_unstable();
            features.dedup();
            rows.push(features, self.label(row));
        }
        rows
    }

    /// How many features a table for so many classes tells apart: a power of two.
    pub(crate) fn buckets(&self, classes: usize) -> usize {
        let most = (MOST_NUMBERS / classes.max(1)).clamp(LEAST_BUCKETS, MOST_BUCKETS);
        let wanted = 4 * self.features.len();
        1 << wanted.clamp(LEAST_BUCKETS, most).ilog2()
    }

    /// Returns the labels of all rows.
    pub fn labels(&self) -> &[u32] {
        &self.labels
    }
}
