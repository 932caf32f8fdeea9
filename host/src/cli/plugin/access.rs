//! How a registry is reached: options that `tutin plugin pull` and `push` have in common.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;

use crate::config::secret::Secret;
use crate::plugin::registry::{Access, Registry, Scheme};

/// Options of a connection to a registry.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// Connect without encryption, as to a registry on this machine. A password would be readable on the way.
    #[arg(long)]
    insecure_http: bool,
    /// PEM file of authorities that are trusted besides those of this machine.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// User at the registry. The password never stands on the command line.
    #[arg(long)]
    user: Option<String>,
    /// Environment variable that holds the password, or a token.
    #[arg(long, value_name = "VARIABLE", requires = "user", conflicts_with = "password_file")]
    password_env: Option<String>,
    /// File that holds the password, or a token.
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
}

impl Options {
    /// The registry; nothing is connected yet.
    pub fn registry(self) -> anyhow::Result<Registry> {
        let scheme = if self.insecure_http { Scheme::InsecureHttp } else { Scheme::Https };
        let password = match (&self.password_env, &self.password_file) {
            (Some(variable), _) => {
                let value = std::env::var(variable).ok().filter(|value| !value.is_empty());
                let value = value.with_context(|| format!("environment variable {variable} is not set"))?;
                Some(Secret::new(format!("environment variable {variable}"), value))
            }
            (None, Some(file)) => {
                let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
                Some(Secret::new(format!("file {}", file.display()), text.trim_end_matches(['\r', '\n'])))
            }
            (None, None) => None,
        };
        let credentials = match (self.user, password) {
            (Some(user), Some(password)) => Some((user, password)),
            (Some(user), None) => bail!("user {user} has no password; add --password-env or --password-file"),
            (None, _) => None,
        };
        Ok(Registry::new(Access { scheme, ca_file: self.ca_file, credentials })?)
    }
}
