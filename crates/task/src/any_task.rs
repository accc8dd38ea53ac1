//! A task whose type is not known: what a program does with the one that the command line names.

use crate::{
    commands::{EvaluateOptions, GenerateOptions, PredictOptions, QuantizeOptions},
    error::Result,
    run::RunFolder,
    task::{Score, Spec},
};
use clap::{ArgMatches, Command};
use std::{path::PathBuf, sync::Arc};
use unspool::nn::exchange::Exchange;
use unspool_serve::Model;

/// Answers lines, for the fuzz targets.
pub type Answers = Box<dyn Fn(&[&str])>;

/// What a program does with a task.
pub(crate) trait AnyTask: Sync {
    fn spec(&self) -> Spec;
    fn name(&self) -> &'static str {
        self.spec().name
    }
    fn has_option(&self, name: &str) -> bool;
    fn train_command(&self) -> Command;
    fn draw_command(&self) -> Command;
    fn train(&self, matches: &ArgMatches, exchange: &dyn Exchange) -> Result<()>;
    fn draw(&self, matches: &ArgMatches) -> Result<()>;
    fn predict(&self, folder: &RunFolder, options: &PredictOptions) -> Result<()>;
    fn evaluate(&self, folder: &RunFolder, options: &EvaluateOptions) -> Result<()>;
    fn generate(&self, folder: &RunFolder, options: &GenerateOptions) -> Result<()>;
    fn serve(&self, path: PathBuf) -> Result<Arc<dyn Model>>;
    fn quantize(&self, folder: &RunFolder, options: &QuantizeOptions) -> Result<()>;
    fn model_toml(&self, path: &std::path::Path, table: toml::Table);
    fn answers(&self, words: &[String]) -> Result<Answers>;
    fn losses(&self, words: &[String], ranks: usize) -> Vec<f64>;
    fn train_and_score(&self, words: &[String]) -> Result<Score>;
    fn step_losses(&self, words: &[String], steps: usize) -> Result<Vec<f64>>;
}
