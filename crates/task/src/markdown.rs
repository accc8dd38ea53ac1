//! The commands of the program as pages in Markdown, made from the same definitions as the help.

use crate::commented::{defaults, headings, long_help};
use clap::{Arg, ArgAction, Command};

/// What stands at the top of every page.
const MADE_BY: &str =
    "<!-- Made by `cargo run -p unspool-cli --example command_pages`: change the code, not this page. -->\n";

/// Returns the pages of a program by their file names: one for each command, and an index.
pub(crate) fn pages(mut program: Command) -> Vec<(String, String)> {
    // Gives every command its full name, and the options that all commands have.
    program.build();
    let mut index =
        format!("{MADE_BY}# Commands\n\n{}\n\n| command | what it does |\n| --- | --- |\n", about(&program));
    let mut pages = vec![];
    for command in program.get_subcommands().filter(|command| command.get_name() != "help") {
        let name = command.get_name();
        index += &format!("| [`unspool {name}`]({name}.md) | {} |\n", cell(&about(command)));
        pages.push((format!("{name}.md"), page(command)));
    }
    let all: Vec<&Arg> = program.get_arguments().filter(|argument| is_shown(argument)).collect();
    index += &format!("\nEvery command has these options:\n\n{}", table(&all, None));
    index += &tail(&program);
    pages.insert(0, ("README.md".to_owned(), index));
    pages
}

fn page(command: &Command) -> String {
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let mut out = format!("{MADE_BY}# `{name}`\n\n{}\n\n", sentence(command));
    let inner: Vec<&Command> = command.get_subcommands().filter(|inner| inner.get_name() != "help").collect();
    if inner.is_empty() {
        return out + &sections(&own(command), None, "##") + &tail(command);
    }
    let title = command.get_subcommand_value_name().unwrap_or("COMMAND").to_lowercase();
    out += &format!("| {title} | what it does |\n| --- | --- |\n");
    for one in &inner {
        out += &format!("| [`{0}`](#{1}) | {2} |\n", one.get_name(), anchor(one), cell(&about(one)));
    }
    // What all of them have stands once.
    let shared: Vec<&Arg> = match inner.as_slice() {
        [first, rest @ ..] if !rest.is_empty() => {
            let has = |other: &Command, argument: &Arg| own(other).iter().any(|one| is_same(one, argument));
            own(first).into_iter().filter(|argument| rest.iter().all(|other| has(other, argument))).collect()
        }
        _ => vec![],
    };
    if !shared.is_empty() {
        out += &format!("\n## Options of every {title}\n\n{}", sections(&shared, Some(&inner), "###"));
    }
    for one in &inner {
        let name = one.get_bin_name().unwrap_or(one.get_name());
        out += &format!("\n## `{name}`\n\n{}\n\n", sentence(one));
        let rest: Vec<&Arg> =
            own(one).into_iter().filter(|argument| !shared.iter().any(|known| is_same(known, argument))).collect();
        if !rest.is_empty() {
            out += &table(&rest, None);
        }
        let defaults: Vec<String> = own(one)
            .into_iter()
            .filter(|argument| shared.iter().any(|known| is_same(known, argument)))
            .filter(|argument| differs(argument, &inner))
            .filter_map(|argument| Some(format!("`--{} {}`", argument.get_long()?, default(argument))))
            .collect();
        if !defaults.is_empty() {
            out += &format!(
                "{}Defaults of shared options: {}.\n",
                if rest.is_empty() { "" } else { "\n" },
                defaults.join(", ")
            );
        }
    }
    out + &tail(command)
}

/// The options of a command itself: help, version and what every command has stand elsewhere.
fn own(command: &Command) -> Vec<&Arg> {
    let is_own = |argument: &&Arg| is_shown(argument) && !argument.is_global_set();
    command.get_arguments().filter(is_own).collect()
}

fn is_shown(argument: &Arg) -> bool {
    let action = argument.get_action();
    let is_help = matches!(action, ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version);
    !argument.is_hide_set() && !is_help
}

/// Whether two options say the same, but for their defaults.
fn is_same(a: &Arg, b: &Arg) -> bool {
    a.get_id() == b.get_id() && help(a) == help(b)
}

