//! What one recorded step of a training shows: its graph, its gradients through time, and what each line of source
//! costs.

use super::{
    begun::Begun,
    chosen::Chosen,
    draw_options::DrawOptions,
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
    nn::{
        dynamics::{DynamicsLimits, RunDynamics, record_dynamics},
        exchange::OneProcess,
    },
};

/// Rows whose gradients are looked at.
const ROWS: usize = 16;
/// Elements of a state up to which the spectral radius is exact: see [`RunDynamics`].
const EXACT: usize = 32;
/// Lines of a profile that are shown: the rest is small.
const COSTLIEST: usize = 25;

/// ‖∂loss/∂h_t‖ along each recurrence, for some examples of a part; nothing where there is no recurrence.
pub(crate) fn gradient_norms<T: Task>(task: &T, params: &Params, part: &Scored<T>) -> Result<Option<Figure>> {
    let rows = part.of_middle_length(ROWS)?;
    if rows.is_empty() {
        return Ok(None);
    }
    let graph = Graph::new(params).record_grad_norms();
    let series = gradients(task, &graph, &part.batch(task, &rows)?, 0.0)?.through_time().to_vec();
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

/// The spectral radius of ∂s_t/∂s_{t−1} at each step along each recurrence, and the Lyapunov exponents, for an example
/// of a part; nothing where there is no recurrence.
pub(crate) fn dynamics<T: Task>(task: &T, params: &Params, part: &Scored<T>) -> Result<Vec<Figure>> {
    let Some(&row) = part.of_middle_length(ROWS)?.first() else { return Ok(vec![]) };
    let graph = Graph::new(params);
    let batch = part.batch(task, &[row])?;
    let limits = DynamicsLimits::default();
    let (_, found) = record_dynamics(limits, || task.training_loss(&graph, &batch, 0.0));
    let (looked_at, too_large): (Vec<_>, Vec<_>) = found?.into_iter().partition(|run| !run.spectral_radii.is_empty());
    if looked_at.is_empty() && too_large.is_empty() {
        return Ok(vec![]);
    }
    let radii = |run: &RunDynamics| run.spectral_radii.iter().map(|&(step, radius)| (step as f64, radius)).collect();
    let exponents = |run: &RunDynamics| (1..).map(f64::from).zip(run.lyapunov_exponents.iter().copied()).collect();
    let lines = |points: &dyn Fn(&RunDynamics) -> Vec<(f64, f64)>| {
        looked_at.iter().map(|run| (run.scope.clone(), points(run))).collect::<Vec<_>>()
    };
    let note = note(&looked_at, &too_large, limits);
    let radii = Curves {
        title: "Spectral radius of the state Jacobian through time, an example of dev".into(),
        x: "time step".into(),
        y: "spectral radius of ∂s(t) / ∂s(t − 1)".into(),
        log_y: false,
        lines: lines(&radii),
        note: "A gradient that flows back fades where the radius stays below 1, and may explode where it stays above. "
            .to_owned()
            + &note,
    };
    let exponents = Curves {
        title: "Lyapunov exponents, the same example".into(),
        x: "number of the exponent".into(),
        y: "growth in nats per step".into(),
        log_y: false,
        lines: lines(&exponents),
        note:
            "The rate at which a small change of the state grows along the run, by direction: below 0 it is forgotten. \
               A direction that is lost altogether is not drawn. "
                .to_owned()
                + &note,
    };
    let exponents = (!looked_at.is_empty()).then_some(exponents);
    Ok([radii].into_iter().chain(exponents).map(Figure::Curves).collect())
}

/// What was looked at, and what was left out.
fn note(looked_at: &[RunDynamics], too_large: &[RunDynamics], limits: DynamicsLimits) -> String {
    let mut said = String::new();
    let name = |run: &RunDynamics| if run.scope.is_empty() { "the recurrence".to_owned() } else { run.scope.clone() };
    let longest = looked_at.iter().map(|run| run.length).max().unwrap_or(0);
    if longest > limits.steps {
        said += &format!("The first {} of up to {longest} steps were looked at. ", limits.steps);
    }
    if looked_at.iter().any(|run| run.lyapunov_exponents.len() < run.state_size) {
        said += &format!("The {} largest exponents were computed. ", limits.exponents);
    }
    if looked_at.iter().any(|run| run.state_size > EXACT) {
        said += &format!("In states of more than {EXACT} elements the radius is estimated from {EXACT} directions. ");
    }
    for run in too_large {
        said += &format!(
            "Left out: {}, whose state has {} elements, more than {}. ",
            name(run),
            run.state_size,
            limits.state_size
        );
    }
    said.trim_end().to_owned()
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
pub(crate) fn draw<T: Task>(chosen: &Chosen, options: &DrawOptions) -> Result<()> {
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
    let (Begun { task, params, .. }, train) = Begun::<T>::new(chosen, &OneProcess)?;
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
