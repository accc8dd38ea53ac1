//! Models that the tasks train: plain structs of layers, each with its loss and its way of being used.

mod classifier;
mod translator;

pub use classifier::{Classifier, ClassifierConfig};
pub use translator::{Translator, TranslatorConfig, TranslatorState};
