//! How much of its limits a guest has used in the call that runs now.
//!
//! Computing time is the time for which the guest had a processor, as the system counts it for the thread: on a machine under load a
//! guest that had no turn is not condemned, and time that the host spends on what the guest hands over counts as the guest's.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::meter::Meter;
use crate::config::model::Limits;

/// How often the engine's epoch advances: how long a guest may compute before others have their turn, and how exactly its computing time is
/// held against the limit.
pub const TICK: Duration = Duration::from_millis(2);

/// The limit that a guest broke. Its text is what an administrator reads beside the parked device.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Overrun {
    /// Computing without end.
    #[error("computed for more than {} ms in one call ({})", .0.as_millis(), self.limit())]
    Call(Duration),
    /// Asking for too much memory.
    #[error("asked for {asked} bytes of memory where {limit} are allowed ({})", self.limit())]
    Memory {
        /// What it would have had.
        asked: u64,
        /// What it may have.
        limit: u64,
    },
    /// Asking for too large tables.
    #[error("asked for {asked} elements in its tables where {limit} are allowed ({})", self.limit())]
    TableElements {
        /// What it would have had.
        asked: u64,
        /// What it may have.
        limit: u64,
    },
    /// Holding too many handles.
    #[error("held more than {} handles at once ({})", .0, self.limit())]
    Handles(u32),
    /// Being made of too many instances of modules, memories or tables.
    #[error("is made of too much: {} ({})", .0, self.limit())]
    Parts(String),
    /// Handing over too much.
    #[error("handed over more than {} bytes in one call ({})", .0, self.limit())]
    Results(u64),
    /// Asking the host too often.
    #[error("made more than {} host calls in one call ({})", .0, self.limit())]
    HostCalls(u32),
    /// Returning too much.
    #[error("returned {returned} samples in one poll where {limit} are allowed ({})", self.limit())]
    Samples {
        /// What it returned.
        returned: usize,
        /// What it may return.
        limit: usize,
    },
    /// Waiting without end.
    #[error("took longer than {} s for one call, waiting included ({})", .0.as_secs_f64(), self.limit())]
    Wait(Duration),
}

impl Overrun {
    /// Name of the limit, as it is configured.
    pub fn limit(&self) -> &'static str {
        match self {
            Overrun::Call(_) => "limits.call",
            Overrun::Memory { .. } => "limits.memory",
            Overrun::TableElements { .. } => "limits.table_elements",
            Overrun::Handles(_) => "limits.handles",
            Overrun::Parts(_) => "limits.parts",
            Overrun::Results(_) => "limits.results",
            Overrun::HostCalls(_) => "limits.host_calls",
            Overrun::Samples { .. } => "limits.samples",
            Overrun::Wait(_) => "limits.wait",
        }
    }
}

/// Where those guests take turns that compute for longer than a tick: at most half of the machine is theirs at any time.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Semaphore>);

impl Default for Lane {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Lane(Arc::new(Semaphore::new((cores / 2).max(1))))
    }
}

impl Lane {
    /// Waits for a turn before a call that will be slow, as the one before it was, or whose plugin fell not long ago; others need none.
    pub(crate) async fn enter(&self, clock: &Arc<CallClock>, meter: &Meter) {
        if clock.is_slow() || meter.is_on_probation() {
            self.turn(clock).await;
        }
    }

    /// Lets the other tasks of the thread have a turn, and then waits for one in the lane.
    pub(crate) fn turn(&self, clock: &Arc<CallClock>) -> impl Future<Output = ()> + Send + use<> {
        let (lane, clock) = (Arc::clone(&self.0), Arc::clone(clock));
        async move {
            // The turn that the guest had ends here: waiting gives it back. As long as it computed it now rests.
            tokio::time::sleep(TICK).await;
            // The lane is never closed.
            if let Ok(turn) = lane.acquire_owned().await {
                *clock.turn.lock().unwrap_or_else(PoisonError::into_inner) = Some(turn);
            }
        }
    }
}

/// No time: the guest did not have to wait.
const RUNS: u64 = u64::MAX;

