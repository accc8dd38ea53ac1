//! Optimizers: rows of an embedding are as good as a whole gradient, groups hold, threads change no bits, state goes on. That the
//! formulas are PyTorch's is shown by `pytorch_parity`.

use unspool_graph::{Draw, Gradients, Graph, Param, Params, Precision, Tensor, init};
use unspool_nn::{
    Error,
    optimizer::{Adagrad, Adam, AdamW, Averaged, Group, Optimizer, RmsProp, Sgd},
};

type Outcome = Result<(), Box<dyn std::error::Error>>;

/// Every optimizer, with all its options on.
fn all() -> Vec<(&'static str, Box<dyn Optimizer>)> {
    vec![
        ("sgd", Box::new(Sgd::new())),
        ("sgd with decay", Box::new(Sgd::new().weight_decay(0.1))),
        ("momentum", Box::new(Sgd::new().momentum(0.9).weight_decay(0.1))),
        ("nesterov", Box::new(Sgd::new().nesterov(0.9))),
        ("adam", Box::new(Adam::new().weight_decay(0.1))),
        ("adamw", Box::new(AdamW::new())),
        ("rmsprop", Box::new(RmsProp::new())),
        ("rmsprop with momentum", Box::new(RmsProp::new().momentum(0.5))),
        ("adagrad", Box::new(Adagrad::new().weight_decay(0.1))),
    ]
}

/// A table of embeddings that is cut into several pieces, and a small weight.
fn model(precision: Precision) -> (Params, Param, Param) {
    let mut params = Params::seeded(3);
    let mut scope = params.scope("m");
    let table = scope.add("table", [9_000, 7], init::normal(1.0));
    let bias = scope.add("bias", [7], init::normal(1.0));
    match precision {
        Precision::F32 => (params, table, bias),
        Precision::F64 => (params.to_f64(), table, bias),
    }
}

/// Gradients at a few rows of the table and at the bias.
fn gradients(params: &Params, table: Param, bias: Param, step: u64) -> Result<Gradients, unspool_graph::Error> {
    let ids: Vec<u32> = (0..50).map(|i| (Draw::seed(step).bits(i) % 9_000) as u32).collect();
    let graph = Graph::new(params);
    (graph.embedding(table, &ids, [50], None) + bias).powi(2).sum_all().backward()
}

fn values(params: &Params) -> Vec<Tensor> {
    params.iter().map(|p| params.value(p).expect("own")).collect()
}

#[test]
fn rows_of_an_embedding_are_as_good_as_the_whole_gradient() -> Outcome {
    for precision in [Precision::F32, Precision::F64] {
        for ((name, mut by_rows), (_, mut whole)) in all().into_iter().zip(all()) {
            let (mut a, table, bias) = model(precision);
            let mut b = a.clone();
            for step in 0..4 {
                let rows = gradients(&a, table, bias, step)?;
                let mut dense = rows.clone();
                dense.set(&b, table, rows.of(table).ok_or("no gradient")?)?;
                by_rows.update(&mut a, &rows, 0.01, 0.5)?;
                whole.update(&mut b, &dense, 0.01, 0.5)?;
            }
            assert!(values(&a) == values(&b), "{name} in {precision:?}");
        }
    }
    Ok(())
}

#[test]
fn untouched_rows_stay_where_that_is_asked_for_and_move_where_not() -> Outcome {
    let (start, table, bias) = model(Precision::F32);
    let moved = |optimizer: &mut dyn Optimizer| -> Result<Vec<bool>, Box<dyn std::error::Error>> {
        let mut params = start.clone();
        for step in 0..2 {
            let gradients = gradients(&params, table, bias, step)?;
            optimizer.update(&mut params, &gradients, 0.01, 1.0)?;
        }
        let before = params.clone();
        let third = gradients(&params, table, bias, 2)?;
        optimizer.update(&mut params, &third, 0.01, 1.0)?;
        let touched = third.of(table).ok_or("no gradient")?.to_f64();
        let change = params.value(table)?.to_f64() - before.value(table)?.to_f64();
        let untouched = change.rows().into_iter().zip(touched.rows()).filter(|(_, g)| g.iter().all(|x| *x == 0.0));
        Ok(untouched.map(|(row, _)| row.iter().any(|x| *x != 0.0)).collect())
    };
    let lazy = moved(&mut Adam::new().touched_rows_only())?;
    assert!(lazy.len() > 8_900 && lazy.iter().all(|moved| !moved));
    // Rows of the first two steps go on by their moments.
    let dense = moved(&mut Adam::new())?.into_iter().filter(|moved| *moved).count();
    assert!((80..=100).contains(&dense), "{dense}");
    Ok(())
}

#[test]
fn any_number_of_threads_gives_the_same_bits() -> Outcome {
    let mut results = vec![];
    for threads in [1, 2, 7] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        results.push(pool.install(|| -> Result<_, Error> {
            let mut params = Params::seeded(3);
            let w = params.scope("m").add("w", [300, 700], init::normal(1.0));
            let (mut adam, mut average) = (AdamW::new(), Averaged::exponential(0.9));
            let mut norms = vec![];
            for _ in 0..3 {
                let gradients = Graph::new(&params).param(w).powi(3).sum_all().backward()?;
                norms.push(adam.clipped_step(&mut params, &gradients, 0.01, 3.0, 1.0)?);
                average.update(&params)?;
            }
            Ok((norms, values(&params), average.params().map(values)))
        })?);
    }
    assert!(results[0] == results[1] && results[1] == results[2]);
    Ok(())
}

