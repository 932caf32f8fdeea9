//! What payloads look like, member by member.
//!
//! Far ends are built against these texts, so each is compared whole.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::*;
use crate::average::{Average, Report};
use crate::config::model::{Field, FieldMap, FieldSource, Shape};
use crate::reading::{DeviceCatalog, PollSet};
use crate::rounding::Rounding;
use crate::sink::samples::{average, late, poll_of};
use crate::sink::{Content, PollSelection, Record, Timeliness};
use crate::status::{InstrumentState, Qualifiers};
use crate::time::Timestamp;

fn fields(pairs: &[(&str, &str)]) -> FieldMap {
    let source = |from: &str| match from.strip_prefix("= ") {
        Some(text) => FieldSource::Fixed(text.to_owned()),
        None => FieldSource::Member(from.to_owned()),
    };
    FieldMap(pairs.iter().map(|(name, from)| Field { name: (*name).to_owned(), from: source(from) }).collect())
}

fn texts(shape: Shape, map: &FieldMap, record: &Record) -> Vec<String> {
    let encoder = Encoder::new("north", shape, map).unwrap();
    encoder
        .items(record)
        .iter()
        .map(|item| {
            let mut out = Vec::new();
            encoder.write_json(item, &mut out);
            String::from_utf8(out).unwrap()
        })
        .collect()
}

fn objects(shape: Shape, map: &FieldMap, record: &Record) -> Vec<Json> {
    texts(shape, map, record).iter().map(|text| serde_json::from_str(text).unwrap()).collect()
}

#[test]
fn an_average_is_one_object_with_every_member() {
    let mut average = average(1);
    average.qualifiers = Qualifiers::DERIVED;
    average.max = None;
    average.label = "2026-11-01T08:20:00+05:00".into();
    average.report = Some(Report { decimals: 1, rounding: Rounding::HalfUp });
    let record = average_of(average);

    let objects = objects(Shape::Reading, &FieldMap::default(), &record);

    assert_eq!(
        objects,
        [json!({
            "key": "k1", "hub": "north", "source": "stack-1", "parameter": "NO2", "rule_set": "kz-20min",
            "start": "2026-11-01T03:20:00Z", "end": "2026-11-01T03:40:00Z", "length_s": 1200,
            "label": "2026-11-01T08:20:00+05:00", "unit": "mg/m3", "value": 41.3, "validated": 41.25, "corrected": null,
            "mass_g_s": null, "mass_kg": null, "oxygen": null, "moisture": null, "temperature": null, "pressure": null,
            "flow": null, "mean": 41.25, "mean_raw": 20.125, "unit_raw": "[ppb]", "min": 40.0, "max": null,
            "expected": 1200, "received": 1199, "valid": 1190, "coverage": 1190.0 / 1200.0,
            "state": "valid", "plant": "operating", "qualifiers": ["derived"], "notes": [], "revision": 0, "configuration": "c0ffee",
        })]
    );
    let names: Vec<&str> = objects[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, members_of_average());
}

#[test]
fn a_reading_is_an_object_with_what_the_device_said() {
    let mut set = poll_of(&["no2", "serial"], 0);
    set.columns.values = vec![f64::from(41.3_f32), f64::NAN];
    set.columns.statuses = vec![0x8001, 0];
    set.columns.raws = vec![u64::from(41.3_f32.to_bits()), 0];
    set.columns.times = vec![Timestamp::from_seconds(-1), Timestamp::from_seconds(0)];
    set.columns.states[1] = InstrumentState::Fault;
    let record = record_of(set);

    let objects = objects(Shape::Reading, &FieldMap::default(), &record);

    assert_eq!(
        objects[0],
        json!({
            "key": "poll/0", "hub": "north", "device": "no2-north", "point": "no2", "at": "1969-12-31T23:59:59Z",
            "received_at": "1970-01-01T00:00:00Z", "value": f64::from(41.3_f32), "unit": "[ppb]", "state": "valid",
            "qualifiers": [], "status": "0x8001", "raw": "0x42253333",
        })
    );
    assert_eq!(objects[1]["value"], Json::Null);
    assert_eq!(objects[1]["state"], "fault");
    assert_eq!(objects[1]["key"], "poll/1");
    let names: Vec<&str> = objects[0].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, members_of_reading());
}

