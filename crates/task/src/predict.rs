//! `unspool predict`: uses a trained model, lines in, predictions out.
//!
//! Lines are answered in batches, on all threads: whatever has come, up to [`AT_A_TIME`] lines, sorted by length. A
//! person who types, or a pipe that gives a line now and then, has each answer as soon as it is there; a file is
//! answered hundreds of lines at a time. The answers do not depend on it, and stand in the order of the lines. With
//! `--documents` the lines up to a blank one are answered together, and no others with them.

use crate::{
    any_task::AnyTask,
    chosen::Chosen,
    commands::PredictOptions,
    documents::{Documents, Piece},
    draw::Draw,
    error::{Error, Result},
    format::Format,
    lines::{self, InputLimits, Line},
    number::counted,
    restore::{Restored, restore_all},
    run::RunFolder,
    say,
    task::{Digits, Search, Shown, Task},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, io::IsTerminal, path::Path, sync::mpsc, thread};
use unspool::{
    graph::Params,
    nn::parallel_map,
    text::{BatchSize, Buckets, Part},
};

/// Lines that are answered at a time, at most.
const AT_A_TIME: usize = 512;

/// How answers are written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) count: usize,
    pub(crate) attention: bool,
    pub(crate) json: bool,
    /// Whether text has a line for each of the best answers, with its score.
    pub(crate) ranked: bool,
    /// Whether each answer begins with the target of its example.
    pub(crate) prefix: bool,
}

/// Reads a file or standard input to its end. Somebody who types at a terminal is asked for each line.
pub(crate) fn predict<T: Task>(
    known: &'static dyn AnyTask,
    folder: &RunFolder,
    options: &PredictOptions,
) -> Result<()> {
    let Restored { task, params, .. } = restore_all::<T>(folder, &options.model[1..], &options.decoding)?;
    let size = Chosen::of_run(known, folder)?.size;
    let wants_more = options.best.is_some() || options.attention;
    let format = options.format.unwrap_or(if wants_more { Format::Json } else { Format::Text });
    if options.attention && format == Format::Text {
        let message = "--attention with --format text: attention weights are written in JSON";
        return Err(Error::misuse(message, "leave --format out"));
    }
    let count = options.best.map_or(1, usize::from);
    let is_json = format == Format::Json;
    let ranked = options.best.is_some() && !is_json;
    let form = Form { count, attention: options.attention, json: is_json, ranked, prefix: false };
    let typed = options.file.is_none() && std::io::stdin().is_terminal();
    if typed {
        say::line(&format!("{}: {}. Type a line; Ctrl-D ends.", folder.path().display(), T::SPEC.about));
    }
    // How many lines were cut, by the length that was left of them.
    let mut cut = BTreeMap::<usize, u64>::new();
    // The answers, which `print` is given, up to the first line that has none.
    let mut answer_all = |lines: &[Line], print: &mut dyn FnMut(String) -> Result<()>| {
        let (answers, error) = answer(&task, &params, lines, size, form);
        for (answer, cut_to) in answers {
            cut_to.into_iter().for_each(|length| *cut.entry(length).or_default() += 1);
            // A blank line has no best answers.
            if !(form.ranked && answer.is_empty()) {
                print(answer)?;
            }
        }
        error.map_or(Ok(()), Err)
    };
    let mut print = |answer: String| lines::print(&answer);
    let limits = options.limits.of_answered_lines();
    let answered = if options.documents {
        let mut documents = Documents::default();
        let mut answer_piece = |piece: Piece| match piece {
            Piece::Blank(_) if is_json => Ok(()),
            Piece::Blank(line) => answer_all(&[line], &mut print),
            Piece::Document(number, lines) if is_json => {
                let mut objects = vec![];
                let mut keep = |answer: String| -> Result<()> {
                    objects.push(answer);
                    Ok(())
                };
                answer_all(&lines, &mut keep)?;
                lines::print(&format!("{{\"document\":{number},\"lines\":[{}]}}", objects.join(",")))
            }
            Piece::Document(_, lines) => answer_all(&lines, &mut print),
        };
        let read = chunks(options.file.as_deref(), limits, typed, |lines| {
            lines.into_iter().try_for_each(|line| documents.push(line)?.into_iter().try_for_each(&mut answer_piece))
        });
        // What was read before an error is answered.
        documents.end().map_or(Ok(()), answer_piece).and(read)
    } else {
        chunks(options.file.as_deref(), limits, typed, |lines| answer_all(&lines, &mut print))
    };
    for (length, lines) in cut {
        say::line(&format!("{} cut to the first {length} tokens", counted(lines, "line")));
    }
    answered
}

