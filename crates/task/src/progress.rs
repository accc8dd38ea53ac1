//! Progress on standard error: a bar on a terminal, elsewhere a plain line about once per minute, or once per second
//! where much is said; and the time that training and evaluation took.

use super::{
    number::significant,
    say::{self, Level},
    stage::bars,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    cell::Cell,
    io::IsTerminal,
    time::{Duration, Instant},
};
use unspool::nn::training::StepDone;

/// The time between two plain lines, and between two of them where much is said.
const BETWEEN: Duration = Duration::from_secs(60);
const BETWEEN_DETAILS: Duration = Duration::from_secs(1);

/// Shows how far a training is.
pub(crate) struct Progress {
    bar: ProgressBar,
    steps: u64,
    unit: &'static str,
    who: String,
    quiet: bool,
    plain: bool,
    /// When this process began to train, and after how many steps.
    began: Cell<(Instant, u64)>,
    /// When the last plain line was written.
    said: Cell<Option<Instant>>,
}

impl Progress {
    /// For a training of this many steps. `who` stands before each line. A quiet one shows nothing.
    pub(crate) fn new(steps: u64, unit: &'static str, who: &str, quiet: bool) -> Progress {
        let plain = !std::io::stderr().is_terminal();
        let bar = if quiet || plain || !say::says(Level::Usual) {
            ProgressBar::hidden()
        } else {
            bars().add(ProgressBar::new(steps))
        };
        bar.set_length(steps);
        if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} · {msg} · {eta} left") {
            bar.set_style(style);
        }
        let (began, said) = (Cell::new((Instant::now(), 0)), Cell::new(None));
        Progress { bar, steps, unit, who: who.to_owned(), quiet, plain, began, said }
    }

    /// Shows that one step is done.
    pub(crate) fn step(&self, done: &StepDone, per_second: f64) {
        if !self.bar.is_hidden() {
            let loss = significant(done.train_loss, 4);
            self.bar.set_message(format!("loss {loss} · {per_second:.0} {}/s", self.unit));
        }
        self.bar.inc(1);
        let is_verbose = say::says(Level::Verbose);
        let between = if is_verbose { BETWEEN_DETAILS } else { BETWEEN };
        if (self.plain || is_verbose) && self.said.get().is_none_or(|at| at.elapsed() >= between) {
            self.said.set(Some(Instant::now()));
            let (began, before) = self.began.get();
            let line = plain_line(done, (before, self.steps), began.elapsed(), per_second, self.unit);
            let (rate, norm) = (significant(done.rate, 4), significant(done.norm, 4));
            self.say(&if is_verbose { format!("{line}, learning rate {rate}, gradient norm {norm}") } else { line });
        }
    }

    /// Begins at a later step.
    pub(crate) fn resumed(&self, step: u64) {
        self.bar.set_position(step);
        self.bar.reset_eta();
        self.began.set((Instant::now(), step));
        self.say(&format!("resumed at step {step}"));
    }

    /// Shows why the bar stands still.
    pub(crate) fn evaluating(&self) {
        self.bar.set_message("evaluating");
    }

    /// Writes a line above the bar.
    pub(crate) fn say(&self, line: &str) {
        if self.quiet {
            return;
        }
        bars().suspend(|| say::line(&format!("{}{line}", self.who)));
    }

    /// Writes above the bar what went wrong, although the training goes on.
    pub(crate) fn warn(&self, line: &str) {
        if !self.quiet {
            bars().suspend(|| say::warning(&format!("{}{line}", self.who)));
        }
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A step as a line. `before` steps were done when this process began; the time left is that of as many steps as are
/// missing from all of them, evaluations included.
fn plain_line(done: &StepDone, (before, steps): (u64, u64), since: Duration, per_second: f64, unit: &str) -> String {
    let percent = 100 * done.batch / done.batches.max(1);
    let here = done.step.saturating_sub(before).max(1);
    let left = since.as_secs_f64() / here as f64 * steps.saturating_sub(done.step) as f64;
    format!(
        "step {}/{steps}: {percent}% of epoch {}, loss {}, {per_second:.0} {unit}/s, about {} left",
        done.step,
        done.epoch + 1,
        significant(done.train_loss, 4),
        duration(left)
    )
}

/// A duration in the unit that fits it.
fn duration(seconds: f64) -> String {
    match seconds.round() as u64 {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", (seconds + 30) / 60),
        seconds => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// The time spent on training and on evaluating.
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

    /// Gives the time since the last call, which counts as neither.
    pub(crate) fn lap(&mut self) -> Duration {
        let now = Instant::now();
        now - std::mem::replace(&mut self.since, now)
    }

    /// Counts the time since the last call as training.
    pub(crate) fn train(&mut self) {
        let took = self.lap();
        self.training += took;
    }

    /// Counts it as evaluation.
    pub(crate) fn evaluate(&mut self) {
        let took = self.lap();
        self.evaluating += took;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_line_says_how_far_it_is_and_what_is_left() {
        let done = StepDone {
            epoch: 2,
            batch: 50,
            batches: 200,
            step: 450,
            loss: 1.0,
            train_loss: 0.001_234_56,
            weight: 1.0,
            rate: 0.1,
            norm: 1.0,
        };
        let line = |steps, since| plain_line(&done, steps, Duration::from_secs(since), 5321.7, "tokens");
        assert_eq!(
            line((0, 800), 900),
            "step 450/800: 25% of epoch 3, loss 0.001235, 5322 tokens/s, about 12 min left"
        );
        // Steps before this process began took none of its time.
        assert!(line((440, 800), 20).ends_with("about 12 min left"));
        assert!(line((450, 800), 20).ends_with("about 117 min left"));
        assert!(line((450, 1200), 20).ends_with("about 4 h 10 min left"));
        assert!(line((0, 450), 20).ends_with("about 0 s left"));
    }
}
