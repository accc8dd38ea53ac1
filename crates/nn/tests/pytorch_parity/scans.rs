//! Recurrences that can be run at once: by their scan, and by their steps.

use crate::{
    Outcome,
    case::{Case, to},
};
use ndarray::{Array2, ArrayD};
use unspool_graph::{Graph, Params, Precision, Scope, Var};
use unspool_nn::{
    Cell, Sequence, Stepwise,
    cells::{Candidate, Lru, LruConfig, MinGru, MinGruConfig, MinLstm, MinLstmConfig, Mlstm, MlstmConfig, RgLru},
    scan::{gated_delta_rule, linear_attention, linear_recurrence},
    unroll,
};

fn lengths(case: &Case) -> Result<Vec<usize>, String> {
    Ok(case.get("input.lengths")?.iter().map(|&x| x as usize).collect())
}

/// The inputs of these names, watched.
fn inputs<'g, const N: usize>(case: &Case, graph: &'g Graph<'g>, names: [&str; N]) -> Result<[Var<'g>; N], String> {
    let mut all = vec![];
    for name in names {
        all.push(graph.input(case.get(&format!("input.{name}"))?).watch());
    }
    all.try_into().map_err(|_| "as many as there are names".into())
}

/// h_t = a_t ∘ h_{t−1} + b_t.
pub(crate) fn recurrence(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let [a, b, h0] = inputs(case, &graph, ["a", "b", "h0"])?;
    let sequence = |x| Ok::<_, String>(Sequence::pack(x, &lengths(case)?));
    let (hs, last) = linear_recurrence(&sequence(a)?, &sequence(b)?, h0);
    case.compare_all(&[("y", hs.padded()), ("hn", last)], &[("a", a), ("b", b), ("h0", h0)], &[], tolerance)
}

pub(crate) fn min_gru(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let config = MinGruConfig { candidate: candidate(case)? };
    cell(case, precision, tolerance, |scope, from, to| MinGru::with_config(scope, from, to, config))
}

pub(crate) fn min_lstm(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let config = MinLstmConfig { candidate: candidate(case)? };
    cell(case, precision, tolerance, |scope, from, to| MinLstm::with_config(scope, from, to, config))
}

pub(crate) fn rg_lru(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    cell(case, precision, tolerance, RgLru::new)
}

/// Outputs have the size of the inputs; the state is in two parts.
pub(crate) fn lru(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let (size, state) = (case.usize("input_size")?, case.usize("state_size")?);
    let mut params = Params::seeded(0);
    let config = LruConfig { state_size: Some(state), ..LruConfig::default() };
    let cell = Lru::with_config(params.scope(""), size, size, config);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let compare = |stepwise: bool| -> Outcome {
        let graph = Graph::new(&params);
        let [x, re, im] = inputs(case, &graph, ["x", "h0_re", "h0_im"])?;
        let (xs, start) = (Sequence::pack(x, &lengths(case)?), graph.concat(&[re, im], -1));
        let (ys, last) =
            if stepwise { unroll(&Stepwise::new(cell.clone()), &xs, start) } else { unroll(&cell, &xs, start) };
        let [hn_re, hn_im] = last.chunk(-1);
        let outputs = [("y", ys.padded()), ("hn_re", hn_re), ("hn_im", hn_im)];
        case.compare_all(&outputs, &[("x", x), ("h0_re", re), ("h0_im", im)], &named, tolerance)
    };
    compare(false)?;
    compare(true)
}

/// The operands of a step of linear attention or of the gated delta rule: q, k, v, ln α, and β.
type Operands<'g> = ([Var<'g>; 4], Option<Var<'g>>);

/// S' = α S (1 − β k kᵀ) + β v kᵀ or α S + v kᵀ, y = S' q, by elementary operations.
fn matrix_step<'g>(([q, k, v, log_alpha], beta): Operands<'g>, s: Var<'g>) -> (Var<'g>, Var<'g>) {
    let (k_row, alpha) = (k.unsqueeze(-2), log_alpha.exp().unsqueeze(-1).unsqueeze(-1));
    let written = v.unsqueeze(-1) * k_row;
    let s = match beta.map(|beta| beta.unsqueeze(-1).unsqueeze(-1)) {
        None => alpha * s + written,
        Some(beta) => alpha * (s - beta * s.matmul(k.unsqueeze(-1)) * k_row) + beta * written,
    };
    (s.matmul(q.unsqueeze(-1)).squeeze(-1), s)
}

/// A step of one example of a padded batch.
fn step_of<'g>(x: Var<'g>, row: usize, t: usize) -> Var<'g> {
    x.slice(0, row..row + 1).index(1, t)
}

