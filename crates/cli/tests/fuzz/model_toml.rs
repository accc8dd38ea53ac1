//! Any bytes as the `model.toml` or `config.toml` of a run folder: refused with a reason, or what a task needs.

use std::io::Write;

/// Reads the bytes for the task that they name, or for all.
pub(crate) fn run(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("a temporary file can be written");
    unspool_task::testing::model_toml(&unspool_cli::TASKS, file.path());
}
