//! What became of the samples of one block, noted on demand.

use super::chain::{Steps, Surroundings};
use super::window::Sample;
use crate::time::Timestamp;

/// What became of each sample of one block, for a person who checks it by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Trace {
    /// Start of the block.
    pub start: Timestamp,
    /// The samples in the order of their times.
    pub samples: Vec<Traced>,
}

/// What became of one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Traced {
    /// As it came, with the state that it was judged by.
    pub sample: Sample,
    /// What was known beside it.
    pub around: Surroundings,
    /// The steps that it went through, or why it does not count.
    pub outcome: Result<Steps, String>,
}
