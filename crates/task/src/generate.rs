//! `unspool generate`: lets a trained language model write.

use super::{
    commands::GenerateOptions,
    decoding::DecodingOptions,
    error::{Error, Result},
    format::Format,
    lines,
    restore::{Restored, restore_all},
    run::RunFolder,
    shown,
};
use crate::task::Task;
use serde_json::json;
use std::io::{IsTerminal, Write};
use unspool_serve::Continuation;

/// Writes on standard output, each token as soon as it is chosen.
pub(crate) fn generate<T: Task>(folder: &RunFolder, options: &GenerateOptions) -> Result<()> {
    let ask = Continuation {
        prompt: options.prompt.clone(),
        length: options.length,
        temperature: options.temperature,
        top_k: options.top_k.map(|k| k as usize),
        top_p: options.top_p,
        seed: options.seed,
    };
    let Restored { task, params, .. } = restore_all::<T>(folder, &options.model[1..], &DecodingOptions::default())?;
    if options.format == Format::Json {
        let mut text = String::new();
        let mut keep = |part: &str| {
            text += part;
            Ok(())
        };
        task.generate(&params, &ask, &mut keep)?;
        return lines::print(&json!({ "prompt": ask.prompt, "seed": ask.seed, "text": text }).to_string());
    }
    let mut out = std::io::stdout().lock();
    let is_terminal = out.is_terminal();
    let mut write = |text: &str| {
        let text = if is_terminal { shown::lines(text) } else { text.into() };
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|cause| Error::output(&cause))
    };
    task.generate(&params, &ask, &mut write)?;
    write("\n")
}
