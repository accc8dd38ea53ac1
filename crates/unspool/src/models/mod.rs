//! Models that the tasks train: plain structs of layers, each with its loss and its way of being used.

mod classifier;
mod transformer;
mod translator;

pub use classifier::{Classifier, ClassifierConfig};
pub use transformer::{TransformerTranslator, TransformerTranslatorConfig};
pub use translator::{Translator, TranslatorConfig, TranslatorState};
