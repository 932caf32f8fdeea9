//! `[plugins.NAME]` and `[trust]`: which files are plugins, and whose plugins may run.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::model::Name;
use crate::digest::Digest;
use crate::key::PublicKey;

/// A plugin's file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Plugin {
    /// Path of the component, relative to the configuration file that names it.
    pub file: PathBuf,
    /// What the file must be. Default: any.
    pub digest: Option<Digest>,
}

/// Whose plugins may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Keys that may sign plugins, by names that people know them by. Default none.
    pub keys: BTreeMap<Name, PublicKey>,
    /// Whether a plugin that none of them signed is refused. Default: yes as soon as there is a key.
    pub require: bool,
}
