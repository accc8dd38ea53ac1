//! What trains: losses, clipping, and steps of optimizers.

use crate::{
    Outcome,
    case::{Case, to},
};
use unspool_graph::{CrossEntropy, Gradients, Graph, Params, Precision, init};
use unspool_nn::{
    Sequence,
    ctc::Ctc,
    loss::{self, LossReduction},
    optimizer::{Adagrad, Adam, AdamW, Optimizer, RmsProp, Sgd},
};

pub(crate) fn cross_entropy(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let ignored = case.f64("ignore_index")?;
    let targets = case.get("input.target")?;
    let real: Vec<f32> = targets.iter().map(|&t| if t == ignored { 0.0 } else { 1.0 }).collect();
    let count: f32 = real.iter().sum();
    // The number at an ignored place must not matter, so one that is no class stays one.
    let targets: Vec<u32> = targets.iter().map(|&t| if t == ignored { u32::MAX } else { t as u32 }).collect();
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.logits")?).watch();
    let options = CrossEntropy::new().smoothing(case.f64("label_smoothing")?).weights(real);
    let losses = x.cross_entropy_with(&targets, options);
    let y = match case.config["reduction"].as_str() {
        Some("none") => losses,
        Some("sum") => losses.sum_all(),
        Some("mean") => losses.sum_all() / f64::from(count),
        other => return Err(format!("reduction {other:?}").into()),
    };
    case.compare_all(&[("y", y)], &[("logits", x)], &[], tolerance)
}

pub(crate) fn clip_grad_norm(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let mut handles = vec![];
    while let Some(gradient) = case.tensors.get(&format!("grad.{}", handles.len())) {
        handles.push(params.scope("p").add_sized(handles.len().to_string(), gradient.shape(), init::zeros()));
    }
    let params = to(params, precision);
    let mut gradients = Gradients::none(&params);
    for (i, &p) in handles.iter().enumerate() {
        gradients.set(&params, p, case.get(&format!("grad.{i}"))?)?;
    }
    let norm = gradients.clip_norm(case.f64("max_norm")?)?;
    case.compare("norm", Some(ndarray::arr0(norm).into_dyn()), tolerance)?;
    for (i, &p) in handles.iter().enumerate() {
        case.compare(&format!("clipped.{i}"), gradients.of(p).map(|g| g.to_f64()), tolerance)?;
    }
    if handles.is_empty() { Err("no gradient".into()) } else { Ok(()) }
}

pub(crate) fn binary(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.logits")?).watch();
    let y = loss::binary_cross_entropy(x, case.get("input.target")?, LossReduction::all());
    case.compare_all(&[("y", y)], &[("logits", x)], &[], tolerance)
}

pub(crate) fn ctc(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let whole = |name: &str| Ok::<_, String>(case.get(name)?.iter().map(|&x| x as usize).collect::<Vec<_>>());
    let (lengths, counts) = (whole("input.input_lengths")?, whole("input.target_lengths")?);
    let rows = case.get("input.targets")?.rows().into_iter().zip(counts);
    let targets: Vec<Vec<u32>> = rows.map(|(row, n)| row.iter().take(n).map(|&x| x as u32).collect()).collect();
    let params = to(Params::seeded(0), precision);
    let graph = Graph::new(&params);
    let x = graph.input(case.get("input.logits")?).watch();
    let logits = Sequence::pack(x.transpose(0, 1), &lengths);
    let losses = Ctc::new().blank(case.usize("blank")? as u32).losses(&logits, &targets);
    if case.config["reduction"] != "sum" {
        return Err("another reduction".into());
    }
    case.compare_all(&[("y", losses.sum_all())], &[("logits", x)], &[], tolerance)
}

/// The optimizer of a case, with its constants.
fn optimizer(case: &Case) -> Result<Box<dyn Optimizer>, String> {
    Ok(match &case.kind[..] {
        "optimizer.adam" => {
            Box::new(Adam::new().betas((case.f64("beta1")?, case.f64("beta2")?)).epsilon(case.f64("eps")?))
        }
        "optimizer.adamw" => {
            let adam = AdamW::new().betas((case.f64("beta1")?, case.f64("beta2")?)).epsilon(case.f64("eps")?);
            Box::new(adam.weight_decay(case.f64("weight_decay")?))
        }
        "optimizer.rmsprop" => {
            let rmsprop = RmsProp::new().alpha(case.f64("alpha")?).epsilon(case.f64("eps")?);
            Box::new(rmsprop.momentum(case.f64("momentum")?))
        }
        "optimizer.adagrad" => Box::new(Adagrad::new().epsilon(case.f64("eps")?)),
        "optimizer.sgd" => Box::new(Sgd::new()),
        "optimizer.sgd_momentum_nesterov" => {
            Box::new(Sgd::new().nesterov(case.f64("momentum")?).weight_decay(case.f64("weight_decay")?))
        }
        other => return Err(format!("the kind {other:?} is unknown")),
    })
}

pub(crate) fn steps(case: &Case, precision: Precision, tolerance: f64) -> Outcome {
    let mut params = Params::seeded(0);
    let start = case.get("param.start")?;
    let p = params.scope("m").add_sized("w", start.shape(), init::zeros());
    let mut params = to(params, precision);
    params.set(p, start)?;
    let mut optimizer = optimizer(case)?;
    let mut step = 0;
    while let Some(gradient) = case.tensors.get(&format!("grad.{step}")) {
        let mut gradients = Gradients::none(&params);
        gradients.set(&params, p, gradient)?;
        optimizer.update(&mut params, &gradients, case.f64("lr")?.into())?;
        case.compare(&format!("param.{step}"), Some(params.value(p)?.to_f64()), tolerance)?;
        step += 1;
    }
    if step == 0 { Err("no step".into()) } else { Ok(()) }
}
