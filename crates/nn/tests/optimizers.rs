//! Optimizers: rows of an embedding are as good as a whole gradient, groups hold, threads change no bits, state goes
//! on. That the formulas are PyTorch's is shown by `pytorch_parity`.

use unspool_graph::{Element, Gradients, Graph, Param, Params, Precision, RngKey, Tensor, init};
use unspool_nn::{
    Error,
    optimizer::{
        Adagrad, Adam, AdamW, Averaged, ElementwiseOptimizer, Group, Optimizer, RmsProp, Sgd, StepParams, UpdateParams,
        UpdateRule,
    },
    schedule::step_wise,
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

/// The first row of the second piece into which the table is cut: a piece has at most 2¹⁵ elements, in whole rows.
const BORDER: u32 = (1 << 15) / 7;

/// Gradients at a few rows of the table, on both sides of a border among them, and at the bias.
fn gradients(params: &Params, table: Param, bias: Param, step: u64) -> Result<Gradients, unspool_graph::Error> {
    let any = (0..50).map(|i| (RngKey::seed(step).bits(i) % 9_000) as u32);
    let ids: Vec<u32> = any.chain([BORDER - 1, BORDER]).collect();
    let graph = Graph::new(params);
    (graph.embedding(table, &ids, [ids.len()], None) + bias).powi(2).sum_all().backward()
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
            let half = StepParams { count: 2.0, ..StepParams::new(0.01) };
            for step in 0..4 {
                let rows = gradients(&a, table, bias, step)?;
                let mut dense = rows.clone();
                dense.set(&b, table, rows.of(table).ok_or("no gradient")?)?;
                by_rows.update(&mut a, &rows, half)?;
                whole.update(&mut b, &dense, half)?;
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
            optimizer.update(&mut params, &gradients, 0.01.into())?;
        }
        let before = params.clone();
        let third = gradients(&params, table, bias, 2)?;
        optimizer.update(&mut params, &third, 0.01.into())?;
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
                norms.push(adam.step(&mut params, &gradients, StepParams { rate: 0.01, count: 3.0, max_norm: 1.0 })?);
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
        let norm = Sgd::new().step(&mut a, &gradients, StepParams { rate: 0.1, count, max_norm })?;
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
    assert!(Adam::new().step(&mut params, &gradients, 0.1).is_err());
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
            optimizer.update(params, &gradients, 0.01.into())?;
            Ok(())
        };
        step(&mut params, &mut *whole, 0)?;
        step(&mut params, &mut *whole, 1)?;
        second.restore(whole.steps(), whole.state().into_iter().cloned().collect());
        let mut other = params.clone();
        step(&mut params, &mut *whole, 2)?;
        step(&mut other, &mut *second, 2)?;
        assert!(values(&params) == values(&other), "{name}");
        let foreign = Gradients::none(&Params::seeded(1));
        assert!(matches!(whole.update(&mut params, &foreign, 0.1.into()), Err(Error::Foreign)));
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
fn values_are_clipped_one_by_one_and_the_norm_by_one_factor() -> Outcome {
    for precision in [Precision::F32, Precision::F64] {
        let (params, table, bias) = model(precision);
        // Rows of a table, one of them twice, and a whole bias: ∂/∂table = 3 or 6 in its rows, ∂/∂bias = 9.
        let graph = Graph::new(&params);
        let sum = (graph.embedding(table, &[5, 8, 5], [3], None) + bias).sum_all() * 3.0;
        let gradients = sum.backward()?;
        let of = |gradients: &Gradients, p| gradients.of(p).map(|g| g.to_f64()).ok_or("no gradient");
        let row = |gradients: &Gradients, row: usize| of(gradients, table).map(|all| all[[row, 6]]);

        let mut clipped = gradients.clone();
        clipped.clip_value(4.5)?;
        assert_eq!((row(&clipped, 5)?, row(&clipped, 8)?, row(&clipped, 7)?), (4.5, 3.0, 0.0));
        assert!(of(&clipped, bias)?.iter().all(|&g| g == 4.5));
        let mut negative = gradients.clone();
        negative.scale(-1.0);
        negative.clip_value(4.5)?;
        assert_eq!((row(&negative, 5)?, row(&negative, 8)?), (-4.5, -3.0));
        let mut untouched = gradients.clone();
        untouched.clip_value(9.0)?;
        assert_eq!((of(&untouched, table)?, of(&untouched, bias)?), (of(&gradients, table)?, of(&gradients, bias)?));

        // √(7·(6² + 3² + 9²)) = √882: by one factor, so the direction stays.
        let mut shortened = gradients.clone();
        let norm = shortened.clip_norm(1.0)?;
        assert!((norm - 882f64.sqrt()).abs() < 1e-5 && (shortened.norm() - 1.0).abs() < 1e-6);
        assert!((row(&shortened, 5)? / row(&shortened, 8)? - 2.0).abs() < 1e-6);
    }
    Ok(())
}

/// Each schedule at several steps. Those of PyTorch 2.15 are printed by its own schedulers, the others are their
/// formulas by hand.
#[test]
fn schedules_have_the_values_of_their_formulas() {
    use unspool_nn::schedule::*;
    fn close(name: &str, rate: impl Fn(u64) -> f64, steps: &[(u64, f64)]) {
        for &(step, expected) in steps {
            assert!((rate(step) - expected).abs() < 1e-12, "{name} at {step}: {} is not {expected}", rate(step));
        }
    }
    close("constant", |step| constant(step, 0.3), &[(0, 0.3), (9, 0.3)]);
    // StepLR(step_size=3, gamma=0.5)
    close(
        "step-wise",
        |step| step_wise(step, 3, 0.8, 0.5),
        &[(0, 0.8), (2, 0.8), (3, 0.4), (5, 0.4), (6, 0.2), (7, 0.2)],
    );
    // ExponentialLR(gamma=0.9)
    close("exponential", |step| exponential(step, 2.0, 0.9), &[(0, 2.0), (1, 1.8), (2, 1.62), (3, 1.458), (4, 1.3122)]);
    // CosineAnnealingLR(T_max=8, eta_min=0.2)
    let expected = [
        (0, 2.0),
        (1, 1.9314915792601581),
        (2, 1.7363961030678927),
        (4, 1.1),
        (5, 0.7555849108714194),
        (7, 0.268508420739842),
        (8, 0.2),
        (99, 0.2),
    ];
    close("cosine", |step| cosine(step, 8, 2.0, 0.1), &expected);
    // OneCycleLR(max_lr=2, total_steps=10, pct_start=0.3)
    let expected = [
        (0, 0.08),
        (1, 1.04),
        (2, 2.0),
        (3, 1.9009692640269473),
        (5, 1.2225240438725786),
        (7, 0.37651669210047395),
        (8, 0.09903873597305257),
        (9, 8e-6),
        (99, 8e-6),
    ];
    close("one cycle", |step| one_cycle(step, 3, 10, 2.0), &expected);
    // Up in fourths of 2, then from 2 to 0.2 in eighths: 2 − 1.8·n/8.
    let expected = [(0, 0.5), (1, 1.0), (3, 2.0), (4, 2.0), (5, 1.775), (8, 1.1), (11, 0.425), (12, 0.2), (99, 0.2)];
    close("linear with warm-up", |step| linear_with_warm_up(step, 4, 12, 2.0, 0.1), &expected);
    // Up in fourths, then √(4 / n): at the 16th step half, at the 64th a quarter.
    let expected = [(0, 0.25), (1, 0.5), (3, 1.0), (4, 0.8f64.sqrt()), (15, 0.5), (63, 0.25)];
    close("inverse square root", |step| inverse_square_root(step, 4, 1.0), &expected);
    // ReduceLROnPlateau(mode="max", factor=0.5, patience=2, threshold=0, min_lr=0.1): the rate after each score.
    let scores = [1.0, 2.0, 1.5, 2.0, 2.0, 3.0, 3.0, 3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 9.0, 8.0, 8.0, 8.0, 8.0, 8.0, 8.0];
    let rates = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125, 0.125, 0.125, 0.125, 0.125]
        .into_iter()
        .chain([0.1; 4]);
    let plateau = OnPlateau { factor: 0.5, patience: 2, least: 0.1 };
    for (n, rate) in rates.enumerate() {
        assert_eq!(plateau.factor(scores[..=n].iter().copied()), rate, "after score {n}");
    }
    // Degenerate lengths divide by nothing; steps of length 0 have no meaning.
    for step in [0, 1, 5] {
        assert!(one_cycle(step, 0, 0, 1.0).is_finite() && cosine(step, 0, 1.0, 0.1).is_finite());
        assert!(linear_with_warm_up(step, 0, 0, 1.0, 0.1).is_finite() && step_wise(step, 0, 1.0, 0.5).is_nan());
        assert!(inverse_square_root(step, 0, 1.0).is_finite());
    }
}

