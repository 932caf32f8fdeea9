//! A driver's first folder: it builds, its case passes, and its README asks for what must be known.
//!
//! The instrument in it is an example that does not exist. The same instrument is played in each language, so that one case per kind of
//! link is enough.

mod readme;
mod templates;

use std::fs;
use std::path::{Path, PathBuf};

use crate::checkout;
use crate::contract::PACKAGES;
use crate::error::{Error, at};
use crate::language::Language;

/// What a driver talks over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Registers.
    Modbus,
    /// Bytes over TCP, a serial port or UDP.
    Stream,
    /// Variables of a server.
    Opcua,
    /// Messages of a broker.
    Mqtt,
}

/// What is to be made.
#[derive(Debug)]
pub struct Wish<'a> {
    /// The driver's name, which is the new folder's.
    pub name: &'a str,
    /// What it talks over.
    pub link: Link,
    /// What it is written in.
    pub language: Language,
    /// Where the new folder is made.
    pub parent: &'a Path,
    /// The folder of the SDK, for Rust; found when not given.
    pub sdk: Option<&'a Path>,
}

impl Link {
    /// All of them.
    pub const ALL: [Link; 4] = [Link::Modbus, Link::Stream, Link::Opcua, Link::Mqtt];

    /// As on the command line; also the name of its package in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Link::Modbus => "modbus",
            Link::Stream => "stream",
            Link::Opcua => "opcua",
            Link::Mqtt => "mqtt",
        }
    }
}

impl Wish<'_> {
    /// Makes the folder and returns it. One that is there already is left alone.
    pub fn make(&self) -> Result<PathBuf, Error> {
        check_name(self.name)?;
        let sdk = match self.language {
            Language::Rust => Some(self.sdk()?),
            _ => None,
        };
        let folder = self.parent.join(self.name);
        fs::create_dir_all(self.parent).map_err(at("make", self.parent))?;
        fs::create_dir(&folder).map_err(at("make", &folder))?;
        for (file, text) in templates::files(self.language, self.link) {
            write(&folder.join(file), &self.filled(text, sdk.as_deref()))?;
        }
        write(&folder.join("README.md"), &self.filled(&readme::text(self.language, self.link), None))?;
        match sdk {
            // With the versions that the SDK was built with, nothing is looked up and what the checkout compiled is used again.
            Some(sdk) => {
                if let Some(checkout) = checkout::around(&sdk) {
                    let (lock, copy) = (checkout.join("Cargo.lock"), folder.join("Cargo.lock"));
                    fs::copy(&lock, &copy).map_err(at("copy", &lock))?;
                }
            }
            None => {
                let deps = folder.join("wit/deps");
                let needed = ["driver", "log", self.link.name()];
                PACKAGES.iter().filter(|package| needed.contains(&package.name)).try_for_each(|one| one.put(&deps))?;
            }
        }
        folder.canonicalize().map_err(at("find", folder))
    }

    fn sdk(&self) -> Result<PathBuf, Error> {
        let given = self.sdk.map(Path::to_owned);
        let sdk = given.or_else(|| checkout::here().map(|checkout| checkout::sdk(&checkout))).ok_or_else(|| {
            let text = "no tutin-sdk around this folder or this program: name its folder with --sdk PATH, \
                        that is plugins/sdk of a Tutin checkout";
            Error::Refused(text.to_owned())
        })?;
        if !sdk.join("Cargo.toml").is_file() {
            return Err(Error::Refused(format!("{}: no tutin-sdk here: there is no Cargo.toml", sdk.display())));
        }
        sdk.canonicalize().map_err(at("find", sdk))
    }

    fn filled(&self, text: &str, sdk: Option<&Path>) -> String {
        let sdk = sdk.map(|sdk| sdk.display().to_string()).unwrap_or_default();
        let serde_json = if self.link == Link::Mqtt { "serde_json = \"1\"\n" } else { "" };
        text.replace("{{name}}", self.name)
            .replace("{{Name}}", &type_name(self.name))
            .replace("{{link}}", self.link.name())
            .replace("{{package}}", package(self.link))
            .replace("{{sdk}}", &sdk)
            .replace("{{serde_json}}", serde_json)
    }
}

fn write(file: &Path, text: &str) -> Result<(), Error> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(at("make", folder))?;
    }
    fs::write(file, text).map_err(at("write", file))
}

/// The package's name as WIT writes it: `stream` is a word of that language.
fn package(link: Link) -> &'static str {
    if link == Link::Stream { "%stream" } else { link.name() }
}

/// Lower case letters, digits and dashes, beginning with a letter: what cargo, WIT and configurations can all write.
fn check_name(name: &str) -> Result<(), Error> {
    let is_word = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    let mut words = name.split('-');
    let is_name = name.len() <= 64
        && words.all(|word| word.starts_with(|first: char| first.is_ascii_lowercase()) && is_word(word));
    if !is_name {
        return Err(Error::Refused(format!(
            "{name:?} is no name for a driver: lower case letters, digits and dashes, each word beginning with a letter, as in no2-meter"
        )));
    }
    let taken = ["test", "tutin-sdk", "core", "std", "alloc", "proc-macro"];
    if taken.contains(&name) {
        return Err(Error::Refused(format!("{name:?} is the name of something else: take another")));
    }
    Ok(())
}

/// `no2-meter` is `No2Meter`.
fn type_name(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect::<String>()
    };
    name.split('-').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish<'a>(name: &'a str, link: Link, language: Language, parent: &'a Path) -> Wish<'a> {
        Wish { name, link, language, parent, sdk: None }
    }

    #[test]
    fn a_name_is_what_every_tool_can_write() {
        let check = |name: &str, expected: bool| assert_eq!(check_name(name).is_ok(), expected, "{name:?}");
        check("no2-meter", true);
        check("x", true);
        check("No2", false);
        check("no2_meter", false);
        check("no2-", false);
        check("2no", false);
        check("no-2", false);
        check("../no2", false);
        check("", false);
        check("test", false);
    }

    #[test]
    fn a_folder_that_is_there_is_left_alone() {
        let parent = tempfile::tempdir().unwrap();
        let mine = parent.path().join("no2/mine.txt");
        fs::create_dir_all(mine.parent().unwrap()).unwrap();
        fs::write(&mine, "mine").unwrap();

        let refused = wish("no2", Link::Modbus, Language::Rust, parent.path()).make();

        assert!(matches!(refused, Err(Error::File { .. })), "{refused:?}");
        assert_eq!(fs::read_dir(parent.path().join("no2")).unwrap().count(), 1);
    }

    #[test]
    fn every_language_and_link_gets_a_driver_a_case_and_a_readme_without_gaps() {
        let parent = tempfile::tempdir().unwrap();
        for language in Language::ALL {
            for link in Link::ALL {
                let name = format!("{language}-{}", link.name());
                let folder = wish(&name, link, language, parent.path()).make().unwrap();
                let case = folder.join("cases/first");
                for file in [folder.join(language.mark()), folder.join("README.md"), case.join("case.toml")] {
                    let text = fs::read_to_string(&file).unwrap();
                    assert!(!text.is_empty() && !text.contains("{{"), "{}: {text}", file.display());
                }
                assert!(case.join("expected.jsonl").is_file());
                assert_eq!(crate::Folder::read(&folder).unwrap().language, language);
                if language != Language::Rust {
                    let scratch = folder.join("target/kit");
                    let wit = crate::contract::lay_out(&folder, &scratch).unwrap();
                    crate::contract::world(&wit).unwrap();
                }
            }
        }
    }
}
