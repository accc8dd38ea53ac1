//! Text on its way from a thread that generates it to a client that reads it, as server-sent events.
//!
//! The thread never waits for the client: what the client has not read yet is kept, up to a bound, and goes out as one
//! event. A client that lets more wait is cut off; one that leaves makes the next write fail.

use crate::{failure::Failure, model::Refused};
use hyper::body::{Body, Bytes, Frame};
use serde_json::json;
use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

#[derive(Debug, Default)]
struct State {
    /// What was written and not yet sent.
    text: String,
    /// The last event, once the text has ended.
    last: Option<String>,
    /// Whether nobody reads any more.
    is_gone: bool,
    /// Whether the client was too slow.
    is_cut: bool,
    /// Whether the last event was sent.
    is_done: bool,
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
struct Shared(Mutex<State>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The end that is written to. A text whose writer is dropped before it [ends](Writer::end) is an error.
#[derive(Debug)]
pub(crate) struct Writer {
    shared: Arc<Shared>,
    most: usize,
}

/// The end that is read: the body of a response.
#[derive(Debug)]
pub(crate) struct Events(Arc<Shared>);

/// Returns both ends of a stream of which at most `most` bytes wait to be read.
pub(crate) fn stream(most: usize) -> (Writer, Events) {
    let shared = Arc::new(Shared::default());
    (Writer { shared: shared.clone(), most }, Events(shared))
}

fn error(refused: Refused) -> String {
    format!("event: error\ndata: {}\n\n", Failure::from(refused).json())
}

impl Writer {
    /// Writes a piece; returns whether anybody still reads.
    pub(crate) fn write(&self, piece: &str) -> bool {
        let mut state = self.shared.lock();
        if state.is_gone || state.is_cut {
            return false;
        }
        if state.text.len() + piece.len() > self.most {
            (state.is_cut, state.text) = (true, String::new());
        }
        if !state.is_cut {
            state.text.push_str(piece);
        }
        if (state.is_cut || !piece.is_empty())
            && let Some(reader) = state.reader.take()
        {
            reader.wake();
        }
        !state.is_cut
    }

    /// Returns whether nobody reads any more.
    pub(crate) fn is_closed(&self) -> bool {
        let state = self.shared.lock();
        state.is_gone || state.is_cut
    }

    /// Ends the text, in success or with an error.
    pub(crate) fn end(self, result: Result<(), Refused>) {
        let last = match result {
            Ok(()) => "event: done\ndata: {}\n\n".to_owned(),
            Err(refused) => error(refused),
        };
        self.shared.lock().last = Some(last);
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.last.get_or_insert_with(|| error(Refused::Failed("the model failed".into())));
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.0.lock().is_gone = true;
    }
}

/// The client was too slow.
#[derive(Debug, thiserror::Error)]
#[error("the client reads too slowly")]
pub(crate) struct TooSlow;

impl Body for Events {
    type Data = Bytes;
    type Error = TooSlow;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, TooSlow>>> {
        let mut state = self.0.lock();
        if state.is_cut {
            return Poll::Ready(Some(Err(TooSlow)));
        }
        if !state.text.is_empty() {
            let text = std::mem::take(&mut state.text);
            return Poll::Ready(Some(Ok(Frame::data(format!("data: {}\n\n", json!({ "text": text })).into()))));
        }
        if state.is_done {
            return Poll::Ready(None);
        }
        if let Some(last) = state.last.take() {
            state.is_done = true;
            return Poll::Ready(Some(Ok(Frame::data(last.into()))));
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().is_done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn poll(events: &mut Events) -> Poll<Option<Result<String, ()>>> {
        let polled = Pin::new(events).poll_frame(&mut Context::from_waker(Waker::noop()));
        let text = |frame: Frame<Bytes>| String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap();
        polled.map(|frame| frame.map(|frame| frame.map(text).map_err(drop)))
    }

    #[test]
    fn what_waits_goes_out_as_one_event_and_then_the_end() {
        let (writer, mut events) = stream(100);
        assert_eq!(poll(&mut events), Poll::Pending);
        assert!(writer.write("a") && writer.write("\n\"b") && writer.write(""));
        assert_eq!(poll(&mut events), Poll::Ready(Some(Ok("data: {\"text\":\"a\\n\\\"b\"}\n\n".into()))));
        assert_eq!(poll(&mut events), Poll::Pending);
        writer.end(Ok(()));
        assert_eq!(poll(&mut events), Poll::Ready(Some(Ok("event: done\ndata: {}\n\n".into()))));
        assert_eq!(poll(&mut events), Poll::Ready(None));
    }

    #[test]
    fn a_slow_reader_is_cut_off_and_one_that_left_ends_the_writing() {
        let (writer, mut events) = stream(10);
        assert!(writer.write("12345") && writer.write("67890") && !writer.write("x") && !writer.write(""));
        assert_eq!(poll(&mut events), Poll::Ready(Some(Err(()))));
        let (writer, events) = stream(10);
        assert!(writer.write("1"));
        drop(events);
        assert!(!writer.write("2") && writer.is_closed());
    }

    #[test]
    fn a_writer_that_is_lost_is_an_error() {
        let (writer, mut events) = stream(10);
        drop(writer);
        let Poll::Ready(Some(Ok(last))) = poll(&mut events) else { panic!() };
        assert!(last.starts_with("event: error\n") && last.contains("the model failed"), "{last}");
    }
}
