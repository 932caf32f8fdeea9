//! The pause between attempts: it doubles from a least to a longest, with jitter.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

/// The next pause of one runner. Jitter takes away up to a quarter, so that hubs which lost the same far end do not
/// all come back in the same moment.
pub(super) struct Backoff {
    least: Duration,
    longest: Duration,
    next: Duration,
    jitter: u64,
}

impl Backoff {
    pub(super) fn new(least: Duration, longest: Duration) -> Self {
        // The standard library seeds each `RandomState` from the operating system: no crate is needed for a jitter.
        Self::with_seed(least, longest, RandomState::new().build_hasher().finish())
    }

    fn with_seed(least: Duration, longest: Duration, seed: u64) -> Self {
        Backoff { least, longest: longest.max(least), next: least, jitter: seed }
    }

    /// The pause to make now; the one after it is twice as long, up to the longest.
    pub(super) fn next_pause(&mut self) -> Duration {
        let pause = self.next;
        self.next = pause.saturating_mul(2).min(self.longest);
        pause.mul_f64(1.0 - self.next_share() / 4.0)
    }

    /// After something was delivered: begin with the least pause again.
    pub(super) fn reset(&mut self) {
        self.next = self.least;
    }

    /// A number from 0 to 1. Source: Steele, Lea, Flood, "Fast splittable pseudorandom number generators" (2014).
    fn next_share(&mut self) -> f64 {
        self.jitter = self.jitter.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.jitter;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_doubles_up_to_the_longest_and_begins_again_after_a_success() {
        let mut backoff = Backoff::with_seed(Duration::from_secs(1), Duration::from_secs(10), 1);
        for whole in [1.0, 2.0, 4.0, 8.0, 10.0, 10.0] {
            let pause = backoff.next_pause().as_secs_f64();
            assert!(pause <= whole && pause >= whole * 0.75, "{pause} s is not {whole} s less up to a quarter");
        }
        backoff.reset();
        assert!(backoff.next_pause() <= Duration::from_secs(1));
    }

    #[test]
    fn two_hubs_do_not_wait_equally_long() {
        let pause = |seed| Backoff::with_seed(Duration::from_secs(60), Duration::from_secs(60), seed).next_pause();
        assert_ne!(pause(1), pause(2));
    }
}
