//! `README.md` of a run folder: the model as a card, in the form that hubs of models show.
//!
//! It says nothing that differs between equal trainings, such as how long they took.

use crate::{
    baseline::Baseline,
    begun::Sizes,
    chosen::Chosen,
    compared::told,
    json::Evaluated,
    number::{score, significant},
    page::Trained,
    run::{CONFIG, MODEL, REPORT, SAVED, SOURCE_TOKENIZER, TOKENIZER},
    shown,
    task::Metric,
};

/// The files of a run folder that others want, and what they hold.
const FILES: [(&str, &str); 6] = [
    (MODEL, "the weights of the best epoch, which `safetensors` of any language can read"),
    (SAVED, "the sizes of the model and what else is needed to use it, such as labels"),
    (TOKENIZER, "the tokenizer, which Hugging Face's `tokenizers` can read; only where there is text"),
    (SOURCE_TOKENIZER, "the tokenizer of the source; only where it has a vocabulary of its own"),
    (CONFIG, "the options of the training; `unspool train TASK --config` reads them"),
    (REPORT, "scores, curves and examples as a page"),
];

/// Returns the card of a model that was trained.
pub(crate) fn card(chosen: &Chosen, sizes: Sizes, trained: &Trained, baselines: &[Baseline]) -> String {
    let spec = chosen.spec();
    let (task, metric) = (spec.name, spec.metric);
    let set = spec.sets.iter().find(|set| chosen.data == [set.name]);
    let license = set.map(|set| set.license);
    let mut out = String::from("---\n");
    // A hub knows identifiers of licenses in lowercase, and `other` for what has none.
    let known = license.map(|name| if name.starts_with("CC") { name.to_lowercase() } else { "other".to_owned() });
    out += &known.map_or_else(String::new, |name| format!("license: {name}\n"));
    out += &format!("library_name: unspool\ntags:\n- {task}\nmetrics:\n- {}\n---\n\n# {task}\n\n", metric.name);
    out += &format!("{}. This model was trained by [Unspool]({}):\n\n", spec.about, env!("CARGO_PKG_REPOSITORY"));
    out += &format!("    {}\n\n## Scores\n\n{}", shown::line(&chosen.command()), scores(metric, trained));
    if let Some(signature) = &trained.test.score.signature {
        out += &format!("\nThe signature of {} is `{signature}`.\n", metric.name);
    }
    if !baselines.is_empty() {
        out +=
            &format!("\nWhat cheap methods and other models reach on the test part:\n\n| method | {} |\n", metric.name);
        out += "| --- | --- |\n";
        for baseline in baselines {
            out += &format!("| {} | {} |\n", cell(&baseline.title()), cell(&told(baseline, metric)));
        }
    }
    out += "\n## Data\n\n";
    let names: Vec<String> = chosen.data.iter().map(|name| format!("`{}`", cell(name).replace('`', "'"))).collect();
    let Sizes { train, dev, test, parameters } = sizes;
    let examples = format!("{train} examples to train on, {dev} to choose the best epoch by, and {test} to test with");
    out += &match (names.is_empty(), license) {
        (true, _) => format!("Synthetic examples that the program makes: {examples}.\n"),
        (false, Some(license)) => format!("The built-in data set {} ({license}): {examples}.\n", names.join(", ")),
        (false, None) => {
            format!("{}: {examples}. The license of this data decides who may use the model.\n", names.join(", "))
        }
    };
    out += &format!(
        "\n## Training\n\n{parameters} parameters, seed {}, {} epochs of which number {} was the best on dev.\n",
        chosen.training.begin.seed,
        chosen.training.epochs,
        significant(trained.epoch, 4)
    );
    out += "\n## Use\n\n    unspool predict --model RUN_DIR\n\nreads lines and answers each.\n";
    out += "\n| file | what it holds |\n| --- | --- |\n";
    FILES.iter().for_each(|(name, what)| out += &format!("| `{name}` | {what} |\n"));
    out
}

/// The scores of both parts as a table.
fn scores(metric: Metric, Trained { dev, test, .. }: &Trained) -> String {
    let mut out = String::from("| score | dev | test |\n| --- | --- | --- |\n");
    let number = |part: &Evaluated| score(part.score.value, metric.digits);
    out += &format!("| {} | {} | {} |\n", metric.name, number(dev), number(test));
    out += &format!("| loss | {} | {} |\n", significant(dev.loss, 5), significant(test.loss, 5));
    for (name, value) in &test.score.more {
        let of_dev = dev.score.more.iter().find(|(known, _)| known == name);
        let of_dev = of_dev.map_or_else(String::new, |(_, value)| significant(*value, 5));
        out += &format!("| {name} | {of_dev} | {} |\n", significant(*value, 5));
    }
    out
}

/// A text within a table or a line.
fn cell(text: &str) -> String {
    shown::line(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_breaks_a_table() {
        assert_eq!(cell("a|b\nc"), "a\\|b\\u{a}c");
    }
}
