//! Models that the tasks train: plain structs of layers, each with its loss and its way of being used.

mod classifier;
mod language_model;
mod tagger;
mod transformer;
mod translator;

pub use classifier::{Classifier, ClassifierConfig};
pub use language_model::{LanguageModel, LanguageModelConfig};
pub use tagger::{Tagger, TaggerConfig, TaggerInput, TaggerReader};
pub use transformer::{TransformerTranslator, TransformerTranslatorConfig};
pub use translator::{Teaching, Translator, TranslatorConfig, TranslatorState};
