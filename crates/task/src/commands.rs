//! The options of the commands beside `train` and `draw`.

use crate::{decoding::DecodingOptions, format::Format, groups::within, limits, lines::LimitOptions, threads::Threads};
use clap::{Args, value_parser};
use std::path::PathBuf;

#[derive(Args)]
pub(crate) struct PredictOptions {
    /// Input file, read line by line [default: standard input]
    #[arg(value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Run folder of a training, or several whose probabilities are averaged at each step (an ensemble)
    ///
    /// The models of an ensemble are of one task and have the same tokenizer. If the last of these paths is not a
    /// folder, it is the input file.
    #[arg(long, short, value_name = "RUN_DIR", required = true, num_args = 1..)]
    pub(crate) model: Vec<PathBuf>,
    #[arg(
        long,
        value_name = "N",
        value_parser = value_parser!(u16).range(1..=i64::from(limits::BEST)),
        help = format!("Write the N best answers to each line, with their scores [from 1 to {}]", limits::BEST)
    )]
    pub(crate) best: Option<u16>,
    /// Write the attention weights of each word of the answer, in JSON
    #[arg(long)]
    pub(crate) attention: bool,
    /// Read documents, which blank lines separate, and answer each as a whole
    ///
    /// A document is answered once all of it has been read, and only lines of one document are answered together. Blank
    /// lines stay where they are. In JSON each document has an object: its number, and the objects of its lines.
    #[arg(long)]
    pub(crate) documents: bool,
    /// Output format [default: json with --best or --attention, otherwise text]
    ///
    /// In text a line is the answer and, where there is one, its probability after a tab. With --best it is the number
    /// of the input line, the score, and the answer, separated by tabs. In JSON each input line has an object.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) threads: Threads,
    #[command(flatten)]
    pub(crate) decoding: DecodingOptions,
}

impl PredictOptions {
    /// Takes the file that stands after the folders of `--model`, where it would be read as one of them, as the input.
    pub(crate) fn with_file(mut self) -> PredictOptions {
        if self.file.is_none() && self.model.len() > 1 {
            self.file = self.model.pop_if(|path| !path.is_dir());
        }
        self
    }
}

#[derive(Args)]
pub(crate) struct EvaluateOptions {
    /// Run folder of a training, or several whose probabilities are averaged at each step (an ensemble)
    ///
    /// The models of an ensemble are of one task and have the same tokenizer. They have scores, but no loss.
    #[arg(long, short, value_name = "RUN_DIR", required = true, num_args = 1..)]
    pub(crate) model: Vec<PathBuf>,
    /// File to score, or the name of a built-in data set, whose test part is scored
    ///
    /// All of the file is scored. It has the form of the data that the model was trained on; for translation and
    /// tagging it may also be two files of plain text.
    #[arg(long, short, value_name = "FILE|NAME", num_args = 1.., required = true)]
    pub(crate) data: Vec<String>,
    /// Leave out lines that cannot be read, such as those with too few columns, and report their number
    ///
    /// It is for tables, parallel files and sentences, which are read line by line.
    #[arg(long)]
    pub(crate) skip_bad_lines: bool,
    /// Output format
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) limits: LimitOptions,
    #[command(flatten)]
    pub(crate) threads: Threads,
}

#[derive(Args)]
pub(crate) struct QuantizeOptions {
    /// Run folder of a training
    #[arg(value_name = "RUN_DIR")]
    pub(crate) model: PathBuf,
    /// Folder for the quantized model [default: RUN_DIR-int8]
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value = "json")]
    pub(crate) format: Format,
}

#[derive(Args)]
pub(crate) struct GenerateOptions {
    /// Run folder of a training of language-model, or several whose probabilities are averaged at each step
    #[arg(long, short, value_name = "RUN_DIR", required = true, num_args = 1..)]
    pub(crate) model: Vec<PathBuf>,
    /// Beginning of the text
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true, allow_hyphen_values = true)]
    pub(crate) prompt: String,
    /// Number of tokens to generate
    #[arg(long, value_name = "TOKENS", default_value_t = 500)]
    pub(crate) length: usize,
    #[arg(
        long,
        value_name = "T",
        default_value_t = 0.8,
        allow_hyphen_values = true,
        value_parser = within(0.0..=limits::TEMPERATURE),
        help = format!(
            "Sampling temperature, from 0 to {}: below 1, likely tokens become more likely; 0 always takes the \
             likeliest",
            limits::TEMPERATURE
        )
    )]
    pub(crate) temperature: f64,
    /// Sample only from the K likeliest tokens
    #[arg(long, value_name = "K", value_parser = value_parser!(u32).range(1..))]
    pub(crate) top_k: Option<u32>,
    /// Sample only from the smallest set of likeliest tokens whose probabilities sum to P or more
    #[arg(long, value_name = "P", allow_hyphen_values = true, value_parser = within(1e-6..=1.0))]
    pub(crate) top_p: Option<f64>,
    /// Random seed; equal seeds give equal texts
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
    /// Output format; text is written token by token, and JSON once the text is complete
    #[arg(long, value_enum, default_value = "text")]
    pub(crate) format: Format,
    #[command(flatten)]
    pub(crate) threads: Threads,
}

#[derive(Args)]
pub(crate) struct ServeOptions {
    /// Run folders, also of trainings that are still running
    #[arg(long, short, value_name = "RUN_DIR", num_args = 1.., required = true)]
    pub(crate) model: Vec<PathBuf>,
    /// Address or name to listen on
    ///
    /// By default only programs on this machine reach the server. On any other address everyone who reaches it can use
    /// the models, without a password and without encryption.
    #[arg(long, value_name = "HOST", default_value = "127.0.0.1")]
    pub(crate) host: String,
    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 8000)]
    pub(crate) port: u16,
    #[command(flatten)]
    pub(crate) threads: Threads,
}
