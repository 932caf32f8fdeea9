//! One device's task as it goes over to another driver, with the real plugin host and no hub.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tutin::config::model::Limits;
use tutin::plugin::device::{self, Command};
use tutin::plugin::swap::{News, Step, Swap};
use tutin::plugin::{DeviceSpec, DeviceStatus, Engine, Loader, Outlet, Plugin};
use tutin::reading::{InstrumentState, PollSet};

use crate::support::SOON;
use crate::support::hub::plugin;

const BEAT: Duration = Duration::from_millis(100);
/// The one before is back within this time.
const BACK: Duration = Duration::from_secs(2);

#[derive(Default)]
struct Kept {
    sets: Mutex<Vec<Arc<PollSet>>>,
    count: watch::Sender<usize>,
}

impl Outlet for Kept {
    async fn put(&self, set: Arc<PollSet>) {
        self.sets.lock().unwrap().push(set);
        self.count.send_modify(|count| *count += 1);
    }

    async fn kept(&self) -> bool {
        true
    }
}

struct Device {
    kept: Arc<Kept>,
    plugin: Arc<Plugin>,
    commands: mpsc::Sender<Command>,
    swaps: mpsc::Sender<Swap>,
    status: watch::Receiver<DeviceStatus>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    orders: u64,
}

impl Device {
    /// A device of the misbehaving plugin with these settings.
    async fn start(settings: &str) -> Self {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled");
        let loader = Loader::new(Engine::new().unwrap(), cache);
        let plugin = tokio::task::spawn_blocking(move || loader.load(&plugin("misbehaving")).unwrap()).await.unwrap();
        let (kept, shutdown) = (Arc::new(Kept::default()), CancellationToken::new());
        let (commands, asked) = mpsc::channel(8);
        let (swaps, orders) = mpsc::channel(8);
        let (sender, status) = watch::channel(DeviceStatus::starting());
        let spec = spec(&plugin, settings, BEAT);
        let task = tokio::spawn(device::run(spec, Arc::clone(&kept), asked, orders, sender, shutdown.clone()));
        Device { kept, plugin, commands, swaps, status, shutdown, task, orders: 0 }
    }

    async fn polls(&self, more: usize) {
        let wanted = self.kept.sets.lock().unwrap().len() + more;
        let mut count = self.kept.count.subscribe();
        tokio::time::timeout(SOON, count.wait_for(|count| *count >= wanted)).await.expect("no poll came").unwrap();
    }

    async fn swap(&mut self, settings: &str) -> mpsc::Receiver<News> {
        self.swap_at(settings, BEAT).await
    }

    async fn swap_at(&mut self, settings: &str, interval: Duration) -> mpsc::Receiver<News> {
        let (news, told) = mpsc::channel(2);
        self.orders += 1;
        let swap = Swap { generation: self.orders, spec: spec(&self.plugin, settings, interval), news };
        self.swaps.send(swap).await.unwrap_or_else(|_| panic!("the task has ended"));
        told
    }

    /// Ends the device. What it brought, and how it was.
    async fn end(self) -> (Vec<Arc<PollSet>>, DeviceStatus) {
        self.shutdown.cancel();
        self.task.await.unwrap();
        (std::mem::take(&mut *self.kept.sets.lock().unwrap()), self.status.borrow().clone())
    }
}

fn spec(plugin: &Arc<Plugin>, settings: &str, interval: Duration) -> DeviceSpec {
    DeviceSpec {
        name: "test".into(),
        plugin: Arc::clone(plugin),
        links: BTreeMap::new(),
        link_type: "modbus_tcp",
        granted: Vec::new(),
        // A runaway is stopped well within the beat.
        limits: Limits { call: Duration::from_millis(20), ..Limits::default() },
        meter: Arc::default(),
        backfill: Duration::ZERO,
        unheard_since: None,
        interval,
        settings: settings.to_owned(),
    }
}

async fn next(told: &mut mpsc::Receiver<News>) -> News {
    tokio::time::timeout(SOON, told.recv()).await.expect("nothing is told").expect("the task has ended")
}

fn values(sets: &[Arc<PollSet>]) -> Vec<f64> {
    sets.iter().flat_map(|set| set.columns.values.clone()).collect()
}

