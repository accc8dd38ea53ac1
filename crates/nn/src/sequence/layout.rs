//! How the real steps of a padded batch are packed: worked out once per batch, and shared by all that read it.

use ndarray::{ArrayView2, AsArray, Ix2};
use std::sync::{Arc, OnceLock};
use unspool_graph::{Graph, NO_ROW, RowIds, RowsGuard};

/// Says where each real step of a batch lies among the packed rows of a [`Sequence`](crate::Sequence).
///
/// Examples are sorted by length, longest first, and packed step by step, so that the examples still running at a step
/// are the first ones and their rows lie together. Lengths 1, 3 and 2 are packed as
///
/// ```text
///   example 1   a0  a1  a2            step 0      step 1   step 2
///   example 2   b0  b1         ──▶    a0 b0 c0    a1 b1    a2
///   example 0   c0
/// ```
///
/// A layout is plain data and cheap to clone. Lengths turn into one wherever a layout is asked for: `&[usize]`,
/// `&Vec<usize>`, `&[usize; N]`.
///
/// ```
/// use unspool_nn::Layout;
/// let layout = Layout::from(&[1, 3, 2]);
/// assert_eq!((layout.batch(), layout.time(), layout.rows()), (3, 3, 6));
/// let padded = ndarray::array![['c', '-', '-'], ['a', 'A', '!'], ['b', 'B', '-']];
/// assert_eq!(layout.pack(&padded)?, ['a', 'b', 'c', 'A', 'B', '!']);
/// assert_eq!(layout.unpack(&['a', 'b', 'c', 'A', 'B', '!']), [vec!['c'], vec!['a', 'A', '!'], vec!['b', 'B']]);
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug)]
pub struct Layout(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    lengths: Vec<usize>,
    time: usize,
    /// The examples, longest first.
    order: Vec<u32>,
    /// The place of each example in that order.
    place: Arc<[u32]>,
    /// Whether the order is that of the batch.
    sorted: bool,
    /// How many examples run at each step.
    running: Vec<usize>,
    /// The first row of each step, and at the end the number of rows.
    starts: Vec<usize>,
    examples: Option<RowIds>,
    maps: Maps,
}

/// What is made when it is first asked for.
#[derive(Debug, Default)]
struct Maps {
    places: OnceLock<Arc<[u32]>>,
    sources: OnceLock<Arc<[u32]>>,
    reversed: OnceLock<Arc<[u32]>>,
    names: OnceLock<RowIds>,
}

impl Layout {
    /// Lays out a batch whose example `b` has `lengths[b]` steps, on a time axis as long as the longest.
    pub fn new(lengths: &[usize]) -> Layout {
        Layout::on_axis(lengths.to_vec(), 0, None)
    }

    fn on_axis(lengths: Vec<usize>, time: usize, examples: Option<RowIds>) -> Layout {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let mut order: Vec<u32> = (0..lengths.len() as u32).collect();
        order.sort_by_key(|&example| std::cmp::Reverse(lengths[example as usize]));
        let sorted = order.is_sorted();
        let mut place = vec![0; order.len()];
        order.iter().zip(0..).for_each(|(&example, at)| place[example as usize] = at);
        // The examples that run at step t are those before the first that is no longer than t.
        let running: Vec<usize> =
            (0..longest).map(|t| order.partition_point(|&example| lengths[example as usize] > t)).collect();
        let starts = [0].into_iter().chain(running.iter().scan(0, |end, &count| {
            *end += count;
            Some(*end)
        }));
        let (time, starts, place) = (longest.max(time), starts.collect(), place.into());
        Layout(Arc::new(Inner {
            lengths,
            time,
            order,
            place,
            sorted,
            running,
            starts,
            examples,
            maps: Maps::default(),
        }))
    }

    /// Returns the same layout on a longer time axis, as a padded batch may have; never shorter than the longest
    /// example.
    ///
    /// ```
    /// use unspool_nn::Layout;
    /// assert_eq!(Layout::new(&[2, 1]).with_time(5).time(), 5);
    /// ```
    pub fn with_time(&self, time: usize) -> Layout {
        if time.max(self.0.running.len()) == self.0.time {
            return self.clone();
        }
        Layout::on_axis(self.0.lengths.clone(), time, self.0.examples.clone())
    }

    /// Returns the same layout with the names of the examples, to which their random draws belong. Without names, they
    /// are those of the [graph](Graph::row_ids), and else the places in the batch.
    ///
    /// ```
    /// use unspool_graph::{Graph, Params};
    /// use unspool_nn::{Layout, Sequence};
    /// let params = Params::seeded(0);
    /// let draw = |layout: Layout| {
    ///     let graph = Graph::new(&params).training(7, 0);
    ///     let xs = Sequence::pack(graph.full([1, 2, 8], 1.0), layout);
    ///     xs.map(|rows| rows.dropout(0.5)).rows().value()
    /// };
    /// // Ids far apart draw different numbers, whatever their low bits are.
    /// let [a, b] = [3u32, 3 + 65_536].map(|example| draw(Layout::new(&[2]).with_examples([example])));
    /// assert_ne!(a?, b?);
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    pub fn with_examples(&self, examples: impl Into<RowIds>) -> Layout {
        Layout::on_axis(self.0.lengths.clone(), self.0.time, Some(examples.into()))
    }

