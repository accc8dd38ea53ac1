//! Draws every figure of the tutorial: `cargo run -p unspool --example figures`.
//!
//! Each goes to `docs/figures/NAME.svg`, and all of them as data to `docs/figures/embedded.md`, which the rendered docs
//! read, so that they show the figures offline. The same code gives the same bytes. With `scale` it draws the figure of
//! `docs/scale.md` instead, and prints the tables of that page.

mod draw;
mod record;
mod scale;

use std::{fs, path::Path};

fn main() -> draw::Result<()> {
    let folder = Path::new(env!("UNSPOOL_DOCS")).join("figures");
    fs::create_dir_all(folder.join("logs"))?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {}
        ["scale"] => return scale::tell(),
        ["record", name] => record::record(&folder, name)?,
        _ => return Err("nothing, to draw, or `record NAME`, to train for a curve and draw, or `scale`".into()),
    }
    let mut drawn = vec![];
    for figure in draw::all() {
        let svg = figure.svg()?;
        fs::write(folder.join(format!("{}.svg", figure.name)), &svg)?;
        println!("{:>8} bytes  {}", svg.len(), figure.name);
        drawn.push((figure.name, svg));
    }
    fs::write(folder.join("embedded.md"), draw::embedded(&drawn))?;
    Ok(())
}
