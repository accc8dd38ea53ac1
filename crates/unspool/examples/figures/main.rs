//! Draws every figure of the tutorial: `cargo run -p unspool --example figures`.
//!
//! Each goes to `docs/figures/NAME.svg`, and all of them as data to `docs/figures/embedded.md`, which the rendered docs read, so that
//! they show the figures offline. The same code gives the same bytes.

mod draw;

use std::{fs, path::Path};

fn main() -> draw::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/figures");
    fs::create_dir_all(&folder)?;
    let mut drawn = vec![];
    for figure in draw::all() {
        let svg = (figure.draw)()?;
        fs::write(folder.join(format!("{}.svg", figure.name)), &svg)?;
        println!("{:>8} bytes  {}", svg.len(), figure.name);
        drawn.push((figure.name, svg));
    }
    fs::write(folder.join("embedded.md"), draw::embedded(&drawn))?;
    Ok(())
}
