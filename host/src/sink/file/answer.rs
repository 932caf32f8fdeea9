//! What the writer's result means. Nothing that a disk or a pipe says is final: space comes back, a folder is mounted,
//! a reader returns. So a record is never rejected here.

use super::peer::{WriteError, Written};
use crate::sink::Outcome;
use crate::sink::cause::with_causes;

pub(super) fn outcome(result: Result<Written, WriteError>) -> Outcome {
    match result {
        Ok(Written::Synchronized { end }) => Outcome::Accepted { answer: format!("on disk, up to byte {end}") },
        Ok(Written::Sent) => Outcome::Accepted { answer: "written".into() },
        Err(err) => Outcome::Retry { reason: with_causes(&err) },
    }
}
