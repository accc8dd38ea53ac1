//! The figures, by name. A chapter says `![caption][fig-NAME]`; a figure belongs to the file that draws it.

mod alignment;
mod attention;
pub(crate) mod axis;
pub(crate) mod chart;
mod curves;
mod gates;
mod maps;
mod memory;
mod networks;
mod own;
mod pictures;
mod shapes;
mod sketch;
pub(crate) mod style;
mod through_time;
mod transformer;

use std::fmt::Write;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A figure of the tutorial.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    /// What chapters call it, without `fig-`: `docs/figures/NAME.svg`.
    pub(crate) name: &'static str,
    /// Makes the SVG.
    draw: fn() -> Result<String>,
}

impl Figure {
    /// The SVG, with the caption that its chapter gives it.
    pub(crate) fn svg(&self) -> Result<String> {
        let caption = caption(self.name)?.ok_or_else(|| format!("no chapter shows [fig-{}]", self.name))?;
        Ok(style::described(&(self.draw)()?, &self.name.replace('-', " "), &caption))
    }
}

/// Returns what a chapter says of a figure: `![caption][fig-NAME]`. Other pages may name figures too, as examples.
fn caption(name: &str) -> Result<Option<String>> {
    let end = format!("][fig-{name}]");
    for entry in std::fs::read_dir(env!("UNSPOOL_DOCS"))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes()[0].is_ascii_digit() {
            let text = std::fs::read_to_string(entry.path())?;
            if let Some((before, _)) = text.split_once(&end) {
                return Ok(before.rsplit_once("![").map(|(_, caption)| caption.to_string()));
            }
        }
    }
    Ok(None)
}

/// All figures.
pub(crate) fn all() -> Vec<Figure> {
    let files = [
        networks::FIGURES,
        shapes::FIGURES,
        through_time::FIGURES,
        curves::FIGURES,
        pictures::FIGURES,
        memory::FIGURES,
        gates::FIGURES,
        attention::FIGURES,
        transformer::FIGURES,
        alignment::FIGURES,
        maps::FIGURES,
        own::FIGURES,
    ];
    files.concat()
}

/// Definitions of the figures' names as data, in Markdown.
pub(crate) fn embedded(drawn: &[(&str, String)]) -> String {
    let mut out = String::new();
    for (name, svg) in drawn {
        let _ = write!(out, "[fig-{name}]: <data:image/svg+xml,");
        for byte in svg.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' | b':' | b'=' | b',' => {
                    out.push(char::from(byte));
                }
                _ => {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
        }
        out.push_str(">\n");
    }
    out.push('\n');
    out
}