/// Whether the default of an option is not the same in all of these commands.
fn differs(argument: &Arg, commands: &[&Command]) -> bool {
    let same = |command: &&Command| {
        let found = command.get_arguments().find(|one| one.get_id() == argument.get_id());
        found.is_some_and(|found| default(found) == default(argument))
    };
    !commands.iter().all(same)
}

/// Options under their headings.
fn sections(all: &[&Arg], among: Option<&[&Command]>, level: &str) -> String {
    let section = |heading: Option<&str>| {
        let of: Vec<&Arg> = all.iter().copied().filter(|argument| argument.get_help_heading() == heading).collect();
        format!("{level} {}\n\n{}", heading.unwrap_or("Options"), table(&of, among))
    };
    headings(all.iter().copied()).into_iter().map(section).collect::<Vec<_>>().join("\n")
}

/// Options as a table. A default that is not the same in all of some commands is left to each of them.
fn table(all: &[&Arg], among: Option<&[&Command]>) -> String {
    let mut out = String::from("| option | meaning |\n| --- | --- |\n");
    for argument in all {
        let mut meaning = help(argument);
        let values = argument.get_possible_values();
        let is_switch = !argument.get_action().takes_values();
        if !values.is_empty() && !is_switch {
            let names: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
            meaning += &format!(" One of {}.", names.join(", "));
        }
        let default = default(argument);
        match among {
            Some(commands) if differs(argument, commands) => meaning += " The default is the task's.",
            _ if default.is_empty() || is_switch => {}
            _ => meaning += &format!(" Default: `{default}`."),
        }
        out += &format!("| {} | {} |\n", usage(argument), cell(&meaning));
    }
    out
}

/// An option as it is typed: `` `-o`, `--out DIR` ``.
fn usage(argument: &Arg) -> String {
    let names: Vec<&str> = argument.get_value_names().unwrap_or_default().iter().map(|name| name.as_str()).collect();
    let value = if argument.get_action().takes_values() { names.join(" ") } else { String::new() };
    let Some(long) = argument.get_long() else { return format!("`{}`", cell(&value)) };
    let separator = if value.is_empty() {
        ""
    } else if argument.is_require_equals_set() {
        "="
    } else {
        " "
    };
    let short = argument.get_short().map_or_else(String::new, |short| format!("`-{short}`, "));
    format!("{short}`--{long}{separator}{}`", cell(&value))
}

fn default(argument: &Arg) -> String {
    defaults(argument).join(" ")
}

/// The long help in one line, which ends like a sentence.
fn help(argument: &Arg) -> String {
    let help = long_help(argument);
    let paragraphs =
        help.split("\n\n").map(|paragraph| ended(&paragraph.split_whitespace().collect::<Vec<_>>().join(" ")));
    paragraphs.collect::<Vec<_>>().join(" ")
}

fn about(command: &Command) -> String {
    command.get_about().map_or_else(String::new, ToString::to_string)
}

fn sentence(command: &Command) -> String {
    let about = command.get_long_about().or(command.get_about()).map_or_else(String::new, ToString::to_string);
    about.split("\n\n").map(ended).collect::<Vec<_>>().join("\n\n")
}

fn ended(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with(['.', ']', ':']) { text.to_owned() } else { format!("{text}.") }
}

/// What stands below the options, whose examples become a block of commands.
fn tail(command: &Command) -> String {
    let text = command.get_after_long_help().map_or_else(String::new, ToString::to_string);
    let (prose, examples) = text.split_once("Examples:\n").unwrap_or((&text, ""));
    let prose = prose.trim();
    let mut out = if prose.is_empty() { String::new() } else { format!("\n{prose}\n") };
    let lines: Vec<String> = examples.lines().map(|line| format!("$ {}\n", line.trim())).collect();
    if !lines.is_empty() {
        out += &format!("\n## Examples\n\n```console\n{}```\n", lines.concat());
    }
    out
}

/// The name of a command's section in links: that of its heading in lowercase, without its marks.
fn anchor(command: &Command) -> String {
    command.get_bin_name().unwrap_or(command.get_name()).replace(' ', "-").to_lowercase()
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "\\<") // a tag of HTML would vanish
}
