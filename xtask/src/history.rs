//! How the crates grew: lines of Rust in each crate's `src`, by day, read from git.

use crate::imports::{CRATES, Result};
use std::{path::Path, process::Command};

/// How many lines each crate had at the end of a day, in the order of [`CRATES`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Year, month and day, as in `2026-11-24`.
    pub date: String,
    /// Lines of each crate.
    pub lines: [usize; CRATES.len()],
}

/// Reads the history of `HEAD` in the repository at `root`. The last day is left out, since it may not be over.
///
/// # Errors
///
/// Returns an error if git does not answer.
pub fn of_git(root: &Path) -> Result<Vec<Day>> {
    let log = git(root, &["log", "--reverse", "--format=%cs %H"])?;
    let mut last_of_day: Vec<(&str, &str)> = vec![];
    for (date, commit) in log.lines().filter_map(|line| line.split_once(' ')) {
        match last_of_day.last_mut() {
            Some(day) if day.0 >= date => day.1 = commit,
            _ => last_of_day.push((date, commit)),
        }
    }
    last_of_day.pop();
    last_of_day.into_iter().map(|(date, commit)| Ok(Day { date: date.into(), lines: lines(root, commit)? })).collect()
}

fn lines(root: &Path, commit: &str) -> Result<[usize; CRATES.len()]> {
    let counted = git(root, &["grep", "-c", "", commit, "--", "crates/*/src/**.rs"])?;
    let mut lines = [0; CRATES.len()];
    // COMMIT:crates/graph/src/lib.rs:134
    for (file, count) in counted.lines().filter_map(|line| line.split_once(':')?.1.rsplit_once(':')) {
        if let Some(place) = CRATES.iter().position(|(name, _)| file.split('/').nth(1) == Some(name)) {
            lines[place] += count.parse::<usize>()?;
        }
    }
    Ok(lines)
}

/// Runs git at `root` and gives what it says.
///
/// # Errors
///
/// Returns an error if there is no git, or if it fails.
pub fn git(root: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output()?;
    if !output.status.success() {
        return Err(format!("git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

/// The table as a file: a line for each day.
pub fn write(days: &[Day]) -> String {
    let mut out = format!("date,{}\n", CRATES.map(|(name, _)| name).join(","));
    for day in days {
        out += &format!("{},{}\n", day.date, day.lines.map(|lines| lines.to_string()).join(","));
    }
    out
}

/// Reads what [`write()`] wrote.
///
/// # Errors
///
/// Returns an error that quotes the first line that is no day.
pub fn parse(table: &str) -> Result<Vec<Day>> {
    let day = |line: &str| {
        let (date, lines) = line.split_once(',')?;
        let lines: Vec<usize> = lines.split(',').map(|lines| lines.parse().ok()).collect::<Option<_>>()?;
        Some(Day { date: date.into(), lines: lines.try_into().ok()? })
    };
    table.lines().skip(1).map(|line| day(line).ok_or_else(|| format!("{line:?} is not a day").into())).collect()
}
