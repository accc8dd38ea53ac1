//! A task whose type is not known: what a program does with the one that the command line names.

use crate::{
    commands::{EvaluateOptions, GenerateOptions, PredictOptions},
    error::Result,
    run::RunFolder,
    task::{Score, Spec},
};
use clap::{ArgMatches, Command};
use std::{path::PathBuf, sync::Arc};
use unspool::{graph::Params, nn::exchange::Exchange, text::BatchSize};
use unspool_serve::Model;

/// Answers lines, for the fuzz targets.
pub type Answers = Box<dyn Fn(&[&str])>;

/// What a program does with a task.
pub(crate) trait AnyTask: Sync {
    fn spec(&self) -> Spec;
    fn name(&self) -> &'static str {
        self.spec().name
    }
    /// Adds the task's own options to a command.
    fn own_options(&self, command: Command) -> Command;
    /// How many examples are trained on at a time, where that is an option of the task itself.
    fn batch_size(&self, matches: &ArgMatches) -> Result<Option<BatchSize>>;
    fn train(&self, matches: &ArgMatches, exchange: &dyn Exchange) -> Result<()>;
    fn draw(&self, matches: &ArgMatches) -> Result<()>;
    fn predict(&self, folder: &RunFolder, options: &PredictOptions) -> Result<()>;
    fn evaluate(&self, folder: &RunFolder, options: &EvaluateOptions) -> Result<()>;
    fn generate(&self, folder: &RunFolder, options: &GenerateOptions) -> Result<()>;
    fn serve(&self, path: PathBuf) -> Result<Arc<dyn Model>>;
    /// The weights of the model of a run folder.
    fn weights(&self, folder: &RunFolder) -> Result<Params>;
    fn model_toml(&self, path: &std::path::Path, table: toml::Table);
    fn answers(&self, words: &[String]) -> Result<Answers>;
    fn losses(&self, words: &[String], ranks: usize) -> Vec<f64>;
    fn train_and_score(&self, words: &[String]) -> Result<Score>;
    fn step_losses(&self, words: &[String], steps: usize) -> Result<Vec<f64>>;
}
