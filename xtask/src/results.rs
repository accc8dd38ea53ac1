//! The table of `docs/results.md`, from the lines of JSON that trainings wrote: `cargo run -p xtask -- results`.

use crate::imports::Result;
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

/// What stands before and after the table in the page.
const MARKS: [&str; 2] =
    ["<!-- Made by `scripts/results.sh` from results.jsonl. -->\n", "<!-- The end of what is made. -->\n"];

/// Writes the table into the page.
pub fn write(root: &Path) -> Result<()> {
    let path = root.join("docs/results.md");
    Ok(fs::write(&path, page(root)?)?)
}

/// Returns the page with the table that the records give.
pub fn page(root: &Path) -> Result<String> {
    let page = fs::read_to_string(root.join("docs/results.md"))?;
    let records = fs::read_to_string(root.join("docs/results.jsonl"))?;
    let parts = page.split_once(MARKS[0]).and_then(|(before, rest)| Some((before, rest.split_once(MARKS[1])?.1)));
    let (before, after) = parts.ok_or("docs/results.md lacks the marks of its table")?;
    Ok([before, MARKS[0], "\n", &table(&records)?, "\n", MARKS[1], after].concat())
}

/// The methods that do better than the model, with the share of the seeds where it is not all of them.
fn better(runs: &[&Value]) -> String {
    let mut counts = BTreeMap::<String, usize>::new();
    for name in runs.iter().filter_map(|run| run["worse_than"].as_array()).flatten().filter_map(Value::as_str) {
        *counts.entry(name.replace('_', " ")).or_default() += 1;
    }
    let of = |(name, count): (&String, &usize)| match *count == runs.len() {
        true => name.clone(),
        false => format!("{name} ({count} of {} seeds)", runs.len()),
    };
    let names: Vec<String> = counts.iter().map(of).collect();
    if names.is_empty() { String::new() } else { format!("; better than the model: {}", names.join(", ")) }
}

/// A row for each command, in the order of the records, and a sentence on the machines.
pub fn table(records: &str) -> Result<String> {
    let records = records.lines().map(serde_json::from_str).collect::<std::result::Result<Vec<Value>, _>>()?;
    let mut commands: Vec<&str> = vec![];
    for command in records.iter().filter_map(|record| record["command"].as_str()) {
        if !commands.contains(&command) {
            commands.push(command);
        }
    }
    let mut out = "| command | test | beside it | parameters | epochs | seconds | seeds |\n".to_owned();
    out += "| --- | --- | --- | --- | --- | --- | --- |\n";
    for command in commands {
        let runs: Vec<&Value> =
            records.iter().filter(|record| record["command"] == command).map(|record| &record["result"]).collect();
        let test = scores(&runs, |run| run["test"].as_object());
        let beside = scores(&runs, |run| run["baselines"].as_object());
        let worse = better(&runs);
        let [parameters, epochs, seconds] = ["parameters", "epochs", "seconds"].map(|key| of(&runs, key));
        out += &format!(
            "| `unspool {command}` | {test} | {beside}{worse} | {parameters} | {epochs} | {seconds} | {} |\n",
            runs.len()
        );
    }
    let machine = |record: &Value| {
        let [date, processor] = ["date", "processor"].map(|key| record[key].as_str().unwrap_or_default());
        format!("{date} on {} cores ({processor})", record["cores"])
    };
    let machines: BTreeSet<String> = records.iter().map(machine).collect();
    Ok(out + &format!("\nMeasured {}.\n", machines.into_iter().collect::<Vec<_>>().join(", and ")))
}

/// Every score but the loss, each with its mean, and its range over several seeds.
fn scores<'a>(runs: &[&'a Value], of: impl Fn(&'a Value) -> Option<&'a Map<String, Value>>) -> String {
    let Some(first) = runs.first().and_then(|run| of(run)) else { return String::new() };
    let names = first.iter().filter(|(name, value)| *name != "loss" && value.is_number()).map(|(name, _)| name);
    let told = names.map(|name| {
        let values: Vec<f64> = runs.iter().filter_map(|run| of(run)?.get(name)?.as_f64()).collect();
        format!("{} {}", name.replace('_', " "), mean(&values, number))
    });
    told.collect::<Vec<_>>().join(", ")
}

/// A number that stands at the top of each result.
fn of(runs: &[&Value], key: &str) -> String {
    let values: Vec<f64> = runs.iter().filter_map(|run| run[key].as_f64()).collect();
    mean(&values, |value| if key == "seconds" { format!("{value:.1}") } else { grouped(value as u64) })
}

fn mean(values: &[f64], text: impl Fn(f64) -> String) -> String {
    let (least, most) = values.iter().fold((f64::MAX, f64::MIN), |(least, most), &x| (least.min(x), most.max(x)));
    let mean = text(values.iter().sum::<f64>() / values.len().max(1) as f64);
    if least == most || values.is_empty() { mean } else { format!("{mean} ({} to {})", text(least), text(most)) }
}

/// Two decimals from ten on, four below, and as many as it takes for what is small.
fn number(value: f64) -> String {
    match value.abs() {
        10.0.. => format!("{value:.2}"),
        0.001.. => format!("{value:.4}"),
        _ => format!("{value:.2e}"),
    }
}

/// 1,234,567.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let parts: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|part| str::from_utf8(part).ok()).collect();
    parts.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_mean_and_the_range_over_the_seeds() {
        let record = |seed: u64, accuracy: f64, worse: &str| {
            format!(
                "{{\"command\":\"train x\",\"seed\":{seed},\"date\":\"2026-01-02\",\"cores\":2,\"processor\":\"P\",\
                 \"result\":{{\"test\":{{\"accuracy\":{accuracy},\"loss\":0.1}},\"baselines\":{{\"naive_bayes\":0.8}},\
                 \"worse_than\":[{worse}],\"parameters\":1234567,\"epochs\":3,\"seconds\":2.04}}}}\n"
            )
        };
        let table = table(&(record(1, 0.9, "") + &record(2, 0.7, "\"naive_bayes\""))).unwrap();
        let row = "| `unspool train x` | accuracy 0.8000 (0.7000 to 0.9000) | naive bayes 0.8000; better than the \
                   model: naive bayes (1 of 2 seeds) | 1,234,567 | 3 | 2.0 | 2 |\n";
        assert!(table.contains(row), "{table}");
        assert!(table.ends_with("\nMeasured 2026-01-02 on 2 cores (P).\n"), "{table}");
    }

    #[test]
    fn the_page_is_made_from_the_records() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let shown = fs::read_to_string(root.join("docs/results.md")).unwrap();
        assert!(page(&root).unwrap() == shown, "write it anew: cargo run -p xtask -- results");
    }
}
