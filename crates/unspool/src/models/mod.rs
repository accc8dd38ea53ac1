//! Models that the tasks train: plain structs of layers, each with its loss and its way of being used.

mod captioner;
mod classifier;
mod eye;
mod film_reader;
mod language_model;
mod pair_embedding;
mod perceptron;
mod recognizer;
mod tagger;
mod transformer;
mod translator;

pub use captioner::{Caption, Captioner, CaptionerConfig};
pub use classifier::{Classifier, ClassifierConfig};
pub use eye::{Eye, EyeConfig};
pub use film_reader::{FilmReader, FilmReaderConfig};
pub use language_model::{LanguageModel, LanguageModelConfig};
pub use pair_embedding::PairEmbedding;
pub use perceptron::{Perceptron, PerceptronConfig};
pub use recognizer::{Recognizer, RecognizerConfig};
pub use tagger::{Tagger, TaggerConfig, TaggerInput, TaggerReader};
pub use transformer::{TransformerTranslator, TransformerTranslatorConfig};
pub use translator::{Teaching, Translator, TranslatorConfig, TranslatorState};
