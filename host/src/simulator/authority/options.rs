//! How a simulated authority is set up.

use std::path::PathBuf;

use super::behaviour::Behaviour;
use super::check::{AVERAGE, Requirement, RequirementError};

/// How a simulated authority is set up; the default asks for no token and stores in memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// What `Authorization: Bearer …` must carry. Default: nothing is asked for.
    pub token: Option<String>,
    /// Members that an average must have. Default `source:text`, `parameter:text`, `start:time`, `mean|value:number`.
    pub required: Vec<Requirement>,
    /// File to which every object is appended as a JSON line before it is acknowledged. Default: memory only.
    pub store: Option<PathBuf>,
    /// How it begins. Default [`Behaviour::Accept`].
    pub behaviour: Behaviour,
}

impl Options {
    /// Takes the requirements as text, see [`Requirement`].
    pub fn require(mut self, texts: &[&str]) -> Result<Self, RequirementError> {
        self.required = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>()?;
        Ok(self)
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            token: None,
            // They are constants; a test reads each of them.
            required: AVERAGE.iter().filter_map(|text| text.parse().ok()).collect(),
            store: None,
            behaviour: Behaviour::Accept,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_requirements_are_all_there() {
        assert_eq!(Options::default().required.len(), AVERAGE.len());
        assert_eq!(Options::default().require(&AVERAGE), Ok(Options::default()));
    }
}