/// Fails unless the driver counted on: no poll is lost, none is there twice, and all are good.
fn check_count(sets: &[Arc<PollSet>]) {
    let expected: Vec<f64> = (1..=sets.len()).map(|count| count as f64).collect();
    assert_eq!(values(sets), expected);
    assert!(sets.iter().flat_map(|set| &set.columns.states).all(|state| *state == InstrumentState::Valid));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_driver_takes_over_what_the_one_before_knew_and_no_poll_is_lost_or_doubled() {
    let mut device = Device::start("{}").await;
    device.polls(5).await;

    let mut told = device.swap("{\"after_polls\": 1}").await;
    assert_eq!(next(&mut told).await.step, Step::TookOver);
    assert_eq!(device.status.borrow().generation, 1);
    assert_eq!(next(&mut told).await.step, Step::Proven);
    device.polls(2).await;

    let (sets, status) = device.end().await;
    check_count(&sets);
    assert!(status.missed <= 1 && status.restarts == 0 && status.rolled_back.is_none(), "{status:?}");
}

/// Goes over to a driver with these settings, which must give way for this reason.
async fn check_return(settings: &str, reason: &str) {
    let mut device = Device::start("{}").await;
    device.polls(5).await;

    let mut told = device.swap(settings).await;
    let took_over = next(&mut told).await;
    assert_eq!(took_over.step, Step::TookOver, "{settings}");
    let back = next(&mut told).await;
    device.polls(5).await;

    let Step::RolledBack(why) = &back.step else { panic!("{settings}: {back:?}") };
    assert!(why.contains(reason), "{settings}: {why}");
    assert!(back.at.since(took_over.at) < BACK, "{settings}: back after {:?}", back.at.since(took_over.at));
    let (sets, status) = device.end().await;
    check_count(&sets);
    assert_eq!(sets.len() as u64, status.polls, "{settings}: a beat has no reading, or has two");
    assert_eq!((status.generation, status.restarts), (0, 0), "{settings}");
    assert!(status.rolled_back.is_some_and(|why| why.contains(reason)) && status.missed <= 1, "{settings}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_falls_in_its_first_poll_gives_way_and_the_beat_has_its_reading() {
    check_return(r#"{"behaviour": "trap"}"#, "plugin trapped").await;
    check_return(r#"{"behaviour": "panic"}"#, "plugin trapped").await;
    check_return(r#"{"behaviour": "loop"}"#, "limits.call").await;
    check_return(r#"{"behaviour": "grow"}"#, "limits.memory").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_gets_no_answer_where_the_one_before_does_gives_way() {
    check_return(r#"{"behaviour": "unanswered"}"#, "asked to fail; the driver before it gets an answer").await;
    check_return(r#"{"behaviour": "silent"}"#, "does not answer it; the driver before it gets an answer").await;
    check_return(r#"{"behaviour": "misfit"}"#, "asked to want others").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_falls_later_in_its_probation_gives_way() {
    let mut device = Device::start("{}").await;
    device.polls(3).await;
    let mut told = device.swap(r#"{"behaviour": "trap", "after_polls": 4}"#).await;
    let took_over = next(&mut told).await;
    let Step::RolledBack(_) = next(&mut told).await.step else { panic!("it stays") };
    device.polls(3).await;
    let (sets, status) = device.end().await;
    // The one before counts on from where it handed over; what the other read meanwhile stays.
    let values = values(&sets);
    let returns = values.windows(2).filter(|pair| pair[1] != pair[0] + 1.0).count();
    assert_eq!((returns, status.generation), (1, 0), "{values:?} since {}", took_over.at);
    let missing = sets.iter().flat_map(|set| &set.columns.states).filter(|state| !state.has_value()).count();
    assert_eq!(missing, 0, "a beat has no reading");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_cannot_be_opened_changes_nothing() {
    for (settings, reason) in
        [(r#"{"behaviour": "odd"}"#, "odd"), (r#"{"behaviour": "falls_over_snapshot"}"#, "restoring the snapshot")]
    {
        let mut device = Device::start("{}").await;
        device.polls(3).await;
        let told = next(&mut device.swap(settings).await).await;
        device.polls(3).await;
        let (sets, status) = device.end().await;
        assert!(matches!(&told.step, Step::Refused(why) if why.contains(reason)), "{settings}: {told:?}");
        check_count(&sets);
        assert_eq!((status.generation, status.missed), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_orders_the_later_counts_and_what_was_never_proven_does_not_come_back() {
    let mut device = Device::start("{}").await;
    device.polls(3).await;
    let mut first = device.swap(r#"{"after_polls": 7}"#).await;
    assert_eq!(next(&mut first).await.step, Step::TookOver);
    let mut second = device.swap(r#"{"behaviour": "trap", "after_polls": 1}"#).await;
    assert_eq!(next(&mut first).await.step, Step::Superseded);
    assert_eq!(next(&mut second).await.step, Step::TookOver);
    assert!(matches!(next(&mut second).await.step, Step::RolledBack(_)));
    device.polls(3).await;
    let (_, status) = device.end().await;
    assert_eq!((status.generation, status.restarts), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallen_driver_is_replaced_at_once() {
    let mut device = Device::start(r#"{"behaviour": "trap", "after_polls": 2}"#).await;
    tokio::time::timeout(SOON, device.status.wait_for(|status| status.restarts > 0)).await.unwrap().unwrap();
    let mut told = device.swap("{}").await;
    assert_eq!(next(&mut told).await.step, Step::TookOver);
    assert_eq!(next(&mut told).await.step, Step::Proven, "there is none that could come back");
    device.polls(3).await;
    let (sets, status) = device.end().await;
    assert_eq!(status.generation, 1);
    assert_eq!(values(&sets[sets.len() - 2..]).len(), 2, "it brings readings again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_driver_that_falls_over_a_command_on_probation_gives_way() {
    let mut device = Device::start("{}").await;
    device.polls(3).await;
    let mut told = device.swap(r#"{"after_polls": 9}"#).await;
    assert_eq!(next(&mut told).await.step, Step::TookOver);
    let (answer, answered) = oneshot::channel();
    let command = Command { name: "fall".into(), arguments: String::new(), answer };
    device.commands.send(command).await.unwrap_or_else(|_| panic!("the task has ended"));
    assert!(answered.await.unwrap().unwrap_err().contains("plugin trapped"));
    assert!(matches!(next(&mut told).await.step, Step::RolledBack(_)));
    device.polls(3).await;
    let (_, status) = device.end().await;
    assert_eq!((status.generation, status.restarts), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_interval_begins_without_a_burst() {
    let mut device = Device::start("{}").await;
    device.polls(3).await;
    let mut told = device.swap_at("{}", BEAT * 3).await;
    let took_over = next(&mut told).await;
    assert_eq!(next(&mut told).await.step, Step::Proven);
    let (sets, status) = device.end().await;
    check_count(&sets);
    let after: Vec<_> = sets.iter().map(|set| set.received_at).filter(|at| *at > took_over.at).collect();
    let quickest = after.windows(2).map(|pair| pair[1].since(pair[0])).min().unwrap();
    assert!(quickest > BEAT * 2, "{quickest:?} between two polls");
    assert_eq!(status.missed, 0);
}
