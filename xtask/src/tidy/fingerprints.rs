//! The contract is frozen once released: `wit/released.txt` says how each released folder looked.
//!
//! One line per version, `package version sha256`, in the order of release; lines that start with `#` are remarks. The digest
//! covers the folder's `.wit` files by name: for each the name, its length, and the text with `\n` as line end.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use super::Fault;

pub const RELEASED: &str = "wit/released.txt";

/// A folder of the contract as it stands.
struct Package {
    folder: String,
    name: String,
    version: String,
    digest: String,
}

/// Released folders that are gone or no longer what they were.
pub fn check(root: &Path) -> Result<Vec<Fault>> {
    let released = fs::read_to_string(root.join(RELEASED)).with_context(|| format!("cannot read {RELEASED}"))?;
    Ok(compare(&released, &packages(root)?))
}

/// Enters versions that are not listed yet.
pub fn write(root: &Path) -> Result<()> {
    let file = root.join(RELEASED);
    let mut released = fs::read_to_string(&file).with_context(|| format!("cannot read {RELEASED}"))?;
    let packages = packages(root)?;
    if let Some(fault) = compare(&released, &packages).into_iter().next() {
        bail!("{fault}");
    }
    for package in packages {
        let key = format!("{} {} ", package.name, package.version);
        if !released.lines().any(|line| line.starts_with(&key)) {
            println!("{key}is now frozen in {}", package.folder);
            released.push_str(&format!("{key}{}\n", package.digest));
        }
    }
    fs::write(&file, released).with_context(|| format!("cannot write {RELEASED}"))
}

fn compare(released: &str, packages: &[Package]) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (index, line) in released.lines().enumerate() {
        let fault = |rule: String| Fault::new(RELEASED, index + 1, rule);
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let [name, version, digest] = line.split(' ').collect::<Vec<_>>()[..] else {
            faults.push(fault("a line is `package version sha256`".into()));
            continue;
        };
        match packages.iter().find(|package| package.name == name && package.version == version) {
            None => faults
                .push(fault(format!("{name}@{version} is released and its folder is gone; plugins out there need it"))),
            Some(package) if package.digest != digest => faults.push(fault(format!(
                "{name}@{version} is released and {} differs from it; take the change back or make it a new version",
                package.folder
            ))),
            Some(_) => {}
        }
    }
    faults
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(root.join("wit")).context("cannot list wit")? {
        let path = entry?.path();
        if path.is_dir() {
            let folder = path.strip_prefix(root)?.to_string_lossy().into_owned();
            packages.push(package(&path, folder)?);
        }
    }
    packages.sort_by(|a, b| a.folder.cmp(&b.folder));
    Ok(packages)
}

fn package(path: &Path, folder: String) -> Result<Package> {
    let mut files = Vec::new();
    for entry in fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|kind| kind == "wit") {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            files.push((name, fs::read_to_string(&file)?.replace("\r\n", "\n")));
        }
    }
    files.sort();
    let declared = files.iter().flat_map(|(_, text)| text.lines()).find_map(|line| line.strip_prefix("package "));
    let declared = declared.with_context(|| format!("{folder} has no file that says its package"))?;
    let (name, version) =
        declared.trim_end_matches(';').split_once('@').with_context(|| format!("{folder}: no version"))?;
    // A name that is also a keyword of the language is written with a mark in front.
    let name = name.replace('%', "");
    Ok(Package { name, version: version.into(), digest: digest(&files), folder })
}

fn digest(files: &[(String, String)]) -> String {
    let mut hasher = Sha256::new();
    for (name, text) in files {
        hasher.update(format!("{name} {}\n", text.len()));
        hasher.update(text);
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(text: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("wit/log")).unwrap();
        fs::write(root.path().join("wit/log/log.wit"), text).unwrap();
        fs::write(root.path().join(RELEASED), "# package version sha256\n").unwrap();
        root
    }

    const TEXT: &str = "/// Lines.\npackage tutin:log@0.1.0;\n";

    #[test]
    fn a_released_folder_must_not_change() {
        let root = workspace(TEXT);
        write(root.path()).unwrap();
        assert_eq!(check(root.path()).unwrap(), []);

        fs::write(root.path().join("wit/log/log.wit"), TEXT.replace("Lines", "Words")).unwrap();
        let faults = check(root.path()).unwrap();
        assert_eq!(
            faults.iter().map(Fault::to_string).collect::<Vec<_>>(),
            [
                "wit/released.txt:2: tutin:log@0.1.0 is released and wit/log differs from it; take the change back or make it a new version"
            ]
        );
        assert!(write(root.path()).is_err(), "a frozen version cannot be written over");
    }

    #[test]
    fn a_released_folder_must_stay() {
        let root = workspace(TEXT);
        write(root.path()).unwrap();
        fs::remove_dir_all(root.path().join("wit/log")).unwrap();
        assert!(check(root.path()).unwrap()[0].rule.contains("is gone"));
    }

    #[test]
    fn line_ends_of_another_system_are_no_change() {
        let root = workspace(TEXT);
        write(root.path()).unwrap();
        fs::write(root.path().join("wit/log/log.wit"), TEXT.replace('\n', "\r\n")).unwrap();
        assert_eq!(check(root.path()).unwrap(), []);
    }

    #[test]
    fn a_version_that_is_not_released_may_change() {
        let root = workspace(TEXT);
        assert_eq!(check(root.path()).unwrap(), []);
    }

    #[test]
    fn a_line_of_another_form_is_named() {
        assert_eq!(compare("tutin:log 0.1.0\n", &[])[0].rule, "a line is `package version sha256`");
    }
}
