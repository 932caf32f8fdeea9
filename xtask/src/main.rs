//! The project's own commands: `cargo xtask ci | demo | plugins | tidy | reference | bench | setup`.
//!
//! They stand in Rust and not in shell scripts, so that whoever can build the hub can run them.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

mod bench;
mod ci;
#[expect(clippy::indexing_slicing, reason = "ids of a Resolve index the arenas of that Resolve and nothing else")]
mod contract;
mod demo;
mod plugins;
mod process;
mod setup;
mod tidy;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "What the project needs done, one command each")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Everything that must hold before a change is taken: format, lints, tidy, tests, documentation
    Ci,
    /// Build everything and watch readings go from two simulated analyzers to a simulated authority
    Demo {
        /// Handed on to `tutin demo`, as in `--for 30s`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Build the plugins into target/plugins
    Plugins,
    /// Check the rules that a compiler does not know
    Tidy {
        /// Enter the contract's versions that are not in wit/released.txt yet, each with a component in tests/contract; those that are stay frozen
        #[arg(long)]
        write_fingerprints: bool,
    },
    /// Make the reference of the contract from wit/
    Reference,
    /// Measure the hub against a native loop that only reads
    Bench(bench::Options),
    /// Install what builds and tests need, or say what to install
    Setup,
    /// The simulated devices of the bench
    #[command(hide = true)]
    BenchServer(bench::server::Options),
    /// The native loop of the bench
    #[command(hide = true)]
    BenchNative(bench::native::Options),
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    let root = process::root()?;
    match command {
        Command::Ci => ci::run(&root),
        Command::Demo { arguments } => demo::run(&root, &arguments),
        Command::Plugins => build_plugins(&root),
        Command::Tidy { write_fingerprints: true } => {
            tidy::fingerprints::write(&root)?;
            contract::fixture::write(&root)
        }
        Command::Tidy { write_fingerprints: false } => tidy::run(&root),
        Command::Reference => contract::reference::write(&root),
        Command::Bench(options) => bench::run(&root, &options),
        Command::Setup => setup::run(&root),
        Command::BenchServer(options) => bench::server::run(&options),
        Command::BenchNative(options) => bench::native::run(&options),
    }
}

/// Names what was built, with what each plugin asks to be allowed.
fn build_plugins(root: &Path) -> Result<()> {
    for plugin in plugins::build(root)? {
        println!("{plugin}");
    }
    Ok(())
}
