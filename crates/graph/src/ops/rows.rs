//! Movements by rows: a row is all elements of one place along axis 0 (or along axes 0 and 1 of a padded batch).
//!
//! With these an unrolled recurrence leaves padding out: the real rows of a padded batch are gathered step by step,
//! longest sequences first, and what the steps gave is put back into the batch's own order.

use super::movement::{Movement, Run};
use crate::{Graph, Shape, Var, tape::NONE};
use std::{panic::Location, sync::Arc};

/// Marks a row of zeros among the sources of [`Graph::gather_rows`].
///
/// ```
/// use unspool_graph::{Graph, NO_ROW, Params};
/// let params = Params::seeded(0);
/// let graph = Graph::new(&params);
/// let y = graph.gather_rows(&[graph.full([1, 2], 5.0)], [NO_ROW, 0].into(), [2]);
/// assert_eq!(y.value()?, ndarray::array![[0.0f32, 0.0], [5.0, 5.0]].into());
/// # Ok::<(), unspool_graph::Error>(())
/// ```
pub const NO_ROW: u32 = NONE;

/// Row i of the result is row `sources[i]` of the inputs, counted through all of them, or zeros where that is [`NONE`].
struct Gather {
    name: &'static str,
    sources: Arc<[u32]>,
    /// The result's leading axes, in whose order the sources stand.
    leading: Shape,
    /// How many leading axes of an input make its rows.
    folded: usize,
    holes: bool,
}

impl Gather {
    fn rows(&self, shape: &Shape) -> usize {
        shape[..self.folded].iter().product()
    }
}

impl Movement for Gather {
    fn name(&self) -> &'static str {
        self.name
    }
    fn shape(&self, inputs: &[Shape]) -> Result<Shape, String> {
        if inputs.iter().any(|s| s.len() < self.folded || s[self.folded..] != inputs[0][self.folded..]) {
            return Err("must have rows of one shape".into());
        }
        let rows = inputs.iter().try_fold(0, |rows: usize, s| rows.checked_add(self.rows(s)));
        let Some(rows) = rows else { return Err("are together more than a tensor can have".into()) };
        if let Some(&bad) = self.sources.iter().find(|&&s| !(self.holes && s == NONE) && s as usize >= rows) {
            return Err(format!("row {bad} does not exist: there are {rows}"));
        }
        let sizes: Vec<usize> = self.leading.iter().chain(&inputs[0][self.folded..]).copied().collect();
        Shape::new(&sizes).ok_or_else(|| "would get more axes or elements than a tensor can have".into())
    }
    fn runs(&self, inputs: &[Shape], _output: &Shape, run: &mut impl FnMut(Run)) {
        let width: usize = inputs[0][self.folded..].iter().product();
        // Where each input's rows end, counted through all inputs, and the input of every row: looked up at once, not
        // searched for.
        let (mut ends, mut input_of, mut all) = (Vec::with_capacity(inputs.len()), vec![], 0);
        for (input, s) in inputs.iter().enumerate() {
            all += self.rows(s);
            ends.push(all);
            if inputs.len() > 1 {
                input_of.resize(all, input as u32);
            }
        }
        // Neighbors in the result that are neighbors in an input too are one run.
        let mut i = 0;
        while i < self.sources.len() {
            if self.sources[i] == NO_ROW {
                i += 1;
                continue;
            }
            let first = self.sources[i] as usize;
            let input = input_of.get(first).map_or(0, |&input| input as usize);
            let begin = if input == 0 { 0 } else { ends[input - 1] };
            let mut n = 1;
            while i + n < self.sources.len()
                && self.sources[i + n] != NO_ROW
                && self.sources[i + n] as usize == first + n
                && first + n < ends[input]
            {
                n += 1;
            }
            run(Run { to: i * width, input, from: (first - begin) * width, step: 1, len: n * width });
            i += n;
        }
    }
    fn covers(&self) -> bool {
        !self.holes
    }
}

