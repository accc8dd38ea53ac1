//! The model of a run folder.

use crate::{
    any_task::AnyTask,
    decoding::DecodingOptions,
    error::{Error, Result},
    run::{self, COLUMNS, MODEL, RunFolder, SAVED, TASK, TOKENIZERS},
    task::Task,
};
use std::path::{Path, PathBuf};
use unspool::{graph::Params, nn::checkpoint, text::Tokenizer};

/// The one of these tasks that a run folder is of.
pub(crate) fn task_of(folder: &RunFolder, tasks: &[&'static dyn AnyTask]) -> Result<&'static dyn AnyTask> {
    let saved = run::read_saved(folder.path())?;
    let name = saved.get(TASK).and_then(toml::Value::as_str).unwrap_or_default();
    tasks.iter().copied().find(|task| task.name() == name).ok_or_else(|| {
        let names: Vec<&str> = tasks.iter().map(|task| task.name()).collect();
        Error::failure(
            format!("{}: task is {name:?}", folder.file(SAVED).display()),
            format!("it must be one of {}", names.join(", ")),
        )
    })
}

/// The model of one run folder, or of several that write together, as these options say.
pub(crate) fn restore_all<T: Task>(
    folder: &RunFolder,
    others: &[PathBuf],
    options: &DecodingOptions,
) -> Result<Restored<T>> {
    let open = |path: &PathBuf| {
        let other = RunFolder::open(path)?;
        check_alike(T::SPEC.name, folder, &other)?;
        Ok(other)
    };
    // What does not fit is refused before any weights are read.
    let others = others.iter().map(open).collect::<Result<Vec<RunFolder>>>()?;
    let mut restored = restore::<T>(folder)?;
    if !others.is_empty() || !options.is_usual() {
        let others = others.iter().map(|other| restore::<T>(other).map(|found| (found.task, found.params)));
        restored.task.decode_with(options, others.collect::<Result<_>>()?)?;
    }
    Ok(restored)
}

/// Refuses another model of an ensemble that is of another task, or numbers other tokens.
fn check_alike(task: &str, one: &RunFolder, other: &RunFolder) -> Result<()> {
    let names = format!("{} and {}", one.path().display(), other.path().display());
    let saved = run::read_saved(other.path())?;
    if saved.get(TASK).and_then(toml::Value::as_str) != Some(task) {
        return Err(Error::failure(format!("{names} are not of one task"), "average models of the same task"));
    }
    let tokens = |folder: &RunFolder| -> Result<[Option<Vec<Option<String>>>; 2]> {
        let all =
            |tokenizer: Tokenizer| (0..tokenizer.vocabulary_size() as u32).map(|id| tokenizer.token(id)).collect();
        Ok(tokenizers(folder.path())?.map(|tokenizer| tokenizer.map(all)))
    };
    if tokens(one)? != tokens(other)? {
        let hint = "average models that were trained with the same tokenizer";
        return Err(Error::failure(format!("{names} have different vocabularies"), hint));
    }
    Ok(())
}

/// The tokenizers of a run folder, in the order of [`TOKENIZERS`], as far as there are any.
pub(crate) fn tokenizers(folder: &Path) -> Result<[Option<Tokenizer>; 2]> {
    let load = |name: &str| {
        let path = folder.join(name);
        if path.exists() { Tokenizer::load(path).map(Some) } else { Ok(None) }
    };
    let [tokenizer, source] = TOKENIZERS.map(load);
    Ok([tokenizer?, source?])
}

/// A model that was trained.
pub(crate) struct Restored<T> {
    pub(crate) task: T,
    pub(crate) params: Params,
    /// The columns of the table that it was trained on.
    pub(crate) columns: Vec<String>,
}

/// The model of a run folder, checked: sizes in range, tokenizer and weights that fit them.
pub(crate) fn restore<T: Task>(folder: &RunFolder) -> Result<Restored<T>> {
    let within = |error: Error| error.at(&folder.file(SAVED).display().to_string());
    let mut saved = run::read_saved(folder.path())?;
    saved.remove(TASK);
    let columns = saved.remove(COLUMNS).and_then(|columns| columns.try_into().ok()).unwrap_or_default();
    let is_old = !saved.contains_key(run::MODEL_CONFIG);
    let saved: T::Saved = saved.try_into().map_err(|cause: toml::de::Error| {
        within(match is_old {
            true => {
                Error::failure("a run of an earlier version, whose model is not kept in this form", "train it again")
            }
            false => Error::failure(cause.message().to_owned(), "it must be as the training wrote it"),
        })
    })?;
    let [tokenizer, source] = tokenizers(folder.path())?;
    // Sizes that come to more numbers than the weights have are refused before the model is made.
    let model = folder.file(MODEL);
    let elements = checkpoint::header(&model)?.elements();
    // Initial values are all overwritten: the seed is no matter.
    let mut params = Params::seeded(0).at_most(usize::try_from(elements).unwrap_or(usize::MAX));
    let restored = T::build_with_source(saved, source, tokenizer, &mut params).map_err(within);
    params.check().map_err(|error| {
        let message = format!("its sizes are not those of {MODEL}: {error}");
        within(Error::failure(message, "the run folder must hold the files of one training, unchanged"))
    })?;
    let task = restored?;
    checkpoint::load(&model, &mut params)?;
    Ok(Restored { task, params, columns })
}
