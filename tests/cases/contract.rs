//! What hub and SDK each have a list of must be one list: codes cross the boundary as integers.

use tutin::status::{InstrumentState, Qualifiers};
use tutin_sdk::State;

#[test]
fn hub_and_sdk_have_the_same_states_under_the_same_codes_and_names() {
    assert_eq!(State::ALL.len(), InstrumentState::ALL.len());
    for (sdk, hub) in State::ALL.into_iter().zip(InstrumentState::ALL) {
        assert_eq!(sdk.code(), hub.code());
        assert_eq!(format!("{sdk:?}"), format!("{hub:?}"));
        assert_eq!(sdk.has_value(), hub.has_value(), "{hub:?}");
    }
}

#[test]
fn a_remark_keeps_its_bit_across_the_boundary() {
    let hub: Vec<&str> = (0..32).flat_map(|bit| Qualifiers(1 << bit).names()).collect();
    let documented =
        ["outside_calibration_range", "above_limit", "substituted", "derived", "late", "corrected", "test"];
    let (own, shared) = hub.split_last().unwrap();
    assert_eq!(shared, documented, "the order of wit/driver/driver.wit");
    assert_eq!(*own, "implausible", "what only the hub remarks has no bit that a driver knows");
}
