//! What one recorded step of a training shows: its graph, its gradients through time, and what each line of source
//! costs.

use super::{
    begun::Begun,
    chosen::Chosen,
    commands::DrawOptions,
    error::{Error, Result},
    overwrite::check_overwrite,
    say,
};
use crate::{
    examples::{Scored, Train},
    figures::{Curves, Figure},
    gradients::gradients,
    task::Task,
};
use unspool::{
    graph::{Detail, Drawing, Graph, Params, RngKey},
    nn::exchange::OneProcess,
    text::{BatchSize, Buckets},
};

/// Rows whose gradients are looked at.
const ROWS: usize = 16;
/// Lines of a profile that are shown: the rest is small.
const COSTLIEST: usize = 25;

/// ‖∂loss/∂h_t‖ along each recurrence, for some examples of a part; nothing where there is no recurrence.
pub(crate) fn gradient_norms<T: Task>(task: &T, params: &Params, part: &Scored<T>) -> Result<Option<Figure>> {
    let batches = Buckets::pairs(part.lengths.clone(), BatchSize::Rows(ROWS), 0)?.sorted();
    let Some(rows) = batches.get(batches.len() / 2) else { return Ok(None) };
    let graph = Graph::new(params).record_grad_norms();
    let series = gradients(task, &graph, &part.batch(task, rows)?, 0.0)?.through_time().to_vec();
    let lines: Vec<_> = series
        .into_iter()
        .filter(|series| series.norms.len() > 1)
        .map(|series| {
            let name = if series.leaf == 0 { series.scope } else { format!("{} [{}]", series.scope, series.leaf) };
            (name, series.norms.into_iter().map(|(step, norm)| (step as f64, norm)).collect())
        })
        .collect();
    let title = format!("Gradient norm through time, {} examples of dev", rows.len());
    Ok((!lines.is_empty()).then(|| Figure::Curves(Curves::gradient_norms(title, lines))))
}

/// What a step costs, line by line and operation by operation, as tables for people.
pub(crate) fn profile<T: Task>(task: &T, params: &Params, train: &Train<T>, rows: &[usize]) -> Result<String> {
    let graph = Graph::new(params).record_profile();
    gradients(task, &graph, &train.batch(task, rows, RngKey::seed(0))?, 0.0)?;
    let profile = graph.profile();
    let mut said = format!("one step over {} examples, on one thread:\n", rows.len());
    for mut table in [profile.by_line(), profile.by_operation()] {
        let rest = table.rows.len().saturating_sub(COSTLIEST);
        table.rows.truncate(COSTLIEST);
        said += &format!("\n{table}");
        if rest > 0 {
            said += &format!("and {rest} more that took less\n");
        }
    }
    Ok(said)
}

/// Draws the graph of a step over two examples of about the length asked for, with fresh weights.
pub(crate) fn draw<T: Task>(chosen: &Chosen<T>, options: &DrawOptions) -> Result<()> {
    let written: fn(&Drawing) -> String = match options.file.extension().and_then(|extension| extension.to_str()) {
        Some("svg") => Drawing::to_svg,
        Some("dot") => Drawing::to_dot,
        Some("txt") => Drawing::to_text,
        _ => {
            return Err(Error::misuse(
                format!("{}: the name must end in .svg, .dot or .txt", options.file.display()),
                "its ending says in which form the graph is written",
            ));
        }
    };
    check_overwrite(&options.file, options.overwrite)?;
    let (Begun { task, params, .. }, train) = Begun::new(chosen, &OneProcess)?;
    let lengths = train.lengths();
    let mut rows: Vec<usize> = (0..lengths.len()).collect();
    rows.sort_by_key(|row| {
        let steps = lengths[*row].0.max(lengths[*row].1);
        (steps.abs_diff(options.steps), *row)
    });
    rows.truncate(2);
    let graph = Graph::new(&params).record_grad_norms();
    let gradients = gradients(&task, &graph, &train.batch(&task, &rows, RngKey::seed(0))?, 0.0)?;
    let fold = if options.nodes { Detail::Node } else { Detail::Cell };
    let drawing = Drawing::of(&graph).fold(fold).gradients(&gradients);
    let drawing = if options.rolled { drawing.rolled() } else { drawing };
    unspool_files::write(&options.file, written(&drawing))
        .map_err(|cause| Error::file(&options.file, "write", &cause))?;
    say::line(&format!("{}: one step over {} examples", options.file.display(), rows.len()));
    Ok(())
}
