//! `unspool predict`: uses a trained model, lines in, predictions out.

use super::{
    error::{Error, Result},
    lines,
    number::counted,
    options::PredictOptions,
    run::{self, MODEL, RunFolder, SAVED, TOKENIZER},
    say,
};
use crate::tasks::{self, Ask, NAMES, Prediction, Task, Visitor};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::IsTerminal};
use unspool::{graph::Params, nn::checkpoint, text::Tokenizer};

/// Reads standard input to its end. Somebody who types at a terminal is asked for each line.
pub(crate) fn predict(options: &PredictOptions) -> Result<()> {
    struct Predict<'a>(&'a RunFolder, &'a PredictOptions);
    impl Visitor for Predict<'_> {
        type Output = Result<()>;
        fn visit<T: Task>(self) -> Result<()> {
            let Predict(folder, options) = self;
            let (task, params) = restore::<T>(folder)?;
            let as_json = options.best.is_some() || options.attention;
            let ask = Ask { best: options.best.map_or(1, usize::from), attention: options.attention, exact: as_json };
            if std::io::stdin().is_terminal() {
                say::line(&format!("{}: {}. Type a line; Ctrl-D ends.", folder.path().display(), T::ABOUT));
            }
            // How many lines were cut, by the length that was left of them.
            let mut cut = BTreeMap::<usize, u64>::new();
            let answered = lines::each(None, options.max_length.max_line, |line| {
                let (answer, cut_to) = answer(&task, &params, line, &ask, as_json)?;
                cut_to.into_iter().for_each(|length| *cut.entry(length).or_default() += 1);
                Ok(answer)
            });
            for (length, lines) in cut {
                say::line(&format!("{} cut to the first {length} tokens", counted(lines, "line")));
            }
            answered
        }
    }
    let folder = RunFolder::open(&options.model)?;
    with_task_of(&folder, Predict(&folder, options))
}

/// The line that answers a line, and how many tokens were read where it was cut. A blank line asks nothing: its answer
/// is blank, too, or an object without answers.
pub(crate) fn answer<T: Task>(
    task: &T,
    params: &Params,
    line: &str,
    ask: &Ask,
    as_json: bool,
) -> Result<(String, Option<usize>)> {
    let options = ["--model", "--best", "--attention", "--max-line", "--threads"];
    let predict = || task.predict(params, line, ask).map_err(|error| error.hint_for_options(&options, ""));
    let prediction = if line.trim().is_empty() { None } else { Some(predict()?) };
    let cut_to = prediction.as_ref().and_then(|prediction| prediction.cut_to);
    let answer = match prediction {
        prediction if as_json => json_line(line, prediction, ask),
        // A model that writes bytes may write a line break; a line has one answer.
        Some(prediction) => prediction.line.replace(['\n', '\r'], " "),
        None => String::new(),
    };
    Ok((answer, cut_to))
}

/// The answers to a line with their scores, best first.
fn json_line(input: &str, prediction: Option<Prediction>, ask: &Ask) -> String {
    let (line, best, attention) = prediction.map_or_else(Default::default, |p| (Some(p.line), p.best, p.attention));
    let best: Vec<Value> = match best.as_slice() {
        [] => line.iter().map(|line| json!({ "text": line })).collect(),
        best => best.iter().map(|(text, score)| json!({ "text": text, "score": score })).collect(),
    };
    let mut line = json!({ "input": input, "best": best });
    if ask.attention {
        line["attention"] = json!(attention);
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
    params.check().map_err(|error| {
        let message = format!("its sizes are not those of {MODEL}: {error}");
        within(Error::failure(message, "the run folder must hold the files of one training, unchanged"))
    })?;
    let task = restored?;
    checkpoint::load(&model, &mut params)?;
    Ok((task, params))
}
