//! Calls of the tokenizing library: its errors and its panics become errors of this crate, with the file's name, and
//! nothing is printed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

use crate::error::Error;
use crate::prefetch::panic_message;

thread_local! {
    /// Whether this thread is inside the library, so that a panic will be caught.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs the library for the tokenizer of a file.
pub(super) fn guarded<T>(
    file: &str,
    doing: &'static str,
    run: impl FnOnce() -> tokenizers::Result<T>,
) -> Result<T, Error> {
    silence_guarded_panics();
    let outside = GUARDED.replace(true);
    let ended = catch_unwind(AssertUnwindSafe(run));
    GUARDED.set(outside);
    let reason = match ended {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(panic) => panic_message(&*panic),
    };
    Err(Error::Library { file: file.to_owned(), doing, reason })
}

/// A panic is printed by a hook before anyone can catch it. The hook set here, once, leaves out those of a guarded
/// thread, and hands all others to the hook that was there.
fn silence_guarded_panics() {
    static ONCE: Once = Once::new();
    // A panicking thread cannot set a hook; the next one will.
    if ONCE.is_completed() || std::thread::panicking() {
        return;
    }
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !GUARDED.try_with(Cell::get).unwrap_or(false) {
                before(info);
            }
        }));
    });
}
