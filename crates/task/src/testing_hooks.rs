//! What a fuzz target does with one task.

use crate::{
    data::Data,
    error::Result,
    predict,
    task::{Ask, Prepared, Task},
};
use toml::Table;
use unspool::{graph::Params, nn::exchange::OneProcess};

/// Models are built only of small sizes: how large ones are refused is another matter, for which the weights are asked.
const LARGEST: i64 = 16;

/// A table is refused with a reason, or is what the task needs.
pub(crate) fn model_toml_of<T: Task>(table: Table) {
    if let Err(error) = table.clone().try_into::<T::Settings>() {
        assert!(!error.message().is_empty());
    }
    let integer = |value: &toml::Value| value.as_integer().is_none_or(|size| size <= LARGEST || size == 8000);
    let small = table.values().all(integer);
    if let Ok(saved) = table.try_into::<T::Saved>()
        && small
    {
        let mut params = Params::seeded(0);
        if T::restore(saved, None, &mut params).is_ok() {
            let _ = params.check();
        }
    }
}

pub(crate) fn answers_of<T: Task>(data: &[String], settings: &str) -> Result<Box<dyn Fn(&str)>> {
    let mut table = Table::try_from(T::Settings::default()).expect("settings are TOML");
    table.extend(settings.parse::<Table>().expect("TOML"));
    let settings: T::Settings = table.try_into().expect("settings");
    let Prepared { saved, tokenizer, .. } = T::prepare(&settings, &Data::new(data, T::SETS, &OneProcess), 1)?;
    let mut params = Params::seeded(1);
    let task = T::restore(saved, tokenizer, &mut params)?;
    Ok(Box::new(move |line| check(&task, &params, line)))
}

/// Asks for the answer as text, then for three answers as JSON.
fn check<T: Task>(task: &T, params: &Params, line: &str) {
    for (best, attention, as_json) in [(1, false, false), (3, true, true)] {
        match predict::answer(task, params, line, &Ask { best, attention, exact: as_json }, as_json) {
            Ok((answer, _)) if as_json => {
                let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
                assert_eq!(answer["input"], line);
                assert!(answer["best"].as_array().expect("answers").len() <= best);
            }
            Ok((answer, _)) => {
                assert!(!answer.contains('\n'), "{}: {answer:?}", T::NAME);
                assert!(!line.trim().is_empty() || answer.is_empty(), "{}: {answer:?}", T::NAME);
            }
            Err(error) => assert_eq!(error.code(), 1, "{}: {error}", T::NAME),
        }
    }
}
