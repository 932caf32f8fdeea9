//! Whatever the disk does, devices go on being polled, and what they said is stored as soon as it can be; what no longer
//! fits into memory is counted, never passed over.

use std::collections::BTreeSet;
use std::time::Duration;

use tutin::journal::{Event, LostReadings};
use tutin::reading::PollSet;
use tutin::simulator::authority::{Authority, AuthorityHandle, Options};
use tutin::time::Timestamp;

use crate::support::configuration::{averages_to, short_blocks, t200, with_plugin};
use crate::support::disk::Disk;
use crate::support::hub::{Hub, Site};
use crate::support::journal::{self, averages, check_beat, check_chain, events, polls};
use crate::support::pymodbus::Pymodbus;
use crate::support::{store, t200};

const LOOPBACK: std::net::SocketAddr =
    std::net::SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

const DEVICE: &str = "no2-north";

/// An outage of two blocks.
const OUTAGE: Duration = Duration::from_secs(4);

/// The driver reads discrete inputs once in a poll.
const READ_DISCRETE_INPUTS: u8 = 2;

/// An analyzer, a hub on a disk of its own, and an authority.
struct Plant {
    analyzer: Pymodbus,
    asked: usize,
    disk: Disk,
    site: Site,
    hub: Hub,
    authority: AuthorityHandle,
}

impl Plant {
    async fn start(journal: &str) -> Self {
        let analyzer = Pymodbus::start(t200::map());
        let authority = Authority::start(Options::default(), LOOPBACK).await.unwrap();
        let sink = format!(
            "type = \"http_json\"\nurl = \"{}/v1/averages\"\nretry_min = \"50ms\"\nretry_max = \"200ms\"",
            authority.url()
        );
        let device = t200(DEVICE, &analyzer.address()) + &short_blocks(DEVICE);
        let site =
            Site::new(&(journal.to_owned() + &with_plugin("teledyne-t") + &device + &averages_to("http", &sink)));
        let disk = Disk::of(&site);
        let hub = site.run_on(&disk);
        Plant { analyzer, asked: 0, disk, site, hub, authority }
    }

    fn closed(&self) -> i64 {
        store::number_or_zero(&journal::file(&self.site), "SELECT count(*) FROM average")
    }

    fn wait_for_closed(&self, count: i64) {
        self.hub.wait_until("closed averages", || self.closed() >= count);
    }

    /// How often the device was polled since the last call.
    fn count_polls(&mut self) -> usize {
        let polls = self.analyzer.requests().iter().filter(|(function, ..)| *function == READ_DISCRETE_INPUTS).count();
        self.asked += polls;
        polls
    }

    /// The disk fails for a while in which the device is polled as ever, and is good again.
    fn suffer(&mut self, fault: &str, outage: Duration) {
        self.count_polls();
        self.disk.fail(fault);
        self.hub.wait_for("that nothing is stored", |line| {
            line.contains("nothing can be stored, trying again every second")
        });
        std::thread::sleep(outage);
        let (polls, usual) = (self.count_polls(), outage.as_millis() as usize / 100);
        assert!(polls > usual / 2, "{polls} polls while nothing could be stored, {usual} are usual");
        self.disk.heal();
        self.hub.wait_for("that it stores again", |line| line.contains("journal: storing again after"));
    }

    /// Some blocks later, and all of them delivered.
    fn stop(&mut self) {
        self.wait_for_closed(self.closed() + 2);
        self.hub.wait_until("an empty queue", || {
            store::number(&journal::file(&self.site), "SELECT count(*) FROM delivery WHERE state = 'queued'") == 0
        });
        assert!(self.hub.interrupt().success());
        self.count_polls();
    }

    /// The one outage that is in the journal.
    fn outage(&self) -> (Duration, bool, Vec<LostReadings>) {
        let outages: Vec<_> =
            events(&self.site).into_iter().filter(|event| matches!(event, Event::Storage { .. })).collect();
        match outages.as_slice() {
            [Event::Storage { from, to, full, lost, .. }] => (to.since(*from), *full, lost.clone()),
            other => panic!("not one outage but {other:?}"),
        }
    }