fn why(result: Result<f64, Error>) -> String {
    result.expect_err("a setting without a meaning").to_string()
}

#[test]
fn numbers_without_a_meaning_are_errors_and_change_nothing() -> Outcome {
    let (mut params, table, bias) = model(Precision::F32);
    let gradients = gradients(&params, table, bias, 0)?;
    let before = values(&params);
    let (nan, inf) = (f64::NAN, f64::INFINITY);
    let mut refused = |optimizer: &mut dyn Optimizer, step: StepParams, says: &str| {
        let why = why(optimizer.update(&mut params, &gradients, step));
        assert!(why.contains(says), "{says:?}: {why}");
        assert!(values(&params) == before && optimizer.steps() == 0, "{says}");
    };
    for rate in [nan, -0.1, inf, 1e300] {
        refused(&mut Sgd::new(), rate.into(), &format!("learning rate is {rate}"));
    }
    for count in [nan, 0.0, -1.0, inf] {
        refused(&mut Sgd::new(), StepParams { count, ..StepParams::new(0.1) }, &format!("a sum over {count}"));
    }
    for max_norm in [nan, 0.0, -1.0] {
        refused(
            &mut Sgd::new(),
            StepParams { max_norm, ..StepParams::new(0.1) },
            &format!("greatest norm is {max_norm}"),
        );
    }
    let step = StepParams::new(0.1);
    for bad in [nan, -0.1, inf] {
        refused(&mut Sgd::new().momentum(bad), step, "momentum");
        refused(&mut Sgd::new().nesterov(bad), step, "momentum");
        refused(&mut Sgd::new().weight_decay(bad), step, "weight decay");
        refused(&mut Adam::new().epsilon(bad), step, "epsilon");
        refused(&mut RmsProp::new().epsilon(bad), step, "epsilon");
        refused(&mut RmsProp::new().momentum(bad), step, "momentum");
        refused(&mut Adagrad::new().epsilon(bad), step, "epsilon");
        refused(&mut Sgd::new().group(Group::named("*bias").weight_decay(bad)), step, "weight decay of the group");
        refused(&mut Sgd::new().group(Group::named("*bias").rate_factor(bad)), step, "rate factor of the group");
    }
    for bad in [1.0, nan, -0.1, 1.5] {
        refused(&mut Adam::new().betas((bad, 0.999)), step, "beta of the first moment");
        refused(&mut AdamW::new().betas((0.9, bad)), step, "beta of the second moment");
        refused(&mut RmsProp::new().alpha(bad), step, "alpha");
        let mut average = Averaged::exponential(bad);
        assert!(average.update(&model(Precision::F32).0).is_err() && average.params().is_none(), "{bad}");
    }
    // The bounds themselves have a meaning: a warm-up begins at a rate of 0.
    Adam::new().betas((0.0, 0.0)).epsilon(0.0).step(&mut params, &gradients, 0.0)?;
    Averaged::exponential(0.0).update(&params)?;
    Ok(())
}

