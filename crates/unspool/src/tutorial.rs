#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/figures/embedded.md"))]
#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/links.md"))]
#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/00-preface.md"))]

// A chapter's figures and links are named, and defined at its foot for a reader on a code host. Here the same names are
// defined before it, as data and as items of these docs: the first definition of a name wins.
macro_rules! chapters {
    ($($name:ident = $file:literal;)+) => {$(
        #[doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/figures/embedded.md"))]
        #[doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/links.md"))]
        #[doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/", $file))]
        pub mod $name {}
    )+};
}

chapters! {
    ch01_sequence_and_graph = "01-sequence-and-graph.md";
    ch02_one_to_one = "02-one-to-one.md";
    ch03_recurrence = "03-recurrence.md";
    ch04_unrolling = "04-unrolling.md";
    ch05_many_to_one = "05-many-to-one.md";
    ch06_aligned = "06-aligned.md";
    ch07_one_to_many = "07-one-to-many.md";
    ch08_language_model = "08-language-model.md";
    ch09_vanishing = "09-vanishing.md";
    ch10_gates = "10-gates.md";
    ch11_encoder_decoder = "11-encoder-decoder.md";
    ch12_attention = "12-attention.md";
    ch13_self_attention = "13-self-attention.md";
    ch14_forecasting = "14-forecasting.md";
    ch15_own_cell = "15-own-cell.md";
    ch16_own_operation = "16-own-operation.md";
    ch17_video = "17-video.md";
    ch18_scan = "18-scan.md";
    ch19_speech = "19-speech.md";
    ch20_second_derivatives = "20-second-derivatives.md";
}
