//! `predict`: lines in, a prediction a line out.

use super::{
    error::{Error, Result},
    run::{CONFIG, MODEL, RunFolder, TOKENIZER},
};
use crate::tasks::{Predictor, sentiment, translation};
use std::{io::Write, path::Path};
use unspool::{
    graph::Params,
    nn::checkpoint,
    text::{Lines, Source, Tokenizer},
};

/// Reads standard input to its end; each line's prediction is flushed before the next line is read.
pub(crate) fn predict(model: &Path) -> Result<()> {
    let folder = RunFolder::open(model)?;
    let (params, predictor) = restore(&folder)?;
    let mut lines = Lines::open(Source::stdin())?;
    let mut out = std::io::stdout().lock();
    while let Some(line) = lines.next_line() {
        let answer = predictor.predict(&params, line?)?;
        writeln!(out, "{answer}").and_then(|()| out.flush()).map_err(|cause| Error::output(&cause))?;
    }
    Ok(())
}

/// The model of a run folder, checked: sizes in range, tokenizer and weights that fit them.
fn restore(folder: &RunFolder) -> Result<(Params, Box<dyn Predictor>)> {
    let config = folder.config()?;
    let tokenizer = Tokenizer::load(folder.file(TOKENIZER))?;
    // Initial values are all overwritten: the seed is no matter.
    let mut params = Params::seeded(0);
    let task = config.get("task").and_then(toml::Value::as_str).unwrap_or_default();
    let within = |error: Error| match error {
        Error::Misuse { message, hint } | Error::Failure { message, hint } => {
            Error::failure(format!("{}: {message}", folder.file(CONFIG).display()), hint)
        }
        Error::Closed => Error::Closed,
    };
    let predictor: Box<dyn Predictor> = match task {
        translation::NAME => {
            Box::new(translation::Translator::restore(&config, tokenizer, &mut params).map_err(within)?)
        }
        sentiment::NAME => Box::new(sentiment::Classifier::restore(&config, tokenizer, &mut params).map_err(within)?),
        _ => {
            return Err(within(Error::failure(
                format!("task is {task:?}"),
                format!("it must be {:?} or {:?}", translation::NAME, sentiment::NAME),
            )));
        }
    };
    params.check_all()?;
    checkpoint::load(&folder.file(MODEL), &mut params)?;
    Ok((params, predictor))
}
