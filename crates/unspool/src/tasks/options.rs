//! The options of tasks as data: a name, what values there are, and the help. Those that several tasks have stand here
//! once.

use super::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt::Display, ops::RangeInclusive, str::FromStr};
use toml::Value;

/// An option of a task.
#[derive(Clone, Debug)]
pub(crate) struct Opt {
    /// `--name`, and the key in a configuration file.
    pub(crate) name: &'static str,
    /// What stands for its value in the help: `N`, `TOKENS`, `COLUMN`.
    pub(crate) value: &'static str,
    /// Its values.
    pub(crate) kind: Kind,
    /// What it does. The default and the range are added to it.
    pub(crate) help: &'static str,
}

/// The values of an option.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// `true` or `false`; the bare name is `true`.
    Switch,
    /// One of these names.
    Choice(&'static [&'static str]),
    /// A whole number.
    Count(RangeInclusive<u64>),
    /// A number within these bounds, both allowed.
    Number(RangeInclusive<f64>),
    /// Any text.
    Text,
}

impl Kind {
    /// The value that a text stands for.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        let wanted = |what: String| format!("`{text}` is not {what}");
        match self {
            Kind::Switch => text.parse().map(Value::Boolean).map_err(|_| wanted("true or false".into())),
            Kind::Choice(names) if names.contains(&text) => Ok(Value::String(text.into())),
            Kind::Choice(names) => Err(wanted(format!("one of {}", names.join(", ")))),
            Kind::Count(range) => {
                let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
                let number = number.and_then(|number| i64::try_from(number).ok());
                number.map(Value::Integer).ok_or_else(|| wanted(format!("from {} to {}", range.start(), range.end())))
            }
            Kind::Number(range) => {
                let number = text.parse::<f64>().ok().filter(|number| range.contains(number));
                number.map(Value::Float).ok_or_else(|| wanted(format!("from {} to {}", range.start(), range.end())))
            }
            Kind::Text => Ok(Value::String(text.into())),
        }
    }
}

impl Opt {
    /// Which cell.
    pub(crate) const CELL: Opt = Opt {
        name: "cell",
        value: "rnn|relu|lstm|gru",
        kind: Kind::Choice(&["rnn", "relu", "lstm", "gru"]),
        help: "Recurrent cell: plain with tanh (rnn) or ReLU (relu), or gated (lstm, gru)",
    };
    /// How deep.
    pub(crate) const LAYERS: Opt = Opt {
        name: "layers",
        value: "N",
        kind: Kind::Count(1..=limits::LAYERS as u64),
        help: "Number of stacked recurrent layers",
    };
    /// How wide.
    pub(crate) const HIDDEN: Opt = Opt {
        name: "hidden-size",
        value: "N",
        kind: Kind::Count(1..=limits::HIDDEN_SIZE as u64),
        help: "Hidden size per layer and direction",
    };
    /// One direction or both.
    pub(crate) const BIDIRECTIONAL: Opt = Opt {
        name: "bidirectional",
        value: "true|false",
        kind: Kind::Switch,
        help: "Read the sequence in both directions",
    };
    /// Recurrent or not.
    pub(crate) const ARCH: Opt = Opt {
        name: "arch",
        value: "recurrent|transformer",
        kind: Kind::Choice(&["recurrent", "transformer"]),
        help: "Architecture of the model",
    };
    /// What a text is made of.
    pub(crate) const TOKENS: Opt = Opt {
        name: "tokens",
        value: "characters|bpe|words|syllables",
        kind: Kind::Choice(&["characters", "bpe", "words", "syllables"]),
        help: "Token type: characters, byte-level byte pairs (bpe), words, or Hangul syllables and words of other letters",
    };
    /// How many examples are trained on at a time; they are called `value`.
    pub(crate) const fn batch_rows(value: &'static str, help: &'static str) -> Opt {
        Opt { name: "batch-rows", value, kind: Kind::Count(1..=limits::BATCH_ROWS), help }
    }
    /// Vectors for pairs of neighbouring tokens.
    pub(crate) const BIGRAM_BUCKETS: Opt = Opt {
        name: "bigram-buckets",
        value: "N",
        kind: Kind::Count(1..=limits::SIZE as u64),
        help: "Embedding vectors that all pairs of neighbouring tokens share (hashed); larger data can use more",
    };
    /// What a decoder is given in training.
    pub(crate) const TEACHER_FORCING: Opt = Opt {
        name: "teacher-forcing",
        value: "always|scheduled|never",
        kind: Kind::Choice(&["always", "scheduled", "never"]),
        help: "Decoder input in training: the reference token (always), its own last token (never), or its own more \
               and more often (scheduled)",
    };
}

