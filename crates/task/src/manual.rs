//! `unspool completions` and `unspool man`: what a shell and a reader of manual pages know of the program, from the
//! same definitions as the help.

use crate::{
    error::{Error, Result},
    lines,
};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

#[derive(Args)]
pub(crate) struct CompletionsOptions {
    /// Shell to complete for
    #[arg(value_enum)]
    shell: Shell,
}

impl CompletionsOptions {
    pub(crate) fn run(&self, mut program: Command) -> Result<()> {
        let name = program.get_name().to_owned();
        let mut script = vec![];
        clap_complete::generate(self.shell, &mut program, name, &mut script);
        lines::print(String::from_utf8_lossy(&script).trim_end())
    }
}

#[derive(Args)]
pub(crate) struct ManOptions {
    /// Command whose page is written, such as `train sentiment` [default: the program itself]
    #[arg(value_name = "COMMAND")]
    command: Vec<String>,
}

impl ManOptions {
    pub(crate) fn run(&self, mut program: Command) -> Result<()> {
        // Gives every command its full name, and the options that all commands have.
        program.build();
        let mut command = &program;
        for name in &self.command {
            command = command.find_subcommand(name).ok_or_else(|| {
                let message = format!("there is no command {}", self.command.join(" "));
                Error::misuse(message, "`unspool --help` lists the commands")
            })?;
        }
        let mut page = vec![];
        Man::new(command.clone()).render(&mut page).map_err(|cause| Error::output(&cause))?;
        lines::print(String::from_utf8_lossy(&page).trim_end())
    }
}