#[test]
fn gradients_that_are_not_finite_are_refused_by_every_optimizer() -> Outcome {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for (name, mut optimizer) in all() {
            let (mut params, table, bias) = model(Precision::F32);
            let mut gradients = gradients(&params, table, bias, 0)?;
            gradients.set(&params, bias, vec![0.0, 0.0, 0.0, bad, 0.0, 0.0, 0.0])?;
            let before = values(&params);
            let result = optimizer.update(&mut params, &gradients, 0.1.into());
            assert!(
                matches!(result, Err(Error::Graph(unspool_graph::Error::NormNotFinite { .. }))),
                "{name}: {result:?}"
            );
            assert!(values(&params) == before && optimizer.steps() == 0, "{name}");
        }
    }
    Ok(())
}

#[test]
fn a_schedule_without_a_meaning_is_refused_by_the_step() {
    let (mut params, table, bias) = model(Precision::F32);
    let gradients = gradients(&params, table, bias, 0).expect("finite");
    assert!(why(Sgd::new().step(&mut params, &gradients, step_wise(3, 0, 0.1, 0.5))).contains("learning rate is NaN"));
}

#[test]
fn a_store_that_has_changed_since_the_first_step_is_refused() -> Outcome {
    let (mut params, table, bias) = model(Precision::F32);
    let (mut adam, mut average) = (Adam::new(), Averaged::over_all());
    let first = gradients(&params, table, bias, 0)?;
    adam.step(&mut params, &first, 0.1)?;
    average.update(&params)?;
    let mut more = params.clone();
    more.scope("m").add("more", [1], init::zeros());
    for mut other in [params.to_f64(), more] {
        let gradients = gradients(&other, table, bias, 1)?;
        assert!(matches!(adam.step(&mut other, &gradients, 0.1), Err(Error::Foreign)));
        assert!(matches!(average.update(&other), Err(Error::Foreign)));
    }
    assert_eq!((adam.steps(), average.count()), (1, 1));
    Ok(())
}

