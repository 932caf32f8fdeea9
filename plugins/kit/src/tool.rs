//! Starting the programs that the languages bring.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;

/// Runs it with what it says shown in standard error; anything but success is an error that says what was run.
pub(crate) fn run(command: &mut Command) -> Result<(), Error> {
    let shown = show(command);
    command.stdin(Stdio::null()).stdout(std::io::stderr());
    let status = command.status().map_err(|source| Error::Start { command: shown.clone(), source })?;
    if status.success() { Ok(()) } else { Err(Error::Tool { command: shown, status: status.to_string() }) }
}

/// The program's file, looked for in PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn show(command: &Command) -> String {
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
