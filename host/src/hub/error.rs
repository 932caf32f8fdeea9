//! Why a hub cannot run, or a device did not carry out a command.

use thiserror::Error;

use crate::journal::JournalError;
use crate::sink::BuildError;

/// Why a hub cannot start, change or end as it should.
#[derive(Debug, Error)]
pub enum HubError {
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The WebAssembly engine does not run on this machine.
    #[error("WebAssembly engine: {0}")]
    Engine(String),
    /// A sink cannot be made from its configuration.
    #[error("sink {sink}")]
    Sink {
        /// Which.
        sink: String,
        /// Why.
        #[source]
        source: BuildError,
    },
    /// A part of the hub ended in a panic.
    #[error("a part of the hub ended")]
    Task(#[source] tokio::task::JoinError),
}

/// Why a command was not carried out.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CommandError {
    /// There is no such device, or it does not run.
    #[error("device {0} does not run")]
    NotRunning(String),
    /// The configuration does not allow it.
    #[error(
        "the configuration does not allow command {command}; if people may give it, add commands = [\"{command}\"] to [devices.{device}]"
    )]
    NotAllowed {
        /// To which device.
        device: String,
        /// Which command.
        command: String,
    },
    /// The driver says no.
    #[error("{0}")]
    Refused(String),
}

/// Why a hub, or its journal, did not do what it was asked.
#[derive(Debug, Error)]
pub enum ControlError {
    /// The connection to the running hub ended without an answer.
    #[error("the running hub did not answer")]
    Broken(#[source] std::io::Error),
    /// It says no.
    #[error("{0}")]
    Refused(String),
    /// No hub runs, and the journal cannot be opened.
    #[error(transparent)]
    Journal(JournalError),
}