#[test]
fn a_poll_is_one_object_with_points_as_keys() {
    let record = record_of(poll_of(&["r0", "r1"], 7));
    assert_eq!(
        texts(Shape::Poll, &FieldMap::default(), &record),
        [r#"{"device":"no2-north","at":"1970-01-01T00:00:07Z","r0":0.5,"r1":1.5}"#]
    );
}

#[test]
fn a_poll_names_the_state_of_what_is_not_valid_or_has_no_number() {
    let mut set = poll_of(&["a", "b", "c", "d"], 0);
    set.columns.states =
        vec![InstrumentState::Valid, InstrumentState::Calibration, InstrumentState::CommError, InstrumentState::Valid];
    set.columns.values[3] = f64::NAN;
    assert_eq!(
        texts(Shape::Poll, &FieldMap::default(), &record_of(set)),
        [concat!(
            r#"{"device":"no2-north","at":"1970-01-01T00:00:00Z","a":0.5,"b":1.5,"c":null,"d":null,"#,
            r#""states":{"b":"calibration","c":"comm_error","d":"valid"}}"#
        )]
    );
}

#[test]
fn a_point_called_like_a_member_does_not_hide_it() {
    assert_eq!(
        texts(Shape::Poll, &FieldMap::default(), &record_of(poll_of(&["at", "states"], 0))),
        [r#"{"device":"no2-north","at":"1970-01-01T00:00:00Z","point.at":0.5,"point.states":1.5}"#]
    );
}

#[test]
fn a_poll_with_several_samples_of_a_point_becomes_several_objects() {
    let mut set = poll_of(&["a", "b"], 0);
    set.columns.points = vec![0, 1, 0, 0];
    set.columns.values = vec![1.0, 2.0, 3.0, 4.0];
    set.columns.states = vec![InstrumentState::Valid; 4];
    let record = record_of(set);

    let map = fields(&[("key", "key"), ("points", "points")]);
    assert_eq!(
        texts(Shape::Poll, &map, &record),
        [r#"{"key":"poll","a":1.0,"b":2.0}"#, r#"{"key":"poll/2","a":3.0}"#, r#"{"key":"poll/3","a":4.0}"#]
    );
}

#[test]
fn a_field_map_picks_names_and_order() {
    let average_record = average_of(average(0));
    let map = fields(&[("v", "mean"), ("station", "= KZ-17"), ("p", "parameter"), ("dev", "device")]);
    assert_eq!(texts(Shape::Reading, &map, &average_record), [r#"{"v":41.25,"station":"KZ-17","p":"NO2","dev":null}"#]);

    let map = fields(&[("t", "at"), ("no2_ppb", "point.no2"), ("o2", "point.o2"), ("unit", "= ppb")]);
    assert_eq!(
        texts(Shape::Poll, &map, &record_of(poll_of(&["no2"], 0))),
        [r#"{"t":"1970-01-01T00:00:00Z","no2_ppb":0.5,"o2":null,"unit":"ppb"}"#]
    );
}

#[test]
fn an_average_that_goes_out_late_says_so_beside_its_own_remarks() {
    let derived = || average_of(Average { qualifiers: Qualifiers::DERIVED, ..average(0) });
    let map = fields(&[("key", "key"), ("remarks", "qualifiers")]);
    let check = |record: &Record, json: &str, csv: &str| {
        assert_eq!(texts(Shape::Reading, &map, record), [json]);
        assert_eq!(texts(Shape::Poll, &map, record), [json]);
        let mut out = Vec::new();
        Encoder::new("north", Shape::Reading, &map).unwrap().write_csv_rows(record, &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), csv);
    };

    check(&derived(), r#"{"key":"k1","remarks":["derived"]}"#, "k1,derived\r\n");
    check(&late(derived()), r#"{"key":"k1","remarks":["derived","late"]}"#, "k1,derived;late\r\n");
    check(&late(average_of(average(0))), r#"{"key":"k1","remarks":["late"]}"#, "k1,late\r\n");
}

#[test]
fn a_field_map_that_cannot_be_followed_is_refused_by_name() {
    let refuse = |shape, map: FieldMap| Encoder::new("north", shape, &map).unwrap_err();
    assert_eq!(refuse(Shape::Reading, fields(&[("v", "maen")])), FieldMapError::UnknownMember { name: "maen".into() });
    assert_eq!(
        refuse(Shape::Reading, fields(&[("v", "point.no2")])),
        FieldMapError::UnknownMember { name: "point.no2".into() }
    );
    assert_eq!(
        refuse(Shape::Poll, fields(&[("v", "at"), ("v", "device")])),
        FieldMapError::TwiceNamed { name: "v".into() }
    );
}

#[test]
fn only_the_selected_points_are_written() {
    let set = poll_of(&["a", "b", "c"], 0);
    let wanted: Arc<[bool]> = Arc::from([false, true, false]);
    let content = Content::Poll(PollSelection { set: Arc::new(set), wanted: Some(wanted) });
    let record = Record { key: "poll".into(), content, timeliness: Timeliness::OnTime };

    assert_eq!(
        texts(Shape::Poll, &FieldMap::default(), &record),
        [r#"{"device":"no2-north","at":"1970-01-01T00:00:00Z","b":1.5}"#]
    );
    // The key of a reading does not change when another route selects other points.
    assert_eq!(objects(Shape::Reading, &FieldMap::default(), &record)[0]["key"], "poll/1");
}

#[test]
fn nothing_selected_is_no_object() {
    let wanted: Arc<[bool]> = Arc::from([false]);
    let content = Content::Poll(PollSelection { set: Arc::new(poll_of(&["a"], 0)), wanted: Some(wanted) });
    let record = Record { key: "poll".into(), content, timeliness: Timeliness::OnTime };
    assert!(objects(Shape::Poll, &FieldMap::default(), &record).is_empty());
    assert!(objects(Shape::Reading, &FieldMap::default(), &record).is_empty());
}

#[test]
fn csv_has_one_row_per_reading_under_its_header() {
    let map = fields(&[("device", "device"), ("point", "point"), ("value", "value"), ("note", "= a,b")]);
    let encoder = Encoder::new("north", Shape::Poll, &map).unwrap();
    let mut out = Vec::new();

    encoder.write_csv_header(RowKind::Readings, &mut out);
    encoder.write_csv_rows(&record_of(poll_of(&["x", "y"], 0)), &mut out);

    let expected = "device,point,value,note\r\nno2-north,x,0.5,\"a,b\"\r\nno2-north,y,1.5,\"a,b\"\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn a_silent_device_still_becomes_an_object() {
    let catalog = Arc::new(DeviceCatalog::clone(&poll_of(&["a"], 0).catalog));
    let received_at = Timestamp::from_seconds(0).after(Duration::from_millis(1));
    let set = PollSet::without_values(catalog, received_at, InstrumentState::Missing);
    assert_eq!(
        texts(Shape::Poll, &FieldMap::default(), &record_of(set)),
        [r#"{"device":"no2-north","at":"1970-01-01T00:00:00.001Z","a":null,"states":{"a":"missing"}}"#]
    );
}

fn record_of(set: PollSet) -> Record {
    let content = Content::Poll(PollSelection { set: Arc::new(set), wanted: None });
    Record { key: "poll".into(), content, timeliness: Timeliness::OnTime }
}

fn average_of(average: Average) -> Record {
    Record { key: "k1".into(), content: Content::Average(Arc::new(average)), timeliness: Timeliness::OnTime }
}
