//! How far something is that takes a while beside the steps of a training: reading, tokenizing, evaluating.
//!
//! What takes less than two seconds shows nothing. After that a terminal has a bar, and elsewhere there is a plain line
//! about once per minute.

use crate::{
    processes,
    say::{self, Level},
};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use std::{
    io::{self, IsTerminal, Read},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

/// What takes less time shows nothing.
const WORTH_SHOWING: Duration = Duration::from_secs(2);

/// The time between two plain lines.
const BETWEEN: Duration = Duration::from_secs(60);

/// The time between two pictures of a bar.
const FRAME: Duration = Duration::from_millis(100);

/// All bars of the terminal, so that none is drawn over another.
pub(crate) fn bars() -> &'static MultiProgress {
    static BARS: OnceLock<MultiProgress> = OnceLock::new();
    BARS.get_or_init(MultiProgress::new)
}

/// Of the work at hand, how much there is and how much is done; 0 where nobody knows.
#[derive(Default)]
struct Work {
    all: AtomicU64,
    done: AtomicU64,
}

impl Work {
    /// Begins a part of so much. Two files that are read side by side are one part; a file that is read after another
    /// one is a part of its own.
    fn begin(&self, all: u64) {
        let (before, done) = (self.all.load(Ordering::Relaxed), self.done.load(Ordering::Relaxed));
        let is_over = done >= before;
        self.all.store(if is_over { all } else { before + all }, Ordering::Relaxed);
        self.done.store(if is_over { 0 } else { done }, Ordering::Relaxed);
    }

    /// The share that is done, if it is known.
    fn share(&self) -> Option<f64> {
        let (all, done) = (self.all.load(Ordering::Relaxed), self.done.load(Ordering::Relaxed));
        (all > 0).then(|| (done as f64 / all as f64).min(1.0))
    }
}

/// The stage that runs. What begins within another one is a part of it.
fn current() -> &'static Mutex<Option<Arc<Work>>> {
    static CURRENT: Mutex<Option<Arc<Work>>> = Mutex::new(None);
    &CURRENT
}

/// Something that takes a while, until it is dropped.
pub(crate) struct Stage {
    work: Arc<Work>,
    /// Ends the thread that shows it; none in a stage that is a part of another one.
    shown: Option<(mpsc::Sender<()>, thread::JoinHandle<()>)>,
}

impl Stage {
    /// Begins something of unknown length.
    pub(crate) fn new(what: &str) -> Stage {
        Stage::of(what, 0)
    }

    /// Begins something of so many parts.
    pub(crate) fn of(what: &str, all: u64) -> Stage {
        let mut current = current().lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(work) = current.as_ref() {
            work.begin(all);
            return Stage { work: work.clone(), shown: None };
        }
        let work = Arc::new(Work { all: all.into(), ..Work::default() });
        *current = Some(work.clone());
        let (sender, ended) = mpsc::channel();
        let (what, shown) = (what.to_owned(), work.clone());
        // Where there can be no thread, nothing is shown.
        let thread = thread::Builder::new().spawn(move || show(&what, &shown, &ended)).ok();
        Stage { work, shown: thread.map(|thread| (sender, thread)) }
    }

    /// So many more parts are done.
    pub(crate) fn add(&self, parts: u64) {
        self.work.done.fetch_add(parts, Ordering::Relaxed);
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if let Some((sender, thread)) = self.shown.take() {
            *current().lock().unwrap_or_else(PoisonError::into_inner) = None;
            drop(sender);
            let _ = thread.join();
        }
    }
}

/// Shows a stage until it ends.
fn show(what: &str, work: &Work, ended: &mpsc::Receiver<()>) {
    let began = Instant::now();
    let goes_on = |time| ended.recv_timeout(time) == Err(mpsc::RecvTimeoutError::Timeout);
    if !goes_on(WORTH_SHOWING) || !processes::speaks() || !say::says(Level::Usual) {
        return;
    }
    if !io::stderr().is_terminal() {
        loop {
            say::line(&plain_line(what, work.share(), began.elapsed()));
            if !goes_on(BETWEEN) {
                return;
            }
        }
    }
    let bar = bars().add(ProgressBar::new(1000));
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {percent}% · {msg} · {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    while goes_on(FRAME) {
        bar.set_position((1000.0 * work.share().unwrap_or(0.0)) as u64);
        bar.tick();
    }
    bar.finish_and_clear();
    bars().remove(&bar);
}

fn plain_line(what: &str, share: Option<f64>, since: Duration) -> String {
    let share = share.map_or(String::new(), |share| format!("{:.0}%, ", 100.0 * share));
    format!("{what}: {share}{} s so far", since.as_secs())
}

/// A reader that tells the stage at hand how far it is, or begins one of its own.
pub(crate) struct Watched<R> {
    reader: R,
    stage: Stage,
}

impl<R> Watched<R> {
    /// Reads what has this name and so many bytes.
    pub(crate) fn new(reader: R, name: &str, length: u64) -> Watched<R> {
        Watched { reader, stage: Stage::of(&format!("reading {name}"), length) }
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.reader.read(buffer)?;
        self.stage.add(read as u64);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_says_what_is_done_and_how_far_it_is() {
        let line = |share| plain_line("reading a.tsv", share, Duration::from_secs(61));
        assert_eq!(line(Some(0.345)), "reading a.tsv: 34%, 61 s so far");
        assert_eq!(line(None), "reading a.tsv: 61 s so far");
    }

    #[test]
    fn what_is_read_within_a_stage_is_its_progress() {
        let stage = Stage::new("preparing");
        let mut reader = Watched::new([7; 300].as_slice(), "a", 300);
        reader.read_exact(&mut [0; 100]).unwrap();
        assert_eq!(stage.work.share(), Some(1.0 / 3.0));
        // What is read beside it is a part of the same.
        let mut second = Watched::new([7; 100].as_slice(), "b", 100);
        assert_eq!(stage.work.share(), Some(0.25));
        io::copy(&mut reader, &mut io::sink()).unwrap();
        io::copy(&mut second, &mut io::sink()).unwrap();
        assert_eq!(stage.work.share(), Some(1.0));
        // What is read after it begins anew.
        let _third = Watched::new([7; 10].as_slice(), "c", 10);
        assert_eq!(stage.work.share(), Some(0.0));
    }
}
