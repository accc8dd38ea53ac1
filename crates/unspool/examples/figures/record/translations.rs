//! Sentences that the program translates with attention and without it, by two trainings that differ in nothing else.

use super::{
    Result,
    program::{card_score, run, runs, trained},
};
use serde_json::Value;
use std::fmt::Write as _;
use unspool::prelude::*;

/// Sentences that have from 6 to 8 words are not too long for a picture.
const WORDS: std::ops::RangeInclusive<usize> = 6..=8;

/// Smaller than the program's defaults, so that both are trained in minutes.
const OPTIONS: [&str; 9] =
    ["translation", "--hidden-size", "128", "--embedding-size", "96", "--vocabulary", "2000", "--seed", "1"];

/// A model's answer to each sentence, and what it scores on the whole test part.
struct Translator {
    answers: Vec<Value>,
    beam: f64,
    greedy: f64,
}

impl Translator {
    /// Trains where there is no trained model yet.
    fn with(attention: &str, sentences: &str) -> Result<Translator> {
        let folder = runs().join(format!("translation-{attention}"));
        trained(&folder, &[&OPTIONS[..], &["--attention", attention]].concat())?;
        let (beam, greedy) = (card_score(&folder, "bleu")?, card_score(&folder, "bleu_greedy")?);
        let folder = folder.to_str().ok_or("a folder that is no text")?;
        let looks: &[&str] = if attention == "none" { &["--best", "1"] } else { &["--attention"] };
        let lines = run(&[&["predict", "--model", folder], looks].concat(), sentences)?;
        let answers = lines.lines().map(serde_json::from_str).collect::<std::result::Result<_, _>>()?;
        Ok(Translator { answers, beam, greedy })
    }

    /// The best answer to a sentence, without commas.
    fn text(&self, k: usize) -> Result<String> {
        Ok(self.answers[k]["best"][0]["text"].as_str().ok_or("no answer")?.replace(',', ";"))
    }

    /// A line about the whole test part.
    fn told(&self, name: &str) -> String {
        format!("# {name}: BLEU {:.1} with a beam of 5, {:.1} greedily\n", self.beam, self.greedy)
    }
}

/// The texts of a list, one after the other with `|` between: pieces may begin with a space.
fn pieces(list: &Value) -> Result<Vec<String>> {
    let pieces = list.as_array().ok_or("no list of pieces")?.iter();
    pieces.map(|piece| Ok(piece.as_str().ok_or("a piece that is no text")?.replace('|', "/"))).collect()
}

/// Five sentences of the test part, their reference, both translations, and what the attention looked at.
pub(super) fn of_two_models() -> Result<String> {
    let rows = Tsv::open(super::data("tatoeba-eng-swe.test.tsv.gz")?)?.columns(["swedish", "english"])?;
    let rows = rows.collect::<std::result::Result<Vec<_>, _>>()?;
    let fits = |row: &&unspool::text::Row| {
        WORDS.contains(&row[0].split(' ').count()) && !row.fields.iter().any(|text| text.contains([',', '|']))
    };
    let chosen: Vec<_> = rows.iter().filter(fits).take(5).collect();
    let sentences: String = chosen.iter().map(|row| format!("{}\n", &row[0])).collect();
    let looking = Translator::with("additive", &sentences)?;
    let plain = Translator::with("none", &sentences)?;

    let mut out = format!("# options: {}\n", OPTIONS[1..].join(" "));
    out += &looking.told("with attention");
    out += &plain.told("without attention");
    out += "sentence,what,text\n";
    for (k, row) in chosen.iter().enumerate() {
        writeln!(out, "{k},source,{}\n{k},reference,{}", &row[0], &row[1])?;
        writeln!(out, "{k},with attention,{}\n{k},without attention,{}", looking.text(k)?, plain.text(k)?)?;
        let attention = &looking.answers[k]["attention"];
        writeln!(out, "{k},read,{}", pieces(&attention["columns"])?.join("|").replace(',', ";"))?;
        let weights = attention["weights"].as_array().ok_or("no weights")?;
        for (piece, weights) in pieces(&attention["rows"])?.iter().zip(weights) {
            let piece = if piece.is_empty() { "<eos>" } else { piece };
            write!(out, "{k},wrote,{}", piece.replace(',', ";"))?;
            for weight in weights.as_array().ok_or("no row of weights")? {
                write!(out, "|{:.2}", weight.as_f64().ok_or("a weight that is no number")?)?;
            }
            writeln!(out)?;
        }
    }
    Ok(out)
}
