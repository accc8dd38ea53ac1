//! Sentences that the program translates, by a training of its default task.

use super::Result;
use serde_json::Value;
use std::{
    env,
    fmt::Write as _,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};
use unspool::prelude::*;

/// Sentences that have from 6 to 8 words are not too long for a picture.
const WORDS: std::ops::RangeInclusive<usize> = 6..=8;

/// Runs the program, or that which the environment names in `UNSPOOL`, with an input, and returns its output.
fn run(arguments: &[&str], input: &str) -> Result<String> {
    let mut command = match env::var_os("UNSPOOL") {
        Some(program) => Command::new(program),
        None => {
            let mut cargo = Command::new("cargo");
            cargo.args(["run", "--quiet", "--release", "--"]);
            cargo
        }
    };
    let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    child.stdin.take().ok_or("no input")?.write_all(input.as_bytes())?;
    let output = child.wait_with_output()?;
    if !output.status.success() {
        return Err(format!("{arguments:?} failed").into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// Trains where there is no trained model yet, and returns a prediction for each sentence.
fn predictions(folder: &Path, sentences: &str) -> Result<Vec<Value>> {
    let folder = folder.to_str().ok_or("a folder that is no text")?;
    if !Path::new(folder).join("model.safetensors").exists() {
        run(&["train", "translation", "--out", folder], "")?;
    }
    let lines = run(&["predict", "--model", folder, "--attention"], sentences)?;
    lines.lines().map(|line| Ok(serde_json::from_str(line)?)).collect()
}

/// The texts of a list, one after the other with `|` between: pieces may begin with a space.
fn pieces(list: &Value) -> Result<Vec<String>> {
    let pieces = list.as_array().ok_or("no list of pieces")?.iter();
    pieces.map(|piece| Ok(piece.as_str().ok_or("a piece that is no text")?.replace('|', "/"))).collect()
}

/// Five sentences of the test part, their reference, the translation, and what the attention looked at.
pub(super) fn with_attention() -> Result<String> {
    let rows = Tsv::open(super::data("tatoeba-eng-swe.test.tsv.gz")?)?.columns(["swedish", "english"])?;
    let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
    let fits = |row: &&unspool::text::Row| {
        WORDS.contains(&row[0].split(' ').count()) && !row.fields.iter().any(|text| text.contains([',', '|']))
    };
    let chosen: Vec<_> = rows.iter().filter(fits).take(5).collect();
    let sentences: String = chosen.iter().map(|row| format!("{}\n", &row[0])).collect();
    let runs = env::var_os("UNSPOOL_RUNS").map_or("runs".into(), std::path::PathBuf::from);
    let answers = predictions(&runs.join("translation-attention"), &sentences)?;

    let mut out = String::from("sentence,what,text\n");
    for (k, (row, answer)) in chosen.iter().zip(&answers).enumerate() {
        writeln!(out, "{k},source,{}\n{k},reference,{}", &row[0], &row[1])?;
        let text = answer["best"][0]["text"].as_str().ok_or("no answer")?;
        writeln!(out, "{k},with attention,{}", text.replace(',', ";"))?;
        let attention = &answer["attention"];
        writeln!(out, "{k},read,{}", pieces(&attention["columns"])?.join("|").replace(',', ";"))?;
        let weights = attention["weights"].as_array().ok_or("no weights")?;
        for (piece, weights) in pieces(&attention["rows"])?.iter().zip(weights) {
            let piece = if piece.is_empty() { "<eos>" } else { piece };
            write!(out, "{k},wrote,{}", piece.replace(',', ";"))?;
            for weight in weights.as_array().ok_or("no row of weights")? {
                write!(out, "|{:.2}", weight.as_f64().ok_or("a weight that is no number")?)?;
            }
            writeln!(out)?;
        }
    }
    Ok(out)
}
