//! A device that goes away is a state, not a hole, and it costs nobody else anything.

use tutin::reading::{InstrumentState, PollSet, Value};

use crate::support::configuration::{misbehaving, t200, with_plugin};
use crate::support::hub::Site;
use crate::support::pymodbus::Pymodbus;
use crate::support::{journal, t200};

fn state(set: &PollSet) -> InstrumentState {
    set.readings().find(|reading| reading.point.id == "no2").unwrap().state
}

fn last_state(site: &Site, device: &str) -> Option<InstrumentState> {
    journal::polls(site, device).last().map(state)
}

#[test]
fn a_device_that_vanishes_and_returns_is_recorded_as_such() {
    let mut peer = Pymodbus::start(t200::map());
    let site = Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &peer.address())));
    let mut hub = site.run();
    hub.wait_until("valid readings", || last_state(&site, "no2-north") == Some(InstrumentState::Valid));
    peer.vanish();
    hub.wait_until("comm_error", || last_state(&site, "no2-north") == Some(InstrumentState::CommError));
    peer.restart();
    hub.wait_until("valid readings again", || last_state(&site, "no2-north") == Some(InstrumentState::Valid));
    assert!(hub.interrupt().success());

    let polls = journal::polls(&site, "no2-north");
    let invented = polls.iter().filter(|set| state(set) == InstrumentState::CommError);
    assert!(
        invented.flat_map(|set| set.readings()).all(|reading| reading.value == Value::None),
        "a value without a device"
    );
    let log = hub.lines().text();
    assert_eq!(log.matches("answers again").count(), 1, "told once, not at each poll");
}

#[test]
fn a_dead_device_does_not_delay_its_neighbours() {
    let mut dead = Pymodbus::start(t200::map());
    let alive = Pymodbus::start(t200::map());
    dead.fall_silent();
    let devices = t200("dead", &dead.address()) + &t200("alive", &alive.address());
    let site = Site::new(&(with_plugin("teledyne-t") + &devices));
    let mut hub = site.run();
    hub.wait_until("thirty polls", || journal::polls(&site, "alive").len() >= 30);
    assert!(hub.interrupt().success());

    let polls = journal::polls(&site, "alive");
    assert!(polls.iter().all(|set| state(set) == InstrumentState::Valid));
    // The dead one takes 300 ms for each of its polls; nobody waits for it.
    journal::check_beat(&polls);
    assert!(journal::polls(&site, "dead").iter().all(|set| state(set) == InstrumentState::CommError));
}

#[test]
fn points_that_become_known_later_are_recorded_under_their_names() {
    let site = Site::new(&(with_plugin("misbehaving") + &misbehaving("gas-analyzer", "new_point")));
    let mut hub = site.run();
    let names = |set: &PollSet| set.readings().map(|reading| reading.point.id.clone()).collect::<Vec<_>>();
    let polls = || journal::polls(&site, "gas-analyzer");
    hub.wait_until("the new point", || polls().last().is_some_and(|set| names(set) == ["polls", "late"]));
    assert!(hub.interrupt().success());
    let late: Vec<f64> = polls().iter().filter_map(|set| set.columns.values.get(1).copied()).collect();
    assert_eq!(late.first(), Some(&1.0), "the first value of the new point is there");
    assert_eq!(names(&polls()[0]), ["polls"]);
}