/// Calls `each` with all lines that have come, until the input ends. A line that cannot be read is an error after the
/// lines before it were answered.
fn chunks(
    path: Option<&Path>,
    limits: InputLimits,
    typed: bool,
    mut each: impl FnMut(Vec<Line>) -> Result<()>,
) -> Result<()> {
    let path = path.map(Path::to_path_buf);
    let (sender, receiver) = mpsc::sync_channel(AT_A_TIME);
    // The thread ends with the input, or when nobody takes its lines.
    thread::spawn(move || {
        let read = || -> Result<()> {
            let (mut lines, mut number) = (lines::open(path.as_deref(), limits)?, 0);
            while let Some(line) = lines.next_line() {
                number += 1;
                let text = line.map(str::to_owned).map_err(Error::from);
                let line = text.map(|text| Line { number, text, place: lines.place().to_string() });
                let failed = line.is_err();
                if sender.send(line).is_err() || failed {
                    break;
                }
            }
            Ok(())
        };
        if let Err(error) = read() {
            let _ = sender.send(Err(error));
        }
    });
    let prompt = || {
        if typed {
            say::prompt("> ");
        }
    };
    prompt();
    while let Ok(first) = receiver.recv() {
        let (mut lines, mut error) = (vec![], None);
        for line in std::iter::once(first).chain(receiver.try_iter()).take(AT_A_TIME) {
            match line {
                Ok(line) => lines.push(line),
                Err(found) => error = Some(found),
            }
        }
        each(lines)?;
        if let Some(error) = error {
            return Err(error);
        }
        prompt();
    }
    if typed {
        say::line("");
    }
    Ok(())
}

/// An answer, and how many tokens of its line were read where it was cut.
type Answered = (String, Option<usize>);

/// The answers to some lines in their order, up to the first line that cannot be answered, and why.
pub(crate) fn answer<T: Task>(
    task: &T,
    params: &Params,
    lines: &[Line],
    size: BatchSize,
    form: Form,
) -> (Vec<Answered>, Option<Error>) {
    let options = ["--model", "--best", "--attention", "--max-line", "--max-gzip-ratio", "--threads"];
    let read = |line: &Line| -> Result<Option<(T::Example, Option<usize>)>> {
        // A blank line asks nothing: its answer is blank, too, or an object without answers.
        if line.text.trim().is_empty() {
            return Ok(None);
        }
        let draw = Draw::scored(0, Part::Test);
        let example =
            task.read_line(&line.text, &draw).map_err(|error| error.hint_for_options(&options, "").at(&line.place))?;
        Ok(Some((example, Some(draw.was_cut().1).filter(|length| *length > 0))))
    };
    let (mut examples, mut error) = (vec![], None);
    for found in parallel_map(lines.iter().collect(), read) {
        match found {
            Ok(example) => examples.push(example),
            Err(found) => {
                error = Some(found);
                break;
            }
        }
    }
    let mut found = match answers(task, params, &examples, size, form) {
        Ok(found) => found,
        Err(failed) => return (vec![], Some(failed)),
    };
    let mut told = vec![];
    for (number, (line, example)) in lines.iter().zip(&examples).enumerate() {
        let shown = match (example, found.remove(&number)) {
            (Some((example, _)), Some(Ok(answer))) => {
                Some(task.show(example, &answer, if form.json { Digits::All } else { Digits::Some }))
            }
            (Some(_), Some(Err(failed))) => {
                return (told, Some(failed.hint_for_options(&options, "").at(&line.place)));
            }
            _ => None,
        };
        told.push((text(line, shown, form), example.as_ref().and_then(|(_, cut_to)| *cut_to)));
    }
    (told, error)
}

