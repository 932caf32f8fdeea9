//! From a driver's folder to a component file.
//!
//! A driver is written in Rust with the SDK, or in C, Python or JavaScript against the contract itself. Each language has one file
//! here that finds what it needs, says in one sentence what to install when it is missing, and builds. `cargo xtask plugins` and
//! `tutin plugin build` are the two users.
//!
//! Invariant: a component imports nothing but interfaces of the contract, whatever language it was written in.

pub mod c;
pub mod checkout;
pub mod component;
pub mod contract;
mod error;
mod folder;
mod fresh;
pub mod javascript;
mod language;
pub mod python;
pub mod rust;
pub mod scaffold;
mod tool;

pub use component::Built;
pub use error::Error;
pub use folder::{Folder, Places};
pub use language::Language;
