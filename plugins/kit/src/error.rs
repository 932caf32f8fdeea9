//! What can go wrong between a driver's folder and its component, by what its author can do about it.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why there is no component, or no new folder.
#[derive(Debug, Error)]
pub enum Error {
    /// The folder has no file that a language is known by.
    #[error("{}: no driver here: there is no Cargo.toml, driver.c, driver.py or driver.js", folder.display())]
    NoDriver {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// A program that the language needs is not there.
    #[error("{what} is missing: {install}")]
    Missing {
        /// What it is and what it is for.
        what: String,
        /// The command that installs it.
        install: String,
    },
    /// A program was started and did not end well. What it said stands before this in standard error.
    #[error("`{command}` ended with {status}")]
    Tool {
        /// The program with its arguments.
        command: String,
        /// How it ended.
        status: String,
    },
    /// A program could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// The program with its arguments.
        command: String,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// A file could not be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// As in "read".
        action: &'static str,
        /// Which file or folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// What came out is no driver, or the interfaces that it names do not fit together.
    #[error("{}: {reason}", path.display())]
    Contract {
        /// The module, the component, or the folder of interfaces.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// What was asked for cannot be made. The text says why.
    #[error("{0}")]
    Refused(String),
}

/// Turns an error of the system into one that names the file.
pub(crate) fn at(action: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { action, path, source }
}
