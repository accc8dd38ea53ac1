//! The figures, by name. A chapter says `![caption][fig-NAME]`; a figure belongs to the file that draws it.

mod attention;
mod chart;
mod curves;
mod memory;
mod networks;
mod own;
mod pictures;
mod sketch;

use std::fmt::Write;

pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A figure of the tutorial.
#[derive(Clone, Copy)]
pub(crate) struct Figure {
    /// What chapters call it, without `fig-`: `docs/figures/NAME.svg`.
    pub(crate) name: &'static str,
    /// Makes the SVG.
    pub(crate) draw: fn() -> Result<String>,
}

/// All figures.
pub(crate) fn all() -> Vec<Figure> {
    [networks::FIGURES, curves::FIGURES, pictures::FIGURES, memory::FIGURES, attention::FIGURES, own::FIGURES].concat()
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