/// What a model is made of: [`Opt::ARCH`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Arch {
    /// Of cells that are stepped through time.
    #[default]
    Recurrent,
    /// Of attention over whole sequences.
    Transformer,
}

/// `#[serde(with = "by_name")]` for what is written and read as a name, such as a kind of cell.
pub(crate) mod by_name {
    use super::*;

    pub(crate) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr,
        T::Err: Display,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::{NAMES, Task, Visitor, with};

    #[test]
    fn values_outside_are_refused() {
        assert_eq!(Kind::Count(1..=9).parse("3"), Ok(Value::Integer(3)));
        assert_eq!(Kind::Number(0.0..=1.0).parse("0.5"), Ok(Value::Float(0.5)));
        assert_eq!(Opt::CELL.kind.parse("gru"), Ok(Value::String("gru".into())));
        for (kind, text) in [
            (Kind::Count(1..=9), "0"),
            (Kind::Count(1..=9), "1.0"),
            (Kind::Number(0.0..=1.0), "NaN"),
            (Kind::Switch, "maybe"),
            (Opt::CELL.kind, "gry"),
        ] {
            assert!(kind.parse(text).unwrap_err().starts_with(&format!("`{text}` is not ")));
        }
    }

    struct OptionsFit;

    impl Visitor for OptionsFit {
        type Output = ();
        fn visit<T: Task>(self) {
            let defaults = toml::Table::try_from(T::Settings::default()).unwrap();
            let names: Vec<&str> = T::OPTIONS.iter().map(|option| option.name).collect();
            for (name, value) in &defaults {
                let option = T::OPTIONS.iter().find(|option| option.name == name);
                let kind = &option.unwrap_or_else(|| panic!("{}: {name} is no option", T::NAME)).kind;
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                assert_eq!(kind.parse(&text).as_ref(), Ok(value), "{}: {name}", T::NAME);
            }
            // Each option alone, with its default or a text, is taken by the settings.
            for option in T::OPTIONS {
                let mut table = defaults.clone();
                if !table.contains_key(option.name) {
                    assert!(matches!(option.kind, Kind::Text), "{}: --{} has no default", T::NAME, option.name);
                    table.insert(option.name.into(), Value::String("x".into()));
                }
                table.try_into::<T::Settings>().unwrap_or_else(|e| panic!("{}: --{}: {e}", T::NAME, option.name));
            }
            // A size that an option offers is one that the model takes, which is built only once the data was read.
            const NOT_SIZES: [&str; 6] = ["batch-rows", "batch-tokens", "pictures", "films", "sequences", "strings"];
            for option in T::OPTIONS.iter().filter(|option| !NOT_SIZES.contains(&option.name)) {
                if let Kind::Count(range) = &option.kind {
                    assert!(*range.end() <= limits::SIZE as u64, "{}: --{}", T::NAME, option.name);
                }
            }
            assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), names.len());
        }
    }

    #[test]
    fn every_option_is_a_setting_and_every_setting_an_option() {
        for name in NAMES {
            with(name, OptionsFit).unwrap();
        }
    }
}
