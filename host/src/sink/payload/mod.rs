//! Records as text: JSON objects and CSV rows, the same for every sink.
//!
//! A record becomes [`Item`]s and each item one object: an average one, a poll one per reading or one in all
//! ([`crate::config::model::Shape`]). A field map picks the members, their order and their names. An average that goes
//! out late has `late` among its `qualifiers`, whatever the field map calls them.
//!
//! Invariant: a number is written with the digits that read back as the same bits, and never without its state: where
//! JSON has no number (NaN, infinities) it says `null`, and the state stands beside it.

mod cell;
mod encoder;
mod item;
mod members;
mod poll;
#[cfg(test)]
mod tests;

pub use encoder::{Encoder, FieldMapError, RowKind};
pub use item::{Item, Subject};
pub use members::{POINT_PREFIX, members_of_alarm, members_of_average, members_of_poll, members_of_reading};
