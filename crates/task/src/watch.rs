//! What is said and written while a training runs.

use super::{
    error::{Error, Result},
    figure,
    number::{score, significant},
    progress::{Clock, Progress},
    run::{CURVE, METRICS, REPORT, RunFolder, Times},
    say::{self, Level},
};
use crate::{task::Metric, training::epochs_of};
use std::time::{Duration, Instant};
use unspool::nn::training::{Evaluated as Epoch, Event};

/// A training of more epochs writes a line only after some of them.
const MOST_LINES: u64 = 60;

/// Makes a report of the evaluations so far and the learning curve.
type WritePage<'a> = dyn Fn(&[Epoch], String) -> Result<String> + 'a;

/// A training as it is watched.
pub(crate) struct Watched<'a> {
    pub(crate) task: &'static str,
    pub(crate) metric: Metric,
    pub(crate) unit: &'static str,
    pub(crate) epochs: u64,
    pub(crate) steps_per_epoch: u64,
    /// Gives the report as it is so far, with the evaluations and the learning curve; a model that another is compared
    /// with has none of its own.
    pub(crate) page: Option<&'a WritePage<'a>>,
    /// Gives the time steps computed so far.
    pub(crate) tokens: &'a dyn Fn() -> f64,
    /// Gives what to show after an epoch.
    pub(crate) samples: &'a dyn Fn() -> Vec<String>,
}

/// Writes progress lines, the table of metrics, the learning curve, and the report as it is so far.
///
/// A file that cannot be written does not end the training. It is written later, once writing works again.
pub(crate) struct Watch<'a> {
    watched: Watched<'a>,
    folder: &'a RunFolder,
    progress: &'a Progress,
    pub(crate) clock: Clock,
    pub(crate) history: Vec<Epoch>,
    /// When the files were written last, and how long that took.
    written: Option<(Instant, Duration)>,
    /// Why the files are not what they should be now.
    unwritten: Option<Error>,
}

