//! The tutorial's laws: every chapter is in the rendered docs, every block is complete and run, every link leads
//! somewhere, and every figure is drawn by the code of this project, to the byte.
//!
//! Of Markdown only fences, headings, links and images are read, in the few forms that the pages use: a parser would
//! take other forms, which rustdoc, a code host and the book show in different ways. Those must be refused.

#[path = "../examples/figures/draw/mod.rs"]
mod draw;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

const MODULE: &str = include_str!("../src/tutorial.rs");
const LINKS: &str = include_str!(concat!(env!("UNSPOOL_DOCS"), "/links.md"));

fn docs() -> PathBuf {
    PathBuf::from(env!("UNSPOOL_DOCS"))
}

/// A fenced block: its language, the lines inside, and where it begins.
struct Block<'a> {
    language: &'a str,
    lines: Vec<&'a str>,
    at: usize,
}

struct Chapter {
    file: String,
    text: String,
}

impl Chapter {
    fn blocks(&self) -> Vec<Block<'_>> {
        let (mut blocks, mut open): (Vec<Block<'_>>, bool) = (vec![], false);
        for (at, line) in (1..).zip(self.text.lines()) {
            match line.strip_prefix("```") {
                Some(language) if !open => {
                    blocks.push(Block { language, lines: vec![], at });
                    open = true;
                }
                Some(_) => open = false,
                None if open => blocks.last_mut().unwrap().lines.push(line),
                None => {}
            }
        }
        assert!(!open, "{}: a block is not closed", self.file);
        blocks
    }

    /// The text without blocks and definitions.
    fn prose(&self) -> String {
        let mut open = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            open ^= line.starts_with("```");
            if !open && !line.starts_with("```") && definition(line).is_none() {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }

    /// The names defined at the foot, and what they lead to.
    fn definitions(&self) -> BTreeMap<&str, &str> {
        self.text.lines().filter_map(definition).collect()
    }

    fn figures(&self) -> BTreeSet<String> {
        let prose = self.prose();
        let names = prose.split("![").skip(1).map(|rest| {
            let (caption, rest) =
                rest.split_once("][").unwrap_or_else(|| panic!("{}: a picture without a name", self.file));
            assert!(caption.split_whitespace().count() > 2, "{}: the caption {caption:?} says nothing", self.file);
            rest.split_once(']').unwrap().0.to_string()
        });
        names.collect()
    }
}

/// `[name]: where`
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, to) = line.strip_prefix('[')?.split_once(']')?;
    Some((name, to.strip_prefix(": ")?.trim()))
}

/// What a heading is called in links, on a code host and in rendered docs.
fn anchor(line: &str) -> Option<String> {
    let title = line.strip_prefix('#')?.trim_start_matches('#').strip_prefix(' ')?;
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    Some(kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect())
}

fn chapters() -> Vec<Chapter> {
    let mut all: Vec<Chapter> = fs::read_dir(docs())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|file| file.ends_with(".md") && file.as_bytes()[0].is_ascii_digit())
        .map(|file| Chapter { text: fs::read_to_string(docs().join(&file)).unwrap(), file })
        .collect();
    all.sort_by(|a, b| a.file.cmp(&b.file));
    assert!(!all.is_empty());
    all
}

/// The chapters, and the pages beside them whose code is run too.
fn pages() -> Vec<Chapter> {
    let page = |file: &str| Chapter { text: fs::read_to_string(docs().join(file)).unwrap(), file: file.to_string() };
    chapters().into_iter().chain(["cookbook.md", "coming-from-pytorch.md"].map(page)).collect()
}

#[test]
fn every_page_is_in_the_rendered_docs() {
    for (file, module) in [
        ("cookbook.md", include_str!("../src/cookbook.rs")),
        ("coming-from-pytorch.md", include_str!("../src/coming_from_pytorch.rs")),
    ] {
        assert!(module.contains(&format!("\"/{file}\"")), "{file} is in no module");
    }
    let recipes =
        pages().iter().find(|page| page.file == "cookbook.md").unwrap().text.matches("\n### How do I ").count();
    assert!(recipes >= 20, "{recipes} recipes");
}

