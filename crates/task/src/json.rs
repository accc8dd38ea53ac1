//! The last line on standard output: what a training came to, for programs.

use super::{
    error::{Error, Result},
    lines,
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
    pub(crate) fn part(epoch: Option<u64>, Evaluated { loss, score }: &Evaluated, metric: &str) -> Value {
        let mut fields = Map::new();
        if let Some(epoch) = epoch {
            fields.insert("epoch".into(), json!(epoch));
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
pub(crate) fn print(report: &Report) -> Result<()> {
    let line = serde_json::to_string(report).map_err(|e| Error::failure(format!("the report is no JSON: {e}"), ""))?;
    lines::print(&line)
}
