//! Lines on standard output.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// Prints a line. When nobody reads any more, as behind `head`, the command has done what was wanted and ends.
pub fn say(line: Arguments<'_>) {
    if let Err(error) = writeln!(std::io::stdout(), "{line}") {
        let code = i32::from(error.kind() != ErrorKind::BrokenPipe);
        std::process::exit(code);
    }
}
