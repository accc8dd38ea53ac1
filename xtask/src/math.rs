//! Typesets the mathematics of pages: LaTeX becomes MathML, which browsers show without a script and without a network.
//!
//! A page has LaTeX between `` $` `` and `` `$ `` within a line, and in fenced blocks of the language `math`. A code
//! host shows both by itself. The book and rustdoc do not, so their pages are copies that passed through here.

use crate::imports::Result;
use pulldown_latex::{Parser, RenderConfig, Storage, config::DisplayMode, push_mathml};
use std::{fs, path::Path};

/// Around a formula on lines of its own. rustdoc lets such blocks scroll; a formula is to scroll sideways alone.
const DISPLAYED: &str = "<div class=\"math\" style=\"overflow-y:hidden;padding:0.4em 0\">";

/// Typesets every page of a folder, in place.
///
/// # Errors
/// Names the page and the line of a formula that is not LaTeX, or that is not closed within its line.
pub fn typeset_folder(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let page = entry?.path();
        if page.extension().is_some_and(|end| end == "md") {
            let typeset = typeset(&fs::read_to_string(&page)?);
            fs::write(&page, typeset.map_err(|why| format!("{}: {why}", page.display()))?)?;
        }
    }
    Ok(())
}

/// Returns the page with MathML in place of its LaTeX.
///
/// # Errors
/// Says what is wrong, with the number of the line.
pub fn typeset(page: &str) -> std::result::Result<String, String> {
    let (mut out, mut fence) = (String::with_capacity(page.len()), None::<String>);
    let mut formula = String::new();
    for (number, line) in (1..).zip(page.lines()) {
        let at = |why: String| format!("line {number}: {why}");
        match (&fence, line.strip_prefix("```")) {
            (None, Some(language)) => {
                fence = Some(language.to_string());
                if language != "math" {
                    out += line;
                }
            }
            (Some(language), Some(_)) => {
                match language == "math" {
                    // A block of HTML ends at the first empty line, and within it nothing else is Markdown.
                    true => out += &format!("{DISPLAYED}{}</div>", mathml(&formula, true).map_err(at)?),
                    false => out += line,
                }
                (fence, formula) = (None, String::new());
            }
            (Some(language), None) if language == "math" => {
                formula += line;
                formula.push('\n');
                continue;
            }
            (Some(_), None) => out += line,
            (None, None) => out += &typeset_line(line).map_err(at)?,
        }
        if fence.as_deref() != Some("math") {
            out.push('\n');
        }
    }
    Ok(out)
}

fn typeset_line(line: &str) -> std::result::Result<String, String> {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("$`") {
        let (formula, after) = after.split_once("`$").ok_or("a formula is not closed by `$ in its line")?;
        out += before;
        out += &mathml(formula, false)?;
        rest = after;
    }
    Ok(out + rest)
}

/// A formula as MathML on one line, in which no character means anything to Markdown.
fn mathml(latex: &str, display: bool) -> std::result::Result<String, String> {
    let (storage, mode) = (Storage::new(), if display { DisplayMode::Block } else { DisplayMode::Inline });
    if let Some(why) = Parser::new(latex, &storage).find_map(|event| event.err()) {
        return Err(format!("{latex:?}: {why}"));
    }
    let mut out = String::new();
    let config = RenderConfig { display_mode: mode, ..RenderConfig::default() };
    push_mathml(&mut out, Parser::new(latex, &storage), config).map_err(|why| format!("{latex:?}: {why}"))?;
    // Two slips of the library: an attribute without a space before it, and a sign that begins a tag.
    let out = aligned(&out).replace("\"minsize=", "\" minsize=").replace("><</", ">&lt;</");
    let mut in_tag = false;
    let mut escaped = String::with_capacity(out.len());
    for c in out.chars() {
        in_tag = (in_tag || c == '<') && c != '>';
        match c {
            '\n' => escaped.push(' '),
            '*' | '_' | '|' | '`' | '[' | ']' | '\\' | '~' | '!' if !in_tag => escaped += &format!("&#{};", c as u32),
            _ => escaped.push(c),
        }
    }
    Ok(escaped)
}

/// Columns of `aligned` are set right and left in turn; a browser centers all unless it is told.
fn aligned(mathml: &str) -> String {
    if !mathml.contains("menv-align") {
        return mathml.to_string();
    }
    let (mut out, mut column) = (String::new(), 0);
    for part in mathml.split_inclusive('>') {
        column = if part.ends_with("<mtr>") { 0 } else { column };
        match part.strip_suffix("<mtd>") {
            Some(before) => {
                let side = ["right", "left"][column % 2];
                out += &format!("{before}<mtd style=\"text-align:{side}\">");
                column += 1;
            }
            None => out += part,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_in_lines_and_in_blocks_become_mathml() {
        let page = typeset("State $`h_t`$ | `$x`\n\n```math\ny = \\tanh(x)\n```\n\n```rust\nlet a = \"$`b`$\";\n```\n")
            .unwrap();
        assert!(page.starts_with("State <math") && page.contains("</math> | `$x`\n"), "{page}");
        assert!(page.contains(&format!("\n{DISPLAYED}<math display=\"block\"")), "{page}");
        assert!(page.contains("let a = \"$`b`$\";"), "code stays: {page}");
        assert!(!page.contains("```math"), "{page}");
    }

    #[test]
    fn what_means_something_to_markdown_is_escaped() {
        let page = typeset("| $`a * b | [c]`$ |\n").unwrap();
        assert_eq!(page.matches('|').count(), 2, "{page}");
        assert!(!page.contains('*') && !page.contains('['), "{page}");
    }

    #[test]
    fn aligned_columns_are_set_right_and_left() {
        let page = typeset("```math\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n```\n").unwrap();
        let sides = ["right", "left"].map(|side| page.matches(&format!("text-align:{side}")).count());
        assert_eq!(sides, [2, 2], "{page}");
    }

    #[test]
    fn a_wrong_formula_is_an_error_with_its_line() {
        assert!(typeset("\n$`\\nosuchcommand`$\n").unwrap_err().starts_with("line 2: "));
        assert!(typeset("$`a\n").unwrap_err().contains("not closed"));
    }
}
