//! Work done ahead, on another thread.
//!
//! Reading and tokenizing need no model, and a model needs no file: [`Prefetch`] lets both run at once, with a bound on
//! the items that may wait between them, so that a fast reader does not fill the memory.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

use crate::error::Error;

/// The largest bound: its room is taken at once.
const LARGEST_BOUND: usize = 1 << 20;

/// Iterates over the items of an iterator that runs on another thread, in its order.
///
/// Dropping it early stops the thread at its next item and waits for it.
///
/// ```
/// use unspool_text::Prefetch;
///
/// let squares = Prefetch::new(2, (0..5).map(|n| Ok(n * n)))?;
/// assert_eq!(squares.collect::<Result<Vec<_>, _>>()?, [0, 1, 4, 9, 16]);
/// # Ok::<(), unspool_text::Error>(())
/// ```
#[derive(Debug)]
pub struct Prefetch<T> {
    items: Option<Receiver<Result<T, Error>>>,
    thread: Option<JoinHandle<()>>,
}

impl<T: Send + 'static> Prefetch<T> {
    /// Starts the thread; it holds at most `bound` items ready, and one in hand.
    ///
    /// A panic of the iterator arrives as [`Error::Prefetch`], as the last item.
    ///
    /// # Errors
    /// [`Error::Option`] for a bound of 0, [`Error::Unreadable`] when the system cannot start a thread.
    pub fn new<I>(bound: usize, items: I) -> Result<Self, Error>
    where
        I: IntoIterator<Item = Result<T, Error>> + Send + 'static,
    {
        if !(1..=LARGEST_BOUND).contains(&bound) {
            return Err(Error::Option {
                option: "the bound of what is read ahead",
                found: bound.to_string(),
                expected: "from 1 to 1,048,576",
            });
        }
        let (sender, receiver) = sync_channel(bound);
        let run = move || {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                // A send fails when the receiver is gone: nobody wants the rest.
                let _ = items.into_iter().try_for_each(|item| sender.send(item));
            }));
            if let Err(panic) = outcome {
                let _ = sender.send(Err(Error::Prefetch { reason: panic_message(&*panic) }));
            }
        };
        let thread = std::thread::Builder::new()
            .name("unspool-ahead".into())
            .spawn(run)
            .map_err(|cause| Error::Unreadable { file: "a thread to read ahead".into(), cause })?;
        Ok(Prefetch { items: Some(receiver), thread: Some(thread) })
    }
}

impl<T> Iterator for Prefetch<T> {
    type Item = Result<T, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.items.as_ref()?.recv().ok()
    }
}

impl<T> Drop for Prefetch<T> {
    fn drop(&mut self) {
        // The receiver first: a thread that waits to send wakes up.
        drop(self.items.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic".into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn items_arrive_in_order_and_errors_with_them() {
        let bad = || Error::NoRows { file: "b".into() };
        let items = Prefetch::new(1, vec![Ok(1), Err(bad()), Ok(2)]).unwrap();
        let items: Vec<_> = items.map(|item| item.map_err(|error| error.to_string())).collect();
        assert_eq!(items, [Ok(1), Err("b: no data rows".into()), Ok(2)]);
    }

    #[test]
    fn a_bound_without_a_meaning_is_an_error() {
        for bound in [0, LARGEST_BOUND + 1, usize::MAX / 2, usize::MAX] {
            let why = Prefetch::new(bound, vec![Ok(1)]).unwrap_err().to_string();
            assert!(why.contains(&bound.to_string()) && why.contains("1,048,576"), "{why}");
        }
        assert_eq!(Prefetch::new(LARGEST_BOUND, vec![Ok(1)]).unwrap().count(), 1);
    }

    #[test]
    fn a_panic_arrives_as_an_error() {
        let mut items = Prefetch::new(4, (0..3).map(|n| if n == 1 { panic!("no {n}") } else { Ok(n) })).unwrap();
        assert_eq!(items.next().unwrap().unwrap(), 0);
        assert_eq!(items.next().unwrap().unwrap_err().to_string(), "the thread that reads ahead panicked: no 1");
        assert!(items.next().is_none());
    }

    #[test]
    fn no_more_is_made_than_the_bound_allows_and_dropping_stops_the_thread() {
        let made = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&made);
        let mut items = Prefetch::new(
            3,
            (0..1000).map(move |n| {
                counter.fetch_add(1, Ordering::SeqCst);
                Ok(n)
            }),
        )
        .unwrap();
        assert_eq!(items.next().unwrap().unwrap(), 0);
        drop(items);
        // One taken, three ready, one in hand, and one more that found room when the first was taken.
        assert!(made.load(Ordering::SeqCst) <= 6);
    }
}