#[test]
fn a_clipped_step_is_scale_clip_and_step() -> Outcome {
    for (max_norm, count) in [(0.5, 4.0), (1e9, 4.0)] {
        let (mut a, table, bias) = model(Precision::F64);
        let mut b = a.clone();
        let mut gradients = gradients(&a, table, bias, 0)?;
        let norm = Sgd::new().clipped_step(&mut a, &gradients, 0.1, count, max_norm)?;
        gradients.scale(1.0 / count);
        let expected = gradients.clip_norm(max_norm)?;
        Sgd::new().step(&mut b, &gradients, 0.1)?;
        assert!((norm - expected).abs() < 1e-12 * expected);
        for (a, b) in values(&a).iter().zip(values(&b)) {
            assert!((a.to_f64() - b.to_f64()).iter().all(|d| d.abs() < 1e-14));
        }
    }
    // Nothing is changed by a gradient that is no number.
    let (mut params, table, bias) = model(Precision::F32);
    let mut gradients = gradients(&params, table, bias, 0)?;
    gradients.set(&params, bias, ndarray::Array1::from_elem(7, f32::NAN))?;
    let before = values(&params);
    assert!(Adam::new().clipped_step(&mut params, &gradients, 0.1, 1.0, 1.0).is_err());
    assert!(values(&params) == before);
    Ok(())
}

#[test]
fn groups_hold_by_name_and_a_name_of_nothing_is_an_error() -> Outcome {
    let mut params = Params::seeded(0);
    let mut scope = params.scope("m");
    let handles = ["weight", "bias", "slow", "fixed"].map(|name| scope.add(name, [1], init::constant(2.0)));
    let mut gradients = Gradients::none(&params);
    for p in handles {
        gradients.set(&params, p, vec![1.0f32])?;
    }
    let mut sgd = Sgd::new()
        .weight_decay(0.5)
        .group(Group::named("*bias").weight_decay(0.0))
        .group(Group::named("m.slow").rate_factor(0.1))
        .group(Group::named("m.f*").frozen());
    sgd.step(&mut params, &gradients, 0.25)?;
    for (p, expected) in handles.into_iter().zip([1.5, 1.75, 1.95, 2.0]) {
        let value = params.value(p)?.to_f64()[[0]];
        assert!((value - expected).abs() < 1e-6, "{}: {value}", params.name(p));
    }
    let error = Sgd::new().group(Group::named("encoder.*")).step(&mut params, &gradients, 0.1);
    assert!(matches!(error, Err(Error::Group { pattern }) if pattern == "encoder.*"));
    Ok(())
}

#[test]
fn restored_state_goes_on_to_the_same_bits_and_foreign_gradients_are_refused() -> Outcome {
    for ((name, mut whole), (_, mut second)) in all().into_iter().zip(all()) {
        let (mut params, table, bias) = model(Precision::F32);
        let step = |params: &mut Params, optimizer: &mut dyn Optimizer, step| -> Outcome {
            let gradients = gradients(params, table, bias, step)?;
            Ok(optimizer.update(params, &gradients, 0.01, 1.0)?)
        };
        step(&mut params, &mut *whole, 0)?;
        step(&mut params, &mut *whole, 1)?;
        second.restore(whole.steps(), whole.state().into_iter().cloned().collect());
        let mut other = params.clone();
        step(&mut params, &mut *whole, 2)?;
        step(&mut other, &mut *second, 2)?;
        assert!(values(&params) == values(&other), "{name}");
        let foreign = Gradients::none(&Params::seeded(1));
        assert!(matches!(whole.update(&mut params, &foreign, 0.1, 1.0), Err(Error::Foreign)));
    }
    Ok(())
}

#[test]
fn averages_are_what_they_say() -> Outcome {
    let mut params = Params::seeded(0).to_f64();
    let w = params.scope("m").add("w", [1], init::zeros());
    let (mut exponential, mut mean) = (Averaged::exponential(0.5), Averaged::over_all());
    let xs = [3.0, 1.0, -2.0, 7.0];
    let mut expected = xs[0];
    for (n, x) in xs.into_iter().enumerate() {
        params.set(w, vec![x])?;
        exponential.update(&params)?;
        mean.update(&params)?;
        let decay = 0.5f64.min((1.0 + n as f64) / (10.0 + n as f64));
        expected = if n == 0 { x } else { decay * expected + (1.0 - decay) * x };
    }
    let of = |average: &Averaged| average.params().map(|p| p.value(w).expect("own").to_f64()[[0]]);
    assert!((of(&exponential).ok_or("none")? - expected).abs() < 1e-14);
    assert!((of(&mean).ok_or("none")? - 2.25).abs() < 1e-14);
    Ok(())
}

#[test]
fn schedules_meet_their_corners() {
    use unspool_nn::schedule::*;
    let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
    close(constant(9, 0.3), 0.3);
    close(step_wise(29, 10, 1.0, 0.1), 0.01);
    close(step_wise(30, 10, 1.0, 0.1), 0.001);
    close(exponential(3, 2.0, 0.5), 0.25);
    close(cosine(50, 100, 2.0, 0.0), 1.0);
    close(inverse_square_root(3, 4, 1.0), 1.0);
    close(inverse_square_root(15, 4, 1.0), 0.5);
    close(one_cycle(0, 30, 100, 1.0), 1.0 / 25.0);
    close(one_cycle(500, 30, 100, 1.0), 1.0 / 25.0 / 1e4);
    // PyTorch 2.x, OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3): rises over steps 0 to 2, falls over 2 to 9.
    close(one_cycle(1, 3, 10, 1.0), 0.52);
    // Degenerate lengths divide by nothing.
    for step in [0, 1, 5] {
        assert!(one_cycle(step, 0, 0, 1.0).is_finite() && cosine(step, 0, 1.0, 0.1).is_finite());
        assert!(linear_with_warm_up(step, 0, 0, 1.0, 0.1).is_finite() && step_wise(step, 0, 1.0, 0.5).is_finite());
    }
}
