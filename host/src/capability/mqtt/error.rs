//! What can go wrong with a session.

use thiserror::Error;

/// Why a call could not be done, by who can do something about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MqttError {
    /// There is no connection now, and the reason.
    #[error("no connection: {0}")]
    Closed(String),
    /// The call breaks the contract or the configuration.
    #[error("{0}")]
    BadRequest(String),
    /// The broker will not have it.
    #[error("{0}")]
    Other(String),
}
