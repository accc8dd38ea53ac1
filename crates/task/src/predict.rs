//! `unspool predict`: uses a trained model, lines in, predictions out.

use super::{error::Result, lines, number::counted, options::PredictOptions, restore::restore, run::RunFolder, say};
use crate::task::{Ask, Prediction, Task};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::IsTerminal};
use unspool::graph::Params;

/// Reads standard input to its end. Somebody who types at a terminal is asked for each line.
pub(crate) fn predict<T: Task>(folder: &RunFolder, options: &PredictOptions) -> Result<()> {
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
