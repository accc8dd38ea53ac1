//! Who the rows of a batch are, so that a random draw belongs to an example and not to a place in memory.

use crate::{Graph, RngKey, scope::Nested};
use std::{cell::RefCell, sync::Arc};

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
/// let _rows = packed.name_rows(RowIds::steps([0u32, 1, 1], [2, 0, 1])); // example 0 at step 2, example 1 at steps 0 and 1
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

impl Graph<'_> {
    /// Returns the same recording with names for the rows of its whole batch; see [`name_rows`](Graph::name_rows).
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// let graph = Graph::new(&params).with_named_rows([2u32, 3]);
    /// assert_eq!(graph.row_ids().unwrap().id(1), 3);
    /// ```
    pub fn with_named_rows(self, rows: impl Into<RowIds>) -> Self {
        self.rows.replace(Some(rows.into()));
        self
    }

    /// Names the rows that are recorded while the returned guard lives, so that random draws belong to an example and
    /// not to its place in a shard or in a sorted batch. Without a name, row `i` is example `i`.
    ///
    /// A batch and its second half drop the same elements of the same examples:
    ///
    /// ```
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// let whole = Graph::new(&params).training(7, 0);
    /// let half = Graph::new(&params).training(7, 0);
    /// let _rows = half.name_rows([2u32, 3]);
    /// let (all, part) = (whole.full([4, 8], 1.0).dropout(0.5), half.full([2, 8], 1.0).dropout(0.5));
    /// assert_eq!(all.index_select(&[2, 3]).value()?, part.value()?);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn name_rows(&self, rows: impl Into<RowIds>) -> RowsGuard<'_> {
        let before = self.rows.replace(Some(rows.into()));
        RowsGuard { rows: &self.rows, open: &self.open_rows, token: self.open_rows.open(before) }
    }

    /// Returns the names of the rows, where they were [given](Graph::name_rows).
    pub fn row_ids(&self) -> Option<RowIds> {
        self.rows.borrow().clone()
    }
}

/// Ends the naming of rows when it is dropped, and with it what was named inside of it and is still open.
///
/// ```
/// use unspool_graph::{Graph, Params, RowsGuard};
/// let params = Params::seeded(1);
/// let graph = Graph::new(&params);
/// let named: RowsGuard<'_> = graph.name_rows([7u32]);
/// named.rename([8u32]);
/// assert_eq!(graph.row_ids().unwrap().id(0), 8);
/// drop(named);
/// assert!(graph.row_ids().is_none());
/// ```
#[must_use = "the rows lose their names when this is dropped"]
#[derive(Debug)]
pub struct RowsGuard<'a> {
    rows: &'a RefCell<Option<RowIds>>,
    open: &'a Nested<Option<RowIds>>,
    token: u64,
}

impl RowsGuard<'_> {
    /// Gives the rows other names; the end of the guard restores those from before it.
    pub fn rename(&self, rows: impl Into<RowIds>) {
        self.rows.replace(Some(rows.into()));
    }
}

impl Drop for RowsGuard<'_> {
    fn drop(&mut self) {
        if let Some(before) = self.open.close(self.token) {
            self.rows.replace(before);
        }
    }
}