#[test]
fn every_chapter_is_in_the_rendered_docs_and_in_the_contents() {
    let preface = fs::read_to_string(docs().join("00-preface.md")).unwrap();
    for (number, chapter) in chapters().iter().enumerate() {
        assert!(chapter.file.starts_with(&format!("{number:02}-")), "{} is not chapter {number}", chapter.file);
        assert!(MODULE.contains(&chapter.file), "src/tutorial.rs does not include {}", chapter.file);
        if number > 0 {
            assert!(chapter.text.starts_with(&format!("# {number}. ")), "{}: the heading has no number", chapter.file);
            assert!(preface.contains(&format!("]: {}", chapter.file)), "the preface does not lead to {}", chapter.file);
            assert!(LINKS.contains(&format!("[ch-{number}]: ")), "docs/links.md does not know chapter {number}");
        }
    }
}

#[test]
fn every_block_is_complete_short_and_run() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    for chapter in pages() {
        for Block { language, lines, at } in chapter.blocks() {
            let place = format!("docs/{}:{at}", chapter.file);
            match language {
                "text" | "console" | "math" => {}
                "rust" => {}
                "rust,no_run" => {
                    let code = lines.join("\n");
                    let same = fs::read_dir(&examples)
                        .unwrap()
                        .filter_map(|entry| fs::read_to_string(entry.unwrap().path()).ok());
                    assert!(same.into_iter().any(|file| file.contains(&code)), "{place}: no example is this block");
                }
                other => {
                    let fails = other.strip_prefix("rust,compile_fail,E").is_some_and(|code| code.len() == 4);
                    assert!(
                        fails,
                        "{place}: a fence of {other:?}: it must be one that is run, or that fails with a known error"
                    );
                }
            }
            if language.starts_with("rust") {
                assert!(lines.len() <= 40, "{place}: {} lines are too many at a time", lines.len());
                assert!(!lines.iter().any(|line| *line == "#" || line.starts_with("# ")), "{place}: hidden lines");
                let wants = language == "rust";
                assert!(!wants || lines.iter().any(|line| line.contains("assert")), "{place}: it asserts nothing");
            }
            if language == "console" {
                for line in lines.iter().filter_map(|line| line.strip_prefix("$ ")) {
                    command_is_known(line, &place);
                }
            }
        }
    }
}

/// A command of the text names packages and examples that exist.
fn command_is_known(command: &str, place: &str) {
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words[0], "cargo", "{place}: {command}");
    for pair in words.windows(2) {
        match pair {
            ["-p", package] => {
                assert!(["unspool", "unspool-nn", "unspool-graph", "unspool-text"].contains(package), "{place}")
            }
            ["--example", name] => {
                let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
                let there =
                    examples.join(name).join("main.rs").exists() || examples.join(format!("{name}.rs")).exists();
                assert!(there, "{place}: there is no example {name}");
            }
            _ => {}
        }
    }
}

