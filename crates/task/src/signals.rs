//! Ctrl-C, SIGTERM and SIGHUP in a training: the first one asks it to stop and save, the second one ends it at once. A
//! server answers what it was asked, and ends.
//!
//! A signal that was ignored when the program began stays ignored. `nohup` ignores SIGHUP so, and a shell ignores
//! SIGINT for what it starts in the background. Other commands have nothing to save, and a signal simply ends them.

use super::error::{Error, Result};
use signal_hook::{consts, flag};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};
use unspool::nn::exchange::Exchange;

/// What the handlers set.
#[derive(Default)]
struct Asked {
    stop: Arc<AtomicBool>,
    signal: Arc<AtomicUsize>,
}

static ASKED: OnceLock<Asked> = OnceLock::new();

/// Takes over the signals. Gives what becomes true with the first of them.
pub(crate) fn watch() -> &'static AtomicBool {
    &ASKED
        .get_or_init(|| {
            let asked = Asked::default();
            for signal in stopping() {
                // Where there can be no handler, the signal ends the program, as it does without one. Handlers run in
                // this order, so that the first signal does not find the flag that it sets itself.
                let _ = flag::register_conditional_shutdown(signal, 128 + signal, asked.stop.clone());
                let _ = flag::register_usize(signal, asked.signal.clone(), signal as usize);
                let _ = flag::register(signal, asked.stop.clone());
            }
            asked
        })
        .stop
}

/// The error that ends what is done, once a signal has asked for that.
pub(crate) fn check() -> Result<()> {
    match ASKED.get() {
        Some(asked) if asked.stop.load(Ordering::Relaxed) => Err(stopped(None)),
        _ => Ok(()),
    }
}

/// Whether several processes train together.
static TOGETHER: AtomicBool = AtomicBool::new(false);

/// Says how many processes train together.
pub(crate) fn set_ranks(ranks: usize) {
    TOGETHER.store(ranks > 1, Ordering::Relaxed);
}

/// Ends what takes long in a task, such as a baseline, once a signal has asked the training to stop. Of several
/// processes all go on to a place where they stop together.
///
/// ```
/// assert!(unspool_task::check_signals().is_ok());
/// ```
///
/// # Errors
/// A signal came.
pub fn check_signals() -> Result<()> {
    if TOGETHER.load(Ordering::Relaxed) { Ok(()) } else { check() }
}

/// As [`check`], where this is the only process. Several processes go on to a place where all of them stop, which is
/// the next [`check_together`].
pub(crate) fn check_if_alone(exchange: &dyn Exchange) -> Result<()> {
    if exchange.ranks() <= 1 { check() } else { Ok(()) }
}

/// As [`check`], but the first of several processes decides for all. All call it at the same place.
pub(crate) fn check_together(exchange: &dyn Exchange) -> Result<()> {
    let own = check();
    if exchange.ranks() <= 1 {
        return own;
    }
    if exchange.broadcast(vec![u8::from(own.is_err())])? == [1] { Err(stopped(None)) } else { Ok(()) }
}

/// What ends a training after so many steps.
pub(crate) fn stopped(step: Option<u64>) -> Error {
    let signal = ASKED.get().map_or(0, |asked| asked.signal.load(Ordering::Relaxed));
    Error::Stopped { signal: u8::try_from(signal).ok().filter(|signal| *signal > 0).unwrap_or(2), step, resume: None }
}

/// The signals that end a program politely, but for those that were ignored when it began.
fn stopping() -> Vec<i32> {
    let status = std::fs::read_to_string("/proc/self/status");
    let ignored = status.ok().as_deref().and_then(ignored_signals);
    let mut signals = vec![consts::SIGINT, consts::SIGTERM];
    // Where it cannot be known whether `nohup` was used, SIGHUP is left alone.
    #[cfg(unix)]
    signals.extend(ignored.map(|_| consts::SIGHUP));
    signals.retain(|signal| (ignored.unwrap_or(0) >> (signal - 1)) & 1 == 0);
    signals
}

/// The signals that Linux says a process ignores: bit n − 1 is signal n.
fn ignored_signals(status: &str) -> Option<u64> {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_read_from_the_status_of_the_process() {
        let status = "Name:\tunspool\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\nSigCgt:\t0\n";
        assert_eq!(ignored_signals(status), Some((1 << 12) | 1));
        assert_eq!(ignored_signals("Name:\tunspool\n"), None);
        assert_eq!(ignored_signals("SigIgn:\tnone\n"), None);
    }
}
