//! Serves models over HTTP: a JSON API, streamed text, and a page for trying a model.
//!
//! A [`Model`] answers batches of [`Question`]s; [`serve`] does the rest until it is told to stop. Requests that wait
//! are answered as one batch, and every queue, size and time has a bound in [`Limits`].
//!
//! ```
//! use std::{
//!     io::{Read, Write},
//!     net::{TcpListener, TcpStream},
//!     sync::{Arc, atomic::{AtomicBool, Ordering}},
//! };
//! use unspool_serve::{Description, Input, Limits, Model, Prediction, Question, Refused, serve};
//!
//! /// Answers a text with its length.
//! struct Length;
//!
//! impl Model for Length {
//!     fn describe(&self) -> Description {
//!         let [name, task] = ["length"; 2].map(str::to_owned);
//!         Description { name, task, about: "Count characters".into(), input: Input::Text, takes_prefix: false }
//!     }
//!     fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>> {
//!         questions.iter().map(|one| Ok(Prediction::answer(one.text()?.chars().count().to_string()))).collect()
//!     }
//! }
//!
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let address = listener.local_addr()?;
//! let stop = AtomicBool::new(false);
//! let answer = std::thread::scope(|scope| -> std::io::Result<String> {
//!     let server = scope.spawn(|| serve(listener, vec![Arc::new(Length)], &Limits::default(), &stop));
//!     let mut client = TcpStream::connect(address)?;
//!     let body = r#"{"input": "three"}"#;
//!     write!(
//!         client,
//!         "POST /api/models/length/predict HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
//!          Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
//!         body.len()
//!     )?;
//!     let mut answer = String::new();
//!     client.read_to_string(&mut answer)?;
//!     stop.store(true, Ordering::Relaxed);
//!     server.join().unwrap()?;
//!     Ok(answer)
//! })?;
//! assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains(r#""answer":"5""#));
//! # Ok::<(), std::io::Error>(())
//! ```
#![forbid(unsafe_code)]

mod api;
mod batch;
mod failure;
mod guard;
mod limits;
mod model;
mod page;
mod receive;
mod respond;
mod routes;
mod server;
mod stream;

pub use limits::Limits;
pub use model::{
    Alternative, AttentionMap, Continuation, Contribution, Description, Input, Model, Prediction, Question, Ranked,
    Refused, Training,
};
pub use server::{serve, serve_as};