#[test]
fn every_chapter_has_its_parts() {
    for chapter in &chapters()[1..] {
        let file = &chapter.file;
        for part in ["\n## The problem", "\n## Summary", "\n## Exercises", "\n## Answers", "\n## Read next"] {
            assert!(chapter.text.contains(part), "{file} has no part {:?}", part.trim());
        }
        assert!(!chapter.figures().is_empty(), "{file} shows nothing");
        let run = chapter.blocks().iter().filter(|block| block.language == "rust").count();
        assert!(run >= 3, "{file} runs {run} blocks");
        let words = chapter.prose().split_whitespace().count();
        assert!(words <= 15 * 200, "{file}: {words} words are more than fifteen minutes");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let known: BTreeSet<&str> = LINKS.lines().filter_map(definition).map(|(name, _)| name).collect();
    for chapter in pages() {
        let (defined, prose) = (chapter.definitions(), chapter.prose());
        let anchors: BTreeSet<String> = chapter.text.lines().filter_map(anchor).collect();
        for (name, to) in &defined {
            let used = prose.contains(&format!("[{name}]"));
            assert!(used, "{}: [{name}] is defined and not used", chapter.file);
            if to.starts_with("https://") {
                continue;
            }
            if let Some(place) = to.strip_prefix('#') {
                assert!(anchors.contains(place), "{}: [{name}] leads to no heading", chapter.file);
                continue;
            }
            assert!(docs().join(to).exists(), "{}: [{name}] leads to {to}, which is not there", chapter.file);
            assert!(
                name.starts_with("fig-") || known.contains(name),
                "docs/links.md does not know [{name}] of {}",
                chapter.file
            );
        }
        assert!(
            !prose.contains("]("),
            "{}: a link has no name: the rendered docs could not lead elsewhere",
            chapter.file
        );
        for name in known.iter().filter(|name| name.starts_with('`') && prose.contains(&format!("[{name}]"))) {
            assert!(defined.contains_key(name), "{}: [{name}] is not defined at the foot", chapter.file);
        }
        for name in chapter.figures() {
            let to = format!("figures/{}.svg", name.strip_prefix("fig-").unwrap_or_default());
            assert_eq!(defined.get(&*name), Some(&&*to), "{}: [{name}]", chapter.file);
        }
    }
}

#[test]
fn every_figure_is_drawn_here_and_shown() {
    let shown: BTreeSet<String> = chapters().iter().flat_map(Chapter::figures).collect();
    let drawn: BTreeSet<String> = draw::all().iter().map(|figure| format!("fig-{}", figure.name)).collect();
    assert_eq!(shown, drawn, "shown by a chapter, and drawn by the example `figures`");
    let files =
        fs::read_dir(docs().join("figures")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let files = files.filter_map(|file| file.strip_suffix(".svg").map(|name| format!("fig-{name}")));
    let files: BTreeSet<String> = files.filter(|file| file != "fig-which-cell").collect(); // unspool-cli draws that one
    assert_eq!(files, drawn, "files in docs/figures, and drawn by the example `figures`");
}

#[test]
fn drawing_again_gives_the_same_bytes() {
    let mut all = vec![];
    for figure in draw::all() {
        let svg = figure.svg().unwrap_or_else(|why| panic!("{}: {why}", figure.name));
        let file = fs::read_to_string(docs().join(format!("figures/{}.svg", figure.name))).unwrap();
        assert!(svg == file, "{}: draw the figures anew: cargo run -p unspool --example figures", figure.name);
        all.push((figure.name, svg));
    }
    let embedded = fs::read_to_string(docs().join("figures/embedded.md")).unwrap();
    assert!(embedded == draw::embedded(&all), "docs/figures/embedded.md is old");
}

/// The number in a row (by its first column) and a column (by its name) of a log.
fn logged(log: &str, row: &str, column: &str) -> f64 {
    let text = fs::read_to_string(docs().join(format!("figures/logs/{log}.csv"))).unwrap();
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    let at = lines.next().unwrap().split(',').position(|name| name == column).unwrap();
    let row = lines.map(|line| line.split(',').collect::<Vec<_>>()).find(|cells| cells[0] == row).unwrap();
    row[at].parse().unwrap()
}

#[test]
fn numbers_of_trainings_are_those_of_their_logs() {
    let percent = |x: f64| format!("| {:.1} % |", 100.0 * x);
    let digits = |column| logged("digits", "100", column);
    let shares = |log, row: &str, columns: &[&str]| {
        let cells: Vec<String> =
            columns.iter().map(|column| format!("{:.1} %", 100.0 * logged(log, row, column))).collect();
        format!("| {row} | {} |", cells.join(" | "))
    };
    // The mean over the seeds, the least and the greatest, or one number if they are the same.
    let spreads = |row: &str, columns: &[&str]| {
        let cell = |column: &&str| {
            let of = |which: &str| format!("{:.1}", 100.0 * logged("reversing", row, &format!("{column}{which}")));
            let (mean, least, greatest) = (of(""), of(" least"), of(" greatest"));
            if least == greatest { format!("{mean} %") } else { format!("{mean} % ({least} to {greatest})") }
        };
        format!("| {row} | {} |", columns.iter().map(cell).collect::<Vec<_>>().join(" | "))
    };
    // The mean over the seeds, the least and the greatest.
    let reviews = |epoch| {
        let of = |which: &str| 100.0 * logged("sentiment", epoch, &format!("accuracy{which}"));
        format!("| {:.1} % ({:.1} to {:.1}) |", of(""), of(" least"), of(" greatest"))
    };
    let bits = |epoch| {
        let of = |which: &str| logged("language-model", epoch, &format!("test bits per character{which}"));
        format!("| {:.2} ({:.2} to {:.2}) |", of(""), of(" least"), of(" greatest"))
    };
    let error = |log: &str, row: &str, column: &str| {
        let of = |which: &str| logged(log, row, &format!("{column}{which}"));
        format!("{:.5} ({:.5} to {:.5})", of(""), of(" least"), of(" greatest"))
    };
    let forecast_error = |column| {
        let month = |month: usize| {
            let month = month.to_string();
            100.0 * (logged("forecast", &month, column) / logged("forecast", &month, "passengers") - 1.0).abs()
        };
        (120..144).map(month).sum::<f64>() / 24.0
    };
    let times = |steps| {
        let of = |who| logged("attention-time", steps, who);
        format!("| {:.2} ms | {:.2} ms |", of("GRU"), of("Transformer layer"))
    };
    let lengths = |steps| {
        let on = |years| logged("forecast-lengths", steps, years);
        format!("| {steps} | {:.2} % | {:.2} % |", on("years 9 and 10"), on("test"))
    };
    let own = |what| logged("own-code", what, "milliseconds");
    let said = [
        ("02-one-to-one.md", percent(digits("linear accuracy"))),
        ("02-one-to-one.md", percent(digits("perceptron accuracy"))),
        ("02-one-to-one.md", format!("| {:.3} | {:.3} |", digits("linear train loss"), digits("linear test loss"))),
        (
            "02-one-to-one.md",
            format!("| {:.3} | {:.3} |", digits("perceptron train loss"), digits("perceptron test loss")),
        ),
        ("05-many-to-one.md", reviews("1")),
        ("05-many-to-one.md", reviews("4")),
        ("05-many-to-one.md", reviews("8")),
        ("08-language-model.md", bits("1")),
        ("08-language-model.md", bits("6")),
        ("09-vanishing.md", shares("remembering", "20", &["tanh usual", "tanh rotation", "ReLU identity"])),
        ("09-vanishing.md", shares("remembering", "40", &["tanh usual", "tanh rotation", "ReLU identity"])),
        ("09-vanishing.md", shares("remembering", "160", &["tanh usual", "tanh rotation", "ReLU identity"])),
        ("09-vanishing.md", shares("remembering", "320", &["tanh usual", "tanh rotation", "ReLU identity"])),
        ("10-gates.md", error("adding", "2500", "plain cell")),
        ("10-gates.md", error("adding", "2500", "LSTM")),
        ("10-gates.md", error("adding", "2500", "GRU")),
        ("12-attention.md", spreads("4", &["one vector", "attention"])),
        ("12-attention.md", spreads("12", &["one vector", "attention"])),
        ("12-attention.md", spreads("16", &["one vector", "attention"])),
        ("12-attention.md", spreads("20", &["one vector", "attention"])),
        ("13-self-attention.md", spreads("12", &["one vector", "attention", "Transformer"])),
        ("13-self-attention.md", spreads("20", &["one vector", "attention", "Transformer"])),
        ("14-forecasting.md", format!("| {:.2} % |", forecast_error("GRU"))),
        ("14-forecasting.md", format!("| {:.2} % |", forecast_error("last year's change"))),
        ("10-gates.md", error("adding-100", "2000", "LSTM")),
        ("10-gates.md", error("adding-100", "2000", "GRU")),
        ("13-self-attention.md", times("32")),
        ("13-self-attention.md", times("256")),
        ("13-self-attention.md", times("2048")),
        ("14-forecasting.md", lengths("50")),
        ("14-forecasting.md", lengths("300")),
        ("14-forecasting.md", lengths("1200")),
        (
            "15-own-cell.md",
            format!("{:.2} ms with `project` and {:.2} ms without", own("inputs early"), own("inputs late")),
        ),
        ("15-own-cell.md", error("own-cell", "1500", "GRU")),
        ("15-own-cell.md", error("own-cell", "1500", "minimal gated unit")),
        (
            "16-own-operation.md",
            format!(
                "{:.0} µs with the operation and {:.0} µs composed",
                1e3 * own("scan by one operation"),
                1e3 * own("scan composed")
            ),
        ),
    ];
    let chapters = chapters();
    for (file, words) in said {
        let chapter = chapters.iter().find(|chapter| chapter.file == file).unwrap();
        assert!(chapter.text.contains(&words), "{file} does not say {words:?}, which its log says");
    }
}

#[test]
fn texts_that_models_wrote_are_those_of_their_logs() {
    let log = |name: &str| fs::read_to_string(docs().join(format!("figures/logs/{name}.csv"))).unwrap();
    let written = log("writing");
    let chapter = fs::read_to_string(docs().join("08-language-model.md")).unwrap();
    let lines = written.lines().skip_while(|line| !line.starts_with("temperature")).skip(1);
    for line in lines.filter_map(|line| line.split_once(',')).map(|(_, text)| text) {
        assert!(chapter.contains(&format!("\n{line}\n")), "chapter 8 does not show {line:?}");
    }
}

#[test]
fn translations_and_films_are_those_of_their_logs() {
    let log = |name: &str| fs::read_to_string(docs().join(format!("figures/logs/{name}.csv"))).unwrap();
    let chapter = |file: &str| fs::read_to_string(docs().join(file)).unwrap();
    let (translations, shown) = (log("translations"), chapter("12-attention.md"));
    let texts = translations.lines().filter_map(|line| {
        let [_, what, text] = line.splitn(3, ',').collect::<Vec<_>>()[..] else { return None };
        ["source", "reference", "with attention", "without attention"].contains(&what).then_some(text)
    });
    let texts: Vec<&str> = texts.collect();
    assert_eq!(texts.len(), 20);
    for text in texts {
        // The source is marked as code: it is no English.
        let is_shown = [format!("| {text} |"), format!("| `{text}` |")].iter().any(|cell| shown.contains(cell));
        assert!(is_shown, "chapter 12 does not show {text:?}");
    }
    // # with attention: BLEU 41.4 with a beam of 5, 38.8 greedily
    let scores: Vec<&str> =
        translations.lines().filter_map(|line| line.split_once("BLEU ")).map(|told| told.1).collect();
    assert_eq!(scores.len(), 2, "{translations}");
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    for score in scores {
        assert!(words.contains(score), "chapter 12 does not say {score:?}");
    }

    // # with memory: 0.970 of all frames, 0.940 of those in which a digit hides
    let (films, shown) = (log("frames"), chapter("17-video.md"));
    let shares: Vec<f64> = films
        .lines()
        .filter(|line| line.contains(" of all frames, "))
        .flat_map(|line| line.split(' ').filter_map(|word| word.parse().ok()))
        .collect();
    assert_eq!(shares.len(), 4, "{films}");
    for share in shares {
        assert!(shown.contains(&format!("{:.1} %", 100.0 * share)), "chapter 17 does not say {share}");
    }
}

#[test]
fn every_chapter_ends_with_a_summary_folded_answers_and_experiments() {
    for chapter in &chapters()[1..] {
        let part = |title: &str| {
            let rest = chapter.text.split_once(&format!("\n## {title}\n")).unwrap().1;
            rest.split("\n## ").next().unwrap_or_default()
        };
        let file = &chapter.file;
        assert_eq!(part("Summary").lines().filter(|line| line.starts_with("- ")).count(), 4, "{file}: the summary");
        let exercises = part("Exercises").lines().filter(|line| line.as_bytes().get(1) == Some(&b'.')).count();
        assert_eq!(part("Answers").matches("<details>").count(), exercises, "{file}: folded answers");
        assert!(part("Exercises").contains("Two experiments to plot yourself"), "{file}: experiments");
    }
}
