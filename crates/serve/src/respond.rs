//! Responses: JSON, files, events, failures, and the headers that all of them have.

use crate::{failure::Failure, stream::Events};
use http_body_util::{Either, Full};
use hyper::{
    Response, StatusCode,
    body::Bytes,
    header::{ALLOW, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use serde::Serialize;

/// A response: whole, or as events that come.
pub(crate) type Answer = Response<Either<Full<Bytes>, Events>>;

/// What every response says: nothing from elsewhere is loaded, nothing is kept, and no other page may show or read it.
const HEADERS: [(&str, &str); 7] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), geolocation=(), microphone=()"),
    ("cache-control", "no-store"),
];

/// Sets the headers that every response has.
fn with_headers(mut response: Answer, content_type: &'static str) -> Answer {
    let headers: &mut HeaderMap = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.insert(hyper::header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// Returns a text of some type.
pub(crate) fn text(content_type: &'static str, text: impl Into<Bytes>) -> Answer {
    with_headers(Response::new(Either::Left(Full::new(text.into()))), content_type)
}

/// Returns a value as JSON.
pub(crate) fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => text("application/json", bytes),
        Err(cause) => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the answer is no JSON: {cause}")).into(),
    }
}

/// Returns events as they come.
pub(crate) fn events(events: Events) -> Answer {
    with_headers(Response::new(Either::Right(events)), "text/event-stream")
}

impl From<Failure> for Answer {
    fn from(failure: Failure) -> Answer {
        let mut answer = json(&failure.json());
        *answer.status_mut() = failure.status;
        if failure.status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        }
        if let Some(allow) = failure.allow {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        answer
    }
}
