//! Any text as lines for `predict`: one answer per line from a model of each kind, as text and as JSON, or an error.

use std::fs;
use unspool_task::testing::Answers;

/// Longer lines are cut here: the model would only take longer.
const LONGEST: usize = 200;

/// Gives the lines to each model, together and one by one.
pub(crate) fn run(data: &[u8]) {
    thread_local! {
        static MODELS: Vec<Answers> = models();
    }
    let text = String::from_utf8_lossy(data);
    MODELS.with(|models| {
        let lines: Vec<String> = text.split('\n').take(8).map(|line| line.chars().take(LONGEST).collect()).collect();
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        models.iter().for_each(|answer| answer(&lines));
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
    let model = |task: &str, data: Option<&str>, options: &[&str]| {
        let entry = unspool_cli::TASKS.iter().find(|entry| entry.name() == task).expect("a task");
        let words = [task, "--hidden-size=4"].into_iter().chain(options.iter().copied()).map(str::to_owned);
        let words: Vec<String> = words.chain(data.map(|data| format!("--data={data}"))).collect();
        unspool_task::testing::answers(entry, &words).expect("a model")
    };
    vec![
        model("translation", Some(&rows), &["--vocabulary=300", "--max-length=20"]),
        model("sentiment", Some(&rows), &["--max-length=20", "--bigram-buckets=64", "--ngram-buckets=64"]),
        model("spacing", Some(&rows), &["--bigram-buckets=64"]),
        model("tagging", Some(&tags), &[]),
        model("language-model", Some(&text), &["--tokens=bpe", "--vocabulary=300", "--window=8", "--bptt-streams=4"]),
        model("forecast", None, &["--season=2", "--context=2", "--horizon=2"]),
        model("digits", None, &[]),
        model("captioning", None, &["--pictures=9"]),
        model("mnist1d", None, &["--signals=20"]),
        model("adding", None, &["--length=24", "--sequences=4"]),
        model("copy", None, &["--length=24", "--sequences=4"]),
        model("parity", None, &["--length=16", "--sequences=4"]),
        model("recall", None, &["--length=16", "--sequences=4"]),
    ]
}
