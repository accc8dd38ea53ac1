//! Where the numbers went wrong: the first value or gradient that is not finite.

use crate::{
    Error, Float, Graph, Result,
    tape::{Tape, Value},
};

/// The least and the greatest of the finite elements, and how many are not finite.
fn range<E: Float>(values: &[E]) -> String {
    let finite = || values.iter().filter(|x| x.is_finite()).map(|x| x.to_f64());
    let bad = values.len() - finite().count();
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    match (bad, low <= high) {
        (0, true) => format!("in {low:.3e}..{high:.3e}"),
        (bad, true) => format!("{bad} of {} not finite, the others in {low:.3e}..{high:.3e}", values.len()),
        (0, false) => "empty".into(),
        (bad, false) => format!("all {bad} not finite"),
    }
}

fn inputs<E: Float>(graph: &Graph<'_>, tape: &Tape<E>, id: u32) -> String {
    let operands = tape.nodes[id as usize].operands.as_slice();
    let each =
        operands.iter().enumerate().map(|(i, &o)| format!("input {i} {}", range(tape.view(graph.params, o).data())));
    each.collect::<Vec<_>>().join("; ")
}

/// Makes a value that is not finite the graph's error. An infinity that came in with an input, such as the −∞ of an
/// attention's mask, is let through as long as it stays one; what it makes not a number is not.
pub(crate) fn check_value<E: Float>(graph: &Graph<'_>, tape: &Tape<E>, id: u32) {
    let value = tape.view(graph.params, id);
    if value.data().iter().all(|x| x.is_finite()) {
        return;
    }
    let node = &tape.nodes[id as usize];
    let given = |&operand: &u32| {
        let view = tape.view(graph.params, operand);
        !matches!(tape.nodes[tape.root(operand).0 as usize].value, Value::Param(_))
            && view.data().iter().any(|x| x.to_f64().is_infinite())
    };
    let number = value.data().iter().all(|x| !x.to_f64().is_nan());
    if number && node.operands.as_slice().iter().any(given) {
        return;
    }
    let detail = format!("{}; {}", range(value.data()), inputs(graph, tape, id));
    graph.fail(Error::NotFinite { what: format!("the value of {}", node.name), detail, at: graph.place_of(node.mark) });
}

/// An error if one of the gradients that node `id` has just passed on is not finite.
pub(crate) fn check_gradients<E: Float>(
    graph: &Graph<'_>,
    tape: &Tape<E>,
    id: u32,
    gradient: &[E],
    mut finite: impl FnMut(u32) -> bool,
) -> Result<()> {
    let node = &tape.nodes[id as usize];
    for (i, &operand) in node.operands.as_slice().iter().enumerate() {
        if !finite(operand) {
            let what = format!("the gradient that {} gives to its input {i}", node.name);
            let detail = format!("its own gradient {}; {}", range(gradient), inputs(graph, tape, id));
            return Err(Error::NotFinite { what, detail, at: graph.place_of(node.mark) });
        }
    }
    Ok(())
}
