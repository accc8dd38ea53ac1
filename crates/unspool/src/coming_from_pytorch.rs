#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/links.md"))]
#![doc = include_str!(concat!(env!("UNSPOOL_DOCS"), "/coming-from-pytorch.md"))]
