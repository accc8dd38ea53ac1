//! All that comes out of a run, values and gradients, and how two runs are compared.

use super::{
    Case, CellUnderTest,
    batch::{Batch, random},
};
use crate::{Cell, Direction, leaves};
use ndarray::{ArrayD, Axis, Dimension, IxDyn};
use unspool_graph::{Gradients, Graph, Params, Precision, RngKey, Var};

pub(super) type Found = Result<(), String>;
/// The state of a subject's cell.
pub(super) type StateOf<'g, S> = <<S as CellUnderTest>::Cell as Cell>::State<'g>;

pub(super) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// A cell with parameters and a batch.
pub(super) struct Setting<'a, S: CellUnderTest> {
    pub(super) subject: &'a S,
    pub(super) case: &'a Case,
    pub(super) cell: S::Cell,
    /// In single precision.
    pub(super) params: Params,
    pub(super) batch: Batch,
    /// Which leaves of the state a step changes.
    pub(super) changes: Vec<bool>,
    /// Whether the cell has a scan.
    pub(super) scans: bool,
}

/// What a run gives.
pub(super) struct Outcome {
    pub(super) ys: ArrayD<f64>,
    /// The last state's leaves.
    pub(super) last: Vec<ArrayD<f64>>,
    pub(super) to_params: Vec<(String, ArrayD<f64>)>,
    pub(super) to_xs: ArrayD<f64>,
    /// The gradients of what the initial state is made from.
    pub(super) to_free: Vec<ArrayD<f64>>,
}

/// A recording of a batch's run.
pub(super) struct Run<'g, S: CellUnderTest> {
    pub(super) xs: Var<'g>,
    pub(super) free: Vec<Var<'g>>,
    pub(super) start: StateOf<'g, S>,
    pub(super) ys: Var<'g>,
    pub(super) last: StateOf<'g, S>,
    /// Which leaves of the state a step changes.
    pub(super) changes: Vec<bool>,
}

impl<'a, S: CellUnderTest> Setting<'a, S> {
    pub(super) fn new(subject: &'a S, case: &'a Case) -> Result<Self, String> {
        Self::seeded(subject, case, case.seed)
    }

    /// With other parameters.
    pub(super) fn seeded(subject: &'a S, case: &'a Case, seed: u64) -> Result<Self, String> {
        let mut params = Params::seeded(seed);
        let cell = subject.make(params.scope("cell"));
        params.check().map_err(text)?;
        let draw = RngKey::seed(case.seed);
        let free = subject.free(&cell, &params, case.lengths.len(), draw.fold_in(2));
        let batch = Batch::new(&case.lengths, case.time(), subject.input_size(), free, draw.fold_in(1));
        let mut setting = Setting { subject, case, cell, params, batch, changes: vec![], scans: false };
        setting.changes = setting.changed_by_a_step();
        setting.scans = setting.has_a_scan();
        Ok(setting)
    }

    /// A row by itself, one step: there a leaf that is handed through is the same node after it. In a batch whose rows
    /// end at different steps it is put together from its parts.
    fn changed_by_a_step(&self) -> Vec<bool> {
        let mut row = self.batch.index_select(&[0]);
        row.lengths = vec![1];
        row.xs = random(&[1, 1, self.subject.input_size()], RngKey::seed(self.case.seed));
        let graph = self.graph(&self.params, &row, false);
        let run = self.record(&graph, &row);
        let start = leaves(&run.start);
        let last = leaves(&run.last);
        last.iter().enumerate().map(|(i, leaf)| start.get(i).is_none_or(|start| !leaf.same_node(*start))).collect()
    }

    fn has_a_scan(&self) -> bool {
        let graph = self.graph(&self.params, &self.batch, false);
        let start = self.start(&graph);
        self.batch.is_real() && self.cell.scan(&self.batch.sequence(graph.input(&self.batch.xs)), &start).is_some()
    }

    /// How values of two runs are compared that cut a sequence differently: to the bit, or to rounding if the cell has
    /// a scan, which may add in another order.
    pub(super) fn alike(&self, precision: Precision) -> Compare {
        match (self.scans, precision) {
            (false, _) => same,
            (true, Precision::F64) => near,
            (true, Precision::F32) => near_in_f32,
        }
    }

