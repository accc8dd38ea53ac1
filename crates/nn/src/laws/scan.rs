//! The law of cells that can run a whole sequence at once.

use super::{
    Case, CellUnderTest,
    outcome::{Found, Outcome, Setting, StateOf, near},
};
use crate::{Cell, Stepwise};
use ndarray::ArrayD;
use unspool_graph::{Graph, Params, RngKey, Scope, Var};

/// A scan gives the outputs, the last state and the gradients of its steps, from a given state and from the cell's own
/// initial one.
pub(super) fn equals_steps<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    if !setting.scans {
        return Ok(());
    }
    for from_initial_state in [false, true] {
        let unrolled = Unrolled { subject: setting.subject, from_initial_state };
        let (scanned, stepped) = (run(&unrolled, setting.case)?, run(&BySteps(&unrolled), setting.case)?);
        stepped.values_alike(near, &scanned)?;
        stepped.parameters_alike(near, &scanned)?;
        stepped.inputs_alike(near, &scanned)?;
    }
    Ok(())
}

fn run<S: CellUnderTest>(subject: &S, case: &Case) -> Result<Outcome, String> {
    let setting = Setting::new(subject, case)?;
    setting.run_in(&setting.params.to_f64(), &setting.batch, false)
}

/// A subject that is run by an unrolling, whatever else may run it.
struct Unrolled<'a, S> {
    subject: &'a S,
    from_initial_state: bool,
}

impl<S: CellUnderTest> CellUnderTest for Unrolled<'_, S> {
    type Cell = S::Cell;

    fn input_size(&self) -> usize {
        self.subject.input_size()
    }

    fn make(&self, scope: Scope<'_>) -> S::Cell {
        self.subject.make(scope)
    }

    fn free(&self, cell: &S::Cell, params: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        if self.from_initial_state { vec![] } else { self.subject.free(cell, params, batch, draw) }
    }

    fn start<'g>(&self, cell: &S::Cell, graph: &'g Graph<'g>, batch: usize, free: &[Var<'g>]) -> StateOf<'g, S> {
        match self.from_initial_state {
            true => cell.initial_state(graph, batch),
            false => self.subject.start(cell, graph, batch, free),
        }
    }
}

/// The same without the scan.
struct BySteps<'a, S>(&'a S);

impl<S: CellUnderTest> CellUnderTest for BySteps<'_, S> {
    type Cell = Stepwise<S::Cell>;

    fn input_size(&self) -> usize {
        self.0.input_size()
    }

    fn make(&self, scope: Scope<'_>) -> Self::Cell {
        Stepwise::new(self.0.make(scope))
    }

    fn free(&self, cell: &Self::Cell, params: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        self.0.free(cell.cell(), params, batch, draw)
    }

    fn start<'g>(&self, cell: &Self::Cell, graph: &'g Graph<'g>, batch: usize, free: &[Var<'g>]) -> StateOf<'g, S> {
        self.0.start(cell.cell(), graph, batch, free)
    }
}
