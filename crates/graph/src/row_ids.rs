//! Who the rows of a batch are, so that a random draw belongs to an example and not to a place in memory.

use crate::RngKey;
use std::sync::Arc;

/// Names the rows of axis 0: the example that each row belongs to, and in a packed sequence its time step as well.
///
/// Dropout and noise draw the numbers of row `r` under these names. An example therefore draws the same numbers
/// wherever it stands in a sorted batch or in a shard, and the packed rows of a sequence draw what the padded batch
/// `[batch, time, …]` would draw.
///
/// ```
/// use unspool_graph::{Graph, Params, RowIds};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params).training(7, 0);
/// let padded = graph.full([2, 3, 4], 1.0).dropout(0.5);                 // [batch, time, feature]
/// let packed = Graph::new(&params).training(7, 0);
/// // Example 0 at step 2, and example 1 at steps 0 and 1.
/// let _rows = packed.name_rows(RowIds::steps([0u32, 1, 1], [2, 0, 1]));
/// let rows = packed.full([3, 4], 1.0).dropout(0.5);
/// assert_eq!(padded.index(0, 1).index(0, 1).value()?, rows.index(0, 2).value()?);
/// # Ok::<(), unspool_graph::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowIds {
    examples: Arc<[u64]>,
    /// The time step of each row; none where a row is all of an example.
    steps: Option<Arc<[u32]>>,
}

impl RowIds {
    /// Names packed rows by example and time step. Both lists have one entry per row; the longer one is cut.
    pub fn steps(examples: impl Into<RowIds>, steps: impl Into<Arc<[u32]>>) -> RowIds {
        RowIds { steps: Some(steps.into()), ..examples.into() }
    }

    /// Returns how many rows are named.
    pub fn len(&self) -> usize {
        self.steps.as_ref().map_or(self.examples.len(), |steps| steps.len().min(self.examples.len()))
    }

    /// Returns whether no row is named.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns one number per row: the example's own, or a hash of example and step. Distinct rows have distinct
    /// numbers.
    ///
    /// ```
    /// use unspool_graph::RowIds;
    /// let rows = RowIds::from([5u32, 70_000]);
    /// assert_eq!((rows.id(1), rows.len()), (70_000, 2));
    /// let steps = RowIds::steps(rows, [3, 3]);
    /// assert_ne!(steps.id(0), steps.id(1));
    /// ```
    ///
    /// # Panics
    /// Never for `row < len()`.
    pub fn id(&self, row: usize) -> u64 {
        match &self.steps {
            None => self.examples[row],
            Some(steps) => RngKey::seed(self.examples[row]).fold_in(u64::from(steps[row])).bits(0),
        }
    }

    /// Returns the names of these rows, in this order.
    ///
    /// ```
    /// use unspool_graph::RowIds;
    /// assert_eq!(RowIds::from([5u32, 6, 7]).index_select(&[2, 0]), RowIds::from([7u32, 5]));
    /// ```
    ///
    /// # Panics
    /// Never for rows below `len()`.
    pub fn index_select(&self, rows: &[u32]) -> RowIds {
        RowIds {
            examples: rows.iter().map(|&row| self.examples[row as usize]).collect(),
            steps: self.steps.as_ref().map(|steps| rows.iter().map(|&row| steps[row as usize]).collect()),
        }
    }

    /// Returns the names of the first `count` rows.
    pub fn first(&self, count: usize) -> RowIds {
        RowIds {
            examples: self.examples[..count.min(self.examples.len())].into(),
            steps: self.steps.as_ref().map(|steps| steps[..count.min(steps.len())].into()),
        }
    }

    /// Returns the key of row `row` under `key`, and the index of its first number where each row has `width` of them:
    /// element j of the row draws number `offset + j`.
    ///
    /// ```
    /// use unspool_graph::{RngKey, RowIds};
    /// let (key, offset) = RowIds::steps([9u32], [3]).row_key(RngKey::seed(1), 0, 10);
    /// assert_eq!((key, offset), (RngKey::seed(1).fold_in(9), 30)); // as element 30 of example 9's own row
    /// ```
    #[inline]
    pub fn row_key(&self, key: RngKey, row: usize, width: usize) -> (RngKey, u64) {
        let step = self.steps.as_ref().map_or(0, |steps| u64::from(steps[row]));
        (key.fold_in(self.examples[row]), step * width as u64)
    }
}

impl<T: Copy + Into<u64>> From<&[T]> for RowIds {
    fn from(examples: &[T]) -> RowIds {
        RowIds { examples: examples.iter().map(|&id| id.into()).collect(), steps: None }
    }
}

impl<T: Copy + Into<u64>> From<Vec<T>> for RowIds {
    fn from(examples: Vec<T>) -> RowIds {
        RowIds::from(&examples[..])
    }
}

impl<T: Copy + Into<u64>, const N: usize> From<[T; N]> for RowIds {
    fn from(examples: [T; N]) -> RowIds {
        RowIds::from(&examples[..])
    }
}
