//! What a hub's journal says of each device, as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use tutin::journal::{self, Cursor};
use tutin::reading::{InstrumentState, PollSet, Value};
use tutin::time::Timestamp;

/// One poll of a device, as the journal has it.
#[derive(Clone)]
pub struct Seen {
    /// When the hub had it.
    pub at: Timestamp,
    /// Point, state and number.
    readings: Vec<(String, InstrumentState, Option<f64>)>,
}

impl Seen {
    fn of(set: &PollSet) -> Self {
        let readings = set.readings().map(|reading| {
            let number = if let Value::Number(number) = reading.value { Some(number) } else { None };
            (reading.point.id.clone(), reading.state, number)
        });
        Seen { at: set.received_at, readings: readings.collect() }
    }

    /// The state of a point; none where this poll says nothing of it.
    pub fn state(&self, point: &str) -> Option<InstrumentState> {
        self.readings.iter().find(|(id, ..)| id == point).map(|(_, state, _)| *state)
    }

    /// The points that are valid.
    pub fn valid(&self) -> BTreeSet<&str> {
        let valid = self.readings.iter().filter(|(_, state, _)| *state == InstrumentState::Valid);
        valid.map(|(id, ..)| id.as_str()).collect()
    }

    /// Each point with its state.
    pub fn states(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.readings.iter().map(|(id, state, _)| (id.clone(), state.name()))
    }

    /// What is valid and is not what that point measures.
    pub fn wrong(&self, values: &BTreeMap<String, f64>) -> Vec<String> {
        let valid = self.readings.iter().filter(|(_, state, _)| *state == InstrumentState::Valid);
        let wrong = valid.filter_map(|(id, _, number)| {
            let (number, right) = (number.as_ref()?, values.get(id)?);
            (number.to_bits() != right.to_bits()).then(|| format!("{id} is {number} instead of {right}"))
        });
        wrong.collect()
    }
}

/// The journal of a running hub, read as it grows.
pub struct Watch {
    file: PathBuf,
    seen: Mutex<BTreeMap<String, Vec<Seen>>>,
    came: Condvar,
    is_over: AtomicBool,
}

impl Watch {
    /// Of this file, which need not be there yet.
    pub fn new(file: PathBuf) -> Self {
        Watch { file, seen: Mutex::default(), came: Condvar::new(), is_over: AtomicBool::new(false) }
    }

    /// Reads until [`Watch::end`].
    pub fn run(&self) {
        let mut reader = None;
        let mut place = Cursor { entry: 0, item: 0 };
        while !self.is_over.load(Ordering::Relaxed) {
            reader = reader.or_else(|| journal::read(&self.file).ok());
            let found = reader.as_mut().map(|reader| reader.readings_after(place).unwrap()).unwrap_or_default();
            match found.last() {
                Some((last, _)) => place = *last,
                None => std::thread::sleep(Duration::from_millis(20)),
            }
            let mut seen = self.seen.lock().unwrap();
            for (_, set) in &found {
                seen.entry(set.catalog.device.clone()).or_default().push(Seen::of(set));
            }
            self.came.notify_all();
        }
    }

    /// Ends [`Watch::run`].
    pub fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// How many polls of a device there are now.
    pub fn count(&self, device: &str) -> usize {
        self.seen.lock().unwrap().get(device).map_or(0, Vec::len)
    }

    /// The polls of a device from this one on.
    pub fn since(&self, device: &str, start: usize) -> Vec<Seen> {
        self.seen.lock().unwrap().get(device).map(|seen| seen[start..].to_vec()).unwrap_or_default()
    }

    /// Waits for the first poll from `start` on that fits; each is asked about once, in order.
    pub fn wait(
        &self,
        device: &str,
        start: usize,
        longest: Duration,
        mut fits: impl FnMut(&Seen) -> bool,
    ) -> Option<Seen> {
        let deadline = Instant::now() + longest;
        let mut next = start;
        let mut seen = self.seen.lock().unwrap();
        loop {
            let polls = seen.get(device).map_or(&[][..], |polls| &polls[next.min(polls.len())..]);
            if let Some(found) = polls.iter().find(|poll| fits(poll)) {
                return Some(found.clone());
            }
            next += polls.len();
            let left = deadline.checked_duration_since(Instant::now())?;
            seen = self.came.wait_timeout(seen, left).unwrap().0;
        }
    }
}
