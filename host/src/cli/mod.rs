//! The command line, one file per command.

mod alarms;
mod backup;
mod calc;
pub mod check;
mod command;
mod deliveries;
mod demo;
mod export;
mod gaps;
mod knowledge;
mod opcua;
mod origin;
mod output;
mod plugin;
mod recompute;
mod reload;
mod run;
pub mod simulate;
mod trace;
mod verify;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, Subcommand};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::plugin::Compiler;

/// Signals within this time are one.
const ONE_PRESS: Duration = Duration::from_millis(500);

/// What libraries may log when nothing is asked for.
const LIBRARIES: &str = "wasmtime=warn,cranelift=warn,opcua_client=off,opcua_core=off,opcua_crypto=off,opcua_types=off";

/// Integration hub for automated emission monitoring.
#[derive(Debug, Parser)]
#[command(name = "tutin", version, arg_required_else_help = true)]
pub struct Arguments {
    /// What is logged: error, warn, info, debug, trace, or per module as in `warn,tutin::sink=debug`. Logs go to standard error. Default: info;
    /// warn beside one instrument (`plugin run`), off while cases are played.
    #[arg(long, global = true, env = "TUTIN_LOG")]
    log: Option<String>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a hub until Ctrl-C.
    Run(run::Arguments),
    /// Have the running hub read its configuration files again and go over to them.
    Reload(reload::Arguments),
    /// Find the mistakes in a configuration without touching any instrument.
    Check(check::Arguments),
    /// Show simulated analyzers, a hub and an authority at work.
    Demo(demo::Arguments),
    /// Have a device carry out a command of its driver, through the running hub or without one.
    Command(command::Arguments),
    /// Show what goes over a device's link, in hexadecimal and in words, and write it to a file that can be replayed.
    Trace(trace::Arguments),
    /// Take recorded samples through the whole chain, and show every step of a block.
    Calc(calc::Arguments),
    /// Read the journal back into a file: readings or averages as CSV, JSON Lines or Parquet.
    Export(export::Arguments),
    /// Check that a journal is what was written, without the hub.
    Verify(verify::Arguments),
    /// List the blocks without enough valid data, with their causes, and the months' counts.
    Gaps(gaps::Arguments),
    /// List what is queued for the sinks, what they refused, and what went out late.
    Deliveries(deliveries::Arguments),
    /// Send a sink a chosen period again.
    Resend(deliveries::ResendArguments),
    /// Let averages go to their sinks that the plausibility gate held.
    Release(deliveries::ReleaseArguments),
    /// List the alarms that stand, or acknowledge one.
    Alarms(alarms::Arguments),
    /// Derive the averages of a period again from its readings.
    Recompute(recompute::Arguments),
    /// Copy a journal, beside a running hub.
    Backup(backup::Arguments),
    /// Print the public key that checks a journal's signatures.
    PublicKey(backup::KeyArguments),
    /// Trust OPC UA servers, show the hub's own certificate, look at what a server has.
    #[command(subcommand)]
    Opcua(opcua::Command),
    /// Make, test, sign, fetch and look at drivers.
    #[command(subcommand)]
    Plugin(plugin::Command),
    /// Run a simulated analyzer or authority until Ctrl-C.
    Simulate(simulate::SimulateArgs),
    /// What this program calls itself with, to compile a plugin.
    #[command(name = Compiler::VERB, hide = true)]
    CompilePlugin {
        /// Processor time, seconds.
        seconds: u64,
        /// Memory, bytes.
        memory: u64,
    },
}

impl Arguments {
    /// Carries out the command.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        // Before there are threads and logs, which it needs none of.
        if let Verb::CompilePlugin { seconds, memory } = self.verb {
            return Ok(Compiler::serve(seconds, memory));
        }
        Compiler::is_this_program();
        let usual = match &self.verb {
            Verb::Plugin(command) => command.usual_log(),
            _ => "info",
        };
        let filter = EnvFilter::try_new(self.log.unwrap_or_else(|| format!("{usual},{LIBRARIES}"))).context("--log")?;
        tracing_subscriber::fmt()
            .with_env_filter(filter)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::stderr().is_terminal())
            .with_target(false)
            .init();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("runtime")?;
        runtime.block_on(async {
            let shutdown = CancellationToken::new();
            tokio::spawn(cancel_at_signal(shutdown.clone()));
            match self.verb {
                Verb::Run(arguments) => run::run(arguments, shutdown).await,
                Verb::Reload(arguments) => reload::run(arguments).await,
                Verb::Check(arguments) => knowledge::check(arguments).await,
                Verb::Demo(arguments) => demo::run(arguments, shutdown).await,
                Verb::Command(arguments) => command::run(arguments).await,
                Verb::Trace(arguments) => trace::run(arguments, shutdown).await,
                Verb::Calc(arguments) => calc::run(arguments).await,
                Verb::Export(arguments) => export::run(arguments, shutdown).await,
                Verb::Verify(arguments) => verify::run(arguments).await,
                Verb::Gaps(arguments) => gaps::run(arguments).await,
                Verb::Deliveries(arguments) => deliveries::run(arguments).await,
                Verb::Resend(arguments) => deliveries::resend(arguments).await,
                Verb::Release(arguments) => deliveries::release(arguments).await,
                Verb::Alarms(arguments) => alarms::run(arguments).await,
                Verb::Recompute(arguments) => recompute::run(arguments).await,
                Verb::Backup(arguments) => backup::run(arguments).await,
                Verb::PublicKey(arguments) => backup::public_key(arguments).await,
                Verb::Opcua(command) => opcua::run(command).await,
                Verb::Plugin(command) => plugin::run(command, shutdown).await,
                Verb::CompilePlugin { seconds, memory } => Ok(Compiler::serve(seconds, memory)),
                Verb::Simulate(arguments) => {
                    simulate::run(arguments, shutdown).await?;
                    Ok(ExitCode::SUCCESS)
                }
            }
        })
    }
}

/// Ctrl-C or a termination request ends cleanly; a second one ends at once.
async fn cancel_at_signal(shutdown: CancellationToken) {
    wait_for_signal().await;
    shutdown.cancel();
    // One press of Ctrl-C may arrive more than once: from the terminal, and from a parent that passes it on.
    tokio::time::sleep(ONE_PRESS).await;
    wait_for_signal().await;
    std::process::exit(130);
}

#[cfg(unix)]
async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        Err(_) => drop(tokio::signal::ctrl_c().await),
    }
}

#[cfg(not(unix))]
async fn wait_for_signal() {
    drop(tokio::signal::ctrl_c().await);
}
