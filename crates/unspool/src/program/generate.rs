//! `unspool generate`: lets a trained language model write.

use super::{
    error::{Error, Result},
    options::GenerateOptions,
    predict::{restore, with_task_of},
    run::RunFolder,
    shown,
};
use crate::tasks::{Generate, Task, Visitor};
use std::io::{IsTerminal, Write};

/// Writes on standard output, each token as soon as it is chosen.
pub(crate) fn generate(options: &GenerateOptions) -> Result<()> {
    struct StreamingWriter<'a>(&'a RunFolder, Generate);
    impl Visitor for StreamingWriter<'_> {
        type Output = Result<()>;
        fn visit<T: Task>(self) -> Result<()> {
            let (task, params) = restore::<T>(self.0)?;
            let mut out = std::io::stdout().lock();
            let is_terminal = out.is_terminal();
            let mut write = |text: &str| {
                let text = if is_terminal { shown::lines(text) } else { text.into() };
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
    with_task_of(&folder, StreamingWriter(&folder, ask))
}