/// θ ← θ − rate · sign g
#[derive(Clone, Default)]
struct SignSgd;

impl UpdateRule for SignSgd {
    type Constants<E: Element> = E;
    fn state_names(&self) -> &'static [&'static str] {
        &[]
    }
    fn constants<E: Element>(&self, update: &UpdateParams) -> E {
        E::from_f64(update.rate)
    }
    fn update<E: Element>(rate: E, x: &mut [E], g: &[E], _: &mut [E], _: &mut [E]) {
        for (x, &g) in x.iter_mut().zip(g) {
            *x -= if g > E::ZERO { rate } else { -rate };
        }
    }
}

#[test]
fn a_rule_of_ones_own_is_its_formula_alone() -> Outcome {
    let mut params = Params::seeded(0);
    let w = params.scope("m").add("w", [2], init::constant(1.0));
    let mut gradients = Gradients::none(&params);
    gradients.set(&params, w, vec![3.0f32, -4.0])?;
    let norm = ElementwiseOptimizer::<SignSgd>::new().step(&mut params, &gradients, 0.25)?;
    assert_eq!((norm, params.value(w)?), (5.0, vec![0.75f32, 1.25].into()));
    Ok(())
}

/// A number of a parameter, and what a rule keeps of it.
#[derive(Clone, Copy, Default)]
struct Kept {
    x: f64,
    first: f64,
    second: f64,
}

/// A rule: what becomes of a number at step t ≥ 1 by its gradient.
type Formula = fn(&mut Kept, f64, i32);

const RATE: f64 = 0.05;
const DECAY: f64 = 0.3;

