//! The last line on standard output: what a training came to, for programs.

use super::error::{Error, Result};
use crate::tasks::Score;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::io::Write;

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
    /// Of the epoch whose weights were kept.
    pub(crate) dev: Value,
    /// With those weights.
    pub(crate) test: Value,
}

impl Report {
    /// The scores of one part.
    pub(crate) fn part(epoch: Option<u64>, loss: f64, metric: &str, score: &Score) -> Value {
        let mut fields = Map::new();
        if let Some(epoch) = epoch {
            fields.insert("epoch".into(), json!(epoch));
        }
        fields.insert("loss".into(), json!(loss));
        fields.insert(metric.into(), json!(score.value));
        if let Some(signature) = &score.signature {
            fields.insert("signature".into(), json!(signature));
        }
        Value::Object(fields)
    }
}

/// Prints it.
pub(crate) fn print(report: &Report) -> Result<()> {
    let line = serde_json::to_string(report).map_err(|e| Error::failure(format!("the report is no JSON: {e}"), ""))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).map_err(|cause| Error::output(&cause))
}
