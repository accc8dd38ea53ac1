//! Using a trained model: lines in, predictions out.

use super::{
    error::{Error, Result},
    lines,
    options::PredictOptions,
    run::{self, MODEL, RunFolder, SAVED, TOKENIZER},
};
use crate::tasks::{self, Ask, NAMES, Prediction, Task, Visitor};
use serde_json::{Value, json};
use std::io::IsTerminal;
use unspool::{graph::Params, nn::checkpoint, text::Tokenizer};

/// Reads standard input to its end; who types at a terminal is asked for each line.
pub(crate) fn predict(options: &PredictOptions) -> Result<()> {
    struct Predict<'a>(&'a RunFolder, &'a PredictOptions);
    impl Visitor for Predict<'_> {
        type Output = Result<()>;
        fn visit<T: Task>(self) -> Result<()> {
            let Predict(folder, options) = self;
            let (task, params) = restore::<T>(folder)?;
            let ask = Ask { best: options.best.map_or(1, usize::from), attention: options.attention };
            let as_json = options.best.is_some() || options.attention;
            if std::io::stdin().is_terminal() {
                eprintln!("{}: {}. A line at a time; Ctrl-D ends.", folder.path().display(), T::ABOUT);
            }
            lines::each(None, |line| {
                let prediction = task.predict(&params, line, &ask)?;
                Ok(if as_json { json_line(line, &prediction, &ask) } else { prediction.line })
            })
        }
    }
    let folder = RunFolder::open(&options.model)?;
    with_task_of(&folder, Predict(&folder, options))
}

/// The answers to a line with their scores, best first.
fn json_line(input: &str, prediction: &Prediction, ask: &Ask) -> String {
    let best: Vec<Value> = match prediction.best.as_slice() {
        [] => vec![json!({ "text": prediction.line })],
        best => best.iter().map(|(text, score)| json!({ "text": text, "score": score })).collect(),
    };
    let mut line = json!({ "input": input, "best": best });
    if ask.attention {
        line["attention"] = json!(prediction.attention);
    }
    line.to_string()
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
    // Sizes that come to more numbers than the weights have are refused before the model is made.
    let model = folder.file(MODEL);
    let elements = checkpoint::header(&model)?.elements();
    // Initial values are all overwritten: the seed is no matter.
    let mut params = Params::seeded(0).at_most(usize::try_from(elements).unwrap_or(usize::MAX));
    let restored = T::restore(saved, tokenizer, &mut params).map_err(within);
    params.check_all().map_err(|error| {
        let message = format!("its sizes are not those of {MODEL}: {error}");
        within(Error::failure(message, "the run folder must hold the files of one training, unchanged"))
    })?;
    let task = restored?;
    checkpoint::load(&model, &mut params)?;
    Ok((task, params))
}