    /// Returns how many steps each example has.
    pub fn lengths(&self) -> &[usize] {
        &self.0.lengths
    }

    /// Returns the number of examples.
    pub fn batch(&self) -> usize {
        self.0.lengths.len()
    }

    /// Returns the length of the padded batch's time axis.
    pub fn time(&self) -> usize {
        self.0.time
    }

    /// Returns the number of packed rows, Σ lengths.
    pub fn rows(&self) -> usize {
        self.0.starts.last().copied().unwrap_or(0)
    }

    /// Returns whether every example has all steps of the time axis.
    pub fn is_full(&self) -> bool {
        self.rows() == self.batch() * self.time()
    }

    /// Returns whether both have the same lengths, so that their rows are the same steps.
    pub fn matches(&self, other: &Layout) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.lengths == other.0.lengths
    }

    /// Arranges values of a padded batch `[batch, time]`, such as targets, as the packed rows: padding is left out.
    ///
    /// # Errors
    /// What does not fit: another number of rows, or fewer columns than the longest example has steps.
    pub fn pack<'a, T: Clone + 'a>(&self, padded: impl AsArray<'a, T, Ix2>) -> Result<Vec<T>, String> {
        let padded: ArrayView2<'_, T> = padded.into();
        let (rows, columns) = padded.dim();
        if rows != self.batch() || columns < self.0.running.len() {
            let (batch, longest) = (self.batch(), self.0.running.len());
            return Err(format!("[{rows}, {columns}] values do not fit {batch} examples of up to {longest} steps"));
        }
        Ok(self.steps().map(|(example, t)| padded[[example, t]].clone()).collect())
    }

    /// Arranges values that are listed example after example, without padding, as the packed rows.
    ///
    /// ```
    /// use unspool_nn::Layout;
    /// assert_eq!(Layout::new(&[1, 2]).pack_examples(&['c', 'a', 'A'])?, ['a', 'c', 'A']);
    /// # Ok::<(), String>(())
    /// ```
    ///
    /// # Errors
    /// Another number of values than there are real steps.
    pub fn pack_examples<T: Clone>(&self, values: &[T]) -> Result<Vec<T>, String> {
        if values.len() != self.rows() {
            return Err(format!("{} values do not fit {} real steps", values.len(), self.rows()));
        }
        let first: Vec<usize> =
            self.lengths().iter().scan(0, |end, &length| Some(std::mem::replace(end, *end + length))).collect();
        Ok(self.steps().map(|(example, t)| values[first[example] + t].clone()).collect())
    }

    /// Arranges packed values by example: list `b` has example `b`'s values in order of time.
    pub fn unpack<T: Clone>(&self, rows: &[T]) -> Vec<Vec<T>> {
        let mut all: Vec<Vec<T>> = self.lengths().iter().map(|&length| Vec::with_capacity(length)).collect();
        self.steps().zip(rows).for_each(|((example, _), value)| all[example].push(value.clone()));
        all
    }

    /// Goes over the packed rows and gives the example and the time step of each.
    ///
    /// ```
    /// use unspool_nn::Layout;
    /// assert_eq!(Layout::new(&[1, 2]).steps().collect::<Vec<_>>(), [(1, 0), (0, 0), (1, 1)]);
    /// ```
    pub fn steps(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        let all = self.0.running.iter().enumerate();
        all.flat_map(|(t, &count)| self.0.order[..count].iter().map(move |&example| (example as usize, t)))
    }

    /// Returns the packed row of an example's step, if it has that step.
    ///
    /// ```
    /// use unspool_nn::Layout;
    /// let layout = Layout::new(&[1, 2]);
    /// assert_eq!((layout.row(1, 1), layout.row(0, 1)), (Some(2), None));
    /// ```
    pub fn row(&self, example: usize, step: usize) -> Option<usize> {
        (step < *self.0.lengths.get(example)?).then(|| self.0.starts[step] + self.0.place[example] as usize)
    }

    /// How many examples run at each step.
    pub(crate) fn running(&self) -> &[usize] {
        &self.0.running
    }

    /// The first row of step `t`.
    pub(crate) fn start(&self, t: usize) -> usize {
        self.0.starts[t]
    }

    /// The examples, longest first; `None` if the batch is in that order.
    pub(crate) fn order(&self) -> Option<&[u32]> {
        (!self.0.sorted).then_some(&self.0.order)
    }

    /// For each example its place in that order.
    pub(crate) fn place(&self) -> Arc<[u32]> {
        self.0.place.clone()
    }

    /// For each packed row its place b·T + t in the padded batch.
    pub(crate) fn places(&self) -> Arc<[u32]> {
        let time = self.time();
        self.0.maps.places.get_or_init(|| self.steps().map(|(b, t)| (b * time + t) as u32).collect()).clone()
    }

    /// For each place of the padded batch its packed row, or a hole.
    pub(crate) fn sources(&self) -> Arc<[u32]> {
        let make = || {
            let mut sources = vec![NO_ROW; self.batch() * self.time()];
            self.places().iter().zip(0..).for_each(|(&place, row)| sources[place as usize] = row);
            sources.into()
        };
        self.0.maps.sources.get_or_init(make).clone()
    }

    /// For each packed row the row of the same example that is as far from its end.
    pub(crate) fn reversed(&self) -> Arc<[u32]> {
        let mirrored = |(b, t): (usize, usize)| self.row(b, self.0.lengths[b] - 1 - t).map_or(NO_ROW, |row| row as u32);
        self.0.maps.reversed.get_or_init(|| self.steps().map(mirrored).collect()).clone()
    }

    /// Whether each place of the padded batch is a real step.
    pub(crate) fn mask(&self) -> Vec<bool> {
        self.lengths().iter().flat_map(|&length| (0..self.time()).map(move |t| t < length)).collect()
    }

    /// For each example the row of its first step, or a hole.
    pub(crate) fn begins(&self) -> Arc<[u32]> {
        (0..self.batch()).map(|b| self.row(b, 0).map_or(NO_ROW, |row| row as u32)).collect()
    }

    /// For each example the row of its last step, or a hole.
    pub(crate) fn ends(&self) -> Arc<[u32]> {
        let end = |(b, &length): (usize, &usize)| length.checked_sub(1).and_then(|t| self.row(b, t));
        self.lengths().iter().enumerate().map(|each| end(each).map_or(NO_ROW, |row| row as u32)).collect()
    }

    /// The layout of the steps `from..to`, and the rows that it takes, as a range or one by one.
    pub(crate) fn cut(&self, from: usize, to: usize) -> (Layout, Rows) {
        let lengths = self.lengths().iter().map(|&length| length.min(to).saturating_sub(from)).collect();
        let part = Layout::on_axis(lengths, to - from, self.0.examples.clone());
        let at = |t: usize| self.0.starts[t.min(self.0.running.len())];
        // Rows of one step are in the order of both layouts, which agree unless lengths that differ became equal.
        let together = part.0.running.iter().all(|&count| part.0.order[..count] == self.0.order[..count]);
        let rows = match together {
            true => Rows::Range(at(from)..at(to)),
            false => Rows::List(part.steps().filter_map(|(b, t)| Some(self.row(b, from + t)? as u32)).collect()),
        };
        (part, rows)
    }

    /// The layout of the same examples, longest first.
    pub(crate) fn in_order(&self) -> Layout {
        let lengths = self.0.order.iter().map(|&example| self.0.lengths[example as usize]).collect();
        Layout::on_axis(lengths, self.time(), None)
    }

    /// The names of the examples, where they have some.
    pub(crate) fn names(&self, graph: &Graph<'_>) -> Option<RowIds> {
        let named = |names: &RowIds| names.len() == self.batch();
        self.0.examples.clone().filter(named).or_else(|| graph.row_ids().filter(named))
    }

    /// Names the rows of a batch `[batch, …]` by its examples while the returned guard lives.
    pub(crate) fn name_examples<'a>(&self, graph: &'a Graph<'_>) -> Option<RowsGuard<'a>> {
        self.names(graph).map(|names| graph.name_rows(names))
    }

    /// The names of the examples in the order in which they are packed.
    pub(crate) fn sorted_names(&self, graph: &Graph<'_>) -> RowIds {
        match self.names(graph) {
            Some(names) => names.index_select(&self.0.order),
            None => RowIds::from(&self.0.order[..]),
        }
    }

    /// The names of the packed rows: example and time step.
    pub(crate) fn row_names(&self, graph: &Graph<'_>) -> RowIds {
        let steps = || self.steps().map(|(_, t)| t as u32).collect::<Vec<u32>>();
        let Some(names) = self.names(graph) else {
            let make = || RowIds::steps(self.steps().map(|(b, _)| b as u64).collect::<Vec<u64>>(), steps());
            return self.0.maps.names.get_or_init(make).clone();
        };
        RowIds::steps(self.steps().map(|(b, _)| names.id(b)).collect::<Vec<u64>>(), steps())
    }
}

/// Some of a sequence's rows.
pub(crate) enum Rows {
    Range(std::ops::Range<usize>),
    List(Arc<[u32]>),
}

/// Layouts are equal where lengths and time axis are.
impl PartialEq for Layout {
    fn eq(&self, other: &Layout) -> bool {
        self.matches(other) && self.time() == other.time()
    }
}

impl Eq for Layout {}

impl From<&Layout> for Layout {
    fn from(layout: &Layout) -> Layout {
        layout.clone()
    }
}

impl From<&[usize]> for Layout {
    fn from(lengths: &[usize]) -> Layout {
        Layout::new(lengths)
    }
}

impl From<&Vec<usize>> for Layout {
    fn from(lengths: &Vec<usize>) -> Layout {
        Layout::new(lengths)
    }
}

impl<const N: usize> From<&[usize; N]> for Layout {
    fn from(lengths: &[usize; N]) -> Layout {
        Layout::new(lengths)
    }
}
