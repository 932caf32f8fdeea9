//! Points named by id or by pattern.

use tutin_sdk::Failure;
use tutin_sdk::settings::{nearest, wrong};

/// True when the id is the pattern, of which one `*` stands for any text.
pub(crate) fn matches(pattern: &str, id: &str) -> bool {
    match pattern.split_once('*') {
        Some((begin, end)) => id.strip_prefix(begin).is_some_and(|rest| rest.ends_with(end)),
        None => pattern == id,
    }
}

/// Refuses a pattern that no id matches.
pub(crate) fn check<'a, I: Iterator<Item = &'a str>>(
    pattern: &str,
    ids: impl Fn() -> I,
    at: &str,
) -> Result<(), Failure> {
    if ids().any(|id| matches(pattern, id)) {
        return Ok(());
    }
    let meant = nearest(pattern, ids()).map_or(String::new(), |id| format!("; did you mean {id:?}?"));
    Err(wrong(at, format_args!("no point is called {pattern:?}{meant}")))
}
