//! `tutin plugin new`: a folder to begin a driver with.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser;
use clap::{Args, ValueEnum};
use tutin_kit::Language;
use tutin_kit::scaffold::{Link, Wish};

use crate::cli::output::say;

/// Arguments of `tutin plugin new`.
#[derive(Debug, Clone, Args)]
pub struct Arguments {
    /// The driver's name: lower case letters, digits and dashes. A folder of this name is made here.
    name: String,
    /// What the driver talks over.
    #[arg(long)]
    link: LinkName,
    /// What it is written in.
    #[arg(long, default_value = "rust", value_parser = language())]
    lang: Language,
    /// For Rust: the folder of tutin-sdk, which is plugins/sdk of a Tutin checkout. Without it the checkout around this folder or around this program.
    #[arg(long, value_name = "PATH")]
    sdk: Option<PathBuf>,
}

/// The kinds of links.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum LinkName {
    /// Registers, over TCP or a serial line.
    Modbus,
    /// Bytes over TCP, a serial port or UDP.
    Stream,
    /// Variables of an OPC UA server.
    Opcua,
    /// Messages of an MQTT broker.
    Mqtt,
}

impl From<LinkName> for Link {
    fn from(name: LinkName) -> Self {
        match name {
            LinkName::Modbus => Link::Modbus,
            LinkName::Stream => Link::Stream,
            LinkName::Opcua => Link::Opcua,
            LinkName::Mqtt => Link::Mqtt,
        }
    }
}

fn language() -> impl TypedValueParser<Value = Language> {
    PossibleValuesParser::new(Language::ALL.map(Language::name)).try_map(|name| name.parse::<Language>())
}

/// Makes the folder and says what to do next.
pub async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments { name, link, lang, sdk } = arguments;
    let wish = Wish { name: &name, link: link.into(), language: lang, parent: Path::new("."), sdk: sdk.as_deref() };
    let folder = wish.make()?;
    say(format_args!("made {}", folder.display()));
    say(format_args!("next: tutin plugin build {name} && tutin plugin test {name}"));
    Ok(ExitCode::SUCCESS)
}
