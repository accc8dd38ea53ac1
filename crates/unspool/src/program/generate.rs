//! Letting a trained language model write.

use super::{
    error::{Error, Result},
    options::GenerateOptions,
    predict::{restore, with_task_of},
    run::RunFolder,
};
use crate::tasks::{Generate, Task, Visitor};
use std::io::Write;

/// Writes on standard output, each token as soon as it is chosen.
pub(crate) fn generate(options: &GenerateOptions) -> Result<()> {
    struct Aloud<'a>(&'a RunFolder, Generate);
    impl Visitor for Aloud<'_> {
        type Output = Result<()>;
        fn visit<T: Task>(self) -> Result<()> {
            let (task, params) = restore::<T>(self.0)?;
            let mut out = std::io::stdout().lock();
            let mut write = |text: &str| {
                out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|cause| Error::output(&cause))
            };
            task.generate(&params, &self.1, &mut write)?;
            write("\n")
        }
    }
    let folder = RunFolder::open(&options.model)?;
    let ask = Generate {
        prompt: options.prompt.clone(),
        length: options.length,
        temperature: options.temperature,
        top_k: options.top_k.map(|k| k as usize),
        top_p: options.top_p,
        seed: options.seed,
    };
    with_task_of(&folder, Aloud(&folder, ask))
}