/// Linear attention and the gated delta rule, whose operands are given.
pub(crate) fn matrix_state(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let params = to(Params::seeded(0), precision);
    let (delta, lengths) = (case.kind == "gated_delta_rule", lengths(case)?);
    for stepwise in [false, true] {
        let graph = Graph::new(&params);
        let [q, k, v, alpha, s0] = inputs(case, &graph, ["q", "k", "v", "alpha", "s0"])?;
        let mut given = vec![("q", q), ("k", k), ("v", v), ("alpha", alpha), ("s0", s0)];
        let (mut key, mut beta) = (k, None);
        if delta {
            let [own] = inputs(case, &graph, ["beta"])?;
            given.push(("beta", own));
            (key, beta) = (k / (k * k).sum(&[-1]).sqrt().unsqueeze(-1), Some(own.sigmoid()));
        }
        let operands = [q, key, v, alpha.log_sigmoid()];
        let (ys, last) = if stepwise {
            let (mut ys, mut lasts) = (vec![], vec![]);
            for (row, &length) in lengths.iter().enumerate() {
                let mut s = s0.slice(0, row..row + 1);
                let mut own = vec![];
                for t in 0..case.usize("time")? {
                    let (y, next) =
                        matrix_step((operands.map(|x| step_of(x, row, t)), beta.map(|x| step_of(x, row, t))), s);
                    own.push(if t < length { y } else { y * 0.0 });
                    s = if t < length { next } else { s };
                }
                ys.push(graph.stack(&own, 1));
                lasts.push(s);
            }
            (graph.concat(&ys, 0), graph.concat(&lasts, 0))
        } else {
            let [q, k, v, log_alpha] = operands.map(|x| Sequence::pack(x, &lengths));
            let (ys, last) = match beta.map(|beta| Sequence::pack(beta, &lengths)) {
                None => linear_attention(&q, &k, &v, &log_alpha, s0),
                Some(beta) => gated_delta_rule(&q, &k, &v, &log_alpha, &beta, s0),
            };
            (ys.padded(), last)
        };
        case.compare_all(&[("y", ys), ("sn", last)], &given, &[], tolerance)?;
    }
    Ok(())
}

/// The operands are given, so the cell reads them side by side: its weights choose, and its output gate is open.
pub(crate) fn mlstm(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let [heads, key, value] = ["heads", "key_size", "value_size"].map(|name| case.usize(name));
    let (heads, key, value) = (heads?, key?, value?);
    let sizes = [("q", heads * key), ("k", heads * key), ("v", heads * value), ("i", heads), ("f", heads)];
    let (input, hidden) = (sizes.iter().map(|&(_, size)| size).sum(), heads * value);
    let mut params = Params::seeded(0);
    let cell = Mlstm::with_config(params.scope(""), input, hidden, MlstmConfig { heads, key_size: Some(key) });
    let mut first = 0;
    for (name, size) in sizes {
        let chosen = Array2::from_shape_fn((size, input), |(to, from)| f64::from(u8::from(from == first + to)));
        set(&mut params, &format!("weight_{name}"), chosen.into_dyn())?;
        set(&mut params, &format!("bias_{name}"), ArrayD::zeros(vec![size]))?;
        first += size;
    }
    set(&mut params, "weight_o", ArrayD::zeros(vec![hidden, input]))?;
    set(&mut params, "bias_o", ArrayD::from_elem(vec![hidden], 1000.0))?;
    let params = to(params, precision);
    let (batch, time) = (case.get("input.q")?.shape()[0], case.usize("time")?);
    let compare = |stepwise: bool| -> Outcome {
        let graph = Graph::new(&params);
        let given = inputs(case, &graph, ["q", "k", "v", "i", "f"])?;
        let flat: Vec<Var<'_>> = given.iter().zip(sizes).map(|(x, (_, size))| x.reshape([batch, time, size])).collect();
        let xs = Sequence::pack(graph.concat(&flat, -1), &lengths(case)?);
        let start = cell.initial_state(&graph, batch);
        let hs = match stepwise {
            true => unroll(&Stepwise::new(cell.clone()), &xs, start).0,
            false => unroll(&cell, &xs, start).0,
        };
        let y = hs.padded().reshape([batch, time, heads, value]);
        let named: Vec<(&str, Var<'_>)> = sizes.iter().zip(given).map(|(&(name, _), x)| (name, x)).collect();
        case.compare_all(&[("y", y)], &named, &[], tolerance)
    };
    compare(false)?;
    compare(true)
}

fn set(params: &mut Params, name: &str, value: ArrayD<f64>) -> Outcome {
    let param = params.find(name).ok_or_else(|| format!("{name} is no parameter"))?;
    Ok(params.set(param, value)?)
}

fn candidate(case: &Case) -> Result<Candidate, String> {
    match case.config["candidate"].as_str() {
        Some("identity") => Ok(Candidate::Identity),
        Some("positive") => Ok(Candidate::Positive),
        other => Err(format!("the candidate {other:?} is unknown")),
    }
}

/// A cell whose state is h, by its scan and by its steps.
fn cell<C>(case: &Case, precision: Precision, tolerance: f64, make: impl Fn(Scope<'_>, usize, usize) -> C) -> Outcome
where
    C: for<'g> Cell<State<'g> = Var<'g>>,
{
    both(case, precision, tolerance, &make)?;
    both(case, precision, tolerance, |scope, from, to| Stepwise::new(make(scope, from, to)))
}

fn both<C>(case: &Case, precision: Precision, tolerance: f64, make: impl Fn(Scope<'_>, usize, usize) -> C) -> Outcome
where
    C: for<'g> Cell<State<'g> = Var<'g>>,
{
    let size = |name: &str| case.usize(name).or_else(|_| case.usize("features"));
    let mut params = Params::seeded(0);
    let cell = make(params.scope(""), size("input_size")?, size("hidden_size")?);
    let mut params = to(params, precision);
    let named = case.fill_all(&mut params)?;
    let graph = Graph::new(&params);
    let [x, h0] = inputs(case, &graph, ["x", "h0"])?;
    let (ys, last) = unroll(&cell, &Sequence::pack(x, &lengths(case)?), h0);
    case.compare_all(&[("y", ys.padded()), ("hn", last)], &[("x", x), ("h0", h0)], &named, tolerance)
}
