#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/links.md"))]
#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/cookbook.md"))]
