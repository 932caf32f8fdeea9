//! The command line: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // One provider for the whole process, before anything makes a connection.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        eprintln!("tutin: another TLS provider is installed already");
    }
    match tutin::cli::Arguments::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("tutin: {error:#}");
            ExitCode::FAILURE
        }
    }
}