    /// The parameters in both precisions.
    pub(super) fn precisions(&self) -> [Params; 2] {
        [self.params.clone(), self.params.to_f64()]
    }

    pub(super) fn direction(&self) -> Direction {
        self.case.direction()
    }

    /// A recording for a batch, which knows who the rows are.
    pub(super) fn graph<'p>(&self, params: &'p Params, batch: &Batch, training: bool) -> Graph<'p> {
        let graph = Graph::new(params);
        let graph = if training { graph.training(self.case.seed, 1) } else { graph };
        graph.with_named_rows(batch.who.clone())
    }

    /// The state before the first step, on a recording.
    pub(super) fn start<'g>(&self, graph: &'g Graph<'g>) -> StateOf<'g, S> {
        let free: Vec<Var<'g>> = self.batch.free.iter().map(|f| graph.input(f)).collect();
        self.subject.start(&self.cell, graph, self.batch.lengths.len(), &free)
    }

    /// Records a run.
    pub(super) fn record<'g>(&self, graph: &'g Graph<'g>, batch: &Batch) -> Run<'g, S> {
        let xs = graph.input(&batch.xs).watch();
        let free: Vec<Var<'g>> = batch.free.iter().map(|f| graph.input(f).watch()).collect();
        let start = self.subject.start(&self.cell, graph, batch.lengths.len(), &free);
        let (ys, last) = self.subject.run(&self.cell, &batch.sequence(xs), start.clone(), self.direction());
        Run { xs, free, start, ys: ys.padded(), last, changes: self.changes.clone() }
    }

    /// Runs a batch, in training where the case says so.
    pub(super) fn run(&self, params: &Params, batch: &Batch) -> Result<Outcome, String> {
        self.run_in(params, batch, self.case.training)
    }

    pub(super) fn run_in(&self, params: &Params, batch: &Batch, training: bool) -> Result<Outcome, String> {
        let graph = self.graph(params, batch, training);
        self.record(&graph, batch).outcome(params, batch)
    }
}

impl<'g, S: CellUnderTest> Run<'g, S> {
    /// The last state's leaves that steps have changed, with their places. What was handed through may hold what no
    /// loss can look at, such as the −∞ of a mask.
    pub(super) fn changed(&self) -> Vec<(usize, Var<'g>)> {
        let changes = |&(i, _): &(usize, Var<'g>)| self.changes.get(i).is_none_or(|&changes| changes);
        leaves(&self.last).into_iter().enumerate().filter(changes).collect()
    }

    /// Σ weight · element over all outputs.
    pub(super) fn seen(&self, batch: &Batch) -> Result<Var<'g>, String> {
        weighted(self.ys, batch, 100)
    }

    /// Σ weight · element over all outputs and the changed leaves of the last state.
    pub(super) fn loss(&self, batch: &Batch) -> Result<Var<'g>, String> {
        self.changed()
            .into_iter()
            .try_fold(self.seen(batch)?, |sum, (i, leaf)| Ok(sum + weighted(leaf, batch, 200 + i as u64)?))
    }

    pub(super) fn outcome(&self, params: &Params, batch: &Batch) -> Result<Outcome, String> {
        let gradients = self.loss(batch)?.backward().map_err(text)?;
        let to_param = |p| {
            let zeros = || ArrayD::zeros(IxDyn(&params.shape(p)));
            (params.name(p).to_string(), gradients.of(p).map_or_else(zeros, |g| g.to_f64()))
        };
        Ok(Outcome {
            ys: self.ys.value().map_err(text)?.to_f64(),
            last: arrays(&leaves(&self.last))?,
            to_params: params.iter().map(to_param).collect(),
            to_xs: gradient(&gradients, self.xs)?,
            to_free: self.free.iter().map(|&v| gradient(&gradients, v)).collect::<Result<_, _>>()?,
        })
    }
}

fn weighted<'g>(v: Var<'g>, batch: &Batch, which: u64) -> Result<Var<'g>, String> {
    let weights = batch.weights(&v.shape().map_err(text)?, which);
    Ok((v * v.graph().input(weights)).sum_all())
}

