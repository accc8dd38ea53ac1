//! A training as a page: what is told of it.

use crate::{
    baseline::Baseline,
    begun::{Begun, Sizes},
    chosen::Chosen,
    compared::{better_than, named, told},
    curvature::LargestEigenvalue,
    draw::SHOWN,
    error::{Error, Result},
    figure,
    figures::Figure,
    json::Evaluated,
    look,
    number::{score, significant},
    report::Page,
    signals,
    task::{Digits, Metric, Shown, Spec, Task},
    training::epochs_of,
};
use unspool::{graph::Params, nn::training::Evaluated as Epoch};

/// A model that was trained.
pub(crate) struct Trained {
    /// How many epochs of training its weights have seen.
    pub(crate) epoch: f64,
    pub(crate) steps_per_epoch: u64,
    pub(crate) params: Params,
    pub(crate) history: Vec<Epoch>,
    pub(crate) dev: Evaluated,
    pub(crate) test: Evaluated,
    pub(crate) seconds: f64,
    pub(crate) evaluation_seconds: f64,
    pub(crate) per_second: f64,
    /// Why files beside the weights are missing or old.
    pub(crate) unwritten: Vec<Error>,
}

/// A training that goes on as a page: its curve, and its best evaluation so far.
pub(crate) fn page_so_far(
    chosen: &Chosen,
    sizes: Sizes,
    history: &[Epoch],
    curve: String,
    steps_per_epoch: u64,
) -> Result<String> {
    let Metric { name, digits, .. } = chosen.spec().metric;
    let best = history.iter().max_by(|a, b| a.evaluation.score.total_cmp(&b.evaluation.score));
    let epochs = |epoch: &Epoch| significant(epochs_of(epoch.step, steps_per_epoch), 4);
    let value = |epoch: &Epoch| score(epoch.evaluation.get(name).unwrap_or(f64::NAN), digits);
    let scores = best.map(|best| (format!("best {name} on dev"), format!("{} (epoch {})", value(best), epochs(best))));
    let mut facts = data_facts(chosen, sizes);
    if let Some(last) = history.last() {
        facts.push(("epochs".to_owned(), format!("{} of {}", epochs(last), chosen.training.epochs)));
    }
    Page { facts, scores: scores.into_iter().collect(), curve, is_running: true, ..titled(chosen) }.html()
}

/// What every page of a training says.
fn titled(chosen: &Chosen) -> Page {
    let spec = chosen.spec();
    let text = |value: &toml::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Page {
        title: format!("unspool train {}", spec.name),
        about: spec.about.to_owned(),
        options: chosen.config.iter().map(|(name, value)| (name.clone(), text(value))).collect(),
        pictures: spec.pictures,
        ..Page::default()
    }
}

/// Data, its size, and that of the model.
fn data_facts(chosen: &Chosen, Sizes { train, dev, test, parameters }: Sizes) -> Vec<(String, String)> {
    let data = (!chosen.data.is_empty()).then(|| ("data".to_owned(), chosen.data.join(", ")));
    let sizes = [
        ("examples".to_owned(), format!("{train} in train, {dev} in dev, {test} in test")),
        ("parameters".to_owned(), parameters.to_string()),
    ];
    data.into_iter().chain(sizes).collect()
}

/// What a page shows of the model itself.
pub(crate) struct Seen {
    /// Examples of the test part, and what the model says of them.
    rows: Vec<Vec<(&'static str, String)>>,
    figures: Vec<Figure>,
    largest: Option<LargestEigenvalue>,
}

/// Looks at a model that was trained, given what it says of the test part.
pub(crate) fn look_at<T: Task>(begun: &Begun<T>, trained: &Trained, answers: &[T::Answer]) -> Result<Seen> {
    let Begun { task, dev, test, .. } = begun;
    signals::check()?;
    let largest = LargestEigenvalue::of(task, &trained.params, dev)?;
    let shown = test.examples.iter().zip(answers).take(SHOWN);
    signals::check()?;
    let mut figures = task.figures(&trained.params, &test.examples, answers)?;
    signals::check()?;
    figures.extend(trained.test.score.figure.clone());
    figures.extend(look::gradient_norms(task, &trained.params, dev)?);
    figures.extend(look::dynamics(task, &trained.params, dev)?);
    let rows = shown.map(|(example, answer)| row(task.show(example, answer, Digits::Few))).collect();
    Ok(Seen { rows, figures, largest })
}

/// The training as a page.
pub(crate) fn page(
    chosen: &Chosen,
    sizes: Sizes,
    trained: &Trained,
    baselines: &[Baseline],
    seen: Seen,
) -> Result<Page> {
    let Spec { metric, unit, .. } = chosen.spec();
    let Metric { name, digits, .. } = metric;
    let fact = |name: &str, value: String| (name.to_owned(), value);
    let number = |value: f64| score(value, digits);
    let value = trained.test.score.value;
    let mut scores = vec![fact(&format!("{name} on test"), number(value))];
    let better = named(&better_than(value, metric, baselines), metric);
    scores.extend(better.map(|better| fact("worse than", better)));
    scores.extend(trained.test.score.more.iter().map(|(name, value)| fact(name, number(*value))));
    scores.extend(trained.test.score.signature.iter().map(|signature| fact("signature", signature.clone())));
    scores.push(fact(&format!("{name} on dev"), number(trained.dev.score.value)));
    scores.push(fact("loss on test", significant(trained.test.loss, 5)));
    let other = |other: &Baseline| fact(&format!("{name}, {}", other.title()), told(other, metric));
    scores.extend(baselines.iter().map(other));
    let mut facts = data_facts(chosen, sizes);
    let best = significant(trained.epoch, 4);
    facts.extend([
        fact("epochs", format!("{}; epoch {best} was the best on dev", chosen.training.epochs)),
        fact("training", format!("{:.1} s, {:.0} {unit} per second", trained.seconds, trained.per_second)),
        fact("evaluation", format!("{:.1} s", trained.evaluation_seconds)),
        fact("seed", chosen.training.begin.seed.to_string()),
    ]);
    facts.extend(seen.largest.map(|largest| fact("largest Hessian eigenvalue", largest.line())));
    Ok(Page {
        facts,
        scores,
        curve: figure::learning_curve(chosen.spec().name, name, &trained.history, trained.steps_per_epoch)?,
        rows: seen.rows,
        figures: seen.figures,
        ..titled(chosen)
    })
}

/// A row of the report: what was given, and what the model says.
pub(crate) fn row(shown: Shown) -> Vec<(&'static str, String)> {
    let answer = shown.probability.map_or(shown.answer.clone(), |p| format!("{} ({p:.2})", shown.answer));
    shown.given.into_iter().chain([("model", answer)]).collect()
}
