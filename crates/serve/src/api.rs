//! What requests hold, as JSON, checked.

use crate::{
    failure::Failure,
    model::{Continuation, Question},
};
use hyper::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};

/// Answers to one question, and alternatives at one place, at most.
pub(crate) const BEST: usize = 20;
/// Tokens of a generated text, at most.
pub(crate) const LENGTH: usize = 10_000;
/// Bytes of a text that a model is asked with, at most: a recurrence keeps some kilobytes for each.
pub(crate) const INPUT: usize = 1 << 16;
/// The highest temperature.
const TEMPERATURE: f64 = 1000.0;

/// The description of the API, in the form of OpenAPI 3.1.
pub(crate) const SCHEMA: &str = include_str!("openapi.json");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Predict {
    input: String,
    #[serde(default = "one")]
    best: usize,
    #[serde(default)]
    attention: bool,
    #[serde(default)]
    contributions: bool,
    #[serde(default)]
    prefix: Option<String>,
    #[serde(default)]
    alternatives: usize,
}

fn one() -> usize {
    1
}

/// Reads what a model shall be asked.
pub(crate) fn question(body: &[u8]) -> Result<Question, Failure> {
    let Predict { input, best, attention, contributions, prefix, alternatives } = parse(body)?;
    check_text("input", &input)?;
    check_text("prefix", prefix.as_deref().unwrap_or_default())?;
    check("alternatives", alternatives <= BEST, format!("from 0 to {BEST}"))?;
    if input.trim().is_empty() {
        return Err(invalid("input is blank", "give a text"));
    }
    // A model reads lines.
    let line = |text: String| text.replace(['\r', '\n'], " ");
    let question = Question::of_text(line(input));
    let prefix = prefix.map(line);
    Ok(Question { best: check_best(best)?, attention, contributions, prefix, alternatives, ..question })
}

/// Reads how a recording shall be heard from the query of its address.
pub(crate) fn sound(query: Option<&str>, wav: Vec<u8>) -> Result<Question, Failure> {
    let mut best = 1;
    for part in query.unwrap_or_default().split('&').filter(|part| !part.is_empty()) {
        let number = part.strip_prefix("best=").and_then(|number| number.parse().ok());
        best = number.ok_or_else(|| invalid("the query is not best=N", format!("N is from 1 to {BEST}")))?;
    }
    if wav.is_empty() {
        return Err(invalid("there is no recording", "send the bytes of a WAV file"));
    }
    Ok(Question { best: check_best(best)?, ..Question::of_sound(wav) })
}

/// Reads what shall be written.
pub(crate) fn continuation(body: &[u8]) -> Result<Continuation, Failure> {
    let ask: Continuation = parse(body)?;
    check_text("prompt", &ask.prompt)?;
    check("length", (1..=LENGTH).contains(&ask.length), format!("from 1 to {LENGTH}"))?;
    check("temperature", (0.0..=TEMPERATURE).contains(&ask.temperature), format!("from 0 to {TEMPERATURE}"))?;
    check("top_k", ask.top_k.is_none_or(|k| k > 0), "1 or more")?;
    check("top_p", ask.top_p.is_none_or(|p| (1e-6..=1.0).contains(&p)), "from 0.000001 to 1")?;
    Ok(ask)
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(|cause| {
        Failure::new(StatusCode::BAD_REQUEST, format!("the body is not what is asked for: {cause}"))
            .hint("GET /api/schema describes it")
    })
}

fn check_text(name: &str, text: &str) -> Result<(), Failure> {
    check(name, text.len() <= INPUT, format!("at most {INPUT} bytes long"))
}

fn check_best(best: usize) -> Result<usize, Failure> {
    check("best", (1..=BEST).contains(&best), format!("from 1 to {BEST}"))?;
    Ok(best)
}

fn check(name: &str, is_right: bool, right: impl Into<String>) -> Result<(), Failure> {
    match is_right {
        true => Ok(()),
        false => Err(invalid(format!("{name} is out of range"), format!("it must be {}", right.into()))),
    }
}

pub(crate) fn invalid(message: impl Into<String>, hint: impl Into<String>) -> Failure {
    Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message).hint(hint)
}
