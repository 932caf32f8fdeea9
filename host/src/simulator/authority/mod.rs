//! An environment authority's online system: it receives averages and readings over HTTP, checks them, stores them, and
//! only then acknowledges them with a receipt.
//!
//! `POST /v1/averages` and `POST /v1/readings` take one JSON object or an array of them. Each object needs an idempotency
//! key: a member `key`, or the header `Idempotency-Key` for the request, to which the
//! objects of an array of several add `#` and their index. Answers: 200 `{"receipt": …,
//! "accepted": n, "duplicates": d, "receipts": […]}`; 401 for a wrong token; 400 for what is not JSON; 422
//! `{"error": …, "index": …, "member": …}` for an object that does not hold, and then nothing of the request is stored.
//!
//! [`Authority::start`] returns the [`AuthorityHandle`] that tells it to refuse, stall or vanish.

mod behaviour;
mod check;
mod control;
mod handle;
mod ledger;
mod options;
mod request;
mod server;

pub use behaviour::Behaviour;
pub use check::{Kind, Requirement, RequirementError};
pub use handle::{AuthorityHandle, Report, WaitError};
pub use ledger::{Received, Stream};
pub use options::Options;
pub use server::Authority;