pub(super) fn arrays(vars: &[Var<'_>]) -> Result<Vec<ArrayD<f64>>, String> {
    vars.iter().map(|v| Ok(v.value().map_err(text)?.to_f64())).collect()
}

pub(super) fn gradient(gradients: &Gradients, v: Var<'_>) -> Result<ArrayD<f64>, String> {
    let none = || Ok(ArrayD::zeros(IxDyn(&v.shape().map_err(text)?)));
    gradients.of(v).map_or_else(none, |g| Ok(g.to_f64()))
}

/// Equal to the bit.
pub(super) fn same(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Found {
    // A zero's sign says only on which side nothing was added; not-a-number equals itself.
    compare(what, a, b, |a, b| (a + 0.0).to_bits() == (b + 0.0).to_bits())
}

/// Equal to rounding in double precision. Equal infinities are; not a number is equal to nothing.
pub(super) fn near(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Found {
    compare(what, a, b, |a, b| a == b || (a - b).abs() <= 1e-12 * a.abs().max(1.0))
}

/// Equal to 1e-10: sums that were added in quite another order.
pub(super) fn near_in_another_order(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Found {
    compare(what, a, b, |a, b| a == b || (a - b).abs() <= 1e-10 * a.abs().max(1.0))
}

/// Equal to rounding in single precision.
pub(super) fn near_in_f32(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>) -> Found {
    compare(what, a, b, |a, b| a == b || (a - b).abs() <= 1e-5 * a.abs().max(1.0))
}

fn compare(what: &str, a: &ArrayD<f64>, b: &ArrayD<f64>, alike: impl Fn(f64, f64) -> bool) -> Found {
    if a.shape() != b.shape() {
        return Err(format!("{what}: shapes {:?} and {:?}", a.shape(), b.shape()));
    }
    match a.indexed_iter().zip(b).find(|((_, a), b)| !alike(**a, **b)) {
        Some(((at, a), b)) => Err(format!("{what}{:?}: {a:?} and {b:?}", at.as_array_view().to_vec())),
        None => Ok(()),
    }
}

pub(super) type Compare = fn(&str, &ArrayD<f64>, &ArrayD<f64>) -> Found;

pub(super) fn all(compare: Compare, what: &str, a: &[ArrayD<f64>], b: &[ArrayD<f64>]) -> Found {
    if a.len() != b.len() {
        return Err(format!("{what}: {} and {}", a.len(), b.len()));
    }
    a.iter().zip(b).enumerate().try_for_each(|(i, (a, b))| compare(&format!("{what}, leaf {i}"), a, b))
}

impl Outcome {
    pub(super) fn values_alike(&self, compare: Compare, other: &Outcome) -> Found {
        compare("outputs", &self.ys, &other.ys)?;
        all(compare, "last state", &self.last, &other.last)
    }

    pub(super) fn parameters_alike(&self, compare: Compare, other: &Outcome) -> Found {
        self.to_params
            .iter()
            .zip(&other.to_params)
            .try_for_each(|((name, a), (_, b))| compare(&format!("gradient of {name}"), a, b))
    }

    pub(super) fn inputs_alike(&self, compare: Compare, other: &Outcome) -> Found {
        compare("gradient of the inputs", &self.to_xs, &other.to_xs)?;
        all(compare, "gradient of the initial state", &self.to_free, &other.to_free)
    }

    /// The rows `order` of all that has rows.
    pub(super) fn index_select(&self, order: &[usize]) -> Outcome {
        let rows = |x: &ArrayD<f64>| x.select(Axis(0), order);
        Outcome {
            ys: rows(&self.ys),
            last: self.last.iter().map(rows).collect(),
            to_params: self.to_params.clone(),
            to_xs: rows(&self.to_xs),
            to_free: self.to_free.iter().map(rows).collect(),
        }
    }

    /// The first `time` steps of all that has steps.
    pub(super) fn cut(self, time: usize) -> Outcome {
        let cut = |x: ArrayD<f64>| x.slice_axis(Axis(1), (0..time).into()).to_owned();
        Outcome { ys: cut(self.ys), to_xs: cut(self.to_xs), ..self }
    }
}
