//! The program, for recordings of what its models say.

use super::Result;
use std::{
    env, fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Runs the program, or that which the environment names in `UNSPOOL`, with an input, and returns its output.
pub(super) fn run(arguments: &[&str], input: &str) -> Result<String> {
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

/// Where trained models are kept: `runs`, or what the environment names in `UNSPOOL_RUNS`.
pub(super) fn runs() -> PathBuf {
    env::var_os("UNSPOOL_RUNS").map_or("runs".into(), PathBuf::from)
}

/// Trains into a folder where there is no trained model yet.
pub(super) fn trained(folder: &Path, arguments: &[&str]) -> Result<()> {
    if !folder.join("model.safetensors").exists() {
        let folder = folder.to_str().ok_or("a folder that is no text")?;
        run(&[&["train"], arguments, &["--out", folder]].concat(), "")?;
    }
    Ok(())
}

/// What the card of a trained model says of a score on the test part, in the row `| NAME | dev | test |`.
pub(super) fn card_score(folder: &Path, name: &str) -> Result<f64> {
    let card = fs::read_to_string(folder.join("README.md"))?;
    let row = card.lines().find_map(|line| line.strip_prefix(&format!("| {name} |")));
    let test = row.and_then(|row| row.split('|').nth(1)).ok_or_else(|| format!("the card has no {name}"))?;
    Ok(test.trim().parse()?)
}
