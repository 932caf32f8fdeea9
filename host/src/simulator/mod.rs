//! Analyzers and an authority to rehearse with: what `tutin simulate` and `tutin demo` run, and tests talk to.
//!
//! Each is started in process by its own `start` and answers with a handle; `tutin simulate` is a thin shell around
//! the same call. What a simulated analyzer measures was once measured: it replays a recording and invents only what
//! the recording does not have (temperatures of its own parts, the share of NO2), and says so where it does.
//!
//! Invariant: everything that decides what is answered is a function of time, faults and earlier writes, without sockets
//! and without a clock; servers only carry it.

pub mod analyzer;
pub mod authority;
mod door;
mod http;
pub mod recording;
pub mod replay;
pub mod scripted;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

pub use analyzer::{Analyzer, AnalyzerHandle};
pub use authority::{Authority, AuthorityHandle};
pub use recording::{Recording, RecordingError};

/// Why a simulator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The recording is damaged.
    #[error(transparent)]
    Recording(#[from] RecordingError),
    /// A fault to begin with is none of this model's.
    #[error(transparent)]
    Fault(#[from] analyzer::UnknownWarning),
    /// The file of received objects cannot be used.
    #[error("cannot keep received objects in {}", path.display())]
    Store {
        /// Which file.
        path: PathBuf,
        /// What the system said, or which line does not hold.
        #[source]
        source: io::Error,
    },
}

/// Why a running simulator did not do as it was told.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// A warning that this model does not have.
    #[error(transparent)]
    Fault(#[from] analyzer::UnknownWarning),
    /// Listening could not be given up or taken up again.
    #[error("cannot listen on {address} again")]
    Listen {
        /// Which address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The simulator has ended.
    #[error("the simulator on {address} has ended")]
    Ended {
        /// Where it was.
        address: SocketAddr,
    },
}
