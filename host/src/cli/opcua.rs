//! `tutin opcua`: whom the hub trusts, who it is to servers, and what a server has.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};

use super::output::say;
use super::run::load;
use crate::capability::opcua::certificate::Own;
use crate::capability::opcua::trust::{TrustList, describe};
use crate::capability::opcua::{Connection, Fault, Found, Node, parse_node, show_node, show_value};
use crate::capability::{Plug, Surroundings};
use crate::config::model::{Config, Link};
use crate::hub;

/// Most nodes that `browse` prints.
const MOST: usize = 100_000;
/// Node class of variables (OPC 10000-3, 8.29).
const VARIABLE: u32 = 2;

/// Certificates and address spaces.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Trust a server's certificate, list those that are trusted and those that were refused, or trust one no longer.
    Trust(TrustArguments),
    /// Print where the hub's own certificate is and its thumbprint, for the administrators of servers. It is made if there is none.
    Certificate(CertificateArguments),
    /// Print the nodes of a server as a tree, with the values of variables.
    Browse(BrowseArguments),
}

/// Arguments of `tutin opcua trust`.
#[derive(Debug, Clone, Args)]
pub struct TrustArguments {
    /// Configuration files; later ones override earlier ones.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
    /// A certificate, DER or PEM: a file, or the name of one that was refused.
    #[arg(required_unless_present_any = ["list", "remove"], conflicts_with_all = ["list", "remove"])]
    file: Option<PathBuf>,
    /// List the certificates.
    #[arg(long, conflicts_with = "remove")]
    list: bool,
    /// Trust this one no longer: its name in the list.
    #[arg(long, value_name = "NAME")]
    remove: Option<String>,
}

/// Arguments of `tutin opcua certificate`.
#[derive(Debug, Clone, Args)]
pub struct CertificateArguments {
    /// Configuration files; later ones override earlier ones.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
}

/// Arguments of `tutin opcua browse`.
#[derive(Debug, Clone, Args)]
pub struct BrowseArguments {
    /// Configuration files; later ones override earlier ones.
    #[arg(long, required = true)]
    config: Vec<PathBuf>,
    /// The link, as in `[links.NAME]`.
    link: String,
    /// Where to begin, as in `nsu=http://vendor.example/;s=Stack1`. Without it: the Objects folder.
    #[arg(default_value = "i=85")]
    node: String,
    /// How far down.
    #[arg(long, default_value_t = 3)]
    depth: u32,
}

/// Carries out the command.
pub async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Trust(arguments) => trust(&arguments),
        Command::Certificate(arguments) => certificate(&arguments),
        Command::Browse(arguments) => browse(&arguments).await,
    }
}

fn trust(arguments: &TrustArguments) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let list = TrustList::new(&hub::pki(&config.hub.state));
    if let Some(name) = &arguments.remove {
        list.remove(name)?;
        say(format_args!("{name} is trusted no longer; sessions that are open stay until they end"));
    } else if let Some(file) = &arguments.file {
        let (name, what) = list.trust(file)?;
        say(format_args!("trusted as {name}: {what}"));
    } else {
        let [trusted, refused] = list.list()?;
        for (word, certificates) in [("trusted", trusted), ("refused", refused)] {
            certificates.iter().for_each(|(name, what)| say(format_args!("{word}  {name}  {what}")));
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn certificate(arguments: &CertificateArguments) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let own = Own::read_or_make(&hub::pki(&config.hub.state), &config.hub.name).context("own certificate")?;
    say(format_args!("{}", own.path.display()));
    say(format_args!("{}", describe(&own.certificate)));
    say(format_args!("application URI {}", own.uri));
    Ok(ExitCode::SUCCESS)
}

async fn browse(arguments: &BrowseArguments) -> anyhow::Result<ExitCode> {
    let Some(config) = load(&arguments.config) else { return Ok(ExitCode::FAILURE) };
    let connection = connect(&config, &arguments.link)?;
    let root = parse_node(&arguments.node).with_context(|| arguments.node.clone())?;
    let printed = print(&connection, root, arguments.depth).await;
    connection.close().await;
    printed.with_context(|| format!("link {}", arguments.link))?;
    Ok(ExitCode::SUCCESS)
}

fn connect(config: &Config, name: &str) -> anyhow::Result<Connection> {
    let links = || config.links.iter().filter(|(_, link)| matches!(link, Link::OpcUa(_)));
    let Some(Link::OpcUa(settings)) = config.links.get(name) else {
        let known = links().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        bail!("no OPC UA link {name} in the configuration; there is: {known}");
    };
    let pki = hub::pki(&config.hub.state);
    let surroundings = Surroundings { pki, hub: config.hub.name.clone(), plug: Plug::In };
    Ok(Connection::new(name, settings.clone(), &surroundings))
}

/// Prints what is below a node, each node under its parent.
async fn print(connection: &Connection, root: Node, depth: u32) -> Result<(), Fault> {
    // What is still to be printed, the next at the end.
    let mut waiting: Vec<(u32, Found)> =
        connection.below(&root).await?.into_iter().map(|found| (0, found)).rev().collect();
    let mut printed = 0;
    while let Some((level, found)) = waiting.pop() {
        if printed == MOST {
            say(format_args!("… and more: begin further down, or set --depth"));
            break;
        }
        printed += 1;
        let indent = "  ".repeat(usize::try_from(level).unwrap_or(0));
        let value = match found.class {
            VARIABLE => format!(" = {}", show_value(&connection.value(&found.node).await?)),
            _ => String::new(),
        };
        say(format_args!("{indent}{}  {}{value}", found.name, show_node(&found.node)));
        if level + 1 < depth {
            let children = connection.below(&found.node).await?;
            waiting.extend(children.into_iter().map(|found| (level + 1, found)).rev());
        }
    }
    Ok(())
}
