//! Any bytes as the `model.toml` or `config.toml` of a run folder: refused with a reason, or what a task needs.

use crate::{
    program::run::read_toml,
    tasks::{NAMES, Task, Visitor, with},
};
use std::io::Write;
use unspool::graph::Params;

/// Models are built only of small sizes: how large ones are refused is another matter, for which the weights are asked.
const LARGEST: i64 = 16;

struct Restore(toml::Table);

impl Visitor for Restore {
    type Output = ();
    fn visit<T: Task>(self) {
        let Restore(table) = self;
        if let Err(error) = table.clone().try_into::<T::Settings>() {
            assert!(!error.message().is_empty());
        }
        let small = table
            .values()
            .all(|value| value.as_integer().is_none_or(|size| size <= LARGEST || value.as_integer() == Some(8000)));
        if let Ok(saved) = table.try_into::<T::Saved>()
            && small
        {
            let mut params = Params::seeded(0);
            if T::restore(saved, None, &mut params).is_ok() {
                let _ = params.check();
            }
        }
    }
}

/// Reads the bytes for the task that they name, or for all.
pub(crate) fn run(data: &[u8]) {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("a temporary file can be written");
    let Ok(mut table) = read_toml(file.path()) else { return };
    let task = table.remove("task");
    let named = NAMES.iter().filter(|name| task.as_ref().is_none_or(|task| task.as_str() == Some(*name)));
    for name in named {
        with(name, Restore(table.clone()));
    }
}
