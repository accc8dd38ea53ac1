//! Naming the rows that are recorded.

use crate::{Graph, RowIds, scopes::Nested};
use std::cell::RefCell;

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