    /// Every block that was closed, each once and without a hole, is at the authority.
    fn check_delivered(&self) {
        let keys: Vec<String> = self.authority.received().into_iter().map(|received| received.key).collect();
        let distinct: BTreeSet<&String> = keys.iter().collect();
        assert_eq!(distinct.len(), keys.len(), "an average twice");
        assert_eq!(self.authority.report().differing, 0);
        let starts: Vec<Timestamp> = averages(&self.site).into_iter().map(|average| average.key.start).collect();
        let expected: Vec<String> = starts.iter().map(|start| format!("hub/stack-1/NO2/short/{start}/2s/0")).collect();
        assert_eq!(keys, expected);
        for pair in starts.windows(2) {
            assert_eq!(pair[1].since(pair[0]), Duration::from_secs(2), "a hole behind {}", pair[0]);
        }
    }
}

async fn a_fault_passes(fault: &str, is_full: bool) {
    let mut plant = Plant::start("").await;
    plant.wait_for_closed(2);
    plant.suffer(fault, OUTAGE);
    plant.stop();

    let polls = polls(&plant.site, DEVICE);
    check_beat(&polls);
    check_all_stored(&plant, &polls, 0);
    let not_valid: Vec<_> =
        averages(&plant.site).into_iter().skip(1).filter(|average| average.state.name() != "valid").collect();
    assert_eq!(not_valid, [], "only the block in which the hub started may be incomplete");
    plant.check_delivered();
    let (length, full, lost) = plant.outage();
    assert!(length >= OUTAGE, "{length:?}");
    assert_eq!((full, lost), (is_full, vec![]));
    check_chain(&plant.site);
}

/// What the device was asked is what is stored or counted as lost. The last poll may have been cut by the stop.
fn check_all_stored(plant: &Plant, stored: &[PollSet], lost: usize) {
    let answered = stored.iter().filter(|set| set.readings().any(|reading| reading.state.has_value())).count();
    let accounted = answered + lost;
    assert!(plant.asked.abs_diff(accounted) <= 1, "{} polls, {answered} stored and {lost} lost", plant.asked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_loses_nothing() {
    a_fault_passes("full", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_becomes_full_in_the_middle_of_a_write_loses_nothing() {
    a_fault_passes("short", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_cannot_be_written_loses_nothing() {
    a_fault_passes("write", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_makes_nothing_durable_loses_nothing() {
    a_fault_passes("sync", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_memory_is_counted_and_its_blocks_say_why() {
    let mut plant = Plant::start("[journal]\nheld_readings = 200\n").await;
    plant.wait_for_closed(2);
    plant.suffer("full", 2 * OUTAGE);
    plant.stop();

    let (_, full, lost) = plant.outage();
    assert!(full);
    let [lost] = lost.as_slice() else { panic!("one device lost readings, not {lost:?}") };
    assert_eq!(lost.device, DEVICE);
    let stored = polls(&plant.site, DEVICE);
    let of_a_poll = stored[1].len();
    assert_eq!(lost.readings as usize % of_a_poll, 0, "polls are lost whole");
    check_all_stored(&plant, &stored, lost.readings as usize / of_a_poll);
    assert!(stored.iter().all(|set| set.received_at < lost.from || set.received_at > lost.to), "lost and stored");

    let (from, to) = (lost.from.0, lost.to.0);
    let within = format!("start >= {from} AND start + 2000000000 <= {to}");
    let journal = journal::file(&plant.site);
    let blocks = store::number(&journal, &format!("SELECT count(*) FROM average WHERE {within} AND state = 'missing'"));
    assert!(blocks >= 2, "{blocks} blocks in the time of the loss");
    let explained = format!("SELECT count(*) FROM gap WHERE {within} AND cause = 'disk_full' AND detail LIKE '%full%'");
    assert_eq!(store::number(&journal, &explained), blocks);
    plant.check_delivered();
    check_chain(&plant.site);
}
