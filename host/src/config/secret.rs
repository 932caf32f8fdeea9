//! Values that must never be printed: passwords, tokens.

use std::fmt;

/// A secret and where it came from. `Debug` shows only where.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    origin: String,
    value: String,
}

impl Secret {
    /// `origin` says where the value came from, as in `environment variable TOKEN`; it may be printed.
    pub fn new(origin: impl Into<String>, value: impl Into<String>) -> Self {
        Secret { origin: origin.into(), value: value.into() }
    }

    /// The value itself, for the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.value
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.origin)
    }
}
