//! Why a request is not answered: one clear message, as JSON.

use crate::model::Refused;
use hyper::StatusCode;
use serde_json::{Value, json};

/// Why a request is not answered.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) status: StatusCode,
    message: String,
    hint: String,
    /// The methods that a path has.
    pub(crate) allow: Option<&'static str>,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Failure {
        Failure { status, message: message.into(), hint: String::new(), allow: None }
    }

    /// Says what would be right.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Failure {
        Failure { hint: hint.into(), ..self }
    }

    /// The queue or the memory is full.
    pub(crate) fn busy() -> Failure {
        Failure::new(StatusCode::SERVICE_UNAVAILABLE, "too many requests wait").hint("try again in a second")
    }

    /// A path has these methods alone.
    pub(crate) fn method(allow: &'static str) -> Failure {
        let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, format!("this path has {allow} alone"));
        Failure { allow: Some(allow), ..failure }
    }

    pub(crate) fn json(&self) -> Value {
        let Failure { status, message, hint, .. } = self;
        json!({ "error": { "status": status.as_u16(), "message": message, "hint": hint } })
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Failure {
        let message = refused.to_string();
        match refused {
            Refused::Question { hint, .. } => Failure::new(StatusCode::UNPROCESSABLE_ENTITY, message).hint(hint),
            Refused::NotReady(_) => Failure::new(StatusCode::CONFLICT, message).hint("try again later"),
            Refused::Failed(_) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, message),
        }
    }
}
