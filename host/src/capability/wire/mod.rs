//! What all links have in common: how a line is opened and watched, what is queued for a driver, when it is tried again.

mod backoff;
mod dial;
mod inbox;
mod role;
mod state;
mod trace;

pub use backoff::Backoff;
pub use dial::{DialError, Io, dial_serial, dial_tcp};
pub use inbox::{Inbox, Taken};
pub use role::{Memory, NOT_YET, Role};
pub use state::{ConnectionState, Reporter};
pub use trace::{
    CONTROL, Content, Direction, Frames, MessageHead, Said, SeenNode, Shown, Trace, TracedFrame, printable,
};
