//! `unspool list`: what there is to choose from.

use crate::{any_task::AnyTask, error::Result, format::Format, lines};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use unspool::{graph::Params, nn::CellKind};

#[derive(Args)]
pub(crate) struct ListOptions {
    /// What to list [default: all]
    #[arg(value_enum)]
    what: Option<What>,
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    /// Tasks, for `unspool train TASK`
    Tasks,
    /// Recurrent cells, for --cell, and how many parameters each has with an input and a state of 128
    Cells,
    /// Built-in data sets, for --data, and the tasks that read them
    Data,
}

/// The input and the state of the cells whose parameters are counted.
const SIZE: usize = 128;

impl ListOptions {
    pub(crate) fn run(&self, tasks: &[&'static dyn AnyTask]) -> Result<()> {
        let all = [What::Tasks, What::Cells, What::Data];
        let sections = all.into_iter().filter(|what| self.what.is_none_or(|wanted| wanted == *what));
        match self.format {
            Format::Json => {
                let section = |what: What| (what.name().to_owned(), Value::Array(what.rows(tasks)));
                lines::print(&Value::Object(sections.map(section).collect()).to_string())
            }
            Format::Text => {
                let section = |what: What| format!("{}:\n{}", what.title(), columns(&what.rows(tasks)));
                lines::print(&sections.map(section).collect::<Vec<_>>().join("\n\n"))
            }
        }
    }
}

impl What {
    fn name(self) -> &'static str {
        match self {
            What::Tasks => "tasks",
            What::Cells => "cells",
            What::Data => "data",
        }
    }

    fn title(self) -> &'static str {
        match self {
            What::Tasks => "Tasks",
            What::Cells => "Cells, and their parameters with an input and a state of 128",
            What::Data => "Built-in data sets, and the tasks that read them",
        }
    }

    /// A row for each thing, whose first value is its name.
    fn rows(self, tasks: &[&'static dyn AnyTask]) -> Vec<Value> {
        match self {
            What::Tasks => {
                let row = |task: &&'static dyn AnyTask| json!({ "name": task.name(), "about": task.spec().about });
                tasks.iter().map(row).collect()
            }
            What::Cells => CellKind::ALL
                .iter()
                .map(|kind| json!({ "name": kind.name(), "parameters": parameters(*kind) }))
                .collect(),
            What::Data => {
                let mut names: Vec<&str> = vec![];
                for set in tasks.iter().flat_map(|task| task.spec().sets) {
                    if !names.contains(&set.name) {
                        names.push(set.name);
                    }
                }
                let readers = |name: &str| -> Vec<&str> {
                    let reads = |task: &&&dyn AnyTask| task.spec().sets.iter().any(|set| set.name == name);
                    tasks.iter().filter(reads).map(|task| task.name()).collect()
                };
                names.into_iter().map(|name| json!({ "name": name, "tasks": readers(name) })).collect()
            }
        }
    }
}

/// How many numbers a cell learns.
fn parameters(kind: CellKind) -> usize {
    let mut params = Params::seeded(0);
    kind.build(params.scope("cell"), SIZE, SIZE);
    params.elements()
}

/// Rows as lines of two columns.
fn columns(rows: &[Value]) -> String {
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    };
    let name = |row: &Value| text(&row["name"]);
    let width = rows.iter().map(|row| name(row).len()).max().unwrap_or(0);
    let rest = |row: &Value| {
        let values = row.as_object().into_iter().flatten();
        values.filter(|(key, _)| *key != "name").map(|(_, value)| text(value)).collect::<Vec<_>>().join(" ")
    };
    rows.iter().map(|row| format!("  {:<width$}  {}", name(row), rest(row))).collect::<Vec<_>>().join("\n")
}
