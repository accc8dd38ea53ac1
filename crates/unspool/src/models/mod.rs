//! Models that the tasks train: plain structs of layers, each with its loss and its way of being used.
//!
//! All have one shape: `new` adds the parameters that a configuration says, which serde reads and whose `check` refuses
//! sizes that make no model; `loss` records what is trained, and `logits` or `decode` what is used.
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
mod image_classifier;
mod labels;
mod language_model;
mod memory_reader;
mod ngram_linear;
mod pair_embedding;
mod perceptron;
mod recognizer;
mod recurrent_language_model;
mod recurrent_translator;
mod seq2seq;
mod signal_classifier;
mod step_classifier;
mod tagger;
mod transformer_language_model;
mod transformer_translator;
mod translator;
mod video_classifier;

pub use captioner::{Captioner, CaptionerConfig};
pub use character_tagger::{CharacterTagger, CharacterTaggerConfig};
pub use classifier::{Classifier, ClassifierConfig};
pub use conv_encoder::{ConvEncoder, ConvEncoderConfig};
pub use forecaster::{Forecaster, ForecasterConfig};
pub use image_classifier::{ImageClassifier, ImageClassifierConfig};
pub use language_model::{LanguageModel, LanguageModelConfig, TokenWindows};
pub use memory_reader::{MemoryReader, MemoryReaderConfig};
pub use ngram_linear::NgramLinear;
pub use pair_embedding::PairEmbedding;
pub use perceptron::{Perceptron, PerceptronConfig};
pub use recognizer::{Recognizer, RecognizerConfig};
pub use recurrent_language_model::{RecurrentLanguageModel, RecurrentLanguageModelConfig};
pub use recurrent_translator::{
    RecurrentDecoder, RecurrentDecoderState, RecurrentEncoder, RecurrentTranslator, RecurrentTranslatorConfig,
};
pub use seq2seq::{Encoder, LossOptions, Seq2Seq};
pub use signal_classifier::{SignalClassifier, SignalClassifierConfig};
pub use step_classifier::{StepClassifier, StepClassifierConfig};
pub use tagger::{Tagger, TaggerConfig, TaggerInput, TaggerReader};
pub use transformer_language_model::TransformerLanguageModelConfig;
pub use transformer_translator::{TransformerReader, TransformerTranslator, TransformerTranslatorConfig};
pub use translator::{Translator, TranslatorConfig};
pub use video_classifier::{VideoClassifier, VideoClassifierConfig};
