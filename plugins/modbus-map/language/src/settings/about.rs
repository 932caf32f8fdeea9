//! What a map says of itself.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a map is of. For people and for the table of maps; it changes nothing.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Models that it is for.
    pub family: String,
    /// Their maker.
    pub vendor: String,
    /// Where the facts are from.
    #[serde(default)]
    pub sources: Vec<Source>,
    /// How far they are proven: M seen in the manual, D in a driver that runs in the field, V a frame recomputed, U unproven; several with `+`.
    pub proof: String,
    /// What is not known and what follows from that.
    #[serde(default)]
    pub unknown: Vec<String>,
}

/// A place where a fact can be looked up.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Title, number and edition.
    pub document: String,
    /// Page, table or file.
    pub place: String,
}

/// True for M, D, V and U, alone or joined by `+`.
pub fn is_proof(text: &str) -> bool {
    text.split('+').all(|level| matches!(level, "M" | "D" | "V" | "U"))
}
