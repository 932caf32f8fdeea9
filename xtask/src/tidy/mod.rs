//! The rules of `docs` and of the house style that a compiler does not know, so that nobody must remember them.
//!
//! Each rule is a function from text to faults and is tested with a sample that breaks it. A fault reads
//! `file:line: what is wrong and what is wanted`.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub mod fingerprints;
mod layers;
mod layout;
mod text;

/// A place where a rule is broken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    file: String,
    line: usize,
    rule: String,
}

impl Fault {
    pub fn new(file: &str, line: usize, rule: impl Into<String>) -> Self {
        Fault { file: file.to_owned(), line, rule: rule.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.rule)
    }
}

/// One text file of the project.
struct Source {
    /// From the root, with `/`.
    path: String,
    text: String,
}

/// Checks all rules and prints every fault.
pub fn run(root: &Path) -> Result<()> {
    let sources = sources(root)?;
    let mut faults = Vec::new();
    for source in &sources {
        faults.extend(text::check(&source.path, &source.text));
        faults.extend(layers::check(&source.path, &source.text));
        faults.extend(layout::too_long(&source.path, &source.text));
        if let Some(warning) = layout::long_files(&source.path, &source.text) {
            println!("warning: {warning}");
        }
    }
    faults.extend(layout::equal_folders("host/src/sink", "Sink for ", &sources));
    faults.extend(fingerprints::check(root)?);
    faults.extend(crate::contract::fixture::check(root)?);
    faults.extend(crate::contract::reference::check(root)?);
    faults.sort();
    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} faults in {} files looked at", faults.len(), sources.len());
    }
    println!("tidy: {} files", sources.len());
    Ok(())
}

/// Every file that people write, which leaves out what is built, what is licence text and what a tool writes.
fn sources(root: &Path) -> Result<Vec<Source>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut sources = Vec::new();
    for file in files {
        let path = file.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(&file).with_context(|| format!("{path} is not readable as text"))?;
        sources.push(Source { path, text });
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

const KINDS: [&str; 9] = ["rs", "toml", "wit", "md", "py", "sh", "json", "html", "js"];

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "state" | ".git") {
                collect(&path, files)?;
            }
        } else if path.extension().is_some_and(|kind| KINDS.iter().any(|known| kind == *known)) || name == "run" {
            files.push(path);
        }
    }
    Ok(())
}
