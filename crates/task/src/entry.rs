//! Every task is one that a program can list.

use crate::{
    any_task::{Answers, AnyTask},
    chosen::{self, Chosen, own_options},
    commands::{EvaluateOptions, GenerateOptions, PredictOptions},
    draw_options::DrawOptions,
    error::{Error, Result},
    evaluate, generate, lines, look, predict,
    restore::restore,
    run::RunFolder,
    served,
    task::{Score, Spec, Task},
    task_options, testing_hooks, threads, train,
};
use clap::{ArgMatches, Args, Command};
use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
    sync::Arc,
};
use unspool::{graph::Params, nn::exchange::Exchange, text::BatchSize};
use unspool_serve::Model;

/// A task of a program: what [`main`](crate::main()) takes.
#[derive(Clone, Copy)]
pub struct Entry(pub(crate) &'static dyn AnyTask);

impl Entry {
    /// Returns the name of the task on the command line.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    /// Trains a model in this process and returns the scores of its best weights on the test part: what `unspool train`
    /// does with the same options, such as `--seed=2`, without a run folder, signals, or a line of JSON.
    ///
    /// # Errors
    /// An option or the data is wrong, or the training diverges.
    ///
    /// ```
    /// use unspool_task::{Entry, Result};
    /// fn accuracies(tasks: &[Entry]) -> Result<Vec<f64>> {
    ///     tasks.iter().map(|task| Ok(task.train_and_score(&["--cell=gru".to_owned()])?.value)).collect()
    /// }
    /// assert!(accuracies(&[])?.is_empty());
    /// # Ok::<(), unspool_task::Error>(())
    /// ```
    pub fn train_and_score(&self, options: &[String]) -> Result<Score> {
        self.0.train_and_score(options)
    }
}

/// Returns the entry of a task, for [`main`](crate::main()).
pub const fn task<T: Task>() -> Entry {
    Entry(of::<T>())
}

/// A task without its type.
const fn of<T: Task>() -> &'static dyn AnyTask {
    &Of::<T>(PhantomData)
}

struct Of<T>(PhantomData<fn() -> T>);

impl<T: Task> AnyTask for Of<T> {
    fn spec(&self) -> Spec {
        T::SPEC
    }

    fn own_options(&self, command: Command) -> Command {
        T::Options::augment_args(command)
    }

    fn batch_size(&self, matches: &ArgMatches) -> Result<Option<BatchSize>> {
        Ok(T::batch_size(&own_options::<T>(matches)?))
    }

    fn train(&self, matches: &ArgMatches, exchange: &dyn Exchange) -> Result<()> {
        if matches.get_flag(task_options::PRINT_CONFIG) {
            let config = chosen::print_config(of::<T>(), matches)?;
            return if exchange.rank() == 0 { lines::print(config.trim_end()) } else { Ok(()) };
        }
        threads::set_chosen(matches)?;
        train::train::<T>(&Chosen::new(of::<T>(), matches)?, exchange)
    }

    fn draw(&self, matches: &ArgMatches) -> Result<()> {
        threads::set_chosen(matches)?;
        look::draw::<T>(&Chosen::new(of::<T>(), matches)?, &DrawOptions::new(T::SPEC.name, matches))
    }

    fn predict(&self, folder: &RunFolder, options: &PredictOptions) -> Result<()> {
        predict::predict::<T>(of::<T>(), folder, options)
    }

    fn evaluate(&self, folder: &RunFolder, options: &EvaluateOptions) -> Result<()> {
        evaluate::evaluate::<T>(of::<T>(), folder, options)
    }

    fn generate(&self, folder: &RunFolder, options: &GenerateOptions) -> Result<()> {
        generate::generate::<T>(folder, options)
    }

    fn serve(&self, path: PathBuf) -> Result<Arc<dyn Model>> {
        Ok(Arc::new(served::Served::<T>::open(of::<T>(), path)?))
    }

    fn weights(&self, folder: &RunFolder) -> Result<Params> {
        Ok(restore::<T>(folder)?.params)
    }

    fn model_toml(&self, path: &Path, table: toml::Table) {
        testing_hooks::model_toml::<T>(of::<T>(), path, table);
    }

    fn answers(&self, words: &[String]) -> Result<Answers> {
        testing_hooks::answers::<T>(of::<T>(), words)
    }

    fn losses(&self, words: &[String], ranks: usize) -> Vec<f64> {
        testing_hooks::losses::<T>(of::<T>(), words, ranks)
    }

    fn train_and_score(&self, words: &[String]) -> Result<Score> {
        let words = [T::SPEC.name].into_iter().chain(words.iter().map(String::as_str));
        let matches = task_options::train_command(self).try_get_matches_from(words).map_err(|error| {
            let error = error.to_string();
            let line = error.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned();
            Error::misuse(line, format!("`unspool train {} --help` lists the options", T::SPEC.name))
        })?;
        train::train_and_score::<T>(&Chosen::new(of::<T>(), &matches)?)
    }

    fn step_losses(&self, words: &[String], steps: usize) -> Result<Vec<f64>> {
        let chosen = Chosen::new(of::<T>(), &task_options::train_command(self).get_matches_from(words))?;
        train::step_losses::<T>(&chosen, steps)
    }
}
