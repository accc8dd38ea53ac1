//! Writes the pages of `docs/commands` from the definitions of the commands.
//!
//! ```console
//! $ cargo run -p unspool-cli --example command_pages
//! ```

use std::{error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/commands");
    fs::create_dir_all(&folder)?;
    for (name, text) in unspool_task::testing::command_pages(&unspool_cli::TASKS) {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}
