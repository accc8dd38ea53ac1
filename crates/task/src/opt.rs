//! The options of tasks as data: a name, what values there are, and the help. Those that several tasks have stand here
//! once.

use crate::limits;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt::Display, ops::RangeInclusive, str::FromStr};
use toml::Value;

/// An option of a task.
#[derive(Clone, Debug)]
pub struct Opt {
    /// `--name`, and the key in a configuration file.
    pub name: &'static str,
    /// What stands for its value in the help: `N`, `TOKENS`, `COLUMN`.
    pub value: &'static str,
    /// Its values.
    pub kind: Kind,
    /// What it does. The default and the range are added to it.
    pub help: &'static str,
}

/// The values of an option.
#[derive(Clone, Debug)]
pub enum Kind {
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
    pub fn parse(&self, text: &str) -> Result<Value, String> {
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
    pub const CELL: Opt = Opt {
        name: "cell",
        value: "rnn|relu|lstm|gru",
        kind: Kind::Choice(&["rnn", "relu", "lstm", "gru"]),
        help: "Recurrent cell: plain with tanh (rnn) or ReLU (relu), or gated (lstm, gru)",
    };
    /// How deep.
    pub const LAYERS: Opt = Opt {
        name: "layers",
        value: "N",
        kind: Kind::Count(1..=limits::LAYERS as u64),
        help: "Number of stacked recurrent layers",
    };
    /// How wide.
    pub const HIDDEN: Opt = Opt {
        name: "hidden-size",
        value: "N",
        kind: Kind::Count(1..=limits::HIDDEN_SIZE as u64),
        help: "Hidden size per layer and direction",
    };
    /// One direction or both.
    pub const BIDIRECTIONAL: Opt = Opt {
        name: "bidirectional",
        value: "true|false",
        kind: Kind::Switch,
        help: "Read the sequence in both directions",
    };
    /// Recurrent or not.
    pub const ARCH: Opt = Opt {
        name: "arch",
        value: "recurrent|transformer",
        kind: Kind::Choice(&["recurrent", "transformer"]),
        help: "Architecture of the model",
    };
    /// What a text is made of.
    pub const TOKENS: Opt = Opt {
        name: "tokens",
        value: "characters|bpe|words|syllables",
        kind: Kind::Choice(&["characters", "bpe", "words", "syllables"]),
        help: "Token type: characters, byte-level byte pairs (bpe), words, or Hangul syllables and words of other letters",
    };
    /// How many examples are trained on at a time; they are called `value`.
    pub const fn batch_rows(value: &'static str, help: &'static str) -> Opt {
        Opt { name: "batch-rows", value, kind: Kind::Count(1..=limits::BATCH_ROWS), help }
    }
    /// Vectors for pairs of neighbouring tokens.
    pub const BIGRAM_BUCKETS: Opt = Opt {
        name: "bigram-buckets",
        value: "N",
        kind: Kind::Count(1..=limits::SIZE as u64),
        help: "Embedding vectors that all pairs of neighbouring tokens share (hashed); larger data can use more",
    };
    /// What a decoder is given in training.
    pub const TEACHER_FORCING: Opt = Opt {
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
pub enum Arch {
    /// Of cells that are stepped through time.
    #[default]
    Recurrent,
    /// Of attention over whole sequences.
    Transformer,
}

/// `#[serde(with = "by_name")]` for what is written and read as a name, such as a kind of cell.
pub mod by_name {
    use super::*;

    /// Writes the name.
    pub fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    /// Reads a name.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
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
}
