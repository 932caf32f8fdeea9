//! What can go wrong with a request, by what its asker can do about it.

use std::error::Error as _;

use opcua::types::{Error, StatusCode};
use thiserror::Error as ThisError;

/// What can go wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
pub enum Fault {
    /// No answer in time.
    #[error("no answer in time")]
    Timeout,
    /// There is no session now.
    #[error("{0}")]
    Closed(String),
    /// The server refused.
    #[error("{}", status_text(*.0))]
    Status(u32),
    /// The request breaks the contract; nothing was sent.
    #[error("{0}")]
    BadRequest(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl Fault {
    /// What the library says of a request that brought nothing.
    pub(super) fn of(error: &Error) -> Self {
        match error.status() {
            StatusCode::BadTimeout | StatusCode::BadRequestTimeout => Fault::Timeout,
            StatusCode::BadConnectionClosed
            | StatusCode::BadNotConnected
            | StatusCode::BadCommunicationError
            | StatusCode::BadSecureChannelClosed
            | StatusCode::BadServerHalted
            | StatusCode::BadShutdown => Fault::Closed(describe(error)),
            status => Fault::Status(status.bits()),
        }
    }

    /// Whether the server has forgotten the session, or never knew it.
    pub(super) fn is_session_gone(&self) -> bool {
        const GONE: [StatusCode; 5] = [
            StatusCode::BadSessionIdInvalid,
            StatusCode::BadSessionClosed,
            StatusCode::BadSessionNotActivated,
            StatusCode::BadSecureChannelIdInvalid,
            StatusCode::BadSecureChannelTokenUnknown,
        ];
        matches!(self, Fault::Status(status) if GONE.iter().any(|gone| gone.bits() == *status))
    }
}

/// A status code as people know it: its name, and its bits where they say more.
pub(super) fn status_text(status: u32) -> String {
    let code = StatusCode::from(status);
    if status & 0xffff == 0 {
        code.sub_code().name().to_owned()
    } else {
        format!("{} {status:#010x}", code.sub_code().name())
    }
}

/// The library's error without the code in front that its text repeats.
pub(super) fn describe(error: &Error) -> String {
    let what = error.source().map(ToString::to_string).unwrap_or_default();
    let name = status_text(error.status().bits());
    if what.is_empty() || error.status() == StatusCode::BadCommunicationError {
        what
    } else {
        format!("{what} ({name})")
    }
}
