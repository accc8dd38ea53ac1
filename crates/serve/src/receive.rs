//! The body of a request: bounded in size, in time, and in memory with all others.

use crate::{failure::Failure, limits::Limits};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{
    Request, StatusCode,
    body::{Body, Bytes, Incoming},
    header::CONTENT_TYPE,
};
use std::sync::Arc;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// Bytes that one permit stands for.
const UNIT: usize = 1024;

/// The memory of the bodies of all requests.
#[derive(Debug)]
pub(crate) struct Memory(Arc<Semaphore>);

impl Memory {
    pub(crate) fn new(bytes: usize) -> Memory {
        Memory(Arc::new(Semaphore::new(bytes.div_ceil(UNIT))))
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, Failure> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Failure::busy())?;
        self.0.clone().try_acquire_many_owned(units).map_err(|_| Failure::busy())
    }
}

/// A body, and the memory that it takes until this is dropped.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    pub(crate) memory: OwnedSemaphorePermit,
}

/// Returns the type of a body, without parameters.
pub(crate) fn content_type(request: &Request<Incoming>) -> String {
    let value = request.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Reads a body of at most `most` bytes.
pub(crate) async fn receive(
    body: Incoming,
    most: usize,
    memory: &Memory,
    limits: &Limits,
) -> Result<Received, Failure> {
    let too_large = || {
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, format!("the request has more than {most} bytes"))
            .hint("send less at a time")
    };
    let size = body.size_hint();
    if size.lower() > most as u64 {
        return Err(too_large());
    }
    // What comes without a length may become as large as is allowed.
    let expected = size.exact().and_then(|bytes| usize::try_from(bytes).ok()).unwrap_or(most);
    let memory = memory.take(expected)?;
    let collected = timeout(limits.body_time, Limited::new(body, most).collect()).await.map_err(|_| {
        Failure::new(StatusCode::REQUEST_TIMEOUT, "the body of the request did not come in time")
            .hint(format!("send all of it within {} s", limits.body_time.as_secs_f64()))
    })?;
    let collected = collected.map_err(|cause| match cause.is::<LengthLimitError>() {
        true => too_large(),
        false => Failure::new(StatusCode::BAD_REQUEST, "the body of the request cannot be read"),
    })?;
    Ok(Received { bytes: collected.to_bytes(), memory })
}