/// What the model says of each example that is there, by its number. Batches of like lengths are spread over threads;
/// examples that make no batch are asked about one by one.
pub(crate) fn answers<T: Task>(
    task: &T,
    params: &Params,
    examples: &[Option<(T::Example, Option<usize>)>],
    size: BatchSize,
    form: Form,
) -> Result<BTreeMap<usize, Result<T::Answer>>> {
    let asked: Vec<(usize, &T::Example)> =
        examples.iter().enumerate().filter_map(|(number, found)| Some((number, &found.as_ref()?.0))).collect();
    let search = Search::Best { count: form.count, attention: form.attention, prefix: form.prefix };
    // Few lines are spread over the threads too.
    let share = asked.len().div_ceil(rayon::current_num_threads()).max(1);
    let size = match search.batch_size(size) {
        BatchSize::Rows(rows) => BatchSize::Rows(rows.min(share)),
        tokens @ BatchSize::Tokens(_) => tokens,
    };
    if asked.is_empty() {
        return Ok(BTreeMap::new());
    }
    let batches =
        Buckets::pairs(asked.iter().map(|(_, example)| task.lengths(example)).collect::<Vec<_>>(), size, 0)?.sorted();
    let ask = |chosen: &[&T::Example]| task.answers(params, &task.batch(chosen)?, search);
    let alone = |example: &T::Example| {
        let none = || Error::failure("the model has no answer", "");
        ask(&[example]).and_then(|found| found.into_iter().next().ok_or_else(none))
    };
    let of_batch = |rows: Vec<usize>| -> Vec<(usize, Result<T::Answer>)> {
        let chosen: Vec<&T::Example> = rows.iter().map(|row| asked[*row].1).collect();
        let numbers = rows.iter().map(|row| asked[*row].0);
        match ask(&chosen) {
            Ok(found) => numbers.zip(found.into_iter().map(Ok)).collect(),
            Err(_) => numbers.zip(chosen.iter().map(|example| alone(example))).collect(),
        }
    };
    Ok(parallel_map(batches, of_batch).into_iter().flatten().collect())
}

/// The line that answers a line.
fn text(line: &Line, shown: Option<Shown>, form: Form) -> String {
    if form.json {
        return json_line(&line.text, shown, form);
    }
    let Some(Shown { answer, probability, best, .. }) = shown else { return String::new() };
    // A model that writes bytes may write a line break; a line has one answer.
    let one_line = |text: &str| text.replace(['\n', '\r'], " ");
    if form.ranked {
        let ranked = |score: String, text: &str| format!("{}\t{score}\t{}", line.number, one_line(text));
        return match best.as_slice() {
            [] => ranked(String::new(), &answer),
            best => best.iter().map(|(text, score)| ranked(format!("{score:.6}"), text)).collect::<Vec<_>>().join("\n"),
        };
    }
    let answer = one_line(&answer);
    probability.map_or(answer.clone(), |p| format!("{answer}\t{p:.4}"))
}

/// The answers to a line with their scores, best first.
fn json_line(input: &str, shown: Option<Shown>, form: Form) -> String {
    let (answer, best, attention) =
        shown.map_or_else(Default::default, |shown| (Some(shown.answer), shown.best, shown.attention));
    let best: Vec<Value> = match best.as_slice() {
        [] => answer.iter().map(|answer| json!({ "text": answer })).collect(),
        best => best.iter().map(|(text, score)| json!({ "text": text, "score": score })).collect(),
    };
    let mut line = json!({ "input": input, "best": best });
    if form.attention {
        line["attention"] = json!(attention);
    }
    line.to_string()
}
