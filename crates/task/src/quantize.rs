//! A model with weights of 8 bits, for use.

use crate::{
    any_task::AnyTask,
    commands::QuantizeOptions,
    error::{Error, Result},
    format::Format,
    json, lines,
    run::{CONFIG, MODEL, Place, RunFolder, SAVED, SOURCE_TOKENIZER, TOKENIZER},
};
use serde_json::json;
use std::path::{Path, PathBuf};
use unspool::nn::{self, checkpoint};

/// Rounds the matrices of a model to 8-bit integers with a scale for each row, and writes them with what else is needed
/// to use the model into a new folder.
pub(crate) fn quantize(task: &dyn AnyTask, folder: &RunFolder, options: &QuantizeOptions) -> Result<()> {
    let out = options.out.clone().unwrap_or_else(|| beside(&options.model));
    let place = Place::find(Some(&out), false)?;
    let mut params = task.weights(folder)?;
    let model = folder.file(MODEL);
    let metadata = checkpoint::metadata(&model)?;
    let numbers = params.elements();
    let rounded = nn::quantize(&mut params)?;
    let to = place.create(task.name())?;
    for name in [CONFIG, SAVED, TOKENIZER, SOURCE_TOKENIZER] {
        let from = folder.file(name);
        match std::fs::read_to_string(&from) {
            Ok(text) => to.write(name, &text)?,
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {}
            Err(cause) => return Err(Error::file(&from, "read", &cause)),
        }
    }
    let written = to.file(MODEL);
    checkpoint::save(&written, &params, &metadata)?;
    let size =
        |path: &Path| path.metadata().map(|metadata| metadata.len()).map_err(|cause| Error::file(path, "read", &cause));
    let (bytes, bytes_before) = (size(&written)?, size(&model)?);
    let line = json!({
        "task": task.name(), "model": out, "numbers": numbers, "int8": rounded, "bytes": bytes,
        "bytes_before": bytes_before,
    });
    lines::print(&match options.format {
        Format::Json => line.to_string(),
        Format::Text => json::text(&line),
    })
}

/// `runs/translation-1-int8` for `runs/translation-1`.
fn beside(model: &Path) -> PathBuf {
    // Without a slash at its end, and with a name where it is `.`.
    let model = model.canonicalize().ok().filter(|_| model.file_name().is_none()).unwrap_or_else(|| model.to_owned());
    let mut name = model.file_name().unwrap_or_default().to_owned();
    name.push("-int8");
    model.with_file_name(name)
}
