//! What a model is to the server: it describes itself, and answers questions.

use serde::{Deserialize, Serialize};

/// Answers questions; what [`serve`](crate::serve()) serves.
///
/// The example of the [crate](crate) has one that counts characters.
pub trait Model: Send + Sync {
    /// Returns what the model is called, and how it is asked.
    fn describe(&self) -> Description;

    /// Returns whether the model can be asked now.
    ///
    /// # Errors
    /// [`Refused::NotReady`] says why it cannot, such as that its training has saved no weights yet.
    fn ready(&self) -> Result<(), Refused> {
        Ok(())
    }

    /// Returns an answer to each question, in their order. The answer to a question must not depend on the others.
    fn predict(&self, questions: &[Question]) -> Vec<Result<Prediction, Refused>>;

    /// Continues a text, and passes each piece to `write` as soon as it is there. It ends as soon as `write` returns
    /// `false`: nobody reads the text any more. `write` takes an empty piece, too.
    ///
    /// # Errors
    /// The model writes no text, or it fails.
    fn generate(&self, _ask: &Continuation, _write: &mut dyn FnMut(&str) -> bool) -> Result<(), Refused> {
        Err(Refused::question("this model writes no text of its own", "ask it with `predict`"))
    }

    /// Returns the record of the model's training as it is now; none where nothing was recorded.
    fn training(&self) -> Option<Training> {
        None
    }

    /// Returns the learning curve as it is now, as SVG; none where there is none.
    fn curve(&self) -> Option<String> {
        None
    }
}

/// How a model is asked, which decides on the form of its page.
///
/// ```
/// let digit = unspool_serve::Input::Picture { side: 8, darkest: 16 };
/// assert_eq!(serde_json::to_value(digit)?, serde_json::json!({ "kind": "picture", "side": 8, "darkest": 16 }));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Input {
    /// With a line of text.
    #[default]
    Text,
    /// With the beginning of a text, which the model continues.
    Prompt,
    /// With a line of gray levels of a square picture, row by row, with commas between them.
    Picture {
        /// Rows and columns.
        side: usize,
        /// The level of ink; paper is 0.
        darkest: u8,
    },
    /// With a recording as a WAV file.
    Sound,
}

/// Says what a model is called, what it does, and how it is asked.
///
/// ```
/// use unspool_serve::{Description, Input};
/// let about = "Classify texts".to_owned();
/// let (name, task) = ("run 1".to_owned(), "sentiment".to_owned());
/// let description = Description { name, task, about, input: Input::Text, takes_prefix: false };
/// assert_eq!(serde_json::to_value(description)?["input"]["kind"], "text");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Serialize)]
pub struct Description {
    /// Its name in paths of the API. What no path can hold becomes `-`, and a name that is taken gets a number.
    pub name: String,
    /// What it was trained on.
    pub task: String,
    /// What it does, in a sentence.
    pub about: String,
    /// How it is asked.
    pub input: Input,
    /// Whether an answer can begin with a given text, and has alternatives at each place.
    pub takes_prefix: bool,
}

/// Holds what a model is asked, and what its answer shall have.
///
/// ```
/// use unspool_serve::{Input, Question};
/// let question = Question::of_text("ett hus");
/// assert_eq!((question.text()?, question.best), ("ett hus", 1));
/// assert!(question.sound().is_err());
/// # Ok::<(), unspool_serve::Refused>(())
/// ```
#[derive(Clone, Debug)]
pub struct Question {
    pub(crate) asked: Asked,
    /// How many answers are wanted, best first.
    pub best: usize,
    /// Whether what was attended to is wanted.
    pub attention: bool,
    /// Whether the contribution of each part of the text is wanted.
    pub contributions: bool,
    /// The text that each answer begins with, where it begins with one.
    pub prefix: Option<String>,
    /// How many alternatives are wanted at the end of the prefix, or at the beginning where there is none.
    pub alternatives: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Text(String),
    Sound(Vec<u8>),
}

impl Question {
    /// Asks with a line of text for one answer.
    pub fn of_text(text: impl Into<String>) -> Question {
        Question::new(Asked::Text(text.into()))
    }

    /// Asks with the bytes of a WAV file for one answer.
    pub fn of_sound(wav: Vec<u8>) -> Question {
        Question::new(Asked::Sound(wav))
    }

    fn new(asked: Asked) -> Question {
        Question { asked, best: 1, attention: false, contributions: false, prefix: None, alternatives: 0 }
    }

