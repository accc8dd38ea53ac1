//! The law of cells that can run a whole sequence at once.

use super::{
    CellUnderTest,
    outcome::{Found, Setting, StateOf, near},
};
use crate::{Cell, Sequence};
use ndarray::ArrayD;
use unspool_graph::{Graph, Params, RngKey, Scope, Var};

/// A scan gives the outputs, the last state and the gradients of its steps, from a given state and from the cell's own
/// initial one.
pub(super) fn equals_steps<S: CellUnderTest>(setting: &Setting<'_, S>) -> Found {
    if !setting.scans {
        return Ok(());
    }
    for from_initial_state in [false, true] {
        let form = |stepwise| Form { subject: setting.subject, from_initial_state, stepwise };
        let run = |form: &Form<'_, S>| {
            let setting = Setting::new(form, setting.case)?;
            setting.run_in(&setting.params.to_f64(), &setting.batch, false)
        };
        let (scanned, stepped) = (run(&form(false))?, run(&form(true))?);
        stepped.values_alike(near, &scanned)?;
        stepped.parameters_alike(near, &scanned)?;
        stepped.inputs_alike(near, &scanned)?;
    }
    Ok(())
}

/// A subject in one of its two forms, run by an unrolling.
struct Form<'a, S> {
    subject: &'a S,
    from_initial_state: bool,
    stepwise: bool,
}

impl<S: CellUnderTest> CellUnderTest for Form<'_, S> {
    type Cell = FormOf<S::Cell>;

    fn input_size(&self) -> usize {
        self.subject.input_size()
    }

    fn make(&self, scope: Scope<'_>) -> Self::Cell {
        FormOf { cell: self.subject.make(scope), stepwise: self.stepwise }
    }

    fn free(&self, cell: &Self::Cell, params: &Params, batch: usize, draw: RngKey) -> Vec<ArrayD<f64>> {
        if self.from_initial_state { vec![] } else { self.subject.free(&cell.cell, params, batch, draw) }
    }

    fn start<'g>(&self, cell: &Self::Cell, graph: &'g Graph<'g>, batch: usize, free: &[Var<'g>]) -> StateOf<'g, S> {
        if self.from_initial_state {
            return cell.initial_state(graph, batch);
        }
        self.subject.start(&cell.cell, graph, batch, free)
    }
}

struct FormOf<C> {
    cell: C,
    stepwise: bool,
}

impl<C: Cell> Cell for FormOf<C> {
    type State<'g> = C::State<'g>;

    fn initial_state<'g>(&self, graph: &'g Graph<'g>, batch: usize) -> C::State<'g> {
        self.cell.initial_state(graph, batch)
    }

    fn step<'g>(&self, x: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step(x, state)
    }

    fn project<'g>(&self, xs: Var<'g>) -> Var<'g> {
        self.cell.project(xs)
    }

    fn step_projected<'g>(&self, x: Var<'g>, projected: Var<'g>, state: C::State<'g>) -> (Var<'g>, C::State<'g>) {
        self.cell.step_projected(x, projected, state)
    }

    fn scan<'g>(&self, xs: &Sequence<'g>, state: &C::State<'g>) -> Option<(Sequence<'g>, C::State<'g>)> {
        if self.stepwise { None } else { self.cell.scan(xs, state) }
    }
}