impl<'g> Var<'g> {
    /// Returns the rows `ids` of axis 0, in that order; a row taken twice gets both gradients. In a recording for
    /// inference they are copied when an operation needs them side by side, and not before.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[1.0f32], [2.0], [3.0]]);
    /// assert_eq!(x.index_select(&[2, 0, 2]).value()?, array![[3.0f32], [1.0], [3.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn index_select(self, ids: &[u32]) -> Var<'g> {
        if let Some(rows) = self.graph.lend_rows(self, ids, Location::caller()) {
            return rows;
        }
        let gather = Gather { name: "rows", sources: ids.into(), leading: [ids.len()].into(), folded: 1, holes: false };
        self.graph.move_at(gather, &[self], Location::caller())
    }

    /// Returns the rows of a padded batch in the order of `sources`: axes 0 and 1 are folded, place (b, t) is row b·T +
    /// t.
    ///
    /// `[batch, time, …] -> [sources, …]`
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[[1.0f32], [2.0]], [[3.0], [4.0]]]); // [batch, time, feature]
    /// assert_eq!(x.gather_steps([0, 2, 1].into()).value()?, array![[1.0f32], [3.0], [2.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn gather_steps(self, sources: Arc<[u32]>) -> Var<'g> {
        let leading = [sources.len()].into();
        let gather = Gather { name: "gather", sources, leading, folded: 2, holes: false };
        self.graph.move_at(gather, &[self], Location::caller())
    }

    /// Returns the first `lengths[b]` steps of each row b in reverse, padding where it was:
    /// `[batch, time, …] -> [batch, time, …]`.
    ///
    /// What a recurrence reads that goes backwards in time.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[[1.0f32], [2.0], [3.0]], [[4.0], [5.0], [0.0]]]);
    /// let y = array![[[3.0f32], [2.0], [1.0]], [[5.0], [4.0], [0.0]]];
    /// assert_eq!(x.reverse_sequence(&[3, 2]).value()?, y.into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn reverse_sequence(self, lengths: &[usize]) -> Var<'g> {
        let line = Location::caller();
        let Some(shape) = self.known_shape() else { return self.graph.inert() };
        if shape.len() < 2 || shape[0] != lengths.len() || lengths.iter().any(|&l| l > shape[1]) {
            let why = format!("{shape} is no padded batch of {} rows with lengths {lengths:?}", lengths.len());
            return self.refuse("reverse_sequence", why, line);
        }
        if let Some(refused) = self.too_many_places("reverse_sequence", &shape, line) {
            return refused;
        }
        let place = |t: usize, length: usize| if t < length { length - 1 - t } else { t };
        let places = lengths
            .iter()
            .enumerate()
            .flat_map(|(b, &length)| (0..shape[1]).map(move |t| (b * shape[1] + place(t, length)) as u32));
        let (sources, leading) = (places.collect(), [shape[0], shape[1]].into());
        let gather = Gather { name: "reverse_sequence", sources, leading, folded: 2, holes: false };
        self.graph.move_at(gather, &[self], line)
    }

    /// Returns the real rows of a padded batch, example by example: `[batch, time, …] -> [Σ lengths, …]`.
    ///
    /// What follows (a readout, a loss) then costs nothing for padding.
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let x = graph.input(array![[[1.0f32], [2.0]], [[3.0], [f32::NAN]]]); // the second row has one step
    /// assert_eq!(x.pack(&[2, 1]).value()?, array![[1.0f32], [2.0], [3.0]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn pack(self, lengths: &[usize]) -> Var<'g> {
        let line = Location::caller();
        let Some(shape) = self.known_shape() else { return self.graph.inert() };
        if shape.len() < 2 || shape[0] != lengths.len() || lengths.iter().any(|&l| l > shape[1]) {
            let why = format!("{shape} is no padded batch of {} rows with lengths {lengths:?}", lengths.len());
            return self.refuse("pack", why, line);
        }
        if let Some(refused) = self.too_many_places("pack", &shape, line) {
            return refused;
        }
        let places = lengths.iter().enumerate().flat_map(|(b, &n)| (b * shape[1]..b * shape[1] + n).map(|i| i as u32));
        self.gather_steps(places.collect())
    }

    /// Refuses a padded batch whose places (row, time step) do not all have a number below [`NONE`].
    fn too_many_places(
        self,
        operation: &'static str,
        shape: &Shape,
        line: &'static Location<'static>,
    ) -> Option<Var<'g>> {
        let places = shape[0].saturating_mul(shape[1]);
        (places > NONE as usize).then(|| {
            let why = format!("{shape} has {places} places (row, time step); at most {NONE} can be told apart");
            self.refuse(operation, why, line)
        })
    }
}

impl<'g> Graph<'g> {
    /// Puts rows of several tensors in order: row i of the result is row `sources[i]`, counted through all parts, or
    /// zeros where that is [`NO_ROW`]; the rows get the axes `leading`.
    ///
    /// `[n₀, …], [n₁, …], … -> [leading…, …]`
    ///
    /// ```
    /// # use ndarray::array;
    /// # use unspool_graph::{Graph, NO_ROW, Params};
    /// # let params = Params::seeded(0);
    /// # let graph = Graph::new(&params);
    /// let (a, b) = (graph.input(array![[1.0f32]]), graph.input(array![[2.0f32], [3.0]]));
    /// let y = graph.gather_rows(&[a, b], [2, 0, NO_ROW, 1].into(), [2, 2]);
    /// assert_eq!(y.value()?, array![[[3.0f32], [1.0]], [[0.0], [2.0]]].into());
    /// # Ok::<(), unspool_graph::Error>(())
    /// ```
    #[track_caller]
    pub fn gather_rows(&'g self, parts: &[Var<'g>], sources: Arc<[u32]>, leading: impl AsRef<[usize]>) -> Var<'g> {
        self.arrange_rows_at(parts, sources, leading.as_ref(), Location::caller())
    }

    fn arrange_rows_at(
        &'g self,
        parts: &[Var<'g>],
        sources: Arc<[u32]>,
        leading: &[usize],
        line: &'static Location<'static>,
    ) -> Var<'g> {
        let holes = sources.contains(&NONE);
        let filled = Shape::new(leading).filter(|leading| leading.elements() == sources.len() && !parts.is_empty());
        let Some(leading) = filled else {
            let why = format!("{} rows from {} parts cannot fill {leading:?}", sources.len(), parts.len());
            let at = self.place_of(self.mark(line));
            self.fail(crate::Error::Argument { operation: "gather_rows", why, at });
            return self.inert();
        };
        self.move_at(Gather { name: "gather_rows", sources, leading, folded: 1, holes }, parts, line)
    }
}
