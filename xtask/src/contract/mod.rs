//! The contract in `wit/` as a parser sees it, and what is made of it: the reference for integrators, and for each released version a component
//! that uses all of it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use wit_parser::{PackageId, Resolve, UnresolvedPackageGroup};

pub mod fixture;
pub mod reference;
mod words;

/// All packages, in the order of their folders.
pub struct Contract {
    /// What is known of them.
    pub resolve: Resolve,
    /// Which they are.
    pub packages: Vec<PackageId>,
}

impl Contract {
    /// Reads `wit/` below the project's root.
    pub fn read(root: &Path) -> Result<Self> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(root.join("wit")).context("cannot list wit")? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            }
        }
        folders.sort();
        let parse = |folder: &Path| {
            UnresolvedPackageGroup::parse_dir(folder).with_context(|| format!("cannot read {}", folder.display()))
        };
        let mut waiting = Vec::new();
        for (place, folder) in folders.iter().enumerate() {
            waiting.push((place, parse(folder)?));
        }
        let (mut resolve, mut known) = (Resolve::default(), Vec::new());
        while !waiting.is_empty() {
            let is_ready = |(_, group): &(usize, UnresolvedPackageGroup)| {
                group.main.foreign_deps.keys().all(|name| resolve.package_names.contains_key(name))
            };
            let Some(next) = waiting.iter().position(is_ready) else {
                let names: Vec<String> = waiting.iter().map(|(_, group)| group.main.name.to_string()).collect();
                bail!("{} need packages that are not in wit", names.join(", "));
            };
            let (place, group) = waiting.remove(next);
            let name = group.main.name.to_string();
            let package = resolve.push_group(group).map_err(|error| anyhow::anyhow!("{name}: {error:?}"))?;
            known.push((place, package));
        }
        known.sort_by_key(|(place, _)| *place);
        Ok(Contract { resolve, packages: known.into_iter().map(|(_, package)| package).collect() })
    }

    /// The package of this name and version, as in `tutin:log` and `0.1.0`.
    pub fn package(&self, name: &str, version: &str) -> Result<PackageId> {
        let is_it =
            |package: &&PackageId| self.resolve.packages[**package].name.to_string() == format!("{name}@{version}");
        self.packages.iter().find(is_it).copied().with_context(|| format!("{name}@{version} is not in wit"))
    }
}
