//! A tokenizer from elsewhere has special tokens of its own, and models end their texts with them.

use unspool::{
    models::{LossOptions, TransformerTranslator, TransformerTranslatorConfig},
    nn::decoding::Beam,
    prelude::*,
    text::Specials,
};

/// As BERT's: `[PAD]` comes first, the other special tokens stand among the words.
const BERT: &str = r###"{
    "version": "1.0", "truncation": null, "padding": null,
    "added_tokens": [
        {"id": 0, "content": "[PAD]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
          "special": true},
        {"id": 5, "content": "[UNK]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
          "special": true},
        {"id": 6, "content": "[CLS]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
          "special": true},
        {"id": 7, "content": "[SEP]", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
          "special": true}
    ],
    "normalizer": null, "pre_tokenizer": {"type": "BertPreTokenizer"}, "post_processor": null,
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
      "max_input_chars_per_word": 100,
        "vocab": {"[PAD]": 0, "one": 1, "two": 2, "three": 3, "four": 4, "[UNK]": 5, "[CLS]": 6, "[SEP]": 7,
          "five": 8, "six": 9}}
}"###;

#[test]
fn a_bert_tokenizer_decodes_rightly() {
    let tokenizer = Tokenizer::from_json("bert.json", BERT).unwrap();
    let specials = tokenizer.specials();
    assert_eq!((specials.pad, specials.unk, specials.bos, specials.eos), (0, 5, 6, 7));
    let texts = ["one two three", "three four five six"];
    let ids: Vec<Vec<u32>> = texts.iter().map(|text| tokenizer.encode(text).unwrap()).collect();
    assert_eq!(ids[0], [1, 2, 3]);
    let (source, target) = (Padded::new(&ids, specials.pad), TeacherForcing::new(&ids, specials));

    let written = |specials: Specials| -> Vec<String> {
        let config = TransformerTranslatorConfig {
            vocabulary_size: tokenizer.vocabulary_size(),
            size: 16,
            heads: 2,
            feedforward: 32,
            layers: 1,
            specials,
            ..TransformerTranslatorConfig::default()
        };
        let mut params = Params::seeded(1);
        let model = TransformerTranslator::new(&mut params, &config);
        let mut adam = Adam::new();
        for step in 0..80 {
            let graph = Graph::new(&params).training(1, step);
            let options = LossOptions { label_smoothing: 0.0, teacher_forcing_ratio: 1.0 };
            let loss = model.loss(&graph, &source, &target, options) / target.tokens() as f64;
            let gradients = loss.backward().unwrap();
            adam.step(&mut params, &gradients, 0.01).unwrap();
        }
        let found = model.decode(&params, &source, Some(&Beam::new(2))).unwrap();
        found.iter().map(|best| tokenizer.decode(&best[0].tokens).unwrap()).collect()
    };
    assert_eq!(written(specials), texts);
    // The negative control: a model that takes the special tokens of another tokenizer writes something else.
    assert_ne!(written(Specials::FIXED), texts);
}
