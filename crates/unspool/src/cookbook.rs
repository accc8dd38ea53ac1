#![doc = include_str!("../docs/links.md")]
#![doc = include_str!("../docs/cookbook.md")]
