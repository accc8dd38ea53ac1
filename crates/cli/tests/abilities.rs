//! The five tasks of abilities, trained in this process.

use unspool_task::{Entry, Result, Score};

const TASKS: [&str; 5] = ["parity", "modular", "permutations", "recall", "selective-copy"];

fn train(task: &str, options: &[&str]) -> Result<Score> {
    let entry: &Entry = unspool_cli::TASKS.iter().find(|entry| entry.name() == task).unwrap();
    entry.train_and_score(&options.iter().map(|&word| word.to_owned()).collect::<Vec<_>>())
}

#[test]
fn each_is_trained_and_scored_at_longer_lengths() {
    for task in TASKS {
        let sizes = ["--length=17", "--sequences=16", "--epochs=1", "--hidden-size=4", "--batch-rows=8"];
        let score = train(task, &sizes).unwrap();
        let names: Vec<&str> = score.more.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["length_x2", "length_x4", "length_x8"], "{task}");
        let all = score.more.iter().map(|(_, value)| *value).chain([score.value]);
        assert!(all.into_iter().all(|share| (0.0..=1.0).contains(&share)), "{task}: {score:?}");
        // The same seed gives the same scores.
        assert_eq!(train(task, &sizes).unwrap().value, score.value, "{task}");
    }
}

#[test]
fn wrong_options_are_refused_in_a_line() {
    for (option, saying) in [
        ("--length=15", "`15` is not from 16 to 4096"),
        ("--sequences=0", "`0` is not from 1 to 10000000"),
        ("--cell=lsmt", "`lsmt` is not one of rnn"),
        ("--data=x.csv", "--data"),
    ] {
        for task in TASKS {
            let error = train(task, &[option]).unwrap_err();
            let text = error.to_string();
            assert!(error.code() == 2 && text.lines().count() == 1 && text.contains(saying), "{task}: {text}");
        }
    }
}