impl<'a> Watch<'a> {
    /// Watches a training that took `times` before this process resumed it.
    pub(crate) fn new(watched: Watched<'a>, folder: &'a RunFolder, progress: &'a Progress, times: &Times) -> Watch<'a> {
        let clock = Clock::after(times.training_seconds, times.evaluation_seconds);
        Watch { watched, folder, progress, clock, history: vec![], written: None, unwritten: None }
    }

    pub(crate) fn on(&mut self, event: Event<'_>) {
        match event {
            Event::Resumed { step, history, .. } => {
                self.progress.resumed(step);
                self.history = history.to_vec();
                // The kill may have come between the checkpoint and these files.
                self.write();
                self.clock.lap();
            }
            Event::Step(step) => {
                self.clock.train();
                let per_second = (self.watched.tokens)() / self.clock.training.as_secs_f64().max(1e-9);
                self.progress.step(&step, per_second);
            }
            Event::Evaluating => {
                self.clock.train();
                self.progress.evaluating();
            }
            Event::Evaluated { evaluated, is_best } => {
                self.clock.evaluate();
                self.history.push(evaluated.clone());
                self.say(evaluated, is_best);
                // Where an epoch takes a moment, writing after each one would take longer than training.
                let due = |(at, took): (Instant, Duration)| at.elapsed() > Duration::from_secs(1).max(20 * took);
                if self.written.is_none_or(due) {
                    self.write();
                }
                self.clock.evaluate();
            }
            _ => {}
        }
    }

    /// Writes the files a last time. Gives why that was not possible.
    pub(crate) fn finish(&mut self) -> Option<Error> {
        self.write();
        self.unwritten.take()
    }

    fn say(&self, epoch: &Epoch, is_best: bool) {
        let Watched { metric, unit, epochs, steps_per_epoch, .. } = self.watched;
        let every = if say::says(Level::Verbose) { 1 } else { epochs.div_ceil(MOST_LINES) };
        let is_within = !epoch.step.is_multiple_of(steps_per_epoch);
        if (is_within && every > 1) || !epoch.epoch.is_multiple_of(every) && epoch.epoch != epochs {
            return;
        }
        let get = |name| epoch.evaluation.get(name).unwrap_or(f64::NAN);
        let seconds = self.clock.training.as_secs_f64();
        self.progress.say(&format!(
            "epoch {}/{epochs}: train loss {}, dev loss {}, dev {} {}{}, {:.0} {unit}/s, {seconds:.1} s",
            significant(epochs_of(epoch.step, steps_per_epoch), 4),
            significant(epoch.train_loss, 5),
            significant(get("loss"), 5),
            metric.name,
            score(get(metric.name), metric.digits),
            if is_best { " (best)" } else { "" },
            (self.watched.tokens)() / seconds.max(1e-9),
        ));
        (self.watched.samples)().iter().for_each(|line| self.progress.say(line));
    }

    fn write(&mut self) {
        if self.history.is_empty() {
            return;
        }
        let began = Instant::now();
        let error = self.write_files().err();
        if let Some(error) = &error
            && self.unwritten.is_none()
        {
            self.progress.warn(&format!("{error}; the training continues, and writes it later"));
        }
        self.unwritten = error;
        self.written = Some((Instant::now(), began.elapsed()));
    }

    fn write_files(&self) -> Result<()> {
        let Watched { task, metric, steps_per_epoch, page, .. } = self.watched;
        let times = self.folder.write_times(&Times {
            training_seconds: self.clock.training.as_secs_f64(),
            evaluation_seconds: self.clock.evaluating.as_secs_f64(),
            tokens: (self.watched.tokens)() as u64,
        });
        let metrics = self.folder.write(METRICS, &metrics(metric.name, &self.history, steps_per_epoch));
        let curve = figure::learning_curve(task, metric.name, &self.history, steps_per_epoch)?;
        let drawn = self.folder.write(CURVE, &curve);
        let page = page.map_or(Ok(()), |page| self.folder.write(REPORT, &page(&self.history, curve)?));
        // A file that cannot be written holds up no other.
        times.and(metrics).and(drawn).and(page)
    }
}

/// A row for each evaluation, with all digits. One within an epoch has the share of the epoch that was done.
fn metrics(metric: &str, history: &[Epoch], steps_per_epoch: u64) -> String {
    let mut out = format!("epoch,train_loss,dev_loss,dev_{metric}\n");
    for epoch in history {
        let get = |name| epoch.evaluation.get(name).unwrap_or(f64::NAN);
        let epochs = epochs_of(epoch.step, steps_per_epoch);
        out += &format!("{epochs},{:?},{:?},{:?}\n", epoch.train_loss, get("loss"), get(metric));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{super::run::Place, *};
    use std::fs;
    use unspool::nn::training::Evaluation;

    fn epoch(number: u64) -> Epoch {
        let evaluation = Evaluation::of_score(0.5).metric("loss", 1.0 / 3.0).metric("rmse", 2.3e-7);
        Epoch { step: number, epoch: number, train_loss: 1e300, evaluation }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_written_later_and_nothing_else_is_lost() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("run");
        let folder = Place::find(Some(&path), false).unwrap().create("task").unwrap();
        let progress = Progress::new(2, "tokens", "", true);
        let metric = Metric { name: "rmse", digits: 2, less_is_better: true };
        let watched = || Watched {
            task: "task",
            metric,
            unit: "tokens",
            epochs: 2,
            steps_per_epoch: 1,
            page: Some(&|history, _| Ok(format!("{} epochs", history.len()))),
            tokens: &|| 1.0,
            samples: &Vec::new,
        };
        // A folder stands where the file belongs: no write can succeed.
        let mut watch = Watch::new(watched(), &folder, &progress, &Times::default());
        fs::create_dir_all(path.join(METRICS).join("in the way")).unwrap();
        watch.on(Event::Evaluated { evaluated: &epoch(1), is_best: true });
        assert!(watch.unwritten.is_some());
        fs::remove_dir_all(path.join(METRICS)).unwrap();
        watch.on(Event::Evaluated { evaluated: &epoch(2), is_best: true });
        assert!(watch.finish().is_none());
        let written = fs::read_to_string(path.join(METRICS)).unwrap();
        assert_eq!(
            written.lines().collect::<Vec<_>>(),
            [
                "epoch,train_loss,dev_loss,dev_rmse",
                "1,1e300,0.3333333333333333,2.3e-7",
                "2,1e300,0.3333333333333333,2.3e-7"
            ]
        );
        assert!(path.join(CURVE).exists());
        assert_eq!(fs::read_to_string(path.join(REPORT)).unwrap(), "2 epochs");

        // What cannot be written at the end is told then.
        fs::remove_file(path.join(CURVE)).unwrap();
        fs::create_dir_all(path.join(CURVE).join("in the way")).unwrap();
        assert!(watch.finish().is_some_and(|error| error.to_string().contains(CURVE)));
    }
}
