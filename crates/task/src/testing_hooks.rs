//! What a fuzz target does with one task.

use crate::{
    any_task::{Answers, AnyTask},
    begun::Begun,
    chosen::{self, Chosen},
    error::Result,
    lines::Line,
    predict::{self, Form},
    task::Task,
    task_options,
};
use std::{path::Path, sync::Arc};
use toml::{Table, Value};
use unspool::{
    graph::{Graph, Params, RngKey},
    nn::exchange::{Exchange, OneProcess, run_ranks},
};

/// Models are built only of small sizes: how large ones are refused is another matter, for which the weights are asked.
const LARGEST: i64 = 16;

/// A file is refused with a reason, or is what the task needs.
pub(crate) fn model_toml<T: Task>(known: &'static dyn AnyTask, path: &Path, table: Table) {
    if let Err(error) = chosen::read_config(known, path) {
        assert!(!error.to_string().is_empty());
    }
    if let Ok(saved) = table.clone().try_into::<T::Saved>()
        && is_small(&Value::Table(table))
    {
        let mut params = Params::seeded(0);
        if T::build(saved, None, &mut params).is_ok() {
            let _ = params.check();
        }
    }
}

fn is_small(value: &Value) -> bool {
    match value {
        Value::Integer(size) => *size <= LARGEST || *size == 8000,
        Value::Table(table) => table.values().all(is_small),
        _ => true,
    }
}

/// Answers lines with a small model that has its first weights.
pub(crate) fn answers<T: Task>(known: &'static dyn AnyTask, words: &[String]) -> Result<Answers> {
    let matches = task_options::train_command(known).get_matches_from(words);
    let chosen = Chosen::new(known, &matches)?;
    let (Begun { task, params, .. }, _) = Begun::<T>::new(&chosen, &OneProcess)?;
    let size = chosen.size;
    let model = Arc::new((task, params));
    Ok(Box::new(move |lines| {
        let (task, params) = &*model;
        let line = |text: &&str| Line { number: 1, text: (*text).to_owned(), place: "a line".into() };
        let lines: Vec<Line> = lines.iter().map(line).collect();
        let usual = Form { count: 1, attention: false, json: false, ranked: false, prefix: false };
        for form in [usual, Form { count: 3, attention: true, json: true, ..usual }] {
            let (together, error) = predict::answer(task, params, &lines, size, form);
            check::<T>(&lines, &together, form);
            assert_eq!(error.is_some(), together.len() < lines.len());
            // Whatever stands beside it, a line has the same answer.
            for (line, answer) in lines.iter().zip(&together) {
                let alone = predict::answer(task, params, std::slice::from_ref(line), size, form).0;
                assert_eq!(alone, std::slice::from_ref(answer), "{}", T::SPEC.name);
            }
            if let Some(error) = error {
                assert_eq!(error.code(), 1, "{}: {error}", T::SPEC.name);
            }
        }
    }))
}

fn check<T: Task>(lines: &[Line], answers: &[(String, Option<usize>)], form: Form) {
    for (line, (answer, _)) in lines.iter().zip(answers) {
        if form.json {
            let answer: serde_json::Value = serde_json::from_str(answer).expect("JSON");
            assert_eq!(answer["input"], line.text);
            assert!(answer["best"].as_array().expect("answers").len() <= form.count);
        } else {
            assert!(!answer.contains('\n'), "{}: {answer:?}", T::SPEC.name);
            assert!(!line.text.trim().is_empty() || answer.is_empty(), "{}: {answer:?}", T::SPEC.name);
        }
    }
}

/// The losses of all batches of an epoch and of dev, with first weights, where so many processes share out the rows.
pub(crate) fn losses<T: Task>(known: &'static dyn AnyTask, words: &[String], ranks: usize) -> Vec<f64> {
    let all = run_ranks(ranks, |exchange| {
        let matches = task_options::train_command(known).get_matches_from(words);
        let chosen = Chosen::new(known, &matches).expect("options");
        let (Begun { task, dev, params, .. }, mut train) = Begun::<T>::new(&chosen, exchange).expect("data");
        let order = train.order(chosen.size, 1, 0).expect("batches");
        let own = |rank: usize| order.iter().skip(rank).step_by(ranks);
        let needed: Vec<Vec<usize>> = (0..ranks).map(|rank| own(rank).flatten().copied().collect()).collect();
        train.fetch(&needed, exchange).expect("rows");
        let key = RngKey::seed(1);
        // A row that nobody has given is missed.
        let is_here = |rows: &Vec<usize>| train.batch(&task, rows, key).is_ok();
        assert_eq!(ranks == 1, order.iter().all(is_here));
        let rows: Vec<usize> = (0..dev.examples.len()).collect();
        let of_dev = loss(&task, &params, &dev.batch(&task, &rows).expect("dev"));
        let own =
            own(exchange.rank()).map(|rows| loss(&task, &params, &train.batch(&task, rows, key).expect("own rows")));
        (own.collect::<Vec<_>>(), of_dev)
    });
    let count = all.iter().map(|(own, _)| own.len()).sum();
    let mut losses: Vec<f64> = (0..count).map(|batch| all[batch % ranks].0[batch / ranks]).collect();
    losses.extend(all.into_iter().map(|(_, dev)| dev));
    losses.dedup();
    losses
}

fn loss<T: Task>(task: &T, params: &Params, batch: &T::Batch) -> f64 {
    let graph = Graph::inference(params);
    task.loss(&graph, batch).item().expect("a loss")
}
