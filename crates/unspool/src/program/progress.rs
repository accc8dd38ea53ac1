//! Progress on standard error: a bar on a terminal, plain lines elsewhere; and the time that went by.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

/// A bar over all steps of a training.
pub(crate) struct Progress {
    bar: ProgressBar,
    unit: &'static str,
    who: String,
    quiet: bool,
}

impl Progress {
    /// For this many steps; `who` stands before each line. A quiet one shows nothing.
    pub(crate) fn new(steps: u64, unit: &'static str, who: &str, quiet: bool) -> Progress {
        let target = if !quiet && std::io::stderr().is_terminal() {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(Some(steps), target);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} · {msg} · {eta} left") {
            bar.set_style(style);
        }
        Progress { bar, unit, who: who.to_owned(), quiet }
    }

    /// One step is done.
    pub(crate) fn step(&self, loss: f64, per_second: f64) {
        if !self.bar.is_hidden() {
            self.bar.set_message(format!("loss {loss:.3} · {per_second:.0} {}/s", self.unit));
        }
        self.bar.inc(1);
    }

    /// Begins at a later step.
    pub(crate) fn resumed(&self, step: u64) {
        self.bar.set_position(step);
        self.bar.reset_eta();
        self.say(&format!("resumed at step {step}"));
    }

    /// The bar stands still for another reason than a slow step.
    pub(crate) fn evaluating(&self) {
        self.bar.set_message("evaluating");
    }

    /// A line above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        self.bar.suspend(|| eprintln!("{}{line}", self.who));
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// Time spent on training and on evaluating.
pub(crate) struct Clock {
    since: Instant,
    pub(crate) training: Duration,
    pub(crate) evaluating: Duration,
}

impl Clock {
    /// Begins now, where so many seconds of training and of evaluation went by before.
    pub(crate) fn after(training: f64, evaluating: f64) -> Clock {
        let duration = |seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default();
        Clock { since: Instant::now(), training: duration(training), evaluating: duration(evaluating) }
    }

    /// The time since the last call, which is neither.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.since, now)
    }

    /// What went by since the last call was training.
    pub(crate) fn train(&mut self) {
        let took = self.lap();
        self.training += took;
    }

    /// It was evaluation.
    pub(crate) fn evaluate(&mut self) {
        let took = self.lap();
        self.evaluating += took;
    }
}
