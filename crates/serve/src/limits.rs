//! The bounds of everything that a client can ask for.

use std::{thread, time::Duration};

/// Holds the bounds of a server. The defaults suit a server on loopback; tests choose smaller ones.
///
/// ```
/// use std::time::Duration;
/// let limits = unspool_serve::Limits { header_time: Duration::from_secs(1), ..Default::default() };
/// assert!(limits.queue > limits.batch && limits.json_bytes < limits.sound_bytes);
/// ```
#[derive(Clone, Debug)]
pub struct Limits {
    /// Connections at a time. Further ones wait in the system's queue.
    pub connections: usize,
    /// Questions to one model that wait; further ones are refused with 503.
    pub queue: usize,
    /// Questions that are answered as one batch.
    pub batch: usize,
    /// Texts that are generated at a time, each on a thread.
    pub generations: usize,
    /// Texts whose generation runs or waits for a thread; further ones are refused with 503.
    pub generation_queue: usize,
    /// Bytes of generated text that wait for one client. A client that lets more of it wait is cut off.
    pub unread_bytes: usize,
    /// Bytes of a request's line and headers together.
    pub header_bytes: usize,
    /// Bytes of a request in JSON.
    pub json_bytes: usize,
    /// Bytes of a recording.
    pub sound_bytes: usize,
    /// Bytes of the bodies of all requests together; what would exceed them is refused with 503.
    pub memory_bytes: usize,
    /// Time for the headers of a request, and for the next request on an open connection.
    pub header_time: Duration,
    /// Time for the body of a request.
    pub body_time: Duration,
    /// Time in which a client must read something of what is sent to it.
    pub write_time: Duration,
    /// Time in which requests that run are answered after the server was told to stop.
    pub stop_time: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let generations = thread::available_parallelism().map_or(2, usize::from).max(2);
        Limits {
            connections: 1024,
            queue: 256,
            batch: 64,
            generations,
            generation_queue: 256,
            unread_bytes: 1 << 16,
            header_bytes: 1 << 14,
            json_bytes: 1 << 19,
            sound_bytes: 8 << 20,
            memory_bytes: 64 << 20,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(20),
            write_time: Duration::from_secs(20),
            stop_time: Duration::from_secs(10),
        }
    }
}