    /// How much work it is, in bytes of text: a second of sound is as much as a line or two.
    pub(crate) fn weight(&self) -> usize {
        let prefix = self.prefix.as_ref().map_or(0, String::len);
        match &self.asked {
            Asked::Text(text) => text.len() + prefix,
            Asked::Sound(wav) => wav.len() / 128,
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    /// It is a recording.
    pub fn text(&self) -> Result<&str, Refused> {
        match &self.asked {
            Asked::Text(text) => Ok(text),
            Asked::Sound(_) => Err(Refused::question("this model reads text, not sound", "send JSON with `input`")),
        }
    }

    /// Returns the bytes of the recording.
    ///
    /// # Errors
    /// It is a text.
    pub fn sound(&self) -> Result<&[u8], Refused> {
        match &self.asked {
            Asked::Sound(wav) => Ok(wav),
            Asked::Text(_) => {
                Err(Refused::question("this model hears recordings", "send a WAV file with Content-Type: audio/wav"))
            }
        }
    }
}

/// Holds what a model says.
///
/// ```
/// use unspool_serve::Prediction;
/// let prediction = Prediction { probability: Some(0.75), ..Prediction::answer("good") };
/// assert_eq!(serde_json::to_value(&prediction)?["best"][0]["text"], "good");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Prediction {
    /// The best answer.
    pub answer: String,
    /// How likely it is, where the model says that.
    pub probability: Option<f64>,
    /// The best answers, best first.
    pub best: Vec<Ranked>,
    /// What was attended to for the best answer, where that was asked for and the model attends.
    pub attention: Option<AttentionMap>,
    /// What each part of the text contributed to the best answer, where that was asked for and the model says it.
    pub contributions: Option<Vec<Contribution>>,
    /// The likeliest words after the prefix, the likeliest first, where they were asked for and the model writes texts.
    pub alternatives: Option<Vec<Alternative>>,
    /// How many tokens of the input were read, where it was longer than the model reads.
    pub cut_to: Option<usize>,
}

impl Prediction {
    /// Returns a prediction of one answer without a score.
    pub fn answer(answer: impl Into<String>) -> Prediction {
        let answer = answer.into();
        Prediction { best: vec![Ranked { text: answer.clone(), score: None }], answer, ..Prediction::default() }
    }
}

/// Holds one of several answers.
///
/// ```
/// let ranked = unspool_serve::Ranked { text: "a house".into(), score: Some(-0.25) };
/// assert_eq!(serde_json::to_string(&ranked)?, r#"{"text":"a house","score":-0.25}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ranked {
    /// The answer.
    pub text: String,
    /// Its score: a probability where the prediction has one, and otherwise what the model ranks answers by.
    pub score: Option<f64>,
}

/// Holds weights of attention: a row for each token that was written, a column for each that was read.
///
/// ```
/// use unspool_serve::AttentionMap;
/// let (rows, columns) = (vec!["a".into(), "house".into()], vec!["ett".into(), "hus".into()]);
/// let map = AttentionMap { rows, columns, weights: vec![vec![0.75, 0.25], vec![0.0, 1.0]] };
/// assert_eq!(map.cells(), 4);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AttentionMap {
    /// What was written; the last is empty for the end of the text.
    pub rows: Vec<String>,
    /// What was read.
    pub columns: Vec<String>,
    /// `[row][column]`; each row sums to 1.
    pub weights: Vec<Vec<f64>>,
}

impl AttentionMap {
    /// Returns how many weights it has.
    pub fn cells(&self) -> usize {
        self.rows.len() * self.columns.len()
    }
}

/// Says what a part of a text contributed to an answer.
///
/// ```
/// let one = unspool_serve::Contribution { text: "g".into(), value: 0.5 };
/// assert_eq!(serde_json::to_string(&one)?, r#"{"text":"g","value":0.5}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The part, such as a character.
    pub text: String,
    /// Gradient × input: more than 0 speaks for the answer, less than 0 against it.
    pub value: f64,
}

/// Holds a word that a model may write at a place of its answer, and what follows it then.
///
/// ```
/// let (text, prefix, answer) = ("home".into(), "a home".into(), "a home that is red".into());
/// let one = unspool_serve::Alternative { text, probability: 0.25, prefix, answer };
/// let json = r#"{"text":"home","probability":0.25,"prefix":"a home","answer":"a home that is red"}"#;
/// assert_eq!(serde_json::to_string(&one)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Alternative {
    /// The word; empty where the answer ends.
    pub text: String,
    /// The probability of the word's first token after the prefix.
    pub probability: f64,
    /// The answer up to this word and with it: the prefix of a question that chooses it.
    pub prefix: String,
    /// The whole answer, in which the likeliest token is written at each step after the word.
    pub answer: String,
}

/// Holds what a model that writes is asked for.
///
/// ```
/// let ask = unspool_serve::Continuation { prompt: "ROMEO:".into(), ..Default::default() };
/// assert_eq!((ask.length, ask.temperature, ask.top_k), (500, 0.8, None));
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Continuation {
    /// The beginning of the text.
    pub prompt: String,
    /// How many tokens shall be written.
    pub length: usize,
    /// Logits are divided by it; 0 always takes the likeliest token.
    pub temperature: f64,
    /// How many of the likeliest tokens are drawn from.
    pub top_k: Option<usize>,
    /// The probability that the likeliest tokens that are drawn from have together.
    pub top_p: Option<f64>,
    /// The seed; equal seeds give equal texts.
    pub seed: u64,
}

impl Default for Continuation {
    fn default() -> Continuation {
        Continuation { prompt: String::new(), length: 500, temperature: 0.8, top_k: None, top_p: None, seed: 1 }
    }
}

/// Holds the record of a training: a row of numbers for each evaluation.
///
/// ```
/// use unspool_serve::Training;
/// let training = Training { is_running: true, columns: vec!["epoch".into()], rows: vec![vec![Some(1.0)]] };
/// assert_eq!(serde_json::to_string(&training)?, r#"{"is_running":true,"columns":["epoch"],"rows":[[1.0]]}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Training {
    /// Whether a process trains the model now.
    pub is_running: bool,
    /// What the numbers of a row are.
    pub columns: Vec<String>,
    /// The numbers; none for what is not finite.
    pub rows: Vec<Vec<Option<f64>>>,
}

/// Says why a model gives no answer.
///
/// ```
/// use unspool_serve::Refused;
/// assert_eq!(Refused::question("the line is blank", "give a text").to_string(), "the line is blank");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The question cannot be answered: status 422.
    #[error("{message}")]
    Question {
        /// What is wrong.
        message: String,
        /// What would be right.
        hint: String,
    },
    /// The model cannot be asked yet: status 409.
    #[error("{0}")]
    NotReady(String),
    /// The model failed: status 500.
    #[error("{0}")]
    Failed(String),
}

impl Refused {
    /// Says what is wrong with a question, and what would be right.
    pub fn question(message: impl Into<String>, hint: impl Into<String>) -> Refused {
        Refused::Question { message: message.into(), hint: hint.into() }
    }
}
