//! Any text as lines for `predict`: one answer per line from a model of each kind, as text and as JSON, or an error.

use std::fs;
use unspool_task::testing::Answers;

/// Longer lines are cut here: the model would only take longer.
const LONGEST: usize = 200;

/// Gives a line to each model.
pub(crate) fn run(data: &[u8]) {
    thread_local! {
        static MODELS: Vec<Answers> = models();
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
fn models() -> Vec<Answers> {
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
    .map(|(task, data, settings)| {
        let entry = unspool_cli::TASKS.iter().find(|entry| entry.name() == task).expect("a task");
        let data: Vec<String> = data.into_iter().map(str::to_owned).collect();
        let settings = format!("{settings}\nhidden-size = 4");
        unspool_task::testing::answers(entry, &data, &settings).expect("a model")
    })
    .collect()
}
