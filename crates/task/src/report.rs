//! `report.html`: a training as a page to look at. One file that needs nothing else, light or dark as its reader likes
//! it.
//!
//! It is written as text and not with a crate such as `maud`: half of the page is SVG, which comes as text, and each
//! other value passes `escape`.

use super::{error::Result, figure, shown};
use crate::figures::{Attention, ClassCounts, Figure};
use std::fmt::Write;

/// What there is to tell.
#[derive(Default)]
pub(crate) struct Page {
    /// What was trained.
    pub(crate) title: String,
    /// In a sentence.
    pub(crate) about: String,
    /// Facts by name: data, sizes, time.
    pub(crate) facts: Vec<(String, String)>,
    /// Options by name.
    pub(crate) options: Vec<(String, String)>,
    /// Scores by name; the first is the model's on the test part.
    pub(crate) scores: Vec<(String, String)>,
    /// The learning curve, as SVG.
    pub(crate) curve: String,
    /// Examples, and what the model says of them.
    pub(crate) rows: Vec<Vec<(&'static str, String)>>,
    /// The headings of those columns whose texts are pictures made of characters.
    pub(crate) pictures: &'static [&'static str],
    /// Further figures.
    pub(crate) figures: Vec<Figure>,
    /// Whether the training goes on. The page is then read again from time to time.
    pub(crate) is_running: bool,
}

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1d2129; --soft: #667085; --line: #8884; --accent: #3b82d6; --page: #fff;
  --raised: #f6f7f9 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ec; --soft: #98a2b3; --page: #14171c; --raised: #1c2027 } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 62rem;
  margin: 2rem auto; padding: 0 1.2rem }
h1 { font-size: 1.7rem; margin-bottom: 0 } h2 { font-size: 1.2rem; margin: 2.4rem 0 .6rem } p.about, figcaption,
  .soft { color: var(--soft) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } th { text-align: left; font-weight: 600 }
td, th { padding: .25rem .9rem .25rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
.scores td { font-size: 1.1rem } .scores tr:first-child td { font-weight: 700; font-size: 1.5rem }
.wide { overflow-x: auto } .wide pre { margin: 0; font: .3rem/1 ui-monospace, monospace } svg { max-width: 100%;
  height: auto } figure { margin: 0 0 1.6rem }
.map td, .map th { border: 0; padding: .2rem .45rem; font-size: .85rem; font-weight: 400; white-space: nowrap }
.map td { text-align: center; background: color-mix(in srgb, var(--accent) calc(var(--w) * 100%), var(--raised)) }
.map thead th { vertical-align: bottom } .map thead span { writing-mode: vertical-rl; transform: rotate(180deg) }
  .map .strong { color: #fff }
details summary { cursor: pointer; color: var(--soft) }
";

/// Lets a browser read the page of a training that goes on again, every 10 seconds.
const REFRESH: &str = "<meta http-equiv=\"refresh\" content=\"10\">\n";

/// The most rows and columns of an attention map.
const WIDEST: usize = 60;

impl Page {
    /// The page.
    pub(crate) fn html(&self) -> Result<String> {
        let mut out = String::new();
        let title = escape(&self.title);
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n{}<title>{title}</title>\
             <style>{STYLE}</style></head><body>\n<h1>{title}</h1>\n<p class=\"about\">{}</p>\n{}",
            if self.is_running { REFRESH } else { "" },
            escape(&self.about),
            if self.is_running { "<p class=\"soft\">The training is still running.</p>\n" } else { "" }
        );
        section(&mut out, "Scores", &table("scores", &self.scores));
        section(&mut out, "Learning", &format!("<figure>{}</figure>", self.curve));
        section(&mut out, "Trained on", &table("facts", &self.facts));
        let _ = writeln!(out, "<details><summary>All options</summary>\n{}</details>", table("options", &self.options));
        if !self.rows.is_empty() {
            section(&mut out, "Examples of the test part", &rows(&self.rows, self.pictures));
        }
        for figure in &self.figures {
            let (heading, body) = drawn(figure)?;
            section(&mut out, &heading, &body);
        }
        out += "</body></html>\n";
        Ok(out)
    }
}

fn section(out: &mut String, heading: &str, body: &str) {
    let _ = writeln!(out, "<section><h2>{}</h2>\n{body}</section>", escape(heading));
}

fn table(class: &str, rows: &[(String, String)]) -> String {
    let mut out = format!("<table class=\"{class}\">");
    for (name, value) in rows {
        let _ = writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(value));
    }
    out + "</table>\n"
}

