#![doc = include_str!("../docs/links.md")]
#![doc = include_str!("../docs/coming-from-pytorch.md")]
