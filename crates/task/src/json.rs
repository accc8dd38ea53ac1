//! The last line on standard output: what a training came to, for programs.

use super::{
    error::{Error, Result},
    format::Format,
    lines,
    number::significant,
};
use crate::task::Score;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// One training. Its fields stand in the line in this order.
#[derive(Serialize)]
pub(crate) struct Report {
    /// Its name.
    pub(crate) task: &'static str,
    /// Its seed.
    pub(crate) seed: u64,
    /// How many numbers were trained.
    pub(crate) parameters: usize,
    /// Passes over the train part.
    pub(crate) epochs: u64,
    /// Training alone.
    pub(crate) seconds: f64,
    /// Dev and test.
    pub(crate) evaluation_seconds: f64,
    /// Tokens, frames or what else the task counts, a second of training.
    pub(crate) per_second: Value,
    /// Of the epoch whose weights were kept.
    pub(crate) dev: Value,
    /// With those weights.
    pub(crate) test: Value,
    /// The test metric of what is compared with, by name.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub(crate) baselines: Map<String, Value>,
    /// The names of those that do better than the model.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) worse_than: Vec<&'static str>,
}

impl Report {
    /// The scores of one part.
    pub(crate) fn part(epoch: Option<f64>, Evaluated { loss, score }: &Evaluated, metric: &str) -> Value {
        let mut fields = Map::new();
        if let Some(epoch) = epoch {
            let whole = epoch as u64;
            fields.insert("epoch".into(), if epoch == whole as f64 { json!(whole) } else { json!(epoch) });
        }
        fields.insert("loss".into(), json!(loss));
        fields.insert(metric.into(), json!(score.value));
        if let Some(signature) = &score.signature {
            fields.insert("signature".into(), json!(signature));
        }
        fields.extend(score.more.iter().map(|(name, value)| ((*name).to_owned(), json!(value))));
        Value::Object(fields)
    }
}

/// A part's mean loss and its score.
pub(crate) struct Evaluated {
    pub(crate) loss: f64,
    pub(crate) score: Score,
}

/// Prints it.
pub(crate) fn print(report: &Report, format: Format) -> Result<()> {
    let written = match format {
        Format::Json => serde_json::to_string(report),
        Format::Text => serde_json::to_value(report).map(|object| text(&object)),
    };
    lines::print(&written.map_err(|cause| Error::failure(format!("cannot write the report: {cause}"), ""))?)
}

/// An object as lines of names and values. The values inside another object have its name before theirs.
pub(crate) fn text(object: &Value) -> String {
    let mut rows = vec![];
    flatten("", object, &mut rows);
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    rows.iter().map(|(name, value)| format!("{name:<width$}  {value}")).collect::<Vec<_>>().join("\n")
}

fn flatten(name: &str, value: &Value, rows: &mut Vec<(String, String)>) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                flatten(format!("{name} {field}").trim_start(), value, rows);
            }
        }
        Value::Number(number) if number.is_f64() => {
            rows.push((name.to_owned(), significant(number.as_f64().unwrap_or(f64::NAN), 5)));
        }
        Value::String(text) => rows.push((name.to_owned(), text.clone())),
        other => rows.push((name.to_owned(), other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_becomes_lines_of_names_and_values() {
        let object = json!({ "task": "copy", "test": { "loss": 0.123456789, "f1": 0.5 }, "rows": 12 });
        assert_eq!(text(&object), "rows       12\ntask       copy\ntest f1    0.5\ntest loss  0.12346");
    }
}
