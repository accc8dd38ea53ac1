//! Any text as lines for `predict`: one answer per line from a model of each kind, as text and as JSON, or an error.

use crate::{
    program::{data::Data, error::Result, predict::answer},
    tasks::{Ask, Prepared, Task, Visitor, with},
};
use std::fs;
use toml::{Table, Value};
use unspool::{graph::Params, nn::exchange::OneProcess};

/// Longer lines are cut here: the model would only take longer.
const LONGEST: usize = 200;

/// Answers a line.
type Answer = Box<dyn Fn(&str)>;

/// Gives a line to each model.
pub(crate) fn run(data: &[u8]) {
    thread_local! {
        static MODELS: Vec<Answer> = models();
    }
    let text = String::from_utf8_lossy(data);
    MODELS.with(|models| {
        for line in text.split('\n').take(8) {
            let line: String = line.chars().take(LONGEST).collect();
            models.iter().for_each(|ask| ask(&line));
        }
    });
}

/// Small models with their first weights, whose data is written to a folder and read from there.
fn models() -> Vec<Answer> {
    let folder = tempfile::tempdir().expect("a folder");
    let (mut rows, mut tags) = ("swedish\tenglish\tdocument\tlabel\n".to_owned(), String::new());
    for i in 0..40 {
        let (word, label) = [("bra", "good"), ("dålig", "bad")][i % 2];
        rows += &format!("{word} film {i}\t{label} film {i}\t영화 {word} {i}\t{label}\n");
        tags += &format!("the\tDET\nfilm{i}\tNOUN\n\n");
    }
    let text = "She sells sea shells.\nBy the sea shore.\n".repeat(40);
    let file = |name: &str, contents: &str| {
        let path = folder.path().join(name);
        fs::write(&path, contents).expect("a file");
        path.display().to_string()
    };
    let (rows, tags, text) = (file("rows.tsv", &rows), file("tags.tsv", &tags), file("text.txt", &text));
    [
        ("translation", Some(rows.as_str()), "vocabulary = 300\nmax-length = 20"),
        ("sentiment", Some(&rows), "max-length = 20\nbigram-buckets = 64"),
        ("spacing", Some(&rows), "bigram-buckets = 64"),
        ("tagging", Some(&tags), ""),
        ("language-model", Some(&text), "tokens = \"bpe\"\nvocabulary = 300\nwindow = 8\nbptt-streams = 4"),
        ("forecast", Some("airline-passengers"), "season = 2\ncontext = 2\nhorizon = 2"),
        ("digits", Some("digits"), ""),
        ("captioning", Some("digits"), "pictures = 9"),
        ("adding", None, "length = 24\nsequences = 4"),
        ("copy", None, "length = 24\nsequences = 4"),
    ]
    .into_iter()
    .map(|(task, data, settings)| with(task, Model { data, settings }).expect("a task").expect("a model"))
    .collect()
}

struct Model<'a> {
    data: Option<&'a str>,
    settings: &'a str,
}

impl Visitor for Model<'_> {
    type Output = Result<Box<dyn Fn(&str)>>;

    fn visit<T: Task>(self) -> Self::Output {
        let mut settings = Table::try_from(T::Settings::default()).expect("settings are TOML");
        settings.extend(self.settings.parse::<Table>().expect("TOML"));
        settings.insert("hidden-size".into(), Value::Integer(4));
        let settings: T::Settings = settings.try_into().expect("settings");
        let data: Vec<String> = self.data.into_iter().map(str::to_owned).collect();
        let Prepared { saved, tokenizer, .. } = T::prepare(&settings, &Data::new(&data, &OneProcess), 1)?;
        let mut params = Params::seeded(1);
        let task = T::restore(saved, tokenizer, &mut params)?;
        Ok(Box::new(move |line| check(&task, &params, line)))
    }
}

/// Asks for the answer as text, then for three answers as JSON.
fn check<T: Task>(task: &T, params: &Params, line: &str) {
    for (best, attention, as_json) in [(1, false, false), (3, true, true)] {
        match answer(task, params, line, &Ask { best, attention, exact: as_json }, as_json) {
            Ok((answer, _)) if as_json => {
                let answer: serde_json::Value = serde_json::from_str(&answer).expect("JSON");
                assert_eq!(answer["input"], line);
                assert!(answer["best"].as_array().expect("answers").len() <= best);
            }
            Ok((answer, _)) => {
                assert!(!answer.contains('\n'), "{}: {answer:?}", T::NAME);
                assert!(!line.trim().is_empty() || answer.is_empty(), "{}: {answer:?}", T::NAME);
            }
            Err(error) => assert_eq!(error.code(), 1, "{}: {error}", T::NAME),
        }
    }
}
