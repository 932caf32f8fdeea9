//! Who has a device's place at a connection, while one driver takes over from another.
//!
//! Both drivers have links to the same place: what came unasked waits there for whoever has it. What a driver says about the place (how frames
//! look, what it subscribes to) counts from the moment when it steps in, and again when it comes back.
//!
//! Invariant: only the driver whose place it is sends, receives or changes anything.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// What a driver that has not the place is told.
pub const NOT_YET: &str = "another driver of this device still has the link";

/// One driver's part at a place. `W`: what it says about the place.
#[derive(Debug)]
pub struct Role<W> {
    place: Arc<Place>,
    number: u64,
    said: Arc<Mutex<Said<W>>>,
}

/// What a driver that steps in knows of what went before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// All that the one before it knew: it came back, or took over a snapshot.
    Kept,
    /// Nothing: the other end must tell it what stands.
    None,
}

#[derive(Debug, Default)]
struct Place {
    /// Number of the role that has it.
    holder: AtomicU64,
    last: AtomicU64,
}

#[derive(Debug)]
struct Said<W> {
    wish: Option<W>,
    /// Since it stepped in it has said nothing; and what it knows.
    memory: Option<Memory>,
}

impl<W: Clone> Role<W> {
    /// The first one has the place.
    pub fn first() -> Self {
        Self::at(Arc::default(), 0)
    }

    /// Another one, which waits.
    pub fn understudy(&self) -> Self {
        Self::at(Arc::clone(&self.place), self.place.last.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Whether it has the place.
    pub fn has_place(&self) -> bool {
        self.place.holder.load(Ordering::Acquire) == self.number
    }

    /// Takes the place. Returns what it has said about it, which counts from now on.
    pub fn step_in(&self, memory: Memory) -> Option<W> {
        self.place.holder.store(self.number, Ordering::Release);
        self.with(|said| {
            said.memory = Some(memory).filter(|_| said.wish.is_none());
            said.wish.clone()
        })
    }

    /// The driver says something about the place. True when it counts at once.
    pub fn says(&self, wish: W) -> bool {
        self.with(|said| said.wish = Some(wish));
        self.has_place()
    }

    /// What it has said.
    pub fn wish(&self) -> Option<W> {
        self.with(|said| said.wish.clone())
    }

    /// What it knows as it says the first thing since it stepped in. `None`: it took over from nobody, or says it once more and begins anew.
    pub fn memory(&self) -> Option<Memory> {
        self.with(|said| said.memory.take())
    }

    fn at(place: Arc<Place>, number: u64) -> Self {
        Role { place, number, said: Arc::new(Mutex::new(Said { wish: None, memory: None })) }
    }

    fn with<R>(&self, work: impl FnOnce(&mut Said<W>) -> R) -> R {
        work(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<W> Clone for Role<W> {
    fn clone(&self) -> Self {
        Role { place: Arc::clone(&self.place), number: self.number, said: Arc::clone(&self.said) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_understudy_says_counts_when_it_steps_in_and_the_first_comes_back_with_its_own() {
        let first = Role::first();
        assert!(first.says("lines"));
        let second = first.understudy();

        assert!(!second.says("telegrams") && first.has_place());

        assert_eq!(second.step_in(Memory::None), Some("telegrams"));
        assert!(second.has_place() && !first.has_place());
        assert_eq!(first.step_in(Memory::Kept), Some("lines"));
        assert!(!second.has_place());
    }

    #[test]
    fn what_was_known_before_counts_for_the_first_thing_that_is_said() {
        let silent = Role::<()>::first().understudy();
        assert_eq!(silent.step_in(Memory::Kept), None);
        assert_eq!((silent.memory(), silent.memory()), (Some(Memory::Kept), None));
    }
}
