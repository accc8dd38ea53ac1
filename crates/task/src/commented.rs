//! A configuration file that says what each option means, as `--print-config` writes it.

use crate::config::value_of;
use clap::{Arg, ArgAction, Command};
use std::collections::BTreeMap;

/// The greatest width of a comment.
const WIDTH: usize = 100;

/// Returns the options of `known` as TOML, under their headings: each with its help as a comment, and with the value
/// that is given or the default. An option without either is commented out.
pub(crate) fn commented(task: &str, known: &Command, given: &BTreeMap<String, Vec<String>>) -> String {
    let mut out = format!(
        "# The options of `unspool train {task}`, as `unspool train {task} --config FILE` reads them.\n\
         # An option that is commented out has no fixed default: remove the # to set it.\n\n\
         task = {task:?}\n"
    );
    let shown = || known.get_arguments().filter(|argument| !argument.is_hide_set());
    let all = || shown().filter_map(|argument| Some((argument.get_long()?, argument)));
    for heading in headings(all().map(|(_, argument)| argument)).into_iter().flatten() {
        out += &format!("\n\n# {heading}\n");
        for (name, argument) in all().filter(|(_, argument)| argument.get_help_heading() == Some(heading)) {
            out += &format!("\n{}{}\n", comment(&help(argument)), setting(name, argument, given.get(name)));
        }
    }
    out
}

/// The headings of options, each once, in their order.
pub(crate) fn headings<'a>(all: impl IntoIterator<Item = &'a Arg>) -> Vec<Option<&'a str>> {
    let mut headings = vec![];
    for heading in all.into_iter().map(Arg::get_help_heading) {
        if !headings.contains(&heading) {
            headings.push(heading);
        }
    }
    headings
}

/// The long help of an option, or the short one where there is no other.
pub(crate) fn long_help(argument: &Arg) -> String {
    argument.get_long_help().or(argument.get_help()).map_or_else(String::new, ToString::to_string)
}

/// The values that an option has by default.
pub(crate) fn defaults(argument: &Arg) -> Vec<String> {
    argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect()
}

/// The long help of an option, with the values that it takes.
fn help(argument: &Arg) -> String {
    let help = long_help(argument);
    let values = argument.get_possible_values();
    let names: Vec<&str> = values.iter().map(|value| value.get_name()).collect();
    if names.is_empty() { help } else { format!("{help} [possible values: {}]", names.join(", ")) }
}

/// The line that sets an option.
fn setting(name: &str, argument: &Arg, given: Option<&Vec<String>>) -> String {
    let defaults = defaults(argument);
    let values = given.unwrap_or(&defaults);
    match value_of(argument, values).filter(|_| !values.is_empty()) {
        Some(value) => format!("{name} = {value}"),
        None => {
            let kind = argument.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
            let is_list = matches!(argument.get_action(), ArgAction::Append);
            if is_list { format!("# {name} = [\"{kind}\"]") } else { format!("# {name} = {kind}") }
        }
    }
}

/// A text as lines of a comment, broken between words.
fn comment(text: &str) -> String {
    let (mut out, mut line) = (String::new(), String::from("#"));
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > WIDTH && line != "#" {
            out += &format!("{line}\n");
            line = String::from("#");
        }
        line += &format!(" {word}");
    }
    out + &line + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::groups::{RecurrentOptions, choice};
    use clap::Args;

    #[test]
    fn every_option_has_its_meaning_and_its_value() {
        let command = RecurrentOptions::augment_args(Command::new("").next_help_heading("Model"))
            .arg(Arg::new("b").long("kind").value_parser(choice(&["x", "y"])).help("A kind").help_heading("Data"))
            .arg(Arg::new("c").long("many").value_name("NAME").action(ArgAction::Append).help_heading("Data"));
        let given = BTreeMap::from([("layers".to_owned(), vec!["3".to_owned()])]);
        let text = commented("t", &command, &given);
        let wanted = "# Number of stacked recurrent layers [from 1 to 32]\nlayers = 3\n";
        assert!(text.contains("task = \"t\"\n\n\n# Model\n") && text.contains(wanted), "{text}");
        assert!(text.contains("cell = \"gru\"\n") && text.contains("hidden-size = 128\n"), "{text}");
        assert!(
            text.ends_with("# A kind [possible values: x, y]\n# kind = VALUE\n\n#\n# many = [\"NAME\"]\n"),
            "{text}"
        );
        let values: toml::Table = text.parse().unwrap();
        assert_eq!(values.len(), 4);
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH));
    }
}
