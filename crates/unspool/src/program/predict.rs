//! Using a trained model: lines in, predictions out.

use super::{
    error::{Error, Result},
    lines,
    run::{self, MODEL, RunFolder, SAVED, TOKENIZER},
};
use crate::tasks::{self, Ask, NAMES, Task, Visitor};
use std::path::Path;
use unspool::{graph::Params, nn::checkpoint, text::Tokenizer};

/// Reads standard input to its end; each line's prediction is flushed before the next line is read.
pub(crate) fn predict(model: &Path) -> Result<()> {
    struct Predict<'a>(&'a RunFolder);
    impl Visitor for Predict<'_> {
        type Output = Result<()>;
        fn visit<T: Task>(self) -> Result<()> {
            let (task, params) = restore::<T>(self.0)?;
            let ask = Ask { best: 1, attention: false };
            lines::each(None, |line| Ok(task.predict(&params, line, &ask)?.line))
        }
    }
    let folder = RunFolder::open(model)?;
    with_task_of(&folder, Predict(&folder))
}

/// Does something with the task that a run folder is of.
pub(crate) fn with_task_of<V: Visitor<Output = Result<()>>>(folder: &RunFolder, visitor: V) -> Result<()> {
    let saved = run::read_toml(&folder.file(SAVED))?;
    let name = saved.get(TASK).and_then(toml::Value::as_str).unwrap_or_default();
    tasks::with(name, visitor).unwrap_or_else(|| {
        Err(Error::failure(
            format!("{}: task is {name:?}", folder.file(SAVED).display()),
            format!("it must be one of {}", NAMES.join(", ")),
        ))
    })
}

/// The key of a task's name in [`SAVED`].
pub(crate) const TASK: &str = "task";

/// The model of a run folder, checked: sizes in range, tokenizer and weights that fit them.
pub(crate) fn restore<T: Task>(folder: &RunFolder) -> Result<(T, Params)> {
    let within = |error: Error| error.at(&folder.file(SAVED).display().to_string());
    let mut saved = run::read_toml(&folder.file(SAVED))?;
    saved.remove(TASK);
    let saved: T::Saved = saved.try_into().map_err(|cause: toml::de::Error| {
        within(Error::failure(cause.message().to_owned(), "it must be as the training wrote it"))
    })?;
    let tokenizer = folder.file(TOKENIZER);
    let tokenizer = if tokenizer.exists() { Some(Tokenizer::load(tokenizer)?) } else { None };
    // Initial values are all overwritten: the seed is no matter.
    let mut params = Params::seeded(0);
    let task = T::restore(saved, tokenizer, &mut params).map_err(within)?;
    params.check_all()?;
    checkpoint::load(&folder.file(MODEL), &mut params)?;
    Ok((task, params))
}
