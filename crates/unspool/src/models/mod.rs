//! Models that the tasks train: plain structs of layers, each with its loss and its way of being used.
//!
//! A model is parameters and sizes, like any layer:
//!
//! ```
//! use unspool::{graph::{Graph, Params}, models::{Perceptron, PerceptronConfig}};
//! let config = PerceptronConfig { input_size: 4, hidden_size: 8, layers: 1, classes: 3, dropout: 0.1 };
//! let mut params = Params::seeded(0);
//! let model = Perceptron::new(&mut params, &config);
//! let graph = Graph::new(&params).training(0, 0);
//! let gradients = model.logits(graph.full([2, 4], 1.0)).cross_entropy(&[0, 2]).sum_all().backward()?;
//! assert!(gradients.norm() > 0.0);
//! # Ok::<(), unspool::graph::Error>(())
//! ```

mod captioner;
mod character_tagger;
mod classifier;
mod config;
mod conv_encoder;
mod forecaster;
mod labels;
mod language_model;
mod memory_reader;
mod pair_embedding;
mod perceptron;
mod recognizer;
mod tagger;
mod transformer;
mod translator;
mod video_classifier;

pub use captioner::{Caption, Captioner, CaptionerConfig};
pub use character_tagger::CharacterTagger;
pub use classifier::{Classifier, ClassifierConfig};
pub use conv_encoder::{ConvEncoder, ConvEncoderConfig};
pub use forecaster::{Forecaster, ForecasterConfig};
pub use language_model::{LanguageModel, LanguageModelConfig, TransformerLanguageModelConfig};
pub use memory_reader::{MemoryReader, MemoryReaderConfig};
pub use pair_embedding::PairEmbedding;
pub use perceptron::{Perceptron, PerceptronConfig};
pub use recognizer::{Recognizer, RecognizerConfig};
pub use tagger::{Tagger, TaggerConfig, TaggerInput, TaggerReader};
pub use transformer::{TransformerTranslator, TransformerTranslatorConfig};
pub use translator::{Teaching, Translator, TranslatorConfig, TranslatorState};
pub use video_classifier::{VideoClassifier, VideoClassifierConfig};
