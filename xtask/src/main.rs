//! Draws `docs/architecture.svg` from the code and from `docs/history.csv`: `cargo run -p xtask -- architecture`. With
//! `-- history`, reads `docs/history.csv` from git again first. `-- math FOLDER` typesets the LaTeX of the pages in a
//! folder. `-- results` writes the table of `docs/results.md` from its records.
#![forbid(unsafe_code)]

use std::{fs, path::Path, process::ExitCode};
use xtask::{history, imports, math, picture, results};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let done = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["architecture"] => architecture(&root),
        ["history"] => record(&root).and_then(|()| architecture(&root)),
        ["math", folder] => math::typeset_folder(Path::new(folder)),
        ["results"] => results::write(&root),
        _ => {
            eprintln!("usage: cargo run -p xtask -- architecture | history | math FOLDER | results");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn architecture(root: &Path) -> imports::Result<()> {
    let days = history::parse(&fs::read_to_string(root.join("docs/history.csv"))?)?;
    let svg = picture::draw(&imports::read(root)?, &days);
    Ok(fs::write(root.join("docs/architecture.svg"), svg)?)
}

fn record(root: &Path) -> imports::Result<()> {
    Ok(fs::write(root.join("docs/history.csv"), history::write(&history::of_git(root)?))?)
}