/// Computing time of the call that runs now, shared by the guest's store and by whoever waits for the call.
#[derive(Debug, Default)]
pub struct CallClock {
    /// Before the present stretch.
    spent_ns: AtomicU64,
    /// The thread's own time when the present stretch began.
    began_ns: AtomicU64,
    /// Of the call before.
    last_ns: AtomicU64,
    /// When the guest first had to wait after it asked the host for something; [`RUNS`] as long as it did not.
    rested_ns: AtomicU64,
    turn: Mutex<Option<OwnedSemaphorePermit>>,
}

impl CallClock {
    /// Computing time of the call until now. Meant for the thread that the guest runs on.
    fn computed(&self) -> Duration {
        let stretch = thread_time().saturating_sub(self.began_ns.load(Ordering::Relaxed));
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed).saturating_add(stretch))
    }

    /// Computing time of all finished stretches.
    pub(crate) fn spent(&self) -> Duration {
        Duration::from_nanos(self.spent_ns.load(Ordering::Relaxed))
    }

    fn restart(&self) {
        self.last_ns.store(self.spent_ns.swap(0, Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether the call before took long.
    fn is_slow(&self) -> bool {
        Duration::from_nanos(self.last_ns.load(Ordering::Relaxed)) > TICK
    }

    fn has_turn(&self) -> bool {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The guest asks the host for something.
    fn ask(&self) {
        self.rested_ns.store(RUNS, Ordering::Relaxed);
    }

    /// Computing time since the guest first had to wait for what it asked for.
    fn since_rest(&self) -> Duration {
        match self.rested_ns.load(Ordering::Relaxed) {
            RUNS => Duration::ZERO,
            rested => self.computed().saturating_sub(Duration::from_nanos(rested)),
        }
    }

    fn begin(&self) {
        self.began_ns.store(thread_time(), Ordering::Relaxed);
    }

    fn end(&self) {
        let stretch = thread_time().saturating_sub(self.began_ns.load(Ordering::Relaxed));
        let spent = self.spent_ns.fetch_add(stretch, Ordering::Relaxed).saturating_add(stretch);
        // Only the first wait after a question counts; whether this was it or not, nothing is to be done.
        let _ = self.rested_ns.compare_exchange(RUNS, spent, Ordering::Relaxed, Ordering::Relaxed);
        self.turn.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// For how long this thread has had a processor, nanoseconds.
fn thread_time() -> u64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

/// Waits for a call and times its stretches of computing. Whenever it waits it gives back its turn in the lane.
pub(crate) async fn timed<F: Future>(call: F, clock: &CallClock) -> F::Output {
    let mut call = std::pin::pin!(call);
    std::future::poll_fn(|context| {
        let mut poll = || {
            clock.begin();
            let polled = call.as_mut().poll(context);
            clock.end();
            polled
        };
        if clock.has_turn() { aside(poll) } else { poll() }
    })
    .await
}

/// Does what takes long while another thread takes over this one's other tasks.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    let flavor = tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor());
    match flavor {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// What a guest said last of what went wrong in the call that runs now, shared like its clock: a panic says itself, and then only traps.
#[derive(Debug, Default)]
pub struct LastWords(Mutex<Option<String>>);

impl LastWords {
    pub(crate) fn hear(&self, line: &str) {
        *self.said() = Some(line.to_owned());
    }

    /// What was said; nothing is known of it afterwards.
    pub(crate) fn take(&self) -> Option<String> {
        self.said().take()
    }

    fn said(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counters of the call that runs now, and the limits that they are held against.
#[derive(Debug)]
pub struct Usage {
    limits: Limits,
    clock: Arc<CallClock>,
    lane: Lane,
    host_calls: u32,
    /// Computing time of the host, for what the guest waited for.
    host_worked: Duration,
    meter: Arc<Meter>,
    words: Arc<LastWords>,
}

impl Usage {
    /// Nothing used yet.
    pub fn new(limits: Limits, meter: Arc<Meter>) -> Self {
        let (clock, lane) = (Arc::default(), Lane::default());
        Usage { limits, clock, lane, host_calls: 0, host_worked: Duration::ZERO, meter, words: Arc::default() }
    }

    /// The limits themselves.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Where the figures of the device are kept.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// From here on it takes its turns with those who are in this lane.
    pub(crate) fn take_turns_in(&mut self, lane: &Lane) {
        self.lane = lane.clone();
    }

    /// Where it takes its turns.
    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    /// The clock of the call that runs now.
    pub(crate) fn clock(&self) -> &Arc<CallClock> {
        &self.clock
    }

    /// What it said last of what went wrong in the call that runs now.
    pub(crate) fn words(&self) -> &Arc<LastWords> {
        &self.words
    }

    /// A call into the guest begins.
    pub fn begin(&mut self) {
        drop(self.words.take());
        (self.host_calls, self.host_worked) = (0, Duration::ZERO);
        self.clock.restart();
    }

    /// The guest calls the host. What the host does before it has to wait counts as the guest's computing, and the next tick in the guest
    /// holds it against the limit.
    pub fn host_call(&mut self) -> Result<(), Overrun> {
        self.meter.host_called();
        self.host_calls = self.host_calls.saturating_add(1);
        if self.host_calls > self.limits.host_calls {
            return Err(Overrun::HostCalls(self.limits.host_calls));
        }
        self.clock.ask();
        Ok(())
    }

    /// The guest has waited for the outside world; what the host computed for that is not the guest's.
    pub fn waited(&mut self) {
        self.host_worked += self.clock.since_rest();
    }

    /// The guest computes, for so long by now; fails when a tick more would be too much.
    pub fn tick(&mut self) -> Result<Duration, Overrun> {
        let (limit, its_own) = (self.limits.call, self.clock.computed().saturating_sub(self.host_worked));
        if its_own + TICK > limit { Err(Overrun::Call(limit)) } else { Ok(its_own) }
    }

    /// The guest wants its memory to be this large.
    pub fn memory(&self, asked: u64) -> Result<(), Overrun> {
        let limit = self.limits.memory;
        if asked > limit { Err(Overrun::Memory { asked, limit }) } else { Ok(()) }
    }

    /// The guest wants its tables to be this large, all together.
    pub fn table_elements(&self, asked: u64) -> Result<(), Overrun> {
        let limit = u64::from(self.limits.table_elements);
        if asked > limit { Err(Overrun::TableElements { asked, limit }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compute(length: Duration) {
        let begin = thread_time();
        while thread_time() - begin < length.as_nanos() as u64 {
            std::hint::spin_loop();
        }
    }

    #[tokio::test]
    async fn only_time_with_a_processor_counts() {
        let limits = Limits { call: Duration::from_millis(40), ..Limits::default() };
        let mut usage = Usage::new(limits, Arc::default());
        let clock = Arc::clone(usage.clock());
        let call = async {
            tokio::time::sleep(Duration::from_millis(60)).await;
            let slept = usage.tick();
            compute(Duration::from_millis(10));
            let computed = usage.tick();
            compute(Duration::from_millis(30));
            (slept, computed, usage.tick())
        };

        let (slept, computed, too_much) = timed(call, &clock).await;

        assert!(slept.unwrap() < TICK);
        assert!(computed.unwrap() >= Duration::from_millis(10));
        assert_eq!(too_much, Err(Overrun::Call(Duration::from_millis(40))));
        assert!(clock.spent() >= Duration::from_millis(40), "{:?}", clock.spent());
    }

    #[tokio::test]
    async fn those_who_compute_for_long_take_turns_and_those_who_wait_hold_none() {
        let lane = Lane(Arc::new(Semaphore::new(1)));
        let (first, second) = (Arc::new(CallClock::default()), Arc::new(CallClock::default()));
        timed(lane.turn(&first), &first).await;
        assert_eq!(lane.0.available_permits(), 1, "a call that has ended holds its turn");

        let held = timed(
            async {
                lane.turn(&first).await;
                tokio::time::timeout(Duration::from_millis(10), lane.0.acquire()).await.is_err()
            },
            &second,
        );

        assert!(held.await, "two at once");
    }

    #[test]
    fn every_limit_names_itself() {
        let check = |overrun: Overrun| assert!(overrun.to_string().contains(overrun.limit()), "{overrun}");
        check(Overrun::Call(TICK));
        check(Overrun::Memory { asked: 2, limit: 1 });
        check(Overrun::TableElements { asked: 2, limit: 1 });
        check(Overrun::Handles(1));
        check(Overrun::Parts(String::new()));
        check(Overrun::Results(1));
        check(Overrun::HostCalls(1));
        check(Overrun::Samples { returned: 2, limit: 1 });
        check(Overrun::Wait(TICK));
    }
}
