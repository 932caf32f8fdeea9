//! An error with all its causes in one line, for the reason of an outcome.

use std::error::Error;

/// The error's text and those of its causes, joined with colons; a cause that only repeats what was said is left out.
pub(super) fn with_causes(err: &dyn Error) -> String {
    let mut text = err.to_string();
    let mut cause = err.source();
    while let Some(err) = cause {
        let said = err.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = err.source();
    }
    text
}
