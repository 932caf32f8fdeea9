//! Plugins that mean harm, one for each way, made when a test runs.
//!
//! `files` are stopped before anything of them runs; `drivers` run, and break a limit or the contract. Each says what must stop it.

pub mod driver;
mod drivers;
mod files;

pub use drivers::SIGNALLING_NAN;

/// A plugin, and what must become of it.
#[derive(Debug, Clone, Copy)]
pub struct Hostile {
    /// Name of the plugin and of its device.
    pub name: &'static str,
    /// What it does, in a few words.
    pub does: &'static str,
    /// Makes the file.
    pub make: fn() -> Vec<u8>,
    /// What must become of it.
    pub end: End,
}

/// What must become of a plugin. Each text is part of what an administrator reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is not loaded.
    Refused(&'static str),
    /// Its instance is ended, again and again, and the device parked.
    Stopped(&'static str),
    /// It goes on, at a pace.
    HeldBack(&'static str),
    /// It goes on, and what it says is cut.
    Cut(&'static str),
    /// It goes on, without what it wants to leave to the next.
    NotKept(&'static str),
    /// It goes on: what it does is odd but allowed.
    Allowed,
}

impl End {
    /// What an administrator reads.
    pub fn text(self) -> &'static str {
        match self {
            End::Refused(text) | End::Stopped(text) | End::HeldBack(text) | End::Cut(text) | End::NotKept(text) => text,
            End::Allowed => "",
        }
    }
}

/// All of them.
pub fn all() -> Vec<Hostile> {
    let files = files::ALL.iter().copied();
    files.chain(drivers::ALL.iter().copied()).collect()
}

/// Those that are loaded.
pub fn drivers() -> &'static [Hostile] {
    drivers::ALL
}
