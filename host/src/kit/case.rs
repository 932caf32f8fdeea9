//! A case: a folder with an instrument that is played, what happens, and what the driver must make of it.
//!
//! ```text
//! cases/it-measures/
//!   case.toml        about, link, device, settings, instrument, steps
//!   expected.jsonl   what came of each step, an object a line; written by `--bless`
//!   trace.jsonl      for a case that was recorded: what went over the link of a real instrument
//! ```
//!
//! The members of `case.toml` and of its steps are those of [`Case`] and [`Step`].

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Table;

use crate::simulator::scripted::between::Fault;
use crate::simulator::scripted::line::Answer;
use crate::simulator::scripted::modbus::Registers;
use crate::simulator::scripted::{mqtt, opcua};
use crate::time::Timestamp;

/// Names of the files.
pub const CASE: &str = "case.toml";
/// What must come of it.
pub const EXPECTED: &str = "expected.jsonl";

/// A case as its file says it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// The folder's name.
    #[serde(skip)]
    pub name: String,
    /// Where it is.
    #[serde(skip)]
    pub folder: PathBuf,
    /// One sentence for whoever reads it.
    pub about: String,
    /// Options of the link as in `[links.NAME]` of a hub, without the address.
    #[serde(default)]
    pub link: Table,
    /// Options of the device as in `[devices.NAME]` of a hub: unit, topics, grants, limits …
    #[serde(default)]
    pub device: Table,
    /// The driver's settings.
    #[serde(default)]
    pub settings: Table,
    /// What is at the other end of the link.
    #[serde(default)]
    pub instrument: Instrument,
    /// What happens.
    #[serde(default, rename = "step")]
    pub steps: Vec<Step>,
}

/// What is at the other end of the link when the driver is opened.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Instrument {
    /// On a byte stream: replies to requests, whenever and as often as they are asked.
    pub answers: Vec<Answer>,
    /// On a byte stream: frames that are sent whenever a connection is made.
    pub greeting: Vec<String>,
    /// On Modbus: what stands in the registers.
    pub registers: Vec<Registers>,
    /// On MQTT: what was published before the driver came. Only what is retained will be seen.
    pub messages: Vec<mqtt::Message>,
    /// On OPC UA: the namespaces from index 2 on.
    pub namespaces: Vec<String>,
    /// On OPC UA: the nodes of the server.
    pub nodes: Vec<opcua::Node>,
    /// A file that `tutin trace --to` wrote, beside the case: the instrument says what it said then.
    pub trace: Option<PathBuf>,
}

/// One step. What happens comes in the order of the members; then the driver is polled, or what stands instead of it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Step {
    /// For whoever reads it.
    pub say: String,
    /// `down`: connections are broken and refused; `up`: they are taken again.
    pub link: Option<Wire>,
    /// What goes wrong between instrument and hub from now on, until the next `fault` or `link`.
    pub fault: Option<Fault>,
    /// The instance is dropped and made anew; it is given the snapshot of the one before.
    pub restart: bool,
    /// These requests are answered so from now on.
    pub answers: Vec<Answer>,
    /// These registers are so from now on.
    pub registers: Vec<Registers>,
    /// These messages are published.
    pub messages: Vec<mqtt::Message>,
    /// These nodes have these values, states and times from now on.
    pub nodes: Vec<opcua::Node>,
    /// On Modbus: every request is answered with this exception from now on; 0: no more.
    pub exception: Option<u8>,
    /// Frames that the instrument sends by itself.
    pub push: Vec<String>,
    /// On a byte stream: exactly these requests must come in this step, in this order. One that is neither answered nor closed lets the driver
    /// wait for its timeout.
    pub exchange: Vec<Answer>,
    /// The time of the poll, RFC 3339; without it that of the step before, in the first the time of the machine.
    pub poll: Option<String>,
    /// This command is given instead of the poll.
    pub command: Option<String>,
    /// Its arguments, JSON.
    pub arguments: String,
    /// The instrument's memory of this time is fetched instead of the poll, to its end.
    pub backfill: Option<Range>,
}

/// A time with its ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// Included.
    pub begin: String,
    /// Not included.
    pub end: String,
}

/// Whether there can be a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// No.
    Down,
    /// Yes.
    Up,
}

/// Why there is no case.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file or folder cannot be read.
    #[error("{}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The file is no case.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// What is wrong, with its line.
        reason: String,
    },
    /// There is none at all.
    #[error("{} has no case: a case is a folder in it with a {CASE}", path.display())]
    Nothing {
        /// The folder of cases.
        path: PathBuf,
    },
}

impl Case {
    /// Reads one.
    pub fn read(folder: &Path) -> Result<Self, CaseError> {
        let path = folder.join(CASE);
        let text = fs::read_to_string(&path).map_err(|source| CaseError::File { path: path.clone(), source })?;
        let malformed = |reason: String| CaseError::Malformed { path: path.clone(), reason };
        let mut case: Case = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        case.name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        case.folder = folder.to_owned();
        if case.steps.is_empty() {
            return Err(malformed("nothing happens: a case has at least one [[step]]".into()));
        }
        if let Some(at) = case.steps.iter().position(|step| step.link.is_some() && step.fault.is_some()) {
            return Err(malformed(format!(
                "step {}: link and fault, of which one counts: both end what was before",
                at + 1
            )));
        }
        Ok(case)
    }

    /// All cases of a folder, by name.
    pub fn all(folder: &Path) -> Result<Vec<Self>, CaseError> {
        Case::folders(folder)?.iter().map(|folder| Case::read(folder)).collect()
    }

    /// Their folders, by name.
    pub fn folders(folder: &Path) -> Result<Vec<PathBuf>, CaseError> {
        let failed = |source| CaseError::File { path: folder.to_owned(), source };
        let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(failed)?;
        let mut folders: Vec<PathBuf> = entries.iter().map(fs::DirEntry::path).collect();
        folders.retain(|path| path.join(CASE).is_file());
        folders.sort();
        if folders.is_empty() {
            return Err(CaseError::Nothing { path: folder.to_owned() });
        }
        Ok(folders)
    }

    /// Times that it gives to values.
    pub fn times(&self) -> HashSet<Timestamp> {
        let nodes = self.instrument.nodes.iter().chain(self.steps.iter().flat_map(|step| &step.nodes));
        nodes.filter_map(|node| node.time.as_ref()?.parse().ok()).collect()
    }

    /// Where the expected lines are.
    pub fn expected(&self) -> PathBuf {
        self.folder.join(EXPECTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Case, String> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(CASE), text).unwrap();
        Case::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_cannot_be_played_is_told() {
        let check = |text: &str, expected: &str| {
            let reason = read(&format!("about = ''\n{text}")).unwrap_err();
            assert!(reason.contains(expected), "{reason}");
        };
        check("", "nothing happens");
        check("[[step]]\n[[step]]\nlink = 'down'\nfault = 'none'", "step 2: link and fault, of which one counts");
        check("[[step]]\nexchange = [{ request = 'R', answer = '1' }]", "unknown field `answer`");
        assert_eq!(read("about = ''\n[[step]]\nlink = 'down'").unwrap().steps.len(), 1);
    }
}
