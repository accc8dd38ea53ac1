//! Faults of the machine, where a test asks for one: builds for tests alone have this file.

use std::{env, fs::OpenOptions, io, io::Write};
use unspool_files::faults::{Watching, watch};

/// `NUMBER:KIND`: at which operation on a file, from 1, what happens: `abort`, or an error of the system by its number.
const FAULT: &str = "UNSPOOL_FAULT";

/// A file to which each operation is appended, a line each.
const LOG: &str = "UNSPOOL_FAULT_LOG";

/// Watches the operations on files as the environment asks for.
pub(crate) fn from_environment() -> Option<Watching> {
    let fault = env::var(FAULT).ok();
    let fault = fault.as_deref().and_then(|fault| fault.split_once(':'));
    let fault = fault.and_then(|(number, kind)| Some((number.parse::<u64>().ok()?, kind.to_owned())));
    let mut log = env::var_os(LOG).and_then(|path| OpenOptions::new().create(true).append(true).open(path).ok());
    if fault.is_none() && log.is_none() {
        return None;
    }
    let mut passed = 0;
    Some(watch(move |operation, path| {
        passed += 1;
        if let Some(log) = &mut log {
            writeln!(log, "{operation}: {}", path.display())?;
        }
        match &fault {
            Some((number, kind)) if *number == passed => match kind.parse() {
                Ok(code) => Err(io::Error::from_raw_os_error(code)),
                Err(_) => std::process::abort(),
            },
            _ => Ok(()),
        }
    }))
}
