//! Trainings whose curves the tutorial shows: `cargo run -p unspool --example figures -- record NAME`. Each writes a
//! log with its command, seed and machine, `docs/figures/logs/NAME.csv`; drawing reads the logs and trains nothing.

mod cost;
mod films;
mod forecast;
mod memory;
mod pictures;
mod plays;
mod program;
mod reversing;
mod reviews;
mod seeds;
mod sounds;
mod speech;
mod times;
mod translations;

use super::draw::Result;
use std::{fs, path::Path};
use unspool::prelude::*;

const SEED: u64 = 7;

/// Runs the training of this name and writes its log.
pub(crate) fn record(folder: &Path, name: &str) -> Result<()> {
    let rows = match name {
        "digits" => pictures::digits()?,
        "captions" => pictures::captions()?,
        "sentiment" => reviews::sentiment()?,
        "reviews" => reviews::judged()?,
        "language-model" => plays::language_model()?,
        "writing" => plays::writing()?,
        "remembering" => memory::remembering()?,
        "adding" => memory::adding()?,
        "adding-100" => memory::adding_at_100()?,
        "own-cell" => memory::own_cell()?,
        "reversing" => reversing::by_length()?,
        "attention" => reversing::where_it_looks()?,
        "attention-cost" => cost::by_length()?,
        "attention-time" => times::by_length()?,
        "own-code" => times::of_own_code()?,
        "frames" => films::frames()?,
        "translations" => translations::of_two_models()?,
        "sounds" => sounds::probabilities()?,
        "speech" => speech::probabilities()?,
        "forecast" => forecast::next_months()?,
        "forecast-lengths" => forecast::by_steps()?,
        other => {
            let known = "digits, captions, sentiment, reviews, language-model, writing, remembering, adding, \
                         adding-100, own-cell, reversing, attention, attention-cost, attention-time, own-code, frames, \
                         sounds, speech, translations, forecast, forecast-lengths";
            return Err(format!("no training {other:?}: there are {known}").into());
        }
    };
    let processor = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = processor.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let threads = std::thread::available_parallelism()?;
    let machine = format!("{}, {threads} threads", model.map_or("unknown", |(_, name)| name));
    let seeds = match name {
        "forecast" | "forecast-lengths" => "1 to 4".to_string(),
        "sounds" => "3".to_string(),
        "translations" | "speech" => "1".to_string(),
        "remembering" | "adding" | "adding-100" | "own-cell" | "sentiment" | "language-model" | "reversing" => {
            "1 to 5".to_string()
        }
        _ => SEED.to_string(),
    };
    let head = format!(
        "# command: cargo run -p unspool --example figures -- record {name}\n# seed: {seeds}\n# machine: {machine}\n"
    );
    print!("{rows}");
    Ok(fs::write(folder.join(format!("logs/{name}.csv")), head + &rows)?)
}

fn data(file: &str) -> Result<Source> {
    Ok(Source::file(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cli/data").join(file))?)
}
