//! Random moments that can be had again: the seed is printed, and taken from `TUTIN_SEED` when it is there.

use std::ops::Range;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A sequence of random numbers (splitmix64).
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Begins with `TUTIN_SEED`, else with the time.
    pub fn from_environment() -> Self {
        let given = std::env::var("TUTIN_SEED").ok().map(|text| text.parse().expect("TUTIN_SEED is a number"));
        let seed = given.unwrap_or_else(|| SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64);
        Random { seed, state: seed }
    }

    /// What it began with.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// A length of time in this range, to the microsecond.
    pub fn duration(&mut self, range: Range<Duration>) -> Duration {
        let width = (range.end - range.start).as_micros() as u64;
        range.start + Duration::from_micros(self.next() % width.max(1))
    }

    /// A number below this one; 0 when there is none.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % (end.max(1) as u64)) as usize
    }

    /// So many bytes.
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        (0..count).map(|_| self.next() as u8).collect()
    }

    fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.state;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ (word >> 31)
    }
}
