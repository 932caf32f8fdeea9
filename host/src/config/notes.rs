//! What reading a configuration leaves behind besides its values.
//!
//! Problems, the effective configuration, the known options and the named files all come from the same questions to the
//! same tables, so that they cannot disagree.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::config::place::Place;
use crate::config::problem::Problem;

/// What reading leaves behind besides the values.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub problems: Vec<Problem>,
    pub effective: Vec<Setting>,
    pub options: BTreeMap<String, OptionText>,
    pub files: Vec<NamedFile>,
}

/// One line of the effective configuration.
#[derive(Debug, Clone)]
pub(crate) struct Setting {
    /// Header of its table.
    pub header: Vec<String>,
    /// Key below the header.
    pub key: Vec<String>,
    pub value: toml::Value,
    /// `None`: the default of the option.
    pub place: Option<Place>,
}

/// What is said about an option wherever it occurs; names of sections are `*` in its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptionText {
    pub default: Option<String>,
    pub range: Option<String>,
    pub choices: Vec<&'static str>,
}

/// A file that the configuration names and that must exist when the hub starts.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedFile {
    /// Option that names it.
    pub option: String,
    /// Where it should be.
    pub file: PathBuf,
    /// Where it is named.
    pub place: Place,
}
