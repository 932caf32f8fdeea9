//! What an instrument says is in the journal bit for bit, with the state that its own status gives it.

use tutin::reading::{InstrumentState, PollSet, Value};

use crate::support::configuration::{t200, with_plugin};
use crate::support::hub::{Hub, Site};
use crate::support::pymodbus::Pymodbus;
use crate::support::{journal, t200};

fn site(peer: &Pymodbus) -> Site {
    Site::new(&(with_plugin("teledyne-t") + &t200("no2-north", &peer.address())))
}

/// The first stored poll that fits.
fn wait_for_poll(hub: &Hub, site: &Site, what: &str, fits: impl Fn(&PollSet) -> bool) -> PollSet {
    let mut found = None;
    hub.wait_until(what, || {
        found = journal::polls(site, "no2-north").into_iter().find(|set| fits(set));
        found.is_some()
    });
    found.unwrap()
}

fn state_of(set: &PollSet, point: &str) -> InstrumentState {
    set.readings().find(|reading| reading.point.id == point).unwrap().state
}

#[test]
fn floats_of_a_t200_are_stored_exactly_and_valid() {
    let peer = Pymodbus::start(t200::map());
    let site = site(&peer);
    let hub = site.run();
    let set = wait_for_poll(&hub, &site, "a stored poll", |set| state_of(set, "no2") == InstrumentState::Valid);

    let expected =
        [("nox", t200::NOX_R1), ("no", t200::NO_R1), ("no2", t200::NO2_R1), ("nox_r2", 32), ("sample_press", 64)];
    for (point, address) in expected {
        let reading = set.readings().find(|reading| reading.point.id == point).unwrap();
        let float = t200::value_at(address);
        assert_eq!(reading.value, Value::Number(f64::from(float)), "{point}");
        assert_eq!(reading.raw, Some(u64::from(float.to_bits())), "{point}");
        assert_eq!(reading.state, InstrumentState::Valid, "{point}");
        assert_eq!(reading.status, Some(1 << 21), "{point}");
    }
}

#[test]
fn a_nan_keeps_its_payload() {
    let mut peer = Pymodbus::start(t200::map());
    peer.set_input_registers(t200::NO2_R1, &[0x7fc1, 0x2345]);
    let site = site(&peer);
    let hub = site.run();
    let set = wait_for_poll(&hub, &site, "a stored poll", |_| true);
    let reading = set.readings().find(|reading| reading.point.id == "no2").unwrap();
    assert_eq!(reading.raw, Some(0x7fc1_2345));
    assert!(matches!(reading.value, Value::Number(value) if value.is_nan()), "{reading:?}");
}

#[test]
fn a_concentration_that_the_instrument_calls_invalid_is_not_valid() {
    // 15 is what T100 manuals call invalid concentration and what a T200 calls a dynamic zero warning.
    for input in [15, t200::INVALID_CONC] {
        let mut peer = Pymodbus::start(t200::map());
        peer.set_discrete_inputs(input, &[true]);
        let site = site(&peer);
        let hub = site.run();
        let set = wait_for_poll(&hub, &site, "a stored poll", |_| true);
        for point in ["nox", "no", "no2"] {
            assert_ne!(state_of(&set, point), InstrumentState::Valid, "{point} with input {input}");
        }
        let reading = set.readings().find(|reading| reading.point.id == "no2").unwrap();
        assert_eq!(reading.status, Some(1 << 21 | 1 << input));
        assert_eq!(reading.value, Value::Number(f64::from(t200::value_at(t200::NO2_R1))), "the number itself is kept");
    }
}

#[test]
fn a_poll_asks_for_blocks_and_never_for_points() {
    let mut peer = Pymodbus::start(t200::map());
    let site = site(&peer);
    let hub = site.run();
    wait_for_poll(&hub, &site, "a stored poll", |_| true);
    peer.requests();
    let before = journal::polls(&site, "no2-north").len();
    hub.wait_until("ten more polls", || journal::polls(&site, "no2-north").len() >= before + 10);
    let polls = journal::polls(&site, "no2-north").len() - before;
    let requests = peer.requests();
    assert!(requests.len() <= 3 * (polls + 5), "{} requests for {polls} polls: {requests:?}", requests.len());
}
