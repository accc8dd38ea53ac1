//! Laws of decoding, on step functions that are nothing but tables and on small models.

mod decoders;
mod rules;
mod search;
mod small;
mod tree;

const BEGIN: u32 = 0;
const END: u32 = 1;