fn rows(rows: &[Vec<(&'static str, String)>], pictures: &[&str]) -> String {
    let mut out = String::from("<div class=\"wide\"><table><thead><tr>");
    for (heading, _) in rows.first().into_iter().flatten() {
        let _ = write!(out, "<th>{}</th>", escape(heading));
    }
    out += "</tr></thead>\n";
    for row in rows {
        out += "<tr>";
        for (heading, text) in row {
            let (begin, end) = if pictures.contains(heading) { ("<pre>", "</pre>") } else { ("", "") };
            let _ = write!(out, "<td>{begin}{}{end}</td>", escape(text));
        }
        out += "</tr>\n";
    }
    out + "</table></div>\n"
}

fn drawn(figure: &Figure) -> Result<(String, String)> {
    Ok(match figure {
        Figure::Curves(curves) => {
            let below = match curves.note.as_str() {
                "" => String::new(),
                note => format!("<figcaption>{}</figcaption>", escape(note)),
            };
            // Where there is nothing to draw, the note says why.
            let above = if curves.lines.is_empty() { String::new() } else { figure::curves(curves)? };
            (curves.title.clone(), format!("<figure>{above}{below}</figure>\n"))
        }
        Figure::Attention { title, map } => (title.clone(), attention(map)),
        Figure::Confusion(shown) => ("Which class is taken for which".into(), confusion(shown)),
    })
}

/// A table whose cells are the darker, the more weight they have.
fn heat(caption: &str, columns: &[String], rows: &[(String, Vec<(f64, String)>)]) -> String {
    let mut out = String::from("<figure class=\"wide\"><table class=\"map\"><thead><tr><th></th>");
    for name in columns {
        let _ = write!(out, "<th><span>{}</span></th>", escape(name));
    }
    out += "</tr></thead>\n";
    for (name, cells) in rows {
        let _ = write!(out, "<tr><th>{}</th>", escape(name));
        for (weight, text) in cells {
            let strong = if *weight > 0.6 { " class=\"strong\"" } else { "" };
            let _ = write!(out, "<td{strong} style=\"--w:{weight:.2}\">{}</td>", escape(text));
        }
        out += "</tr>\n";
    }
    out + &format!("</table><figcaption>{}</figcaption></figure>\n", escape(caption))
}

fn attention(map: &Attention) -> String {
    let columns: Vec<String> = map.columns.iter().take(WIDEST).cloned().collect();
    let rows: Vec<_> = map
        .rows
        .iter()
        .zip(&map.weights)
        .take(WIDEST)
        .map(|(name, weights)| {
            let cells = weights.iter().take(WIDEST).map(|weight| (*weight, format!("{:.0}", weight * 100.0))).collect();
            (if name.is_empty() { "(end)".to_owned() } else { name.clone() }, cells)
        })
        .collect();
    let mut caption = "Rows: what was written. Columns: what the model attended to, in percent.".to_owned();
    if map.rows.len().max(map.columns.len()) > WIDEST {
        caption += &format!(" The first {WIDEST} rows and columns are shown.");
    }
    heat(&caption, &columns, &rows)
}

fn confusion(shown: &ClassCounts) -> String {
    let rows: Vec<_> = shown
        .labels
        .iter()
        .zip(shown.counts.rows())
        .zip(&shown.supports)
        .map(|((name, row), support)| {
            let all = (*support).max(1) as f64;
            (name.clone(), row.iter().map(|count| (*count as f64 / all, count.to_string())).collect())
        })
        .collect();
    let mut caption = "Rows: the true class. Columns: the class that was predicted.".to_owned();
    if shown.others > 0 {
        caption += &format!(
            " The {} most frequent classes are shown; {} more occur, with {} of {} examples.",
            shown.labels.len(),
            shown.others,
            shown.examples - shown.supports.iter().sum::<u64>(),
            shown.examples
        );
    }
    heat(&caption, &shown.labels, &rows)
}

/// Text as HTML shows it. What a reader could not see is written as its code.
fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in shown::lines(text).chars() {
        match c {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            '\n' => out += "<br>",
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_never_taken_for_markup() {
        let map = Attention {
            rows: vec!["<b>".into()],
            columns: vec!["&".into(), "\"".into()],
            weights: vec![vec![0.25, 0.75]],
        };
        let page = Page {
            title: "a < b".into(),
            about: "<script>alert(1)</script>".into(),
            facts: vec![("data".into(), "x\u{7}".into())],
            options: vec![],
            scores: vec![("bleu".into(), "40.0".into())],
            curve: "<svg></svg>".into(),
            rows: vec![vec![("source", "<i>".into()), ("picture", "█ \n ░".into()), ("model", "█".into())]],
            pictures: &["picture"],
            is_running: false,
            figures: vec![
                Figure::Attention { title: "looks".into(), map },
                Figure::confusion(&[0, 0, 0, 1], &[0, 0, 0, 0], vec!["0".into(), "1\u{202e}".into()]).unwrap(),
            ],
        };
        let html = page.html().unwrap();
        assert!(!html.contains("<script") && !html.contains("<b>") && !html.contains("<i>"));
        assert!(html.contains("<td>&lt;i&gt;</td><td><pre>█ <br> ░</pre></td><td>█</td>"));
        assert!(html.contains("a &lt; b") && html.contains("\\u{7}") && html.contains("--w:0.75"));
        assert!(html.contains("1\\u{202e}") && !html.contains('\u{202e}'));
    }

    #[test]
    fn a_table_of_classes_has_a_bound_and_says_what_it_leaves_out() {
        let labels: Vec<u32> = (0..20_000).chain(0..100).collect();
        let names = (0..20_000).map(|label| format!("label {label}")).collect();
        let figure = Figure::confusion(&labels, &labels, names).unwrap();
        let (_, body) = drawn(&figure).unwrap();
        assert!(body.len() < 100_000, "{} bytes", body.len());
        assert!(body.contains("label 29<") && !body.contains("label 30<"));
        assert!(
            body.contains("The 30 most frequent classes are shown; 19970 more occur, with 20040 of 20100 examples.")
        );
    }
}
