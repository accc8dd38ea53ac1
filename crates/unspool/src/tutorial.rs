#![doc = include_str!("../docs/figures/embedded.md")]
#![doc = include_str!("../docs/links.md")]
#![doc = include_str!("../docs/00-preface.md")]

// A chapter's figures and links are named, and defined at its foot for a reader on a code host. Here the same names are defined
// before it, as data and as items of these docs: the first definition of a name wins.
macro_rules! chapters {
    ($($name:ident = $file:literal;)+) => {$(
        #[doc = include_str!("../docs/figures/embedded.md")]
        #[doc = include_str!("../docs/links.md")]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $name {}
    )+};
}

chapters! {
    ch01_sequence_and_graph = "01-sequence-and-graph.md";
}
