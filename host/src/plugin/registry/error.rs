//! Why a plugin did not come from a registry, or did not get there.

use oci_client::Reference;

use super::LONGEST;
use crate::config::model::Loading;
use crate::digest::Digest;
use crate::plugin::told;
use crate::plugin::trust::Damage;

/// Why a plugin did not come, or go.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The reference is not one.
    #[error("{text:?} is not a reference such as registry.example/drivers/teledyne-t:0.3.1: {reason}")]
    Reference {
        /// As it was given.
        text: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The certificates cannot be read, or the client not be made.
    #[error("cannot reach a registry: {0}")]
    Client(String),
    /// The registry did not answer as it should.
    #[error("{doing} {reference}: {answer}")]
    Answer {
        /// What was asked.
        doing: &'static str,
        /// Of what.
        reference: String,
        /// What came, in one line.
        answer: String,
    },
    /// It took too long.
    #[error("{doing} {reference}: not done within {} s", LONGEST.as_secs())]
    Late {
        /// What was asked.
        doing: &'static str,
        /// Of what.
        reference: String,
    },
    /// What stands there is not a plugin.
    #[error("{reference} is not a plugin: {what}")]
    NotAPlugin {
        /// Which.
        reference: String,
        /// What is wrong with it.
        what: String,
    },
    /// It is larger than any plugin.
    #[error("{reference}: {bytes} bytes, and {} are allowed", Loading::LARGEST_FILE)]
    TooLarge {
        /// Which.
        reference: String,
        /// As its manifest says.
        bytes: u64,
    },
    /// What came is not what was asked for.
    #[error("{reference}: {what} is {found}, and must be {expected}")]
    OtherDigest {
        /// Which.
        reference: String,
        /// The manifest or the component.
        what: &'static str,
        /// What came.
        found: Digest,
        /// What was asked for.
        expected: Digest,
    },
    /// The signature that came along is not one.
    #[error("{reference}: the signature that came along is damaged: {damage}")]
    Signature {
        /// Which.
        reference: String,
        /// What is wrong with it.
        damage: Damage,
    },
    /// The signature that came along is for another file.
    #[error("{reference}: the signature that came along is for {signed}, and the component is {found}")]
    OtherSignature {
        /// Which.
        reference: String,
        /// What was signed.
        signed: Digest,
        /// What came.
        found: Digest,
    },
}

/// What a registry answered instead of what it was asked for.
pub fn answer(doing: &'static str, reference: &Reference, error: &dyn std::error::Error) -> RegistryError {
    RegistryError::Answer { doing, reference: reference.to_string(), answer: one_line(error) }
}

/// Why something is not a plugin. What the registry says of it is part of the sentence, and may be anything.
pub fn not_a_plugin(reference: &Reference, what: String) -> RegistryError {
    RegistryError::NotAPlugin { reference: reference.to_string(), what: told::sentence(what) }
}

/// What went wrong with its causes, without line ends: a part of it may be a page that a proxy sent.
fn one_line(error: &dyn std::error::Error) -> String {
    const LONGEST: usize = 400;
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    let visible = text.chars().map(|character| if character.is_control() { ' ' } else { character });
    visible.take(LONGEST).collect()
}
