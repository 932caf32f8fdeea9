//! The map language: a Modbus instrument that needs no code of its own, because its register map is in the settings.
//!
//! [`settings`] is what is written; `effective` is that with the chosen variant and nothing left open; `expand`, `rules`, `source` and
//! `write` check it; `map` and `plan` are the plans for reading and for commands; [`ModbusMap`] reads, [`WritingMap`] also writes.
//! Nothing is exported here: `modbus-map` and `modbus-map-control` each export one of the two.
//!
//! Invariant: [`ModbusMap`] calls nothing of `tutin:modbus/control`.

mod cell;
mod codes;
mod effective;
mod expand;
mod identity;
mod kind;
mod map;
mod pattern;
mod plan;
mod probe;
mod reader;
mod reads;
mod rules;
pub mod settings;
mod source;
mod status;
mod write;
mod writing;

pub use reader::ModbusMap;
pub use writing::WritingMap;

pub(crate) use reader::Content;

#[cfg(test)]
mod tests;
