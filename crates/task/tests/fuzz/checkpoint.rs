//! Any bytes as a checkpoint: refused, or finite weights; and what is refused changes nothing.

use std::io::Write;
use unspool::{
    graph::{Params, init},
    nn::checkpoint,
};

/// The model that is loaded into.
pub(crate) fn model() -> Params {
    let mut params = Params::seeded(1);
    params.scope("layer").add("weight", [2, 3], init::uniform(0.5));
    params.scope("layer").add("bias", [3], init::zeros());
    params
}

fn values(params: &Params) -> Vec<Vec<f64>> {
    let value = |param| params.value(param).expect("a parameter of this model").to_f64().into_iter().collect();
    params.iter().map(value).collect()
}

/// Loads the bytes; says whether they were taken.
pub(crate) fn run(data: &[u8]) -> bool {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("a temporary file can be written");
    let mut params = model();
    let before = values(&params);
    let _ = checkpoint::metadata(file.path());
    let loaded = checkpoint::load(file.path(), &mut params);
    match &loaded {
        Ok(_) => assert!(values(&params).iter().flatten().all(|value| value.is_finite())),
        Err(error) => {
            assert!(!error.to_string().is_empty());
            assert_eq!(values(&params), before);
        }
    }
    loaded.is_ok()
}