/// Every rule with all of its settings, the names of what it keeps, and its formula for one number.
fn formulas() -> Vec<(Box<dyn Optimizer>, &'static [&'static str], Formula)> {
    vec![
        (Box::new(Sgd::new().weight_decay(DECAY)), &[], |k, g, _| k.x -= RATE * (g + DECAY * k.x)),
        (Box::new(Sgd::new().momentum(0.8).weight_decay(DECAY)), &["momentum_buffer"], |k, g, _| {
            k.first = 0.8 * k.first + (g + DECAY * k.x);
            k.x -= RATE * k.first;
        }),
        (Box::new(Sgd::new().nesterov(0.8).weight_decay(DECAY)), &["momentum_buffer"], |k, g, _| {
            let g = g + DECAY * k.x;
            k.first = 0.8 * k.first + g;
            k.x -= RATE * (g + 0.8 * k.first);
        }),
        (
            Box::new(Adam::new().betas((0.7, 0.9)).epsilon(0.01).weight_decay(DECAY)),
            &["exp_avg", "exp_avg_sq"],
            |k, g, t| adam(k, g + DECAY * k.x, t),
        ),
        (
            Box::new(AdamW::new().betas((0.7, 0.9)).epsilon(0.01).weight_decay(DECAY)),
            &["exp_avg", "exp_avg_sq"],
            |k, g, t| {
                k.x -= RATE * DECAY * k.x;
                adam(k, g, t);
            },
        ),
        (Box::new(RmsProp::new().alpha(0.8).epsilon(0.01).weight_decay(DECAY)), &["square_avg"], |k, g, _| {
            let g = g + DECAY * k.x;
            k.first = 0.8 * k.first + 0.2 * g.powi(2);
            k.x -= RATE * g / (k.first.sqrt() + 0.01);
        }),
        (
            Box::new(RmsProp::new().alpha(0.8).epsilon(0.01).momentum(0.6).weight_decay(DECAY)),
            &["square_avg", "momentum_buffer"],
            |k, g, _| {
                let g = g + DECAY * k.x;
                k.first = 0.8 * k.first + 0.2 * g.powi(2);
                k.second = 0.6 * k.second + g / (k.first.sqrt() + 0.01);
                k.x -= RATE * k.second;
            },
        ),
        (Box::new(Adagrad::new().epsilon(0.01).weight_decay(DECAY)), &["sum"], |k, g, _| {
            let g = g + DECAY * k.x;
            k.first += g.powi(2);
            k.x -= RATE * g / (k.first.sqrt() + 0.01);
        }),
    ]
}

/// Kingma and Ba 2015, algorithm 1, with β = (0.7, 0.9) and ε = 0.01.
fn adam(k: &mut Kept, g: f64, t: i32) {
    k.first = 0.7 * k.first + 0.3 * g;
    k.second = 0.9 * k.second + 0.1 * g.powi(2);
    let (mean, square) = (k.first / (1.0 - 0.7f64.powi(t)), k.second / (1.0 - 0.9f64.powi(t)));
    k.x -= RATE * mean / (square.sqrt() + 0.01);
}

#[test]
fn every_rule_is_its_formula_with_all_settings_on_along_the_mean_gradient() -> Outcome {
    let starts = [0.7, -1.3, 2.0, 0.0];
    for (mut optimizer, names, formula) in formulas() {
        assert_eq!(optimizer.state_names(), names);
        let mut params = Params::seeded(0).to_f64();
        let w = params.scope("m").add("w", [4], init::values(starts.to_vec()));
        let mut expected = starts.map(|x| Kept { x, ..Kept::default() });
        for t in 1..=4 {
            let mean: Vec<f64> = (0..4).map(|i| RngKey::seed(t).uniform(i) - 0.4).collect();
            let mut gradients = Gradients::none(&params);
            gradients.set(&params, w, mean.iter().map(|g| 2.0 * g).collect::<Vec<f64>>())?;
            optimizer.update(&mut params, &gradients, StepParams { count: 2.0, ..StepParams::new(RATE) })?;
            expected.iter_mut().zip(&mean).for_each(|(kept, &g)| formula(kept, g, t as i32));
            for (found, kept) in params.value(w)?.to_f64().iter().zip(&expected) {
                assert!((found - kept.x).abs() < 1e-13, "{names:?} at step {t}: {found} is not {}", kept.x);
            }
        }
        assert_eq!((optimizer.steps(), optimizer.state().len()), (4, names.len()));
    }
    Ok(())
}

#[test]
fn a_norm_that_is_the_greatest_allowed_is_not_shortened() -> Outcome {
    let mut params = Params::seeded(0).to_f64();
    let w = params.scope("m").add("w", [2], init::zeros());
    let mut gradients = Gradients::none(&params);
    gradients.set(&params, w, vec![6.0f64, 8.0])?;
    let scale = |max_norm| StepParams { count: 2.0, max_norm, rate: 0.1 }.gradient_scale(&gradients, Precision::F64);
    assert_eq!((scale(5.0)?.norm, scale(5.0)?.factor), (5.0, 0.5));
    let shortened = scale(4.0)?;
    assert!((shortened.factor - 0.4).abs() < 1e-6 && shortened.norm == 5.0, "{shortened:?}");
    Ok(())
}
